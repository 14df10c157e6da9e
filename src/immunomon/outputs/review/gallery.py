"""The gallery: one gate over all samples, in the order in which they need a person, each with the reasons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunomon.runs.verdicts import SampleReview
from immunomon.study.model.trust import DOUBTS

__all__ = ["Need", "distances_of", "entries_of", "need_of", "population_tree"]

# How much each reason weighs; what withholds a value comes before what is a remark.
_FAILED, _DOUBT, _OUTLIER, _QUALITY, _FALLBACK, _WITHHELD, _REMARK = 100.0, 40.0, 30.0, 25.0, 20.0, 8.0, 2.0
# A distance from the consensus weighs as many as its standard errors, from so many on, and less than any fallback.
_FAR, _MOST_FAR = 3.0, 19.0


@dataclass(frozen=True)
class Need:
    """How much a gate of a sample needs a person, and why, the weightiest reason first.

    kinds: of its reasons, each once: unplaced, doubt, implausible, outlier, distance, quality, fallback, withheld,
    remark.
    """

    weight: float
    reasons: tuple[str, ...]
    kinds: tuple[str, ...]


def need_of(population: Mapping[str, Any], sample: Mapping[str, Any], distance: float | None = None) -> Need:
    """Return how much a row of the table ``populations`` needs a person; sample: its row of ``samples``.

    distance: of its own estimate from the consensus, see ``distances_of``.

    >>> row = {"doubts": "weak_stain CD25", "gate_outlier": True, "placed_by": "consensus", "reportable": True}
    >>> need = need_of(row, {"quality": "pass"}, 5.5)
    >>> need.weight, need.kinds
    (75.5, ('doubt', 'outlier', 'distance'))
    """
    ordered = sorted(_reasons(population, sample, distance), key=lambda reason: -reason[0])
    texts, kinds = (tuple(dict.fromkeys(str(reason[part]) for reason in ordered)) for part in (1, 2))
    return Need(sum(reason[0] for reason in ordered), texts, kinds)


def _reasons(
    population: Mapping[str, Any], sample: Mapping[str, Any], distance: float | None
) -> Iterator[tuple[float, str, str]]:
    if population.get("placed_by") == "none":
        yield _FAILED, str(population.get("reason") or "the gate was not placed"), "unplaced"
    for code in str(population.get("doubts") or "").replace(";", ",").split(","):
        kind = DOUBTS.get(code.split()[0].strip(":")) if code.strip() else None
        if kind is not None and kind.withholds:
            yield _DOUBT, kind.meaning, "implausible" if kind.code == "implausible" else "doubt"
        elif kind is not None:
            yield _REMARK, kind.meaning, "remark"
    if population.get("gate_outlier") is True:
        yield _OUTLIER, "its own border was out of line with the other samples' and was not followed", "outlier"
    if distance is not None and distance >= _FAR:
        text = f"its own border lies {distance:.1f} standard errors from where the consensus put it"
        yield min(distance, _MOST_FAR), text, "distance"
    if sample.get("quality") in {"warn", "fail"}:
        weight = _QUALITY if sample["quality"] == "fail" else _REMARK
        yield weight, f"acquisition: {sample.get('quality_reason')}", "quality"
    if population.get("placed_by") == "fallback":
        yield _FALLBACK, "the border is a fallback", "fallback"
    if population.get("reportable") is False:
        yield _WITHHELD, f"not reportable: {population.get('reason')}", "withheld"


def distances_of(gates: Iterable[Mapping[str, Any]], estimates: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return how far each gate that samples agreed on lies from where the sample's own events put it.

    gates: the placed populations of a stored sample; estimates: of its first look. In standard errors of the two
    together; of several borders the farthest. A gate that the sample's own events do not show, or that a person moved,
    has none.

    >>> own = {"gate": "t", "facts": {"threshold": 0.5}, "errors": {"threshold": 0.03}}
    >>> gate = {"population": "t", "source": "consensus", "origins": {"threshold": "data"}}
    >>> distances_of([{**gate, "facts": {"threshold": 0.4}, "errors": {"threshold": 0.04}}], [own])
    {'t': 2.0}
    """
    own, leads = {str(estimate["gate"]): estimate for estimate in estimates}, dict[object, str]()
    distances = {}
    for gate in gates:
        if not str(gate.get("source") or "").startswith("consensus"):
            continue
        # The regions of one gate, as the arms of a quadrant, have one estimate, under the first one's name.
        lead = leads.setdefault(tuple(sorted(gate["facts"].items())), str(gate["population"]))
        far = [_distance(name, gate, own[lead]) for name in gate.get("origins") or ()] if lead in own else []
        if known := [value for value in far if value is not None]:
            distances[str(gate["population"])] = round(max(known), 2)
    return distances


def _distance(name: str, gate: Mapping[str, Any], own: Mapping[str, Any]) -> float | None:
    if not all(name in side[part] for side in (gate, own) for part in ("facts", "errors")):
        return None
    error = math.hypot(gate["errors"][name], own["errors"][name])
    return abs(float(gate["facts"][name]) - float(own["facts"][name])) / error if error else None


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
    populations: pd.DataFrame,
    samples: pd.DataFrame,
    *,
    reviews: Mapping[str, SampleReview],
    distances: Mapping[str, float],
) -> Iterator[dict[str, Any]]:
    """Yield what the gallery shows of a population in each gated sample, beside its plot.

    populations: the rows of one population of one panel; samples: the run's table; distances: by sample, of its own
    estimate from the consensus.
    """
    of_panel = samples[samples["sample_id"].isin(populations["sample_id"])]
    sample_of = {row["sample_id"]: row for row in _plain(of_panel)}
    for row in _plain(populations):
        sample = sample_of[row["sample_id"]]
        if sample["status"] != "gated":
            continue
        distance = distances.get(row["sample_id"])
        need = need_of(row, sample, distance)
        review = reviews.get(row["sample_id"])
        names = ("sample_id", "subject", "visit", "batch", "role", "count", "parent_count", "reportable", "placed_by")
        yield {name: row.get(name) for name in names} | {
            "percent": row["percent_of_parent"],
            "source": row["gate_source"],
            "note": row["gate_note"],
            "moved": row["placed_by"] == "person",
            "outlier": row["gate_outlier"] is True,
            "distance": distance,
            "need": need.weight,
            "kinds": list(need.kinds),
            "reasons": list(need.reasons),
            "review": None if review is None else _shown(review),
        }


def _shown(review: SampleReview) -> dict[str, Any]:
    names = ("verdict", "by", "utc", "note", "holds", "is_approved", "approved_by")
    return {name: getattr(review, name) for name in names}


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as plain data, None where a value is missing."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
