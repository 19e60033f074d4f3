"""Bytes to values and back, pure: hook events, ECS documents, carbon lines."""
