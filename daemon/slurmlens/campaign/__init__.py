"""Optimisation campaigns: a parameter space and a job script become Slurm jobs, and those an optimum.

A user's own process on a login node: no root, no hub needed. `settings` and `file` say what is wanted, `record` and
`fold` are what happened (one event log, the state is its fold), `search` and `optimisers/` say what to try next,
`controller` decides (no clock, no I/O), `journal`, `scheduler` and `results` touch the machine, `runner` wires them.
A campaign writes before it acts, so a controller that dies at any moment is continued by the next one.
"""
