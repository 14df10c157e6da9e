"""The verbs of the pipeline: each takes a value and returns a new one; no step imports another."""
