"""Arrays in, arrays out: the statistics' own numerics; no domain types."""
