"""Consul: this program as a service with a check, receivers found by name, settings and job keys in the KV.

A layer between the programs and `runtime`; `node.consul` and `hub.consul` put the parts together. Invariant of all of
it: what Consul said last stays good while it is away; that costs freshness and nothing else.
"""
