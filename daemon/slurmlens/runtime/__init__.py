"""What a long-running program needs around its stages: supervision, back-off, signals, systemd's datagrams, MUNGE."""
