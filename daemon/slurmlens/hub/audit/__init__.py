"""Our figures against accounting's, day by day: what differs, why, and how often."""
