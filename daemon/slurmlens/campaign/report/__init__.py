"""A campaign's report as one page that needs nothing else. Pure."""
