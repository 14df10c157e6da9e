"""YAML and CSV to the model: shape first, then meaning, with all problems reported at once."""
