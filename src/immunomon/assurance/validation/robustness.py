"""``immunomon validate --robustness``: other instruments, hard samples, and whether wrong values are said."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from multiprocessing import get_context

import pandas as pd

from immunomon.assurance.simulate.conditions import (
    CONDITIONS,
    ORDINARY_CONDITION,
    Condition,
    Kind,
    condition_named,
)
from immunomon.assurance.simulate.layouts import LAYOUTS
from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.simulate.stimulation import STIMULATED
from immunomon.assurance.validation.robustness_text import text_of
from immunomon.assurance.validation.robustness_values import values_of
from immunomon.assurance.validation.sections import Section, Settings
from immunomon.assurance.validation.trials import Design, make_trial
from immunomon.files import write_whole

__all__ = [
    "MOST_LOST_F1",
    "MOST_WITHHELD_PERCENT",
    "Outcome",
    "WholeTrial",
    "figures_of",
    "missed_targets",
    "outcomes_of",
    "section",
]

MOST_LOST_F1, MOST_WITHHELD_PERCENT = 0.03, 3.0
_QUICK = ("range-1e7-wide", "low-voltage", "failed-PE", "monocytes-60")
_QUICK_EVENTS = 3_000
_WITH_STIMULATION = (Kind.ORDINARY, Kind.INSTRUMENT, Kind.NOISE)


@dataclass(frozen=True)
class WholeTrial:
    """An ordinary trial at all its visits, where what a subject's other visits say withholds values, too.

    files: of patients; right: the right values of 100 events or more; withheld: how many of them are not reportable.
    """

    files: int
    right: int
    withheld: int

    @property
    def withheld_percent(self) -> float:
        """The percent of these values that is withheld; 0 if there are none."""
        return 100 * self.withheld / self.right if self.right else 0.0


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came out under one condition: the values judged, and of these wrong, said, silent, reported all the same.

    withheld_percent: of right values with 100 events or more, those that are not reportable; f1_median and
    error_median_percent: panel/population -> the median over files and seeds.
    """

    condition: Condition
    judged: int
    wrong: int
    said: int
    silent: int
    reported: int
    withheld_percent: float
    f1_median: dict[str, float]
    error_median_percent: dict[str, float]


def section(settings: Settings) -> Section:
    """Return the section of the validation document, and write its figures as JSON if a file for them is named.

    Raises UnknownName for a condition that does not exist.
    """
    began = time.monotonic()
    seeds = range(settings.seed, settings.seed + (1 if settings.quick else settings.seeds))
    conditions = _conditions(settings)
    parts, whole = _each(conditions, seeds, settings)
    values = pd.concat(parts, ignore_index=True)
    outcomes = outcomes_of(values, conditions)
    missed = missed_targets(outcomes, whole)
    if settings.json is not None:
        figures = figures_of(values, outcomes, missed, whole=whole) | {
            "events": _events(settings),
            "seeds": list(seeds),
        }
        write_whole(settings.json, json.dumps(figures, indent=1, allow_nan=False) + "\n")
    command, seconds = _command(settings, seeds), time.monotonic() - began
    return text_of(values, outcomes, missed, whole=whole, command=command, seconds=seconds)


def _command(settings: Settings, seeds: range) -> str:
    only = f" --conditions {','.join(settings.conditions)}" if settings.conditions else ""
    size = f" --events {_events(settings)} --seed {seeds[0]} --seeds {len(seeds)}"
    return f"immunomon validate --robustness{' --quick' if settings.quick else ''}{only}{size}"


def _conditions(settings: Settings) -> tuple[Condition, ...]:
    """Return the conditions asked for, the ordinary one first: it is what the others are compared with."""
    names = settings.conditions or (_QUICK if settings.quick else tuple(CONDITIONS))
    return tuple(condition_named(name) for name in dict.fromkeys((ORDINARY_CONDITION.name, *names)))


def _events(settings: Settings) -> int:
    return min(settings.events, _QUICK_EVENTS) if settings.quick else settings.events


def _each(
    conditions: Iterable[Condition], seeds: Iterable[int], settings: Settings
) -> tuple[list[pd.DataFrame], WholeTrial]:
    """Return the values of every condition and seed, in this order, and what a whole trial withholds.

    Each is worked on by a process of its own.
    """
    pairs = [(condition.name, seed) for condition in conditions for seed in seeds]
    if settings.jobs == 1:
        return [_measured(name, seed, settings) for name, seed in pairs], _whole_trial(settings)
    alone = replace(settings, jobs=1)
    # Small files spend their time in Python, where threads wait for each other.
    with ProcessPoolExecutor(settings.jobs, mp_context=get_context("spawn")) as pool:
        whole = pool.submit(_whole_trial, alone)  # the longest, first
        return list(pool.map(_measured, *zip(*pairs, strict=True), repeat(alone))), whole.result()


def _whole_trial(settings: Settings) -> WholeTrial:
    """Simulate an ordinary trial of the first seed at all visits, run it, and count what is withheld of right values.

    Quick: two patients and one panel.
    """
    folder = settings.folder / "robustness-whole-trial"
    design = Design(events=_events(settings), seed=settings.seed, panels=tuple(LAYOUTS), controls=False)
    if settings.quick:
        design = replace(design, subjects_per_group=2, subjects=2, panels=("treg",))
    trial = make_trial(Scenario.MECHANISM, folder, design=design, jobs=settings.jobs, progress=lambda *_: None)
    values = values_of(trial, jobs=settings.jobs)
    shutil.rmtree(folder)
    return WholeTrial(values["file"].nunique(), int(values["could_be_withheld"].sum()), int(values["withheld"].sum()))


def _measured(name: str, seed: int, settings: Settings) -> pd.DataFrame:
    """Simulate two patients at two visits, run them, and return their values; the files are removed afterwards."""
    condition = condition_named(name)
    folder = settings.folder / f"robustness-{condition.name}-{seed}"
    stimulated = condition.kind in _WITH_STIMULATION and not settings.quick
    design = Design(
        events=_events(settings),
        seed=seed,
        subjects_per_group=2,
        subjects=2,
        visits=("D-1", "W4"),
        panels=(*LAYOUTS, STIMULATED) if stimulated else tuple(LAYOUTS),
        condition=condition.name,
        controls=condition.controls,
    )
    trial = make_trial(Scenario.MECHANISM, folder, design=design, jobs=settings.jobs, progress=lambda *_: None)
    values = values_of(trial, jobs=settings.jobs)
    shutil.rmtree(folder)
    return values.assign(condition=condition.name, seed=seed)


def outcomes_of(values: pd.DataFrame, conditions: Iterable[Condition]) -> tuple[Outcome, ...]:
    """Return what came out under each condition that has values, in their order."""
    groups = dict(list(values.groupby("condition")))
    return tuple(_outcome(condition, groups[condition.name]) for condition in conditions if condition.name in groups)


def _outcome(condition: Condition, rows: pd.DataFrame) -> Outcome:
    counts = {name: int(rows[name].sum()) for name in ("wrong", "said", "silent", "reported")}
    withholdable = int(rows["could_be_withheld"].sum())
    by_population = rows.groupby(rows["panel"] + "/" + rows["population"], sort=False)
    medians = {
        name: {str(key): float(value) for key, value in by_population[name].median().dropna().items()}
        for name in ("f1", "error_percent")
    }
    return Outcome(
        condition,
        judged=len(rows),
        **counts,
        withheld_percent=100 * int(rows["withheld"].sum()) / withholdable if withholdable else 0.0,
        f1_median=medians["f1"],
        error_median_percent=medians["error_percent"],
    )


def missed_targets(outcomes: tuple[Outcome, ...], whole: WholeTrial) -> tuple[str, ...]:
    """Return every target that is missed, in words; none if all are met.

    Targets: no silent value under any condition; where the instrument alone differs, no population's median F1 more
    than 0.03 below the ordinary one's; on ordinary files and in a whole ordinary trial at most 3 % of the right values
    of 100 events withheld.
    """
    ordinary = next(outcome for outcome in outcomes if outcome.condition.kind is Kind.ORDINARY)
    missed = [
        f"{outcome.condition.name}: {outcome.silent} of {outcome.judged} values are wrong and nothing says so"
        for outcome in outcomes
        if outcome.silent
    ]
    missed += [
        f"{outcome.condition.name}: median F1 more than {MOST_LOST_F1} below that of ordinary files: {', '.join(lost)}"
        for outcome in outcomes
        if outcome.condition.is_instrument_alone and (lost := _lost(outcome, ordinary))
    ]
    missed += [
        f"{name}: {percent:.1f} % of the right values of 100 events are withheld"
        for name, percent in (("ordinary", ordinary.withheld_percent), ("a whole trial", whole.withheld_percent))
        if percent > MOST_WITHHELD_PERCENT
    ]
    return tuple(missed)


def _lost(outcome: Outcome, ordinary: Outcome) -> list[str]:
    """Return the populations whose median F1 is too far below the ordinary one, with both."""
    pairs = ((name, outcome.f1_median.get(name, 0.0), before) for name, before in ordinary.f1_median.items())
    return [f"{name} {after:.3f} for {before:.3f}" for name, after, before in pairs if after < before - MOST_LOST_F1]


def figures_of(
    values: pd.DataFrame, outcomes: tuple[Outcome, ...], missed: tuple[str, ...], *, whole: WholeTrial
) -> dict[str, object]:
    """Return the figures as they are written in JSON; ``withheld`` is in percent."""
    silent = values[values["silent"]]
    columns = ("seed", "file", "panel", "population", "f1", "percent", "true_percent")
    return {
        "schema": "immunomon.robustness/1",
        "met": not missed,
        "missed": list(missed),
        "whole_trial": {"files": whole.files, "values": whole.right, "withheld": whole.withheld_percent},
        "conditions": {
            outcome.condition.name: {
                "meaning": outcome.condition.meaning,
                "kind": outcome.condition.kind.value,
                "values": outcome.judged,
                **{name: getattr(outcome, name) for name in ("wrong", "said", "silent", "reported")},
                "withheld": outcome.withheld_percent,
                "f1_median": outcome.f1_median,
                "error_median_percent": outcome.error_median_percent,
                "silent_values": [
                    {name: None if pd.isna(row[name]) else row[name] for name in columns}
                    for row in silent[silent["condition"] == outcome.condition.name].to_dict("records")
                ],
            }
            for outcome in outcomes
        },
    }
