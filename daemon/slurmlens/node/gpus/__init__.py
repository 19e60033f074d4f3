"""GPUs of the node and which job has which: read by `slurmlens-probe`, joined with jobs here.

`reading` is what the probe tells; `allocation` finds what Slurm gave to a job; `holdings` adds up what each job made of
what it has; `stage` is the loop.
"""
