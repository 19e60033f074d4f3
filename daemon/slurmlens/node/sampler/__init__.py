"""Reads the counters of running jobs and makes of them points, profiles and totals.

`worker` is the thread and the door for the pipeline; `engine` the work in it: `orders` tell it what to watch,
`schedule` when, `reads` reads, `remainder_reads` and `parent_remainder` find what the dead used, `accounts` add up,
`recorder` keeps the profile, `watched` knows what each figure is worth, `points` and `lines` make carbon plaintext,
`process_io` and `node_figures` look where no cgroup counts.
"""
