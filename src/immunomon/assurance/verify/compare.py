"""Compare: what a run reports of a sample beside what a second computation found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from immunomon.assurance.verify.recompute import Recomputed

__all__ = ["TOLERANCE", "Comparison", "Difference", "compare_sample"]

# Two float64 solvers agree far better than this; an error in a matrix or a wrong detector does not come near it.
TOLERANCE = 1e-6
# A median at zero has no relative error; in intensity units.
_AT_ZERO = 1e-9


@dataclass(frozen=True)
class Difference:
    """One number that came out differently: where, what the run says, what the second computation says."""

    table: str
    population: str
    what: str
    reported: float | None
    recomputed: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.table}: {self.population} {self.what}: run {self.reported}, recomputed {self.recomputed}"


@dataclass(frozen=True)
class Comparison:
    """The outcome for one sample: how many numbers were compared, how far percents and medians are apart, what differs.

    largest_relative_difference: of the numbers that are there on both sides.
    """

    counts: int
    percents: int
    medians: int
    largest_relative_difference: float
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class _Pair:
    kind: str
    table: str
    population: str
    what: str
    reported: float | None
    recomputed: float | None

    @property
    def relative(self) -> float:
        """The relative difference; 0 where both are missing, infinite where one is."""
        if self.reported is None or self.recomputed is None:
            return 0.0 if self.reported is self.recomputed else math.inf
        size = max(abs(self.reported), abs(self.recomputed))
        return abs(self.reported - self.recomputed) / size if size else 0.0

    @property
    def same(self) -> bool:
        if self.kind == "count" or self.reported is None or self.recomputed is None:
            return self.reported == self.recomputed
        return self.relative <= TOLERANCE or abs(self.reported - self.recomputed) <= _AT_ZERO


def compare_sample(recomputed: Recomputed, tables: Mapping[str, pd.DataFrame]) -> Comparison:
    """Return how the rows of one sample compare with a second computation.

    tables: the sample's own rows of ``populations``, ``frequencies`` and ``medians``. Counts must be equal; percents
    and medians may differ by a relative 1e-6. A population that was not placed must be missing on both sides.
    """
    pairs = [
        *_of_populations(recomputed, tables),
        *_of_frequencies(recomputed, tables),
        *_of_medians(recomputed, tables),
    ]
    number = {kind: sum(pair.kind == kind for pair in pairs) for kind in ("count", "percent", "median")}
    return Comparison(
        counts=number["count"],
        percents=number["percent"],
        medians=number["median"],
        largest_relative_difference=max(
            (p.relative for p in pairs if p.kind != "count" and p.relative < math.inf), default=0.0
        ),
        differences=tuple(
            Difference(pair.table, pair.population, pair.what, pair.reported, pair.recomputed)
            for pair in pairs
            if not pair.same
        ),
    )


def _of_populations(recomputed: Recomputed, tables: Mapping[str, pd.DataFrame]) -> Iterator[_Pair]:
    for row in tables["populations"].to_dict("records"):
        name = row["population"]
        count, total = recomputed.count(name), recomputed.count(row["parent"])
        yield _Pair("count", "populations", name, "count", _number(row["count"]), count)
        yield _Pair("count", "populations", name, "parent_count", _number(row["parent_count"]), total)
        percent = _number(row["percent_of_parent"])
        yield _Pair("percent", "populations", name, "percent_of_parent", percent, _percent(count, total))


def _of_frequencies(recomputed: Recomputed, tables: Mapping[str, pd.DataFrame]) -> Iterator[_Pair]:
    for row in tables["frequencies"].to_dict("records"):
        name, of = row["population"], row["denominator"]
        count, total = recomputed.count(name), recomputed.count(of)
        yield _Pair("count", "frequencies", name, f"denominator_count ({of})", _number(row["denominator_count"]), total)
        yield _Pair("percent", "frequencies", name, f"percent of {of}", _number(row["percent"]), _percent(count, total))


def _of_medians(recomputed: Recomputed, tables: Mapping[str, pd.DataFrame]) -> Iterator[_Pair]:
    for row in tables["medians"].to_dict("records"):
        name, marker = row["population"], row["marker"]
        again = recomputed.median(name, str(row["detector"]))
        yield _Pair("median", "medians", name, f"median of {marker}", _number(row["median_intensity"]), again)


def _number(cell: Any) -> float | None:  # noqa: ANN401
    return None if pd.isna(cell) else float(cell)


def _percent(count: int | None, total: int | None) -> float | None:
    return 100.0 * count / total if count is not None and total else None
