"""How far jobs are, by their own word: what nodes sent of it, kept, and understood.

`tables`, `keeping` and `read` are the room's way to the database; `course` and `estimate` are its pure core: rate,
finish with an interval, verdict against the time limit, stall. Fed by history's storing transaction; feeds views.
"""
