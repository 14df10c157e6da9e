"""The steps in order: one file, many files, a whole study in a run folder."""
