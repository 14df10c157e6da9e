"""Measure: both scenarios simulated and run, and everything that the validation document says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.validation.agreement import (
    Agreement,
    EventScores,
    agreements,
    event_scores,
    frequencies_beside_truth,
)
from immunomon.assurance.validation.effects import Effect, Tally, effects
from immunomon.assurance.validation.targets import ACTED_ON, PRIMARY_VISIT
from immunomon.assurance.validation.trials import Design, Progress, make_trial
from immunomon.cytometry.steps.summarise import ALL_GROUPS

__all__ = ["EVERY", "Validation", "measure", "missed_effect"]

# Of each panel's files of patients, every so many is gated again for its events: enough for a median.
EVERY = 4


@dataclass(frozen=True, eq=False)
class Validation:
    """What was measured: agreement with the truth, effects in the mechanism scenario, effects in the null scenario.

    failed: file -> why it could not be gated, of both scenarios.
    """

    design: Design
    agreements: tuple[Agreement, ...]
    scores: EventScores
    mechanism: tuple[Effect, ...]
    null: tuple[Effect, ...]
    failed: Mapping[str, str]
    manifest: Mapping[str, Any]

    @property
    def judged(self) -> tuple[Agreement, ...]:
        """The populations that have a target."""
        return tuple(row for row in self.agreements if row.met is not None)

    @property
    def primary(self) -> tuple[Effect, ...]:
        """The effects that are judged: the populations acted on, at the primary visit, all doses together."""
        return tuple(e for e in self.mechanism if e.visit == PRIMARY_VISIT and e.dose_group == ALL_GROUPS)

    @property
    def primary_tally(self) -> Tally:
        """How many of the judged intervals miss the effect that was built in."""
        return missed_effect(self.primary)

    @property
    def every_visit_tally(self) -> Tally:
        """The same over all visits, which share their baseline."""
        return missed_effect(tuple(e for e in self.mechanism if e.dose_group == ALL_GROUPS))

    @property
    def null_all(self) -> tuple[Effect, ...]:
        """The null scenario's intervals of all doses together: every population at every visit."""
        return tuple(e for e in self.null if e.dose_group == ALL_GROUPS and e.has_interval)

    @property
    def null_tally(self) -> Tally:
        """How many of the null scenario's intervals exclude no change, which is true there."""
        return Tally(len(self.null_all), sum(e.excludes_zero for e in self.null_all))

    @property
    def null_primary(self) -> tuple[Effect, ...]:
        """The populations acted on in the other scenario, at the primary visit, where nothing acts on them."""
        order_by_pair = {pair: order for order, pair in enumerate(ACTED_ON)}
        rows = [e for e in self.null if (e.panel, e.population) in order_by_pair and e.dose_group == ALL_GROUPS]
        primary = [e for e in rows if e.visit == PRIMARY_VISIT]
        return tuple(sorted(primary, key=lambda e: order_by_pair[e.panel, e.population]))

    @property
    def frequencies_met(self) -> bool:
        """Whether every target of a frequency is met and no file failed."""
        return not self.failed and all(row.met for row in self.judged)

    @property
    def met(self) -> bool:
        """Whether everything that is judged came out as it should."""
        return self.frequencies_met and self.primary_tally.within_chance and self.null_tally.within_chance


def missed_effect(rows: tuple[Effect, ...]) -> Tally:
    """Return how many of the intervals that there are miss the effect that was built in."""
    intervals = [row for row in rows if row.has_interval]
    return Tally(len(intervals), sum(not row.inside for row in intervals))


def measure(folder: Path, *, design: Design, jobs: int, progress: Progress) -> Validation:
    """Simulate and run both scenarios in a folder, each in a folder of its own, and measure them.

    What an earlier call left in the folder is used again if the same simulator made it with the same design.
    """
    null = make_trial(Scenario.NULL, folder / Scenario.NULL.value, design=design, jobs=jobs, progress=progress)
    trial = make_trial(
        Scenario.MECHANISM, folder / Scenario.MECHANISM.value, design=design, jobs=jobs, progress=progress
    )
    beside = frequencies_beside_truth(trial)
    scores = event_scores(
        trial, beside, step=EVERY, jobs=jobs, progress=lambda done, total: progress("events", done, total, 0)
    )
    return Validation(
        design,
        agreements(beside, scores),
        scores,
        mechanism=effects(trial, ACTED_ON),
        null=effects(null),
        failed={
            f"{run.scenario.value}/{entry['file']}": str(entry["reason"])
            for run in (trial, null)
            for entry in run.manifest["files"]
            if entry["status"] == "failed"
        },
        manifest=trial.manifest,
    )
