"""A node's Slurm cgroups: where they are, whose they are, and what their counters say.

`layout` (pure) knows the folder names of every Slurm release, `mounts` where the kernel shows cgroups, `tree` walks
one node's jobs and steps, `titles` names the job of a folder by root's process titles, `sighting` turns two looks at
the tree into what appeared and what went, `reader` reads counters through the C extension (and is its only importer).

Fed by the kernel; feeds `node.rediscover` and `node.sampler`.
"""
