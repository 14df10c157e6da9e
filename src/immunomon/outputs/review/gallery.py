"""The gallery: one gate over all samples, in the order in which they need a person, each with the reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunomon.runs.verdicts import SampleReview
from immunomon.study.model.trust import DOUBTS

__all__ = ["Need", "entries_of", "need_of", "population_tree"]

# How much each reason weighs; what withholds a value comes before what is a remark.
_FAILED, _DOUBT, _OUTLIER, _QUALITY, _FALLBACK, _WITHHELD, _REMARK = 100.0, 40.0, 30.0, 25.0, 20.0, 8.0, 2.0


@dataclass(frozen=True)
class Need:
    """How much a gate of a sample needs a person, and why, the weightiest reason first."""

    weight: float
    reasons: tuple[str, ...]


def need_of(population: Mapping[str, Any], sample: Mapping[str, Any]) -> Need:
    """Return how much a row of the table ``populations`` needs a person; sample: its row of ``samples``.

    >>> row = {"doubts": "weak_stain CD25", "gate_outlier": True, "placed_by": "consensus", "reportable": True}
    >>> need_of(row, {"quality": "pass"}).weight
    70.0
    """
    return _summed(_reasons(population, sample))


def _summed(reasons: Iterable[tuple[float, str]]) -> Need:
    ordered = sorted(reasons, key=lambda reason: -reason[0])
    return Need(sum(weight for weight, _ in ordered), tuple(dict.fromkeys(text for _, text in ordered)))


def _reasons(population: Mapping[str, Any], sample: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    if population.get("placed_by") == "none":
        yield _FAILED, str(population.get("reason") or "the gate was not placed")
    for code in str(population.get("doubts") or "").replace(";", ",").split(","):
        kind = DOUBTS.get(code.split()[0].strip(":")) if code.strip() else None
        if kind is not None:
            yield (_DOUBT if kind.withholds else _REMARK), kind.meaning
    if population.get("gate_outlier") is True:
        yield _OUTLIER, "its own border was out of line with the other samples' and was not followed"
    if sample.get("quality") in {"warn", "fail"}:
        yield _QUALITY if sample["quality"] == "fail" else _REMARK, f"acquisition: {sample.get('quality_reason')}"
    if population.get("placed_by") == "fallback":
        yield _FALLBACK, "the border is a fallback"
    if population.get("reportable") is False:
        yield _WITHHELD, f"not reportable: {population.get('reason')}"


def population_tree(populations: pd.DataFrame, panel: str) -> list[dict[str, Any]]:
    """Return a panel's populations in the order of its strategy: id, label, and how deep each lies.

    populations: the run's table.
    """
    rows = populations[populations["panel"] == panel].drop_duplicates("population")
    return [
        {"id": row.population, "label": row.label, "depth": str(row.path).count("/") - 1}
        for row in rows.itertuples(index=False)
    ]


def entries_of(
    populations: pd.DataFrame, samples: pd.DataFrame, reviews: Mapping[str, SampleReview]
) -> Iterator[dict[str, Any]]:
    """Yield what the gallery shows of a population in each gated sample, beside its plot.

    populations: the rows of one population of one panel; samples: the run's table.
    """
    sample_of = {row["sample_id"]: row for row in _plain(samples)}
    for row in _plain(populations):
        sample = sample_of[row["sample_id"]]
        if sample["status"] != "gated":
            continue
        need = need_of(row, sample)
        review = reviews.get(row["sample_id"])
        names = ("sample_id", "subject", "visit", "batch", "role", "count", "parent_count", "reportable", "placed_by")
        yield {name: row.get(name) for name in names} | {
            "percent": row["percent_of_parent"],
            "source": row["gate_source"],
            "note": row["gate_note"],
            "moved": row["placed_by"] == "person",
            "outlier": row["gate_outlier"] is True,
            "need": need.weight,
            "reasons": list(need.reasons),
            "review": None if review is None else _shown(review),
        }


def _shown(review: SampleReview) -> dict[str, Any]:
    names = ("verdict", "by", "utc", "note", "holds", "is_approved", "approved_by")
    return {name: getattr(review, name) for name in names}


def _plain(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for row in table.to_dict("records"):
        yield {str(name): _known(value) for name, value in row.items()}


def _known(value: Any) -> Any:  # noqa: ANN401 - a cell
    return None if pd.isna(value) else value
