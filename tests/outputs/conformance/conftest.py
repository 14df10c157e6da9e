"""Deliveries of the small trial that keep every rule, read as a receiver reads them."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from immunomon.outputs.conformance.check import received_beside
from immunomon.outputs.conformance.received import receive
from immunomon.outputs.delivery.deliver import deliver_run


@pytest.fixture(scope="session")
def assessed(run, tmp_path_factory) -> Path:
    """The run with a table of kinetic parameters beside it, so that PP is delivered, too."""
    study = tmp_path_factory.mktemp("assessed") / "study"
    shutil.copytree(run.parent, study, ignore=shutil.ignore_patterns("*.fcs", "truth"))
    with (study / "msc_concentration.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    highest: dict[str, float] = {}
    for row in rows:
        value = row["concentration_cells_per_ml"]
        if value and row["below_quantification"] != "true":
            highest[row["subject"]] = max(highest.get(row["subject"], 0.0), float(value))
    assert highest
    lines = ["subject,parameter,name,value,unit,reason"]
    lines += [f"{who},CMAX,Max Conc,{most:g},cells/mL," for who, most in highest.items()]
    lines += [f"{who},LAMZHL,Half-Life Lambda z,,h,fewer than 3 points after CMAX" for who in highest]
    (study / "run" / "assessments").mkdir(exist_ok=True)
    (study / "run" / "assessments" / "kinetics.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return study / "run"


@pytest.fixture(scope="session")
def whole(assessed, delivered, tmp_path_factory):
    """Return the folder of a delivery in a format, made once; nobody may change it.

    With kinetic parameters where other tests have no use for them; the rest are the deliveries of these.
    """
    made: dict[str, Path] = {}

    def give(kind: str) -> Path:
        if kind not in {"adam", "dataset-json"}:
            return delivered(kind)
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("whole") / kind
            deliver_run(assessed, made[kind], kind=kind)
        return made[kind]

    return give


@pytest.fixture(scope="session")
def as_received(whole):
    """Return a delivery as received, read once; ``both`` is ``adam`` with Dataset-JSON beside it."""
    read = {}

    def give(kind: str):
        if kind not in read:
            read[kind] = received_beside(give("adam"), give("dataset-json")) if kind == "both" else receive(whole(kind))
        return read[kind]

    return give
