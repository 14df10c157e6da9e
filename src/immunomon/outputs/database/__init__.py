"""Results go out: into a trial database."""
