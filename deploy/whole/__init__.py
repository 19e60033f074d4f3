"""The whole stack of a site on one machine: one description of it, realised by plain processes and by Compose.

`description.py` is the one place that says which services there are, what they need, listen on and keep. `processes.py`
makes them programs in a sandbox and `supervisor.py` keeps those up; `compose.py` writes the same as a Compose file with
`containerfiles.py` beside it, and `containers.py` asks the engine that brought it up. `proofs.py` asks each for what it
is there for, whatever `running.py` says it runs as. `slurmlens stack` calls `__main__.py`.
"""
