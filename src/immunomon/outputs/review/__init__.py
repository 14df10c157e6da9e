"""The review desk: every gate of a run looked at by a person, moved where it is wrong, and approved."""

from immunomon.outputs.review.desk import Desk, open_desk

__all__ = ["Desk", "open_desk"]
