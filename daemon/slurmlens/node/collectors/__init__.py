"""Reads the node itself: CPU, memory, disks, networks, file systems, sensors, one file a collector.

`table` names the collectors and what each needs to be there; `files` reads with descriptors that are kept; `look` is
what a collector is given and what it tells; `rates` makes points of counters that wrap and fall; `cost` measures each
collector, stretches a costly one and switches it off; `collecting` is a round over all of them; `worker` its thread;
`stage` the loop, which sends points to carbon and the newest figures to the hub.
"""
