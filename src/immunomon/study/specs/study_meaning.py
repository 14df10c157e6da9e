"""What a study file means: its names resolve, its days are days of a study, and there is one baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunomon.errors import counted
from immunomon.files import is_there
from immunomon.findings import DataPath, Findings, shown
from immunomon.shape import Shaped
from immunomon.study.model.uses import tube_of
from immunomon.study.specs import catalog
from immunomon.study.specs.assessments import check_assessment_rules
from immunomon.study.specs.data_folders import DataFolders
from immunomon.study.specs.protocol import check_protocol
from immunomon.study.specs.ratios import check_ratios
from immunomon.study.specs.reportability import check_limits
from immunomon.study.specs.steadiness import check_normalisation, check_quality

if TYPE_CHECKING:
    from immunomon.study.specs.study import StudySpec, SubjectSpec, VisitSpec

__all__ = ["check_study"]

_NO_DAY_ZERO = "there is no Day 0: the first infusion is Day 1 and the day before it Day -1"


def check_study(shaped: Shaped[StudySpec], data: Mapping[str, Any], *, folder: Path, findings: Findings) -> None:
    """Note in ``findings`` what a well-shaped study file gets wrong.

    data: the file as it was read, for the names of items that lost their shape; folder: where the study lies.
    """
    _check_unique(shaped, "dose_groups", "name", findings)
    _check_unique(shaped, "cohorts", "name", findings)
    _check_unique(shaped, "subjects", "id", findings)
    _check_unique(shaped, "visits", "label", findings)
    _check_unique(shaped, "panels", "panel", findings)
    _check_donors(shaped, findings)
    if shaped.spec.declared_schema == "immunomon.study/1":
        _check_first_form(shaped, findings)
    _check_doses(shaped, data, findings)
    _check_subjects(shaped, data, findings)
    _check_visits(shaped, findings)
    _check_panels(shaped, folder, findings)
    _check_compensation(shaped.spec, folder, findings)
    _check_paths(shaped.spec, folder, findings)
    check_limits(shaped.spec.reportability, findings)
    check_quality(shaped.spec.quality, findings)
    check_assessment_rules(shaped.spec.assessments, findings)
    check_protocol(shaped.spec.protocol, findings)
    uses = [use for panel in shaped.spec.panels for use in panel.uses]
    if "panels" not in shaped.dropped:
        check_ratios(shaped.items("ratios"), uses, findings=findings)
    in_use = [use.panel for use in uses]
    check_normalisation(shaped.spec.normalisation, [*_names(data, "panels", "panel"), *in_use], findings=findings)


def _names(data: Mapping[str, Any], section: str, key: str) -> list[str]:
    """Return the names in a section of the file, of items that lost their shape as well."""
    items = data.get(section)
    names = [item.get(key) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [name for name in names if isinstance(name, str)]


def _check_unique(shaped: Shaped[StudySpec], section: str, key: str, findings: Findings) -> None:
    first_paths: dict[str, DataPath] = {}
    for path, item in shaped.items(section):
        # Names differ by more than case: Windows keeps no two files apart by it.
        name = str(getattr(item, key)).casefold()
        if name in first_paths:
            first = f"{section}[{first_paths[name][1]}]"
            findings.add((*path, key), f"{shown(getattr(item, key))} is the {key} of {first} already", "choose another")
        first_paths.setdefault(name, path)


def _check_rising(days: Sequence[Any], path: DataPath, findings: Findings, noun: str) -> None:
    for index in range(1, len(days)):
        if days[index] <= days[index - 1]:
            findings.add((*path, index), f"{noun} {days[index]} is not after {days[index - 1]}", "put them in order")


def _check_donors(shaped: Shaped[StudySpec], findings: Findings) -> None:
    _check_unique(shaped, "donors", "id", findings)
    subjects = {subject.id.casefold() for subject in shaped.spec.subjects}
    for path, donor in shaped.items("donors"):
        if donor.id.casefold() in subjects:
            message = f"{shown(donor.id)} is a subject, too"
            findings.add((*path, "id"), message, "take it out of one of them: a donor of bridge samples is no subject")


def _check_first_form(shaped: Shaped[StudySpec], findings: Findings) -> None:
    """Note what the first form of a study file demands and has not: every study had doses then."""
    lacking: list[DataPath] = []
    if not shaped.spec.dose_groups and "dose_groups" not in shaped.dropped:
        lacking.append(("dose_groups",))
    for section, key in (("dose_groups", "cells_per_kg"), ("subjects", "dose_group"), ("visits", "planned_day")):
        lacking += [(*path, key) for path, item in shaped.items(section) if getattr(item, key) is None]
    for path in lacking:
        findings.add(
            path, "is missing", f"add '{path[-1]}: ...', or write 'schema: immunomon.study/2' if there is none"
        )
    if shaped.spec.donors:
        findings.add(("donors",), "no such key in schema immunomon.study/1", "write 'schema: immunomon.study/2'")


def _check_doses(shaped: Shaped[StudySpec], data: Mapping[str, Any], findings: Findings) -> None:
    for where, group in shaped.items("dose_groups"):
        if group.name.casefold() == "all":
            findings.add((*where, "name"), "'all' stands for all dose groups together in the tables", "choose another")
        path = (*where, "infusion_days")
        _check_rising(group.infusion_days, path, findings, "day")
        if 0 in group.infusion_days:
            findings.add(path, _NO_DAY_ZERO, "correct the day")
        elif group.infusion_days and group.infusion_days[0] != 1:
            message = (
                f"the first infusion is on day {group.infusion_days[0]}, but Day 1 is the first infusion by definition"
            )
            findings.add(path, message, "count from Day 1")
    for where, cohort in shaped.items("cohorts"):
        known = _names(data, "dose_groups", "name")
        if cohort.dose_group not in known:
            findings.unknown((*where, "dose_group"), "dose group", name=cohort.dose_group, known=known)


def _check_subjects(shaped: Shaped[StudySpec], data: Mapping[str, Any], findings: Findings) -> None:
    groups, cohorts = _names(data, "dose_groups", "name"), _names(data, "cohorts", "name")
    dose_of = {cohort.name: cohort.dose_group for cohort in shaped.spec.cohorts}
    infusions = {group.name: len(group.infusion_days) for group in shaped.spec.dose_groups}
    subject: SubjectSpec
    for path, subject in shaped.items("subjects"):
        if subject.dose_group is None:
            if len(groups) > 1 and shaped.spec.declared_schema != "immunomon.study/1":
                findings.add((*path, "dose_group"), "is missing", f"add 'dose_group: {groups[0]}', or another of them")
        elif subject.dose_group not in groups:
            findings.unknown((*path, "dose_group"), "dose group", name=subject.dose_group, known=groups)
        if subject.cohort is not None and subject.cohort not in cohorts:
            findings.unknown((*path, "cohort"), "cohort", name=subject.cohort, known=cohorts)
        elif (
            subject.cohort is not None
            and subject.dose_group is not None
            and dose_of.get(subject.cohort, subject.dose_group) != subject.dose_group
        ):
            dose = dose_of[subject.cohort]
            message = (
                f"cohort {shown(subject.cohort)} has dose group {shown(dose)}, the subject {shown(subject.dose_group)}"
            )
            findings.add((*path, "cohort"), message, "correct one of them")
        _check_rising(subject.infusion_dates, (*path, "infusion_dates"), findings, "infusion date")
        group = subject.dose_group or (groups[0] if len(groups) == 1 else "")
        planned = infusions.get(group) or len(subject.infusion_dates)
        if len(subject.infusion_dates) > planned:
            message = f"{len(subject.infusion_dates)} infusion dates, but dose group {shown(group)} plans"
            findings.add((*path, "infusion_dates"), f"{message} {counted(planned, 'infusion')}", "correct one of them")


def _check_visits(shaped: Shaped[StudySpec], findings: Findings) -> None:
    before: VisitSpec | None = None
    baselines: list[tuple[DataPath, VisitSpec]] = []
    visit: VisitSpec
    for path, visit in shaped.items("visits"):
        _check_window(visit, path, findings)
        if before and visit.planned_day and before.planned_day and visit.planned_day <= before.planned_day:
            message = f"visit {shown(visit.label)} on day {visit.planned_day} is not after {shown(before.label)}"
            findings.add((*path, "planned_day"), f"{message} on day {before.planned_day}", "put the visits in order")
        before = visit if visit.planned_day is not None else before
        baselines += [(path, visit)] if visit.baseline else []
    if not baselines and "visits" not in shaped.dropped and shaped.spec.declared_schema == "immunomon.study/1":
        findings.add(
            ("visits",), "no visit is the baseline", "add 'baseline: true' to the visit changes are counted from"
        )
    for path, visit in baselines[1:]:
        message = f"{shown(visit.label)} is a second baseline, after {shown(baselines[0][1].label)}"
        findings.add((*path, "baseline"), message, "keep 'baseline: true' on one visit")


def _check_window(visit: VisitSpec, where: DataPath, findings: Findings) -> None:
    if visit.planned_day == 0:
        findings.add((*where, "planned_day"), _NO_DAY_ZERO, "correct the day")
    if visit.window_days is None:
        return
    first, last = visit.window_days
    path = (*where, "window_days")
    if 0 in (first, last):
        findings.add(path, _NO_DAY_ZERO, "correct the day")
    if first > last:
        findings.add(path, f"the window ends on day {last}, before it starts on day {first}", "write [first, last]")
    elif visit.planned_day is not None and not first <= visit.planned_day <= last:
        message = f"the planned day {visit.planned_day} is outside the window {first} to {last}"
        findings.add(path, message, "correct the window or the planned day")


def _check_panels(shaped: Shaped[StudySpec], folder: Path, findings: Findings) -> None:
    panels, strategies = list(catalog.panels(folder)), list(catalog.strategies(folder))
    for path, use in shaped.items("panels"):
        if use.panel not in panels:
            noun = "panel (shipped, or in the study's folder panels/)"
            findings.unknown((*path, "panel"), noun, name=use.panel, known=panels)
        for name in (use.panel, *use.strategies):
            if tube_of(name) != name:
                findings.add(path, f"{shown(name)} has a '~', which parts a panel from a strategy", "rename it")
        for number, name in enumerate(use.strategies):
            where = (*path, "strategy") if isinstance(use.strategy, str) else (*path, "strategy", number)
            if name not in strategies:
                noun = "strategy (shipped, or in the study's folder gating/)"
                findings.unknown(where, noun, name=name, known=strategies)
            if name in use.strategies[:number]:
                findings.add(where, f"strategy {shown(name)} is in the list twice", "remove one")


def _check_compensation(spec: StudySpec, folder: Path, findings: Findings) -> None:
    source, path = spec.compensation.source, spec.compensation.path
    where = ("compensation", "path")
    if source == "matrix" and path is None:
        findings.add(where, "'source: matrix' needs the matrix", "add 'path: matrix.csv'")
    elif source != "matrix" and path is not None:
        findings.add(where, f"'source: {source}' reads no file", "remove the path or write 'source: matrix'")
    elif path is not None and not is_there(folder / path):
        findings.add(where, f"there is no file {shown(path)}", "correct the path, relative to the study's folder")


def _check_paths(spec: StudySpec, folder: Path, findings: Findings) -> None:
    """Note what of the study's own tables and specs lies outside of the folders that it allows."""
    folders = DataFolders(folder, tuple(map(Path, spec.data_folders)))
    named: tuple[tuple[DataPath, str | None], ...] = (
        (("samples",), spec.samples),
        (("compensation", "path"), spec.compensation.path),
    )
    for where, written in named:
        fault = folders.fault(folder / written, written) if written else None
        if fault is not None:
            findings.add(where, *fault)
    for fault in folders.linked_specs():
        findings.add((), *fault)
