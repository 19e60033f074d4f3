"""slurmlens: what every Slurm job does, while it runs and afterwards.

The package is laid out in the order of the data; `docs/architecture.md` draws it.
"""

__version__ = "0.1.0"
