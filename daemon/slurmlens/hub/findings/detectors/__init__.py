"""Detectors, one a file: pure functions from `Observed` to claims. A new one is a file and a row in `table`."""
