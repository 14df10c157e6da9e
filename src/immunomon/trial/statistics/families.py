"""Tests that are judged together: each declared family, and everything exploratory as one more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.trial.kernels.multiplicity import benjamini_hochberg, max_t
from immunomon.trial.kernels.signflip import sign_flip, sign_flip_floor
from immunomon.trial.model.analysis import Endpoint
from immunomon.trial.model.statistics import FAMILIES
from immunomon.trial.statistics.measured import Measured
from immunomon.trial.statistics.rows import contracted, no_p

__all__ = ["REPEATED", "families"]

REPEATED = "also measured with panel"
Floats = NDArray[np.float64]
Test = tuple[str, str, Floats]  # endpoint, visit, changes (subjects,)


def families(measured: Measured, rng: np.random.Generator) -> pd.DataFrame:
    """Return adjusted p-values in each family, all dose groups together (the FAMILIES contract).

    In declared families Benjamini-Hochberg and max-T, which flips a patient's changes together; what no family of the
    plan holds is one exploratory family, with Benjamini-Hochberg only. Steps on the way (singlets, live) belong to no
    family; what several panels measure alike is noted, as its tests are not independent.
    """
    rows: list[dict[str, Any]] = []
    declared: set[tuple[str, str]] = set()
    for family in measured.plan.all_families:
        tests = list(_tests(measured, [(name, visit) for name in family.endpoints for visit in family.visits]))
        declared |= {(name, visit) for name, visit, _ in tests}
        rows += _rows(measured, family.name, tests, declared=True, rng=rng)
    kept = [series.endpoint for series in measured.series if not _is_technical(measured, series.endpoint)]
    remaining = [(endpoint.name, visit) for endpoint in kept for visit in measured.facts.later]
    rest = list(_tests(measured, [test for test in remaining if test not in declared]))
    repeats = _repeats(kept)
    for row in _rows(measured, "exploratory", rest, declared=False, rng=rng):
        notes = (row["note"], repeats.get(row["endpoint"]))
        rows.append({**row, "note": "; ".join(note for note in notes if note) or None})
    return contracted(rows, FAMILIES, measured.plan.digest)


def _is_technical(measured: Measured, endpoint: Endpoint) -> bool:
    return measured.facts.is_technical(endpoint.panel, endpoint.population)


def _repeats(endpoints: Iterable[Endpoint]) -> dict[str, str]:
    """Return a note for each endpoint that other panels measure, too: the same population of the same denominator."""
    alike: dict[tuple[str, ...], list[Endpoint]] = {}
    for endpoint in endpoints:
        quantity = (endpoint.quantity, endpoint.population, endpoint.denominator, endpoint.marker, endpoint.scale.value)
        alike.setdefault(quantity, []).append(endpoint)
    notes: dict[str, str] = {}
    for group in alike.values():
        for endpoint in group:
            panels = sorted({same.panel for same in group} - {endpoint.panel})
            if panels:
                notes[endpoint.name] = f"{REPEATED} {', '.join(panels)}: not an independent test"
    return notes


def _tests(measured: Measured, places: list[tuple[str, str]]) -> Iterator[Test]:
    by_name = {series.endpoint.name: series for series in measured.series}
    for name, visit in places:
        if name in by_name and visit in measured.facts.later:
            yield name, visit, by_name[name].change(measured.baseline)[:, measured.facts.labels.index(visit)]


def _rows(
    measured: Measured, family: str, tests: list[Test], *, declared: bool, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    if not tests:
        return
    known = [changes[np.isfinite(changes)] for _, _, changes in tests]
    results = [sign_flip(x, rng) for x in known]
    possible = np.array([test.floor <= measured.plan.alpha for test in results])
    p = np.where(possible, [test.p for test in results], np.nan)
    adjusted = benjamini_hochberg(p)
    together = np.full(len(tests), np.nan)
    if declared and possible.any():
        matrix = np.column_stack([changes for _, _, changes in tests])[:, possible]
        together[possible] = max_t(matrix[np.isfinite(matrix).any(axis=1)], rng)
    for number, (name, visit, _) in enumerate(tests):
        x = known[number]
        yield {
            "family": family,
            "declared": declared,
            "endpoint": name,
            "visit": visit,
            "tests": int(possible.sum()),
            "n": int(x.size),
            "mean": float(x.mean()) if x.size else float("nan"),
            "p_floor": results[number].floor,
            "p_sign_flip": p[number],
            "p_bh": adjusted[number],
            "p_max_t": together[number],
            "note": no_p(sign_flip_floor(x.size), measured.plan.alpha),
        }
