"""Log lines: taken, given to their job, kept for some days, found again.

intake ─► understanding (pure) ─► keeping: enriching (history: whose job) ─► a store (sqlite, opensearch) ─► web, cli
                                      └─► tail, aggregates (carbon series)
"""
