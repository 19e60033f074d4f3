"""The assessment of one run of one job: what was exported, joined, scored and matched becomes a report.

Owns the steps that `slurmlens assess` and the Galaxy tools in `galaxy/` run: files in, files out. Pure: no clock and no
network, so that the same input gives the same bytes in a shell and in Galaxy. The exports alone ask a hub
(`cli.commands.assess`).
"""
