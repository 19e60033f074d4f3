"""The audit of our figures as it is shown."""
