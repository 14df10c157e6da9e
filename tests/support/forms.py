"""Studies of other forms, made of the files of a simulated trial: other arms, other words for visits, donors."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path


@dataclass(frozen=True)
class Form:
    """A form of study: the lines of its dose groups and visits, what the trial's visits are called, its donors.

    called: the trial's label -> this study's; files of others are left out. donors: named by the bridge samples in
    turn; more: what else ``study.yaml`` says.
    """

    visits: Sequence[str]
    called: Mapping[str, str]
    groups: Sequence[str] = ()
    members: Sequence[str] = ()
    donors: Sequence[str] = ()
    more: str = ""


_LIMITS = "reportability: {min_parent_events: 20, lod_events: 3, lloq_events: 5, doubts: report}\n"
FORMS: Mapping[str, Form] = {
    "arms and donors": Form(
        ("label: Baseline, baseline: true", "label: Month 3"),
        {"D-1": "Baseline", "W4": "Month 3"},
        groups=["name: active", "name: placebo"],
        members=["active", "placebo"],
        donors=["D1", "D2"],
        more="normalisation:\n  panels:\n    - {panel: treg, cell_types: [cd4], markers: [HLA-DR, CCR4]}\n",
    ),
    "no baseline": Form(("label: V1", "label: C1D1"), {"D-1": "V1", "W4": "C1D1"}),
    "healthy, once": Form(("label: once",), {"D-1": "once"}),
}


def study_of_form(trial: Path, folder: Path, form: Form) -> Path:
    """Write a study of a form, of a simulated trial's files of the panel treg; return its folder."""
    folder.mkdir(parents=True)
    with (trial / "samples.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["role"] in ("sample", "bridge") or "fmo" in row["role"]]
    donors = cycle(form.donors or [""])
    kept = [_renamed(row, form, donors) for row in rows if row["panel"] == "treg"]
    kept = [row for row in kept if row["visit"] or row["role"] != "sample"]
    if len(form.called) == 1:
        kept = [row for row in kept if "-W4" not in row["batch"]]
    for row in kept:
        (folder / row["file"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(trial / row["file"], folder / row["file"])
    with (folder / "samples.csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    subjects = sorted({row["subject"] for row in kept if row["role"] == "sample"})
    (folder / "study.yaml").write_text(_text(form, subjects), encoding="utf-8", newline="\n")
    return folder


def _renamed(row: dict[str, str], form: Form, donors: Iterator[str]) -> dict[str, str]:
    whose = next(donors) if row["role"] == "bridge" else row["subject"]
    return row | {"visit": form.called.get(row["visit"], ""), "subject": whose}


def _text(form: Form, subjects: Sequence[str]) -> str:
    arms = [form.members[number % len(form.members)] if form.members else "" for number in range(len(subjects))]
    people = [
        f"{{id: {name}{f', dose_group: {arm}' if arm else ''}}}" for name, arm in zip(subjects, arms, strict=True)
    ]
    sections = {
        "dose_groups": [f"{{{group}}}" for group in form.groups],
        "subjects": people,
        "donors": [f"{{id: {name}}}" for name in form.donors],
        "visits": [f"{{{visit}}}" for visit in form.visits],
        "panels": ["{panel: treg, strategy: treg}"],
    }
    lines = "".join(
        f"{name}:\n" + "".join(f"  - {item}\n" for item in items) for name, items in sections.items() if items
    )
    return f'schema: immunomon.study/2\nname: FORM\nsite: "001"\ncountry: DEU\n{lines}{_LIMITS}{form.more}'
