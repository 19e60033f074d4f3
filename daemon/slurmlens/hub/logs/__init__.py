"""Log lines: taken, given to their job, kept for some days, found again.

intake ─► understanding (pure) ─► enriching (history: whose job) ─► sqlite_store ─► search, tail ─► web, cli
"""
