"""Differences between a panel's files that a study accepts, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AcceptedDifference"]


@dataclass(frozen=True)
class AcceptedDifference:
    """A difference between a panel's files that a study accepts, and why: in all files, or in some.

    difference: ``channels``, ``marker-names`` or ``voltages``; panel, batch, sample (its id): "" for all.
    """

    difference: str
    reason: str
    panel: str = ""
    batch: str = ""
    sample: str = ""

    def covers(self, difference: str, *, panel: str, batch: str, sample: str) -> bool:
        """Say whether a difference in a file is accepted.

        >>> AcceptedDifference("voltages", "set daily", batch="1").covers("voltages", panel="p", batch="1", sample="a")
        True
        """
        limits = ((self.panel, panel), (self.batch, batch), (self.sample, sample))
        return difference == self.difference and all(not limit or limit == own for limit, own in limits)
