"""What leaves a run: database, deliveries, report, and the trace of a number."""
