"""What the programs say about themselves: counters, named internal events, the log."""
