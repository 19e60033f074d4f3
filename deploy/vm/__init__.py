"""A virtual machine with systemd as pid 1, pure cgroup v2 and Debian's Slurm of one suite, for tests.

`image` makes the disk once and keeps it in the cache; `machine` boots it, each time from the same state.
"""
