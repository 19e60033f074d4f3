"""What upgrades need beside their statements: the tables as they were at a version."""
