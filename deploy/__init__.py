"""The stack as plain processes: a small real Slurm, carbon, the node daemons and the hub, for demo, tests and bench.

Imports nothing of slurmlens: it starts programs, as systemd would. Standard library only, so that Debian's own
/usr/bin/python3 runs it before anything is installed. `deploy/README.md` says how to get a shell in a running instance.
"""
