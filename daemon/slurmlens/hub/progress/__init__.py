"""How far jobs are by their own reports: keeps them, and estimates rate, finish and stalls.

`tables`, `keeping` and `read` are the room's way to the database; `course` and `estimate` are its pure core: rate,
finish with an interval, verdict against the time limit, stall. Fed by history's storing transaction; feeds views.
"""
