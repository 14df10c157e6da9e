"""A laboratory's samples against a sponsor's list of subjects and visits: missing, extra, of another date."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from immunomon.csvfile import BadCell, date_in, read_csv_table
from immunomon.errors import BadSpec, Problem, counted, nearest
from immunomon.study.model.study import RoleKind, Sample, Study

__all__ = ["Difference", "ListedVisit", "read_subject_visits", "reconciled"]

_COLUMNS = ("subject", "visit", "date", "panels")
_MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class ListedVisit:
    """A visit of a subject on the sponsor's list.

    date: None if the list does not say it; panels: those that are planned there, none if the list does not say it: then
    all of the study's are.
    """

    subject: str
    visit: str
    date: datetime.date | None
    panels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A difference: ``missing`` (listed, no sample), ``extra`` (a sample, not listed), ``panel`` or ``date``."""

    kind: str
    subject: str
    visit: str
    what: str

    @property
    def question(self) -> str:
        """The question that it asks of sponsor or laboratory, always in the same words."""
        return f"{self.subject} {self.visit}, {self.kind}: {self.what}"


def read_subject_visits(path: Path) -> list[ListedVisit]:
    """Read a sponsor's list: CSV with ``subject``, ``visit``, ``date`` and ``panels`` (``treg; nk``) if it has them.

    Other columns are not looked at. Raises BadSpec with every problem.
    """
    written = read_csv_table(path, _MOST_BYTES)
    problems = list(written.problems)
    missing = [name for name in _COLUMNS[:2] if name not in written.columns]
    if missing:
        named = ", ".join(filter(None, written.columns))[:200]
        message = f"has no column {', '.join(missing)} (it has: {named})"
        raise BadSpec([*problems, Problem(str(path), written.header_line, "", message, "name the columns so")])
    visits: dict[tuple[str, str], ListedVisit] = {}
    for line, cells in written.rows:
        subject, visit = cells.get("subject", ""), cells.get("visit", "")
        if not subject or not visit:
            problems.append(Problem(str(path), line, "", "names no subject or no visit", "complete the row"))
            continue
        try:
            date = date_in(cells["date"]) if cells.get("date") else None
        except BadCell as error:
            problems.append(Problem(str(path), line, "date", error.what, error.remedy))
            continue
        if (subject, visit) in visits:
            problems.append(Problem(str(path), line, "visit", f"{subject} has {visit} twice", "keep one of the rows"))
        panels = tuple(dict.fromkeys(filter(None, map(str.strip, cells.get("panels", "").split(";")))))
        visits[subject, visit] = ListedVisit(subject, visit, date, panels)
    if problems:
        raise BadSpec(problems)
    return list(visits.values())


def reconciled(study: Study, samples: Sequence[Sample], listed: Sequence[ListedVisit]) -> list[Difference]:
    """Return how a study's samples differ from a sponsor's list, by subject and visit, in the order of the list.

    A subject or visit of the list that the study does not know is said with the nearest name.
    """
    tubes: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.role.kind is RoleKind.SAMPLE and sample.subject:
            tubes[sample.subject, sample.visit].append(sample)
    differences = [difference for visit in listed for difference in _of_listed(study, visit, tubes)]
    known = {(visit.subject, visit.visit) for visit in listed}
    for (subject, visit_label), mine in tubes.items():
        if (subject, visit_label) not in known:
            number = len({sample.tube_id for sample in mine})  # several strategies may look at one tube
            measured = f"{counted(number, 'tube')} {'was' if number == 1 else 'were'} measured"
            what = f"{measured}, and the list has no such visit"
            differences.append(Difference("extra", subject, visit_label, what))
    return differences


def _of_listed(
    study: Study, visit: ListedVisit, tubes: Mapping[tuple[str, str], Sequence[Sample]]
) -> Iterator[Difference]:
    mine = tubes.get((visit.subject, visit.visit), ())
    if not mine:
        yield Difference("missing", visit.subject, visit.visit, f"no tube was measured{_hint(study, visit)}")
        return
    yield from _of_panels(study, visit, dict.fromkeys(sample.tube for sample in mine))
    dates = sorted({sample.collection_date for sample in mine if sample.collection_date})
    if visit.date is None:
        return
    undated = len({sample.tube_id for sample in mine if sample.collection_date is None})
    if dates and undated:
        what = f"the list says {visit.date}, {counted(undated, 'tube has', 'tubes have')} no date"
        yield Difference("date", visit.subject, visit.visit, what)
    if not dates:
        yield Difference("date", visit.subject, visit.visit, f"the list says {visit.date}, the samples have no date")
    elif dates != [visit.date]:
        measured = ", ".join(map(str, dates))
        yield Difference("date", visit.subject, visit.visit, f"the list says {visit.date}, the samples {measured}")


def _of_panels(study: Study, visit: ListedVisit, measured: Collection[str]) -> Iterator[Difference]:
    """Yield the panels without a tube, and tubes of panels that the list does not plan for the visit."""
    in_use = list(dict.fromkeys(use.tube for use in study.panels))
    planned = visit.panels or in_use
    if absent := [panel for panel in planned if panel not in measured]:
        unknown = next((panel[:60] for panel in absent if panel not in in_use), None)
        hint = f" (the study has no panel '{unknown}'; {nearest(unknown, in_use)})" if unknown else ""
        message = f"no tube of panel {', '.join(absent)} was measured{hint}"
        yield Difference("panel", visit.subject, visit.visit, message)
    if unplanned := [panel for panel in measured if panel not in planned]:
        message = f"a tube of panel {', '.join(unplanned)} was measured, which the list does not plan"
        yield Difference("panel", visit.subject, visit.visit, message)


def _hint(study: Study, visit: ListedVisit) -> str:
    subjects, labels = [subject.id for subject in study.subjects], [planned.label for planned in study.visits]
    if visit.subject not in subjects:
        return f" (the study has no subject '{visit.subject[:60]}'; {nearest(visit.subject[:60], subjects)})"
    if visit.visit not in labels:
        return f" (the study has no visit '{visit.visit[:60]}'; {nearest(visit.visit[:60], labels, in_order=True)})"
    return ""
