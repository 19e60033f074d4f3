"""Erases a person: what the hub holds of one user is taken away, or stands under a pseudonym that nobody can resolve.

`database` does it in one transaction of the hub's database, `lines` in the days of its own log store. Sums stay right:
what the user's jobs used is still there, of nobody by name.
"""
