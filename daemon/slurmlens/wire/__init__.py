"""Bytes to values and back, pure: hook events, ECS documents, carbon lines. Who speaks of bytes, speaks through here."""
