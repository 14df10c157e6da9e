"""The revisions of the trial database, for Alembic: each brings the tables from the form before into its own."""
