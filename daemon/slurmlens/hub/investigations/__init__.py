"""Investigations: what somebody looked at to find out why something went wrong, kept to be looked at again."""
