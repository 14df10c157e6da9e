"""Power: which change a number of patients can detect, from a run's own variances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from immunomon.api.compare import absent_words, plan_for, tables_of
from immunomon.errors import ImmunomonError
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run
from immunomon.trial.model.analysis import AnalysisPlan
from immunomon.trial.statistics.facts import facts_of
from immunomon.trial.statistics.measured import measure
from immunomon.trial.statistics.power import PATIENTS, detectable

__all__ = ["PATIENTS", "Power", "detectable_changes"]


@dataclass(frozen=True, eq=False)
class Power:
    """The smallest mean changes that numbers of patients detect, as a table; absent: what the run lacks of the plan."""

    table: pd.DataFrame
    plan: AnalysisPlan
    power: float
    absent: tuple[str, ...]

    def __repr__(self) -> str:
        columns = ["endpoint", "visit", "n", "test", "detectable", "detectable_high"]
        return "\n".join([*self.absent, self.table[columns].to_string(index=False)])


def detectable_changes(
    run: str | Path | Run,
    plan: str | Path | None = None,
    *,
    patients: Sequence[int] = PATIENTS,
    power: float = 0.8,
    seed: int = 1,
) -> Power:
    """Say which change so many patients can detect with a power, from the run's own variances.

    plan: default ``analysis.yaml`` beside the study, else a default plan. seed: of tests that sample arrangements.
    Raises BadRun, BadSpec for a plan that cannot be read, ImmunomonError for a power or a number that cannot be.
    """
    if not 0.5 <= power <= 0.99:
        raise ImmunomonError(f"power {power:g}: ask for one from 0.5 to 0.99")
    if too_few := [number for number in patients if number < 2]:
        raise ImmunomonError(f"{too_few[0]} patients: no variance is known of less than 2")
    of_run = find_run(run)
    facts = facts_of(of_run.record)
    measured = measure(tables_of(of_run), facts, plan_for(of_run, None if plan is None else Path(plan), facts))
    absent = tuple(absent_words(endpoint, measured) for endpoint in measured.absent)
    table = detectable(measured, np.random.default_rng(seed), patients=sorted(set(patients)), power=power)
    return Power(table, measured.plan, power, absent)
