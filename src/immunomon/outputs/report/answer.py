"""The first screen of the report: what the study found so far, and what needs a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pandas as pd
from markupsafe import Markup

from immunomon.cytometry.model.run_tables import STEADINESS
from immunomon.errors import ImmunomonError
from immunomon.outputs.report.overview import Overview
from immunomon.outputs.report.run_folder import ReportedRun
from immunomon.runs.derived import Derived, made_of_run
from immunomon.study.model.trust import DOUBTS
from immunomon.trial.assessments.page_parts import records, share
from immunomon.trial.model.planned import MISSING, OUTSIDE
from immunomon.trial.model.tables import ESTIMATES, INCIDENCE, PLANNED

__all__ = [
    "Answer",
    "Figure",
    "Need",
    "needs_of",
    "primary_changes",
    "read_answer",
    "stale_needs",
    "stale_parts",
]

# What is told of the assessments first: topic, measure, what it is called.
_TOLD = (
    ("platelets", "response (CR or R)", "Platelet response (CR or R)"),
    ("platelets", "complete response (CR)", "Complete response"),
    ("platelets", "durable response", "Durable response"),
    ("adverse events", "dose-limiting", "Dose-limiting toxicity"),
    ("adverse events", "serious", "Serious adverse event"),
)
# Doubts that say a value, not a border, stands out.
_OUTLIERS = ("visit_outlier", "tubes_disagree", "implausible")


@dataclass(frozen=True)
class Figure:
    """One number of the study: what it is, how many of how many, with the interval, and by dose group."""

    name: str
    value: str
    interval: str
    groups: str
    subjects: str
    page: str


@dataclass(frozen=True)
class Need:
    """Something that waits for a person: how many, of what, what to do, a link, and whether it is urgent."""

    count: int
    words: str
    remedy: str
    link: str
    urgent: bool = False


@dataclass(frozen=True)
class Answer:
    """The first screen: numbers of the study, the picture of the primary endpoints, what is not known yet, needs."""

    figures: tuple[Figure, ...]
    picture: Markup | None
    unknown: tuple[str, ...]
    needs: tuple[Need, ...]


def primary_changes(run: ReportedRun) -> pd.DataFrame | None:
    """Return the estimates of the primary endpoints' changes, None if the run was not compared."""
    estimates = run.held_if_there(ESTIMATES, "statistics")
    if estimates is None:
        return None
    return estimates[(estimates["role"] == "primary") & (estimates["measure"] == "change")]


def read_answer(run: ReportedRun, picture: Markup | None, needs: tuple[Need, ...]) -> Answer:
    """Return what stands on the first screen; what no command has worked out yet is named with that command."""
    incidence = run.held_if_there(INCIDENCE, "assessments")
    unknown = []
    if picture is None:
        known = (run.folder / "statistics" / "summary.md").is_file()
        unknown.append(
            "No primary endpoint has a change from baseline; the page What changed says why."
            if known
            else f"Changes from baseline were not compared yet: immunomon compare {run.folder.name}"
        )
    if incidence is None:
        unknown.append(f"Responses and adverse events were not assessed yet: immunomon assess {run.folder.name}")
    figures = () if incidence is None else tuple(_figures(records(incidence)))
    return Answer(figures, picture, tuple(unknown), needs)


def _figures(rows: list[dict[str, Any]]) -> Iterator[Figure]:
    for topic, measure, name in _TOLD:
        own = [row for row in rows if row["topic"] == topic and row["measure"] == measure and not row["cohort"]]
        whole = next((row for row in own if row["dose_group"] == "all"), None)
        if whole is None:
            continue
        value, _, interval = share(whole).partition(" (")
        groups = ", ".join(
            f"{row['dose_group']} {row['subjects_with']}/{row['n']}" for row in own if row["dose_group"] != "all"
        )
        page = "efficacy" if topic == "platelets" else "safety"
        yield Figure(name, value, interval.removesuffix(")"), groups, whole["who"] or "nobody", page)


def needs_of(run: ReportedRun, overview: Overview) -> Iterator[Need]:
    """Yield what waits for a person, the most urgent first; what there is none of is left out."""
    for need in (*_files(run, overview), *_doubted(run), *_reviewed(run), *_beside(run)):
        if need.count:
            yield need


def stale_parts(run: ReportedRun) -> tuple[Derived, ...]:
    """Return what other commands made of the run and is not of run, study and other results as they are now.

    In the order in which to make it anew.
    """
    try:
        made = made_of_run(run.folder, run.record, run.record_sha256, study=run.study_folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:  # records that somebody wrote anew
        reasons = (f"their records cannot be read ({error})",)
        return (Derived("results of other commands", "unknown", f"immunomon status {run.folder}", reasons),)
    return tuple(part for part in made if part.reasons and part.key != "report")


def stale_needs(run: ReportedRun, stale: Iterable[Derived]) -> Iterator[Need]:
    """Yield what is to be made anew before it is believed, by the run's name: its path is not the reader's."""
    for part in stale:
        command = f"{part.command} ".replace(f" {run.folder} ", f" {run.folder.resolve().name} ").strip()
        yield Need(
            1, f"{part.what}: not of the run as it is now", f"{part.reasons[0]}; {command}", "#tab=overview", True
        )


def _samples(**chosen: str) -> str:
    return "#" + urlencode({"tab": "samples", **chosen})


def _need(words: tuple[str, str], number: int, remedy: str, link: str, *, urgent: bool = False) -> Need:
    """Return a need in the words for one or for many."""
    return Need(number, words[number != 1], remedy, link, urgent)


def _files(run: ReportedRun, overview: Overview) -> Iterator[Need]:
    counts, quality = overview.counts, run.tables["samples"]["quality"]
    failed, dropped, missing = (counts.get(name, 0) for name in ("failed", "dropped", "missing"))
    words = ("file failed", "files failed")
    yield _need(words, failed, "read why; export or acquire again", _samples(status="failed"), urgent=True)
    words = ("file was left out by a person", "files were left out by a person")
    yield _need(words, dropped, "", _samples(status="dropped"))
    words = ("planned sample has no file", "planned samples have no file")
    yield _need(words, missing, "find the file, or say why there is none", "#tab=overview")
    for verdict, words in (
        ("fail", ("acquisition failed", "acquisitions failed")),
        ("warn", ("acquisition with a warning", "acquisitions with a warning")),
    ):
        number, link = int((quality == verdict).sum()), _samples(quality=verdict)
        yield _need(words, number, "look at flow rate and signals over time", link, urgent=verdict == "fail")


def _doubted(run: ReportedRun) -> Iterator[Need]:
    doubts = run.tables["doubts"]
    withheld = doubts[doubts["withholds"].fillna(False).to_numpy(dtype=bool)]
    samples = {str(code): own["sample_id"].nunique() for code, own in withheld.groupby("code")}
    order = sorted(samples, key=lambda code: (code not in _OUTLIERS, -samples[code], code))
    for code in order:
        reason = DOUBTS[code].meaning if code in DOUBTS else code.replace("_", " ")
        words = ("sample with values withheld", "samples with values withheld")
        yield _need(words, samples[code], reason, _samples(doubt=code), urgent=code in _OUTLIERS)


def _reviewed(run: ReportedRun) -> Iterator[Need]:
    try:
        reviews = run.reviews
    except ImmunomonError:
        yield Need(1, "audit trail is broken", "see what: immunomon audit", "#tab=provenance", urgent=True)
        return
    states = Counter(review.state for review in reviews.values())
    yield _need(("open query", "open queries"), states["query"], "answer: immunomon review",
                _samples(review="query"), urgent=True)  # fmt: skip
    changed = "changed since approval"
    yield _need((f"sample {changed}", f"samples {changed}"), states[changed], "look again: immunomon review",
                _samples(review=changed), urgent=True)  # fmt: skip
    words = ("sample rejected by a person", "samples rejected by a person")
    yield _need(words, states["rejected"], "", _samples(review="rejected"))
    words = ("sample nobody has looked at", "samples nobody has looked at")
    untouched = len(run.gated_samples) - len(reviews)
    yield _need(words, untouched, "look: immunomon review", _samples(review="not looked at"))


def _beside(run: ReportedRun) -> Iterator[Need]:
    planned = run.held_if_there(PLANNED, "assessments")
    if planned is not None:
        missing, outside = (int((planned["status"] == status).sum()) for status in (MISSING, OUTSIDE))
        words = ("planned assessment is missing", "planned assessments are missing")
        yield _need(words, missing, "find the record, or say why there is none", "#tab=schedule")
        yield _need(
            ("assessment outside its window", "assessments outside their windows"), outside, "", "#tab=schedule"
        )
    if run.has_table(STEADINESS.name):
        out = int((run.table(STEADINESS.name)["verdict"] == "out of control").sum())
        words = ("value of a bridge sample out of control", "values of bridge samples out of control")
        yield _need(words, out, "some are by chance: look for what repeats", "#tab=steadiness")
