"""The view of log lines: `build` makes it, `view` is what it is, `terminal` draws it."""
