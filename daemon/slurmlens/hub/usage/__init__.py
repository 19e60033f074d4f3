"""Who used what of the cluster, and when: seconds of nodes, cores, GPUs and memory, to the second.

`charges` and `node_time` are the arithmetic, pure; `keeping` and `node_keeping` keep its results as rows while jobs end
and nodes change state; `read` answers for any window; `service_levels` and `habits` judge, pure. docs/reports.md has
every definition.
"""
