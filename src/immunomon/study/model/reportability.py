"""When a frequency may be reported: the limits of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from immunomon.study.model.trust import DOUBTS

__all__ = ["Reportability"]


@dataclass(frozen=True)
class Reportability:
    """When a frequency may be reported: the limits, and those that single populations have of their own.

    doubts: whether a value that rests on a doubtful gate is withheld or reported; accepted_doubts: codes of those that
    withhold nothing in this study. parts_percent: what parts of a population that are measured in different tubes may
    add up to without a remark, such as T, B and NK cells of lymphocytes.
    """

    min_parent_events: int = 100
    lod_events: int = 20
    lloq_events: int = 50
    populations: Mapping[str, Reportability] = field(default_factory=dict)
    doubts: Literal["withhold", "report"] = "withhold"
    accepted_doubts: tuple[str, ...] = ()
    parts_percent: tuple[float, float] = (85.0, 105.0)

    def verdict(self, count: int | None, denominator_count: int | None) -> str | None:
        """Return why a frequency may not be reported, by its numbers of events, or None if it may.

        >>> Reportability(lloq_events=50).verdict(30, 5000)
        'below LLOQ: 30 events, 50 are needed'
        >>> Reportability().verdict(90, 5000) is None
        True
        """
        if count is None or denominator_count is None:
            return "not placed"
        if denominator_count < self.min_parent_events:
            return f"too few parent events: {denominator_count}, {self.min_parent_events} are needed"
        if count < self.lod_events:
            return f"below LOD: {count} events, {self.lod_events} are needed"
        if count < self.lloq_events:
            return f"below LLOQ: {count} events, {self.lloq_events} are needed"
        return None

    def withholds(self, code: str) -> bool:
        """Return whether a doubt withholds the values that rest on it; remarks never do.

        >>> Reportability(accepted_doubts=("weak_stain",)).withholds("weak_stain")
        False
        """
        return self.doubts == "withhold" and DOUBTS[code].withholds and code not in self.accepted_doubts

    def of(self, population: str) -> Reportability:
        """Return the limits that hold for a population.

        >>> Reportability(populations={"rare": Reportability(lloq_events=20)}).of("rare").lloq_events
        20
        """
        return self.populations.get(population, self)
