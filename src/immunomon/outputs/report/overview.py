"""The study at a glance: which visit of which subject is there, for each panel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunomon.outputs.report.run_folder import RunFolder

__all__ = ["Cell", "Overview", "SubjectRow", "study_overview"]

SYMBOLS = {"gated": "●", "failed": "✕", "missing": "·", "doubled": "⁑"}


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


def study_overview(run: RunFolder) -> Overview:
    """Return the grid of subjects, visits and panels of a run, and the counts of its verdict."""
    samples = run.tables["samples"]
    people = samples[(samples["role"] == "sample").fillna(False) & samples["subject"].notna()]
    visits, panels = _visits(run, people), tuple(sorted(people["panel"].dropna().unique()))
    populations = run.tables["populations"]
    hidden = Counter(populations.loc[~populations["reportable"].fillna(True), "sample_id"])
    tubes = dict(iter(people.groupby(["subject", "visit", "panel"])))
    rows = []
    for subject in _subjects(run, people):
        cells = tuple(
            tuple(_cell(tubes.get((subject["id"], visit["label"], panel)), hidden, panel) for panel in panels)
            for visit in visits
        )
        rows.append(SubjectRow(subject["id"], str(subject.get("dose_group", "")), _about(subject), cells))
    missing = sum(cell.status == "missing" for row in rows for visit in row.cells for cell in visit)
    counts = {**Counter(samples["status"].dropna()), "missing": missing, "files": len(samples)}
    return Overview(visits, panels, tuple(rows), counts, _other_tubes(samples))


def _visits(run: RunFolder, people: pd.DataFrame) -> tuple[Mapping[str, Any], ...]:
    declared = [visit for visit in run.study.get("visits") or () if isinstance(visit, dict) and "label" in visit]
    known = {visit["label"] for visit in declared}
    return (*declared, *({"label": label} for label in people["visit"].dropna().unique() if label not in known))


def _subjects(run: RunFolder, people: pd.DataFrame) -> list[Mapping[str, Any]]:
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


def _cell(rows: pd.DataFrame | None, hidden: Mapping[str, int], panel: str) -> Cell:
    if rows is None:
        return Cell("missing", f"{panel}: no file")
    first = rows.iloc[0]
    sample_id = str(first["sample_id"])
    if len(rows) > 1:
        return Cell("doubled", f"{panel}: {len(rows)} files: {', '.join(rows['sample_id'])}", sample_id)
    if first["status"] in ("failed", "dropped"):
        return Cell("failed", f"{panel}: {first['status']}: {_text(first['reason'])}", sample_id)
    if first["status"] == "gated" and hidden.get(sample_id):
        return Cell(
            "partly", f"{panel}: gated; {hidden[sample_id]} population(s) not reportable", sample_id, hidden[sample_id]
        )
    return Cell("gated", f"{panel}: {_text(first['status'])}, {_text(first['events'])} events", sample_id)


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
