"""A projection of what the hub knows into Neo4j: inventory and recent jobs, kept up by the change feed."""
