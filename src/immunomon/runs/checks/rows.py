"""Rows of the sample list held against the study: panels, counts, volumes, visits and dates."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import pairwise
from pathlib import Path
from statistics import median

from immunomon.cytometry.formats.fcs_header import fcs_date, names_a_month
from immunomon.errors import Problem, nearest
from immunomon.runs.checks.tube import Tube
from immunomon.study.model.fluorochromes import fluorochrome_key
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import RoleKind, Sample, Study, Subject
from immunomon.study.model.visits import Visit, study_day

__all__ = [
    "check_collection_dates",
    "check_counts",
    "check_file_dates",
    "check_roles",
    "check_visits",
    "unusable_beads",
]

_HARDLY_ANY = 10.0
_TOO_MANY = 200_000.0  # lymphocytes per microlitre: only a leukaemia has more


def check_roles(samples: Sequence[Sample], panels: Mapping[str, Panel], samples_file: Path) -> Iterator[Problem]:
    """Yield controls for a marker or fluorochrome that their panel does not have."""
    for sample in samples:
        panel = panels.get(sample.panel)
        about = sample.role.about
        if panel is None or not about:
            continue
        if sample.role.kind is RoleKind.FMO and not any(marker.answers_to(about) for marker in panel.markers):
            noun, known = "marker", [marker.name for marker in panel.markers]
        elif sample.role.kind is RoleKind.SINGLE_STAIN and fluorochrome_key(about) not in {
            fluorochrome_key(marker.fluorochrome) for marker in panel.markers
        }:
            noun, known = "fluorochrome", [marker.fluorochrome for marker in panel.markers]
        else:
            continue
        message = f"panel '{panel.name}' has no {noun} '{about}'"
        yield Problem(str(samples_file), sample.line, "role", message, nearest(about, known))


def _check_beads(sample: Sample, samples_file: Path) -> Iterator[Problem]:
    counted, added, volume_ul = sample.beads_counted, sample.beads_added, sample.sample_volume_ul
    if volume_ul is not None and 0 < volume_ul < 1:
        message = f"{volume_ul:g} microlitres of blood is hardly possible; in mL it would be {1000 * volume_ul:g}"
        yield Problem(str(samples_file), sample.line, "sample_volume_ul", message, "give microlitres")
    if counted is not None and added is not None and counted > added:
        message = f"{counted:g} beads were counted, but only {added:g} added"
        yield Problem(str(samples_file), sample.line, "beads_counted", message, "are the two exchanged? Correct them")


def unusable_beads(
    study: Study, samples: Iterable[Sample], strategies: Mapping[str, GatingStrategy]
) -> Iterator[Problem]:
    """Yield the rows with beads that nobody counts, or not in the events of the cells, or with no cells to count.

    samples: as strategies see them; strategies: by panel in use.
    """
    samples_file = study.folder / study.samples_file
    for sample in samples:
        strategy = strategies.get(sample.panel)
        if strategy and sample.beads_counted and study.quality.exclude_flagged and sample.role.is_gated:
            problem = "the beads are of the whole file, the cells are not (quality: exclude_flagged), and so too few"
            remedy = "leave beads_counted blank and have the strategy gate the beads, or flagged events left in"
            yield Problem(str(samples_file), sample.line, "beads_counted", problem, remedy)
        if strategy and strategy.beads and sample.beads_added and "lymphocytes" not in strategy.ids:
            problem = f"strategy '{strategy.name}' gates beads and no 'lymphocytes', of which and in which cells/uL are"
            yield Problem(str(samples_file), sample.line, "beads_added", problem, "name the population 'lymphocytes'")
        if strategy and not strategy.beads and sample.beads_added and not sample.beads_counted and sample.role.is_gated:
            problem = f"beads were added, but nobody counts them: strategy '{strategy.name}' gates no beads"
            remedy = "give beads_counted, or name the population of beads in the strategy (beads: ...)"
            yield Problem(str(samples_file), sample.line, "beads_counted", problem, remedy)


def check_counts(
    study: Study, samples: Sequence[Sample], *, uses: Sequence[Sample], strategies: Mapping[str, GatingStrategy]
) -> Iterator[Problem]:
    """Yield counts in another unit or that differ in one blood sample, and beads too many, or that cannot be used.

    uses: the samples as strategies see them; strategies: by panel in use.
    """
    samples_file = study.folder / study.samples_file
    yield from unusable_beads(study, uses, strategies)
    first: dict[tuple[str, str], Sample] = {}
    for sample in samples:
        yield from _check_beads(sample, samples_file)
        count = sample.lymphocytes_per_ul
        if count is None:
            continue
        if 0 < count < _HARDLY_ANY:
            message = f"{count:g} lymphocytes per microlitre is hardly possible; in 10^9/L it would be {1000 * count:g}"
            yield Problem(str(samples_file), sample.line, "lymphocytes_per_ul", message, "give cells per microlitre")
        if count > _TOO_MANY:
            message = (
                f"{count:g} lymphocytes per microlitre is hardly possible; in cells per mL it would be {count / 1000:g}"
            )
            yield Problem(str(samples_file), sample.line, "lymphocytes_per_ul", message, "give cells per microlitre")
        if not (sample.subject and sample.visit):
            continue
        earlier = first.setdefault((sample.subject, sample.visit), sample)
        if earlier.lymphocytes_per_ul != count and earlier.collection_date == sample.collection_date:
            message = f"{count:g}, but {earlier.lymphocytes_per_ul:g} on line {earlier.line} for the same blood sample"
            yield Problem(str(samples_file), sample.line, "lymphocytes_per_ul", message, "correct one of them")


# Whether every planned visit has its file, one file, and dates that can be true.

_FRESH_DAYS = 30


def check_visits(
    study: Study,
    samples: Sequence[Sample],
    samples_file: Path,
    *,
    in_doubt: Sequence[Set[str]] = (),
    today: datetime.date | None = None,
) -> Iterator[Problem]:
    """Yield, for each subject x panel with a file, the visits that are due and without a file, or have several.

    A subject without any file is not entered yet, and nothing is said. A visit is due when its window has closed:
    what still lies ahead of a study that goes on is not missing. in_doubt: the cells of rows with a problem, any of
    which may be the one that is missed. today: the day of the check (UTC).
    """
    now = today or datetime.datetime.now(datetime.UTC).date()
    files: dict[tuple[str, str], dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        if sample.role.kind is RoleKind.SAMPLE and sample.subject:
            files[sample.subject, sample.panel][sample.visit].append(sample)
    entered = {subject for subject, _ in files}
    for subject in (subject.id for subject in study.subjects if subject.id in entered):
        for panel in dict.fromkeys(use.tube for use in study.panels):
            due = [
                visit
                for visit in study.visits
                if _is_due(visit, study.subject(subject), now)
                and not any(_may_be(cells, study, (subject, visit.label, panel)) for cells in in_doubt)
            ]
            whose = f"subject {subject}, panel {panel}"
            yield from _check_panel(study, files.get((subject, panel), {}), due, (str(samples_file), whose))


def _may_be(cells: Set[str], study: Study, slot: tuple[str, str, str]) -> bool:
    """Say whether a row with a problem may be the file of a subject, visit and panel: it names no other one."""
    known = (
        {subject.id for subject in study.subjects},
        {visit.label for visit in study.visits},
        {use.tube for use in study.panels},
    )
    return all(name in cells or not cells & names for name, names in zip(slot, known, strict=True))


def _is_due(visit: Visit, subject: Subject, today: datetime.date) -> bool:
    last = visit.window_days[1] if visit.window_days else visit.planned_day
    if last is None:
        return False  # without a day no visit is ever late
    if not subject.infusion_dates:
        return last < 0
    return study_day(today, subject.infusion_dates[0]) > last


def _check_panel(
    study: Study, by_visit: dict[str, list[Sample]], due: Sequence[Visit], slot: tuple[str, str]
) -> Iterator[Problem]:
    samples_file, whose = slot
    if not by_visit:
        remedy = "add its files to the sample list, or take the panel out of study.yaml"
        yield Problem(samples_file, None, whose, "no file at any visit", remedy)
        return
    for visit in study.visits:
        files = by_visit.get(visit.label, [])
        if not files and visit in due:
            yield Problem(
                str(samples_file), None, whose, f"no file for visit {visit.label}", "add it to the sample list"
            )
        for extra in files[1:]:
            first = f"{files[0].file.as_posix()} (line {files[0].line})"
            message = f"a second file for visit {visit.label}, {extra.file.as_posix()}, after {first}"
            yield Problem(
                str(samples_file), extra.line, whose, message, "keep one, or correct its visit, panel or role"
            )


def check_collection_dates(study: Study, samples: Sequence[Sample], samples_file: Path) -> Iterator[Problem]:
    """Yield collection dates that are out of the visits' order or outside a visit's window."""
    visits = {visit.label: visit for visit in study.visits}
    subjects = {subject.id: subject for subject in study.subjects}
    dated = [(sample, sample.collection_date) for sample in samples if sample.collection_date is not None]
    for sample, date in dated:
        if sample.subject in subjects and sample.visit in visits and sample.role.kind is RoleKind.SAMPLE:
            message = _outside(visits[sample.visit], subjects[sample.subject], date)
            if message:
                yield Problem(
                    str(samples_file), sample.line, "collection_date", message, "correct the date or the visit"
                )
    for (sample, date), (before, earlier) in _out_of_order(study, dated):
        message = f"{date} of visit {sample.visit} is before {earlier} of visit {before.visit} (line {before.line})"
        yield Problem(str(samples_file), sample.line, "collection_date", message, "correct the dates or the visits")


def _outside(visit: Visit, subject: Subject, date: datetime.date) -> str:
    if visit.window_days is None or not subject.infusion_dates:
        return ""
    day = study_day(date, subject.infusion_dates[0])
    first, last = visit.window_days
    return "" if first <= day <= last else f"{date} is study day {day}, outside visit {visit.label} ({first} to {last})"


def check_file_dates(study: Study, tubes: Sequence[Tube]) -> Iterator[Problem]:
    """Yield files whose date ($DATE) is out of the visits' order, or cannot go with the collection date.

    Cells are measured on the day they are collected or later. Much later is normal where cells were frozen, and odd
    where a study's other files were measured fresh.
    """
    measured = [(tube, date) for tube in tubes if (date := fcs_date(tube.header.keyword("$DATE"))) is not None]
    for tube in tubes:
        text = tube.header.keyword("$DATE")
        if names_a_month(text) and fcs_date(text) is None:
            yield tube.problem("$DATE", f"'{text}' is no date", "correct the date, or check the cytometer's clock")
    by_sample = {tube.sample: tube for tube, _ in measured}
    dated = [(tube.sample, date) for tube, date in measured]
    for (sample, date), (before, earlier) in _out_of_order(study, dated):
        earlier_file = by_sample[before].path.name
        message = f"{date} of visit {sample.visit} is before {earlier} of visit {before.visit} ({earlier_file})"
        yield by_sample[sample].problem("$DATE", message, "check that the file belongs to this visit")
    delays = [
        (tube, (date - tube.sample.collection_date).days) for tube, date in measured if tube.sample.collection_date
    ]
    is_fresh = bool(delays) and median(days for _, days in delays) <= _FRESH_DAYS
    for tube, days in delays:
        collection = f"collection_date {tube.sample.collection_date} (sample list line {tube.sample.line})"
        if days < 0:
            yield tube.problem(
                "$DATE",
                f"measured {-days} {'day' if days == -1 else 'days'} before the {collection}",
                "correct the date or the file",
            )
        elif days > _FRESH_DAYS and is_fresh:
            message = f"measured {days} days after the {collection}, unlike most files of the study"
            yield tube.problem("$DATE", message, "correct the date or the file")


Dated = tuple[Sample, datetime.date]


def _out_of_order(study: Study, dated: Sequence[Dated]) -> Iterator[tuple[Dated, Dated]]:
    """Yield each sample that is dated before the same subject's sample of the visit before it, with that one."""
    order = {visit.label: position for position, visit in enumerate(study.visits)}
    series: dict[tuple[str, str], list[Dated]] = defaultdict(list)
    for sample, date in dated:
        if sample.role.kind is RoleKind.SAMPLE and sample.subject and sample.visit in order:
            series[sample.subject, sample.panel].append((sample, date))
    for ordered in series.values():
        ordered.sort(key=lambda pair: order[pair[0].visit])
        for before, this in pairwise(ordered):
            if this[1] < before[1] and this[0].visit != before[0].visit:
                yield this, before
