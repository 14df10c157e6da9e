"""What a study declares beside its samples: the analysis plan, overrides, and normalisation."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from immunomon.cytometry.specs.gatecall import Methods
from immunomon.cytometry.specs.overrides import load_overrides
from immunomon.errors import BadSpec, Problem, listed, nearest
from immunomon.files import is_there
from immunomon.findings import shown
from immunomon.runs.checks.conduct import conduct_notes, conduct_problems
from immunomon.study.model.panel import Panel
from immunomon.study.model.ratios import all_ratios
from immunomon.study.model.steadiness import MEAN, Normalisation, PanelNormalisation
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import Sample, Study, tubes_of
from immunomon.study.model.visits import Visit
from immunomon.trial.model.planned import (
    INFUSIONS,
    MISSING,
    NOT_DONE,
    NOT_DUE,
    OUTSIDE,
    SCHEDULED,
    PlannedAssessment,
    planned_assessments,
)
from immunomon.trial.specs.analysis import check_against_study
from immunomon.trial.specs.assessment_tables import read_assessment_files

__all__ = [
    "OVERRIDES_FILE",
    "PLAN",
    "check_analysis_plan",
    "check_assessments",
    "check_decisions",
    "check_normalisation_names",
    "schedule_notes",
]

PLAN = "analysis.yaml"


def _denominators(strategy: GatingStrategy) -> dict[str, set[str]]:
    """Return of each population what its percent is of: its parent, and what the strategy reports."""
    return {population.id: set(strategy.denominators_of(population.id)) for population in strategy}


def check_analysis_plan(
    study: Study, strategies: Mapping[str, GatingStrategy]
) -> tuple[tuple[Problem, ...], tuple[Path, ...]]:
    """Return the problems of the study's ``analysis.yaml`` and the file itself; nothing where there is no such file.

    strategies: by panel in use; a strategy that could not be read takes its populations along, so nothing
    is said of a panel whose strategy is missing.
    """
    path = study.folder / PLAN
    if not is_there(path):
        return (), ()
    populations = {panel: _denominators(strategy) for panel, strategy in strategies.items()}
    # A plan may name a strategy instead of the panel in use that it looks at.
    of_strategies = {use.strategy: populations[use.panel] for use in study.panels if use.panel in populations}
    populations = of_strategies | populations
    ratios = {ratio.population: ratio.lower.population for ratio in all_ratios(study.ratios)}
    visits = [visit.label for visit in study.visits]
    try:
        check_against_study(path, visits=visits, populations=populations, ratios=ratios)
    except BadSpec as error:
        unread = {use.panel for use in study.panels} - populations.keys()
        problems = [
            problem
            for problem in error.problems
            if not any(f"no panel named '{name}'" in problem.what for name in unread)
        ]
        return tuple(problems), (path,)
    return (), (path,)


# What is wrong with a study's file of overrides, before it is run.

OVERRIDES_FILE = "overrides.yaml"


def check_decisions(
    study: Study, samples: Sequence[Sample], strategies: Mapping[str, GatingStrategy], *, methods: Methods
) -> tuple[tuple[Problem, ...], tuple[Path, ...]]:
    """Return the problems of the study's ``overrides.yaml`` and the file itself; nothing where there is no such file.

    Nothing is said as long as there are no samples, or a strategy could not be read: these are to be mended first.
    """
    path = study.folder / OVERRIDES_FILE
    if not is_there(path):
        return (), ()
    if not samples or any(use.panel not in strategies for use in study.panels):
        return (), (path,)
    gated = {sample.id: strategies.get(sample.panel) if sample.role.is_gated else None for sample in samples}
    try:
        load_overrides(path, methods=methods, samples=gated, tubes=tubes_of(samples))
    except BadSpec as error:
        return error.problems, (path,)
    return (), (path,)


# Whether what a study declares about normalisation is there: batches, markers, cell types.


def check_normalisation_names(
    declared: Normalisation,
    *,
    panels: Mapping[str, Panel],
    strategies: Mapping[str, GatingStrategy],
    batches: Collection[str],
    file: Path,
) -> Iterator[Problem]:
    """Yield what of a declared normalisation is not there, or would give a cell two maps.

    strategies: by panel; batches: of the sample list; file: the study's. A panel that could not be read is passed over.

    >>> none = {"panels": {}, "strategies": {}, "batches": ()}
    >>> list(check_normalisation_names(Normalisation(()), file=Path("study.yaml"), **none))
    []
    """
    if declared.goal != MEAN and declared.goal not in batches:
        remedy = nearest(declared.goal, {MEAN, *batches})
        yield Problem(str(file), None, "normalisation.goal", f"no batch named '{declared.goal}'", remedy)
    for number, of_panel in enumerate(declared.panels):
        key = f"normalisation.panels[{number}]"
        panel, strategy = panels.get(of_panel.panel), strategies.get(of_panel.panel)
        for name in of_panel.markers if panel else ():
            if panel and name not in panel.names:
                message = f"no marker '{name}' in the panel"
                yield Problem(str(file), None, f"{key}.markers", message, nearest(name, panel.names))
        if strategy:
            for message, remedy in _cell_types(of_panel, strategy):
                yield Problem(str(file), None, f"{key}.cell_types", message, remedy)


def _cell_types(of_panel: PanelNormalisation, strategy: GatingStrategy) -> Iterator[tuple[str, str]]:
    for name in of_panel.cell_types:
        if name not in strategy.ids:
            yield f"no population '{name}' in the strategy {strategy.name}", nearest(name, strategy.ids)
            continue
        above = [ancestor for ancestor in of_panel.cell_types if ancestor in strategy.ancestors(name)]
        if above:
            yield f"'{name}' lies in '{above[0]}': its cells would have two maps", "keep one of them"


# What is wrong with the study's files of other assessments: platelets, concentrations, antibodies, viruses, events.

_WITHIN_DAYS = 7
_MOST_NAMED = 12
_WEEK = re.compile(r"W(\d{1,3})")


def check_assessments(study: Study) -> tuple[tuple[Problem, ...], tuple[Path, ...]]:
    """Return the problems of the study's files of other assessments, and the files that were read."""
    files = read_assessment_files(study.folder, study.first_infusions, study.assessments.laboratory)
    scheduled = {schedule.assessment: schedule.visits for schedule in study.assessments.schedule}
    of_visits = (
        problem
        for name, rows in files.tables.items()
        for row in rows
        if row.get("visit") not in scheduled.get(name, ())
        for problem in _check_visit(row, study, files.paths[name])
    )
    return (*files.problems, *of_visits, *conduct_problems(study, files)), tuple(files.paths.values())


def schedule_notes(study: Study, today: datetime.date | None = None) -> Iterator[str]:
    """Yield what was planned and is missing, without a result or outside its window, one note an assessment and kind.

    Files that cannot be read are problems elsewhere; what a study declares no schedule of is not looked for, and said.
    today: the day of the check (UTC); what is planned later is not due.
    """
    files = read_assessment_files(study.folder, study.first_infusions, study.assessments.laboratory)
    now = today or datetime.datetime.now(datetime.UTC).date()
    planned = list(planned_assessments(study, files.tables, now))
    for assessment in dict.fromkeys(row.assessment for row in planned):
        due = [row for row in planned if row.assessment == assessment and row.status != NOT_DUE]
        if due and assessment != INFUSIONS and assessment not in files.tables:
            yield f"{assessment}.csv: the study has no such file, and {len(due)} planned assessments are due"
            continue
        for status in (MISSING, NOT_DONE, OUTSIDE):
            named = [_named(row) for row in due if row.status == status]
            if named:
                where = "study.yaml, infusion_dates" if assessment == INFUSIONS else f"{assessment}.csv"
                message = f"{len(named)} of {len(due)} planned are {status}"
                yield f"{where}: {message}: {listed(named, _MOST_NAMED)}"
    scheduled = {schedule.assessment for schedule in study.assessments.schedule}
    unplanned = [name for name in SCHEDULED if name in files.tables and name not in scheduled]
    if unplanned:
        names = ", ".join(f"{name}.csv" for name in unplanned)
        yield f"{names}: study.yaml declares no schedule (assessments: schedule:), so what is missing cannot be told"
    yield from conduct_notes(study, files)


def _named(row: PlannedAssessment) -> str:
    when = f" (day {row.planned_day})" if row.planned.startswith(("W", "infusion")) else ""
    return " ".join(part for part in (row.subject, row.test, f"{row.planned}{when}") if part)


def _check_visit(row: Mapping[str, Any], study: Study, path: Path) -> Iterator[Problem]:
    """Yield a visit that is a study's visit misspelt, or means nothing, or whose day is in another visit's window.

    Assessments have visits of their own, such as a platelet count every week: a label that is none of the study's is
    right if it is that of a week, or if the row says when it was.
    """
    label, day = row.get("visit"), row.get("study_day")
    if not label:
        return
    visits = {visit.label: visit for visit in study.visits}
    if label not in visits:
        meant = {_bare(known) for known in visits}
        is_misspelt = _bare(label) in meant
        if not is_misspelt and _is_of_its_own(label, day):
            return
        if not is_misspelt and (planned := _day_of_week(label)) is not None:
            message = f"{label} is day {planned}, but the row says day {day}"
            yield Problem(str(path), row["line"], "visit", message, "correct the visit or the day")
            return
        remedy = f"{nearest(label[:80], visits, in_order=True)} (blank if unscheduled)"
        yield Problem(str(path), row["line"], "visit", f"no visit named {shown(label)}", remedy)
    elif day is not None and not _holds(visits[label], day):
        holding = [visit.label for visit in study.visits if visit.window_days and _holds(visit, day)]
        if holding:
            message = f"{label}, but day {day} is in the window of {holding[0]}"
            yield Problem(str(path), row["line"], "visit", message, "correct the visit or the day")


def _is_of_its_own(label: str, day: int | None) -> bool:
    """Say whether a label is that of a week, which the day does not contradict, or has a day at all.

    Platelets may be followed for longer than cells are looked at: the study's last visit is no limit.
    """
    planned = _day_of_week(label)
    if planned is None:
        return day is not None
    return day is None or abs(day - planned) <= _WITHIN_DAYS


def _day_of_week(label: str) -> int | None:
    """Return the day for which a label such as W5 is planned: 36; None for one that is no week's."""
    week = _WEEK.fullmatch(label)
    return 7 * int(week[1]) + 1 if week else None


def _bare(label: str) -> str:
    letters = "".join(letter for letter in label.casefold() if letter.isalnum() or letter == "-")
    return re.sub(r"(?<!\d)0+(?=\d)", "", letters)  # W04 is W4


def _holds(visit: Visit, day: int) -> bool:
    return visit.window_days is None or visit.window_days[0] <= day <= visit.window_days[1]
