"""Where a node's log lines come in, each input in a file of its own, and the one road that all of them take.

Nothing here is loaded unless `[logs]` of the settings switches an input on. `stages.stages_of` makes what runs.
"""
