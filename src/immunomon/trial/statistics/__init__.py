"""What changed, in whom and at which dose: estimates with intervals and exact tests, for a handful of patients."""
