"""What the statistics need to know of a study: who is in which dose group, and when the visits are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from immunomon.errors import ImmunomonError, NotForThisStudy
from immunomon.study.model.arms import about_control
from immunomon.study.model.ratios import RATIOS, RatioQuantity, ratios_in
from immunomon.study.model.study import NO_GROUP
from immunomon.study.model.uses import PanelUse, uses_in
from immunomon.study.model.visits import Visit, in_order

__all__ = ["ALL", "Facts", "facts_of"]

ALL = "all"


@dataclass(frozen=True)
class Facts:
    """Visits in the order of their planned days, dose groups from the lowest dose up, and the group of each subject.

    visits: in the order of the study file if one has no planned day.
    doses: group -> cells per kilogram, not a number where none is stated; expansions: the cohorts that expand a dose,
    with its group; reported: panel -> the populations that its strategy's ``report:`` names; uses: the panels in use;
    ratios: those that are followed.
    """

    visits: tuple[Visit, ...]
    doses: Mapping[str, float]
    group_of: Mapping[str, str]
    expansions: tuple[tuple[str, str], ...] = ()
    reported: Mapping[str, frozenset[str]] = field(default_factory=dict)
    uses: tuple[PanelUse, ...] = ()
    ratios: tuple[RatioQuantity, ...] = RATIOS

    @property
    def baseline(self) -> str:
        """The label of the baseline visit."""
        return next(visit.label for visit in self.visits if visit.baseline)

    @property
    def planned_days(self) -> tuple[float, ...]:
        """The visits' planned days, in order; not a number where one has none."""
        return tuple(math.nan if visit.planned_day is None else float(visit.planned_day) for visit in self.visits)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the visits, in order."""
        return tuple(visit.label for visit in self.visits)

    @property
    def later(self) -> tuple[str, ...]:
        """The labels of the visits other than baseline."""
        return tuple(visit.label for visit in self.visits if not visit.baseline)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The subjects of each dose group, from the lowest dose up, and of ``all``."""
        names = [name for name in self.doses if name != NO_GROUP]
        members = {name: tuple(s for s, group in self.group_of.items() if group == name) for name in names}
        return {**{name: subjects for name, subjects in members.items() if subjects}, ALL: tuple(self.group_of)}

    @property
    def about_control(self) -> str:
        """The beginning of the sentence on what changes are compared with: no control arm, or the study's arms."""
        return about_control({name: dose for name, dose in self.doses.items() if name in self.group_of.values()})

    @property
    def order(self) -> dict[str, int]:
        """The place of each dose group's dose; groups of one dose share a place, one without a dose has none."""
        stated = {name: dose for name, dose in self.doses.items() if not math.isnan(dose)}
        doses = sorted(set(stated.values()))
        return {name: doses.index(dose) for name, dose in stated.items()}

    def is_technical(self, panel: str, population: str) -> bool:
        """Say whether a population is a step on the way (singlets, live), which the panel's strategy does not report.

        Where nothing tells (a run of an earlier version, a strategy without ``report:``) none is.
        """
        named = self.reported.get(panel)
        return bool(named) and population not in (named or ())

    def between(self, first: str, last: str) -> tuple[str, ...]:
        """Return the labels from one visit to another, both within; empty if one is not a visit of the study."""
        if first not in self.labels or last not in self.labels:
            return ()
        return self.labels[self.labels.index(first) : self.labels.index(last) + 1]


def _day(value: Any) -> int | None:  # noqa: ANN401 - what a run's record says
    return None if value is None else int(value)


def _dose(value: Any) -> float:  # noqa: ANN401 - what a run's record says
    return math.nan if value is None else float(value)


def facts_of(record: Mapping[str, Any]) -> Facts:
    """Return the facts that the record of a run (``run.json``) holds; raises ImmunomonError if it lacks them.

    >>> facts_of({})
    Traceback (most recent call last):
        ...
    immunomon.errors.ImmunomonError: run.json: it lacks 'study', or part of it; make the run again with: immunomon run
    """
    try:
        study = record["study"]
        visits = [Visit(v["label"], _day(v["planned_day"]), baseline=bool(v["baseline"])) for v in study["visits"]]
        doses = {g["name"]: _dose(g["cells_per_kg"]) for g in study["dose_groups"]}
        group_of = {s["id"]: s["dose_group"] for s in study["subjects"]}
        cohorts = [(c["name"], c["dose_group"]) for c in study.get("cohorts", []) if c.get("expansion")]
        uses, ratios = uses_in(study), ratios_in(study)
        reported = {panel: frozenset(names) for panel, names in (record.get("reported") or {}).items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"run.json: it lacks {error}, or part of it; make the run again with: immunomon run"
        raise ImmunomonError(message) from None
    values = "so there is no change to speak of; tables/frequencies.csv has the values"
    if len(visits) == 1:
        raise NotForThisStudy(f"run.json: the study has one visit, {values}")
    if not any(visit.baseline for visit in visits):
        remedy = "to count changes mark one in study.yaml and make the run again"
        raise NotForThisStudy(f"run.json: no visit is the baseline, {values}; {remedy}")
    return Facts(
        in_order(visits),
        dict(sorted(doses.items(), key=lambda item: (math.isnan(item[1]), item[1]))),
        group_of,
        tuple(cohorts),
        reported,
        uses,
        ratios,
    )
