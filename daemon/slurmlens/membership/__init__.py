"""Nodes come and go: a compute service that registers in Consul becomes a node of Slurm, one that leaves is drained and
then taken away.

`member` reads what was registered, `plan` decides (both pure), `controller` does it by scontrol, `node_file` renders
nodes for a Slurm without dynamic ones and installs only what Slurm's own parser takes, `keeper` is the loop. Run by
`slurmlens membership` on the controller's machine, as a user who may change nodes.
"""
