"""How much a parallel program on this node feels the daemon: probes, who pauses the daemon, and what may be told."""
