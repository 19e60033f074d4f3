"""The targets, measured: each case compares slurmlens with a reference in the same run and says the ratio.

`run.py` is the front door (`make bench`); one module a target (`p01_sampler.py`, …) with `measure(setting) ->
list[Result]`. What they share: `tree` (200 real cgroups), `node_daemon` (ours, as an admin would start it),
`reference_loop` and `collectd` (whom we compare with), `receivers` (where both send to), `cpu_time`, `result`. A case
never asserts and never fails the run: what cannot be measured here says why.
"""
