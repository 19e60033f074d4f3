"""What loads a hub in the benchmark: simulated nodes that speak the node's protocol, and the hub as a process."""
