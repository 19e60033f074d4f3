"""The hub's HTTP: pages, data, live updates, and the door through which nodes hand in events."""
