"""Strategy files and persons' overrides of gates: shape first, then meaning, every problem reported at once."""
