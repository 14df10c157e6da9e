"""The first page of the report: which visits are there, and what to know before believing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunomon.errors import ImmunomonError, counted
from immunomon.outputs.report.run_folder import ReportedRun
from immunomon.runs.verdicts import progress_of, progress_words

__all__ = [
    "Cell",
    "Overview",
    "SubjectRow",
    "caveats",
    "doubts_by_sample",
    "reviews_shown",
    "study_overview",
    "verdict_of",
]

SYMBOLS = {"gated": "●", "approved": "✓", "doubtful": "?", "failed": "✕", "missing": "·", "doubled": "⁑"}


OtherTubes = tuple[str, tuple[tuple[str, str, int, int], ...]]
"""A kind of tube, and for each of its roles: the role, what it is about, how many tubes, how many failed."""


@dataclass(frozen=True)
class Cell:
    """One subject x visit x panel: a status, what to say about it, and the sample it leads to."""

    status: str
    title: str
    sample_id: str | None = None
    hidden: int = 0

    @property
    def symbol(self) -> str:
        """A sign that does not need colour: how many populations are not reportable, or one for the status."""
        return str(self.hidden) if self.hidden else SYMBOLS[self.status]


@dataclass(frozen=True)
class SubjectRow:
    """One subject's cells, visit by visit, panel by panel."""

    id: str
    dose_group: str
    about: str
    cells: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Overview:
    """The whole grid, with what is counted in the verdict, and the tubes that belong to no subject."""

    visits: tuple[Mapping[str, Any], ...]
    panels: tuple[str, ...]
    subjects: tuple[SubjectRow, ...]
    counts: Mapping[str, int]
    other_tubes: tuple[OtherTubes, ...]


def verdict_of(run: ReportedRun, overview: Overview) -> list[tuple[str, str]]:
    """Return what became of the files, and how far persons have looked at them: a word for the style, what to say."""
    gated, failed, controls, missing = (
        overview.counts.get(name, 0) for name in ("gated", "failed", "control", "missing")
    )
    return [
        ("gated", f"{gated} of {overview.counts['files']} files gated"),
        ("failed" if failed else "none", f"{failed} failed"),
        ("control", f"{counted(controls, 'control')} kept, not gated"),
        ("missing", f"{counted(missing, 'planned sample')} without a file"),
        _review(run),
    ]


def _review(run: ReportedRun) -> tuple[str, str]:
    try:
        progress = progress_of(run.reviews, run.gated_samples)
    except ImmunomonError:
        return "failed", "the audit trail is broken: no review is shown"
    is_whole = progress["approved"] == progress["samples"] and not progress["queries"]
    looked_at = any(progress[name] for name in ("approved", "queries", "rejected"))
    words = progress_words(progress) if looked_at else "no sample approved by a person yet"
    return "gated" if is_whole else "missing", words


def reviews_shown(run: ReportedRun) -> dict[str, dict[str, str]]:
    """Return the last verdict on each sample of a run that there is one on: its state, and who said what when."""
    try:
        reviews = run.reviews
    except ImmunomonError:
        return {}
    return {
        name: {"state": review.state, "by": review.by, "utc": review.utc, "note": review.note}
        for name, review in reviews.items()
    }


def study_overview(run: ReportedRun) -> Overview:
    """Return the grid of subjects, visits and panels of a run, and the counts of its verdict."""
    samples = run.tables["samples"]
    people = samples[(samples["role"] == "sample").fillna(False) & samples["subject"].notna()]
    visits, panels = _visits(run, people), tuple(sorted(people["panel"].dropna().unique()))
    marks = _marks(run)
    tubes = dict(iter(people.groupby(["subject", "visit", "panel"])))
    rows = []
    for subject in _subjects(run, people):
        cells = tuple(
            tuple(_cell(tubes.get((subject["id"], visit["label"], panel)), marks, panel) for panel in panels)
            for visit in visits
        )
        rows.append(SubjectRow(subject["id"], str(subject.get("dose_group", "")), _about(subject), cells))
    missing = sum(cell.status == "missing" for row in rows for visit in row.cells for cell in visit)
    counts = {**Counter(samples["status"].dropna()), "missing": missing, "files": len(samples)}
    return Overview(visits, panels, tuple(rows), counts, _other_tubes(samples))


def _visits(run: ReportedRun, people: pd.DataFrame) -> tuple[Mapping[str, Any], ...]:
    declared = [visit for visit in run.study.get("visits") or () if isinstance(visit, dict) and "label" in visit]
    known = {visit["label"] for visit in declared}
    return (*declared, *({"label": label} for label in people["visit"].dropna().unique() if label not in known))


def _subjects(run: ReportedRun, people: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Return the subjects in the order of their dose groups, then as the study lists them."""
    declared = [subject for subject in run.study.get("subjects") or () if isinstance(subject, dict) and "id" in subject]
    known = {subject["id"] for subject in declared}
    unplanned = [{"id": name} for name in sorted(people["subject"].unique()) if name not in known]
    order = [group.get("name") for group in run.study.get("dose_groups") or () if isinstance(group, dict)]
    places = {name: index for index, name in enumerate(order)}
    return sorted([*declared, *unplanned], key=lambda subject: places.get(subject.get("dose_group"), len(places)))


def _about(subject: Mapping[str, Any]) -> str:
    flags = subject.get("flags") or {}
    flag_names = [name.replace("_", " ") for name, value in flags.items() if value]
    sex = {"F": "female", "M": "male"}.get(str(subject.get("sex")), "")
    return ", ".join([part for part in (sex, *flag_names) if part])


@dataclass(frozen=True)
class _Marks:
    """What samples are marked with: populations not reportable, doubts that withhold values, and those approved."""

    hidden: Mapping[str, int]
    doubted: Mapping[str, Sequence[tuple[str, str]]]
    approved: Collection[str]


def _marks(run: ReportedRun) -> _Marks:
    populations = run.tables["populations"]
    hidden = Counter(populations.loc[~populations["reportable"].fillna(True), "sample_id"])
    approved = {name for name, review in reviews_shown(run).items() if review["state"] == "approved"}
    return _Marks(hidden, doubts_by_sample(run.tables["doubts"]), approved)


def doubts_by_sample(doubts: pd.DataFrame) -> dict[str, list[tuple[str, str]]]:
    """Return the doubts that withhold values: sample id -> their codes, each with the population it is about."""
    withheld = doubts[doubts["withholds"].fillna(False).to_numpy(dtype=bool)]
    return {
        str(name): sorted({(str(row["code"]), str(row["population"])) for row in own.to_dict("records")})
        for name, own in withheld.groupby("sample_id")
    }


def _cell(rows: pd.DataFrame | None, marks: _Marks, panel: str) -> Cell:
    if rows is None:
        return Cell("missing", f"{panel}: no file")
    first = rows.iloc[0]
    sample_id = str(first["sample_id"])
    if len(rows) > 1:
        return Cell("doubled", f"{panel}: {len(rows)} files: {', '.join(rows['sample_id'])}", sample_id)
    if first["status"] in ("failed", "dropped"):
        return Cell("failed", f"{panel}: {first['status']}: {_text(first['reason'])}", sample_id)
    hidden, doubts = marks.hidden.get(sample_id, 0), marks.doubted.get(sample_id, ())
    remark = f"{panel}: gated; {counted(hidden, 'population')} not reportable"
    if doubts:
        named = ", ".join(sorted({code.replace("_", " ") for code, _ in doubts}))
        return Cell("doubtful", f"{remark}; doubt: {named}", sample_id)
    if first["status"] == "gated" and hidden and sample_id not in marks.approved:
        return Cell("partly", remark, sample_id, hidden)
    is_approved = sample_id in marks.approved
    words = f"{panel}: {_text(first['status'])}, {_text(first['events'])} events"
    return Cell("approved" if is_approved else "gated", f"{words}, approved" if is_approved else words, sample_id)


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)  # type: ignore[call-overload]


def _other_tubes(samples: pd.DataFrame) -> tuple[OtherTubes, ...]:
    """Return the tubes that are not a subject's sample, by kind and role."""
    other_tubes = samples[~((samples["role"] == "sample") & samples["subject"].notna()).fillna(False)]
    groups = other_tubes.groupby(other_tubes["role"].fillna("no role"))
    kinds: dict[str, list[tuple[str, str, int, int]]] = {}
    for role, rows in groups:
        kind, _, about = str(role).partition(":")
        kinds.setdefault(kind, []).append((str(role), about, len(rows), int((rows["status"] == "failed").sum())))
    return tuple((kind, tuple(roles)) for kind, roles in kinds.items())


# What a reader must know before believing a figure of the report.

_OF_CONTROL = (
    "a change from baseline may be regression to the mean, other therapy or the disease's own course, and is not by "
    "itself an effect of the treatment."
)
_ALWAYS = (
    "Patients are the replicates, cells are not. With so few patients read each one's line; means and 95 % t intervals "
    "are estimates. With n = 3 the smallest p of a two-sided paired exact test is 0.25.",
    "An expansion cohort is treated after the others: its difference from earlier cohorts is confounded with calendar "
    "time, reagent lots and instrument settings.",
    "Comparing responders with non-responders conditions on the outcome; populations found on the data that test them "
    "are exploratory.",
    "The interval beside a percentage is a Wilson interval: it covers the counting of events only, not staining, "
    "gating or the patient's own variation. What has too few events is not reportable and is shown with its reason, "
    "never as 0.",
)
_SURFACE_HELPERS = (
    "Th1, Th17 and Th17.1 are defined by surface CXCR3 and CCR6: activated and regulatory T cells contaminate these "
    "gates, and the double-negative rest contains Th2 cells but is not a measure of them."
)


def caveats(
    about_control: str,
    populations: Collection[str],
    *,
    tested: Sequence[str] = (),
    left_out: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    """Return the sentences that stand at the head of every report, with those that its contents call for.

    about_control: what changes are compared with; populations: that are in it; tested: the titles of its pages on which
    p-values stand; left_out: panel -> populations that were not looked for, as the record of the run has them.

    >>> len(caveats("Nothing is compared", {"th1"})) - len(caveats("Nothing is compared", {"treg"}))
    1
    >>> caveats("Nothing is compared", {"treg"})[-1]
    'No p-values are given, and nothing is adjusted for the number of populations looked at.'
    """
    helpers = (_SURFACE_HELPERS,) if {"th1", "th17", "th_dn"} & set(populations) else ()
    return (f"{about_control}: {_OF_CONTROL}", *_ALWAYS, *helpers, *_left_out(left_out or {}), _tests(tested))


def _left_out(left_out: Mapping[str, Any]) -> Iterator[str]:
    for panel, populations in left_out.items():
        named = ", ".join(f"{left['label']} (for want of {', '.join(left['lacking'])})" for left in populations)
        yield f"Panel {panel} has not the markers for, and this report has no values of: {named}."


def _tests(tested: Sequence[str]) -> str:
    if not tested:
        return "No p-values are given, and nothing is adjusted for the number of populations looked at."
    pages = " and ".join(f'"{title}"' for title in tested)
    return (
        f"p-values stand on {pages} only: each is of a test over patients; an adjusted p holds within its family "
        "of tests. Nothing else here is tested, or adjusted for the number of populations looked at."
    )
