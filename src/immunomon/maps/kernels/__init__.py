"""Arrays in, arrays out: neighbours, maps, clusters of nodes; no domain types."""
