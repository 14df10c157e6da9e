"""The cells' concentration in blood: non-compartmental parameters of each subject, and whether they follow the dose."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from immunomon.study.model.endpoints import KineticRules
from immunomon.trial.assessments.people import People
from immunomon.trial.assessments.tabulate import Row
from immunomon.trial.kernels.noncompartmental import (
    LastSlope,
    area_to_last,
    last_slope,
    power_model,
    proportional_bounds,
    with_limits,
)

__all__ = ["analysed", "kinetic_rows", "parameters_of", "proportionality_rows"]

# CDISC's codes and names of the parameters, with their units here.
PARAMETERS: Mapping[str, tuple[str, str]] = {
    "CMAX": ("Max Conc", "cells/mL"),
    "TMAX": ("Time of CMAX", "h"),
    "TLST": ("Time of Last Nonzero Conc", "h"),
    "CLST": ("Last Nonzero Conc", "cells/mL"),
    "AUCLST": ("AUC to Last Nonzero Conc", "h*cells/mL"),
    "AUCIFO": ("AUC Infinity Obs", "h*cells/mL"),
    "AUCPEO": ("AUC %Extrapolation Obs", "%"),
    "LAMZ": ("Lambda z", "1/h"),
    "LAMZHL": ("Half-Life Lambda z", "h"),
    "R2ADJ": ("R Squared Adjusted", "1"),
    "LAMZNPT": ("Number of Points for Lambda z", "1"),
    "LAMZLL": ("Lambda z Lower Limit", "h"),
    "LAMZUL": ("Lambda z Upper Limit", "h"),
}
_SLOPE = ("LAMZ", "LAMZHL", "R2ADJ", "LAMZNPT", "LAMZLL", "LAMZUL", "AUCIFO", "AUCPEO")


def analysed(people: People, rows: Iterable[Mapping[str, Any]], rules: KineticRules) -> dict[str, list[Row]]:
    """Return the samples of the subjects whose kinetics are declared to be analysed, in order of their actual times.

    A sample without an actual time has its planned one; one that was neither measured nor below quantification is left
    out.
    """
    by_subject: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        measured = row["concentration_cells_per_ml"] is not None or row["below_quantification"]
        if measured and people[row["subject"]].sex in rules.sexes:
            actual = row["actual_time_h"]
            by_subject[row["subject"]].append({**row, "hours": row["planned_time_h"] if actual is None else actual})
    return {subject: sorted(samples, key=lambda row: row["hours"]) for subject, samples in by_subject.items()}


def parameters_of(samples: Sequence[Mapping[str, Any]], rules: KineticRules) -> dict[str, tuple[float | None, str]]:
    """Return each parameter's value, or None and the reason why it is not estimable.

    samples: in order of ``hours`` from the first infusion. A sample from before it stands at time 0, where the last of
    them counts; without one, the concentration at time 0 is 0, as the cells are not in blood before.
    """
    before = [row for row in samples if row["hours"] <= 0][-1:]
    after = [row for row in samples if row["hours"] > 0]
    used: list[Mapping[str, Any]] = [{**row, "hours": 0.0} for row in before]
    used = [*(used or [{"hours": 0.0, "concentration": 0.0}]), *after]
    values = [_concentration(row) for row in used]
    limits = [math.nan if row.get("lloq") is None else row["lloq"] for row in used]
    times, levels = with_limits(
        [row["hours"] for row in used], values, limits, (rules.leading, rules.embedded, rules.trailing)
    )
    if not np.any(levels > 0):
        not_estimable: dict[str, tuple[float | None, str]] = dict.fromkeys(
            PARAMETERS, (None, "no concentration above the limit of quantification")
        )
        return not_estimable
    peak, last = int(np.argmax(levels)), int(np.flatnonzero(levels > 0)[-1])
    area = area_to_last(times, levels)
    return {
        "CMAX": (float(levels[peak]), ""),
        "TMAX": (float(times[peak]), ""),
        "TLST": (float(times[last]), ""),
        "CLST": (float(levels[last]), ""),
        "AUCLST": (area, ""),
        **_of_slope(last_slope(times, levels, rules.fewest_points), area, float(levels[last]), rules=rules),
    }


def _concentration(row: Mapping[str, Any]) -> float:
    """Return a sample's concentration; not-a-number below quantification."""
    if row.get("below_quantification"):
        return math.nan
    value = row.get("concentration", row.get("concentration_cells_per_ml"))
    return math.nan if value is None else float(value)


def _of_slope(
    slope: LastSlope | None, area: float, last: float, *, rules: KineticRules
) -> dict[str, tuple[float | None, str]]:
    if slope is None:
        reason = f"not estimable: no falling line through {rules.fewest_points} or more points after Cmax"
        return dict.fromkeys(_SLOPE, (None, reason))
    if slope.adjusted_r2 < rules.least_r2:
        reason = f"not estimable: adjusted R2 {slope.adjusted_r2:.3f} is below {rules.least_r2:g}"
        return dict.fromkeys(_SLOPE, (None, reason))
    rest = last / slope.rate
    values = {
        "LAMZ": slope.rate,
        "LAMZHL": math.log(2) / slope.rate,
        "R2ADJ": slope.adjusted_r2,
        "LAMZNPT": float(slope.points),
        "LAMZLL": slope.first,
        "LAMZUL": slope.last,
        "AUCIFO": area + rest,
        "AUCPEO": 100 * rest / (area + rest),
    }
    return {name: (values[name], "") for name in _SLOPE}


def kinetic_rows(people: People, kinetics: Mapping[str, Mapping[str, tuple[float | None, str]]]) -> Iterator[Row]:
    """Yield a row of ``kinetics`` for each subject and parameter."""
    for subject in (name for name in people.persons if name in kinetics):
        for code, (name, unit) in PARAMETERS.items():
            value, reason = kinetics[subject][code]
            yield {
                **people.whose(subject),
                "cells_per_kg": people[subject].cells_per_kg,
                "parameter": code,
                "name": name,
                "value": value,
                "unit": unit,
                "reason": reason,
            }


def proportionality_rows(
    people: People, kinetics: Mapping[str, Mapping[str, tuple[float | None, str]]], confidence: float
) -> Iterator[Row]:
    """Yield the power model of Cmax and the areas over dose, and what it says of proportionality.

    The finding is ``proportional`` if the interval lies within the bounds, ``not proportional`` if outside them.
    """
    for code in ("CMAX", "AUCLST", "AUCIFO"):
        pairs = [
            (dose, value)
            for subject, parameters in kinetics.items()
            if (value := parameters[code][0]) and (dose := people[subject].cells_per_kg)
        ]
        doses = sorted({dose for dose, _ in pairs})
        model = power_model([dose for dose, _ in pairs], [value for _, value in pairs], confidence) if pairs else None
        row: Row = {"parameter": code, "n": len(pairs), "doses": len(doses)}
        if model is None:
            yield {**row, "reason": "fewer than 3 subjects, or a single dose"}
            continue
        low, high = proportional_bounds(doses[-1] / doses[0])
        inside, outside = low <= model.low and model.high <= high, model.high < low or model.low > high
        yield {
            **row,
            "dose_ratio": doses[-1] / doses[0],
            "slope": model.slope,
            "low": model.low,
            "high": model.high,
            "proportional_low": low,
            "proportional_high": high,
            "finding": "proportional" if inside else "not proportional" if outside else "inconclusive",
        }
