"""The column contracts of what clusters and maps leave beside the tables of gated populations."""
