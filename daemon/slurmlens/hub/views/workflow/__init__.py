"""Workflows that something started, as they are shown."""
