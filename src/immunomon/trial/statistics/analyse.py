"""The whole analysis of a run: every table, in the order in which one rests on the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from immunomon.trial.model.analysis import AnalysisPlan
from immunomon.trial.statistics.estimates import estimates, missing
from immunomon.trial.statistics.facts import Facts
from immunomon.trial.statistics.measured import Measured, measure
from immunomon.trial.statistics.over_time import over_time
from immunomon.trial.statistics.patients import courses, patient_changes
from immunomon.trial.statistics.testing import families, trends

__all__ = ["Analysis", "analyse"]

Progress = Callable[[str, int, int, int], None]


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was measured, and the tables by name (the contracts of ``immunomon.trial.model.tables``)."""

    measured: Measured
    tables: Mapping[str, pd.DataFrame]


def analyse(
    tables: Mapping[str, pd.DataFrame],
    facts: Facts,
    plan: AnalysisPlan,
    *,
    seed: int = 1,
    models: bool = True,
    progress: Progress | None = None,
) -> Analysis:
    """Return everything ``immunomon compare`` writes.

    tables: of a run: changes, and where there are frequencies and medians. seed: for tests of so many patients that
    not every arrangement can be counted; models: whether the models over time are fitted too, which takes longest.
    """
    report = progress or (lambda *_: None)
    rng = np.random.default_rng(seed)
    measured = measure(tables, facts, plan)
    out = {"patient_changes": patient_changes(measured), "courses": courses(measured)}
    report("statistics", 2, 7, 0)
    out["estimates"] = estimates(measured, out["courses"], rng)
    report("statistics", 3, 7, 0)
    out["trends"] = trends(measured, rng)
    out["families"] = families(measured, rng)
    out["missing"] = missing(measured)
    report("statistics", 6, 7, 0)
    if models:
        out["over_time"] = over_time(measured)
    report("statistics", 7, 7, 0)
    return Analysis(measured, out)
