"""The demo's workloads: a real MPI program and a script, the faulty node, and who submits what.

`build` puts programs and scripts into an instance; `generate` (pure) makes a seeded list of submissions.
"""
