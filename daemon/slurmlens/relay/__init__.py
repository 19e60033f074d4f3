"""The relay: the node's spool and sinks between nodes and backends, for networks where nodes reach nothing else.

    nodes ─ HTTP ──► events_port ─► intake ─┐
    nodes ─ carbon ► carbon_listener ───────┴─► spool ─► sinks (hub, carbon, Kafka, …)

It takes events as the hub does, proves each node as the hub does, answers once they are committed, and vouches for them
to the hub with a credential of its own. `pipeline` wires the stages, `main` is the program `slurmlens-relay`.
"""
