"""Gates placed on real files beside those that others placed on the same files: openCyto's, a person's, a cohort's."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from immunomon.arrays import Mask
from immunomon.assurance.validation.agreement import f1
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.cytometry.formats.spillover import spillover_of
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.placement import ControlTube, Nearness
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.cytometry.steps.compensate import compensate
from immunomon.cytometry.steps.gate import axes_of, gate
from immunomon.cytometry.steps.transform import resolve_scales, transform
from immunomon.runs.run import RunSummary, run_study
from immunomon.runs.single import Compensation, analyse
from immunomon.study.model.strategy import ROOT
from immunomon.study.specs.panel import load_panel

__all__ = [
    "ACTIVATION_FILES",
    "LYOPLATE_FILES",
    "REFERENCES",
    "beside",
    "gate_activation",
    "gate_lyoplate",
    "itn_found",
    "run_itn",
    "their_activation",
    "their_lyoplate",
    "threshold_distances",
]

REFERENCES = Path(__file__).parent / "references"
Masks = dict[str, Mask]

LYOPLATE_FILES = ("001", "002")
_LIVE = "/boundary/Monocytes/Live"
_NEGATIVE = f"{_LIVE}/CD14-Lineage-"
_OPENCYTO = {
    "boundary": "/boundary",
    "cells": "/boundary/Monocytes",
    "live": _LIVE,
    "cd14_pos": f"{_LIVE}/CD14+",
    "cd14_neg": f"{_LIVE}/CD14-",
    "monocytes": f"{_LIVE}/CD14+Lineage-",
    "monocytes_cd16": f"{_LIVE}/CD14+Lineage-/CD14+CD16+",
    "lineage_neg": _NEGATIVE,
    "cd56_pos": f"{_NEGATIVE}/CD56+",
    "cd16_pos": f"{_NEGATIVE}/CD16+",
    "cd56neg_cd16neg": f"{_NEGATIVE}/CD16-CD56-",
    "cd56neg_cd16pos": f"{_NEGATIVE}/CD16+CD56-",
    "cd56pos_cd16neg": f"{_NEGATIVE}/CD16-CD56+",
    "cd56pos_cd16pos": f"{_NEGATIVE}/CD16+CD56+",
}

ACTIVATION_FILES = tuple(f"Activation_{number}.fcs" for number in (1, 2, 3, 4, 9, 13))
_NO_ANTIGEN = ACTIVATION_FILES[0]
_DECADES = 4.5  # of the logicle axes, from 0 to 1
# The person's borders: population -> fact of the placed gate -> display coordinate.
_PERSON = {
    "dead_cells": {"x_threshold": 0.5364352611, "y_threshold": 0.4867038031},
    "cd4": {"x_threshold": 0.4051947979, "y_threshold": 0.4690572905},
    "cd8": {"x_threshold": 0.4152624187, "y_threshold": 0.4937993151},
    "cd8_cd69": {"threshold": 0.5091858617},
    "cd4_cd69": {"threshold": 0.5758578076},
    "dendritic_cells": {"x_threshold": 0.318104184, "y_threshold": 0.558368344},
}


def beside(tree: GateTree, theirs: Masks) -> pd.DataFrame:
    """Return a row per population that both have: percents of parent, F1, and how many events theirs has.

    theirs: our population's id -> (events,). Columns: population, parent, percent, their_percent, f1, their_events.
    """
    rows = []
    for node in tree.populations:
        if node.id not in theirs or (node.parent != ROOT and node.parent not in theirs):
            continue
        ours, mask = tree.mask(node.id), theirs[node.id]
        assert ours is not None
        whole, their_whole = (
            (tree.count, tree.count)
            if node.parent == ROOT
            else (tree.size(node.parent) or 0, int(theirs[node.parent].sum()))
        )
        rows.append(
            {
                "population": node.id,
                "parent": node.parent,
                "percent": 100 * float(ours.sum()) / whole,
                "their_percent": 100 * float(mask.sum()) / their_whole,
                "f1": f1(ours, mask),
                "their_events": int(mask.sum()),
            }
        )
    return pd.DataFrame(rows)


def gate_lyoplate(data: Path, file: str) -> GateTree:
    """Return one file of the technical pair, gated by the strategy written for it; data: the folder of real files."""
    folder = REFERENCES / "lyoplate"
    panel = load_panel(folder / "panel.yaml")
    strategy = load_strategy(folder / "strategy.yaml", methods=GATE_METHODS, panel=panel)
    path = Path(f"{_lyoplate(data, file)}.compensated_biex.fcs")
    return analyse(path, strategy, panel=panel, compensation=Compensation(False, None), with_plots=False).tree


def their_lyoplate(data: Path, file: str) -> Masks:
    """Return openCyto's populations of one file of the pair, by our ids."""
    stored = read_memberships(Path(f"{_lyoplate(data, file)}.fcs.event_labels.npz"))
    return {name: stored[path] for name, path in _OPENCYTO.items()}


def _lyoplate(data: Path, file: str) -> Path:
    return data / "lyoplate-nk" / f"gs_DC_auto__DC_MONO_NK_12828001_{file}"


class _NoAntigen:
    def __init__(self, events: EventTable) -> None:
        self._events = events

    def tubes(self, role: str, near: Nearness) -> Sequence[ControlTube]:
        return [ControlTube(_NO_ANTIGEN, near, self._events)] if (role, near) == ("unstimulated", "batch") else []


def gate_activation(data: Path) -> dict[str, GateTree]:
    """Return the six files of the activation experiment, gated, by name; the tube without antigen is their control."""
    folder = REFERENCES / "activation"
    panel = load_panel(folder / "panel.yaml")
    strategy = load_strategy(folder / "placed.yaml", methods=GATE_METHODS, panel=panel)
    axes, shown, scales = axes_of(strategy), {}, {}
    for name in ACTIVATION_FILES:
        header, raw = read_fcs(data / "activation" / name)
        events = compensate(raw.labelled(panel.label_channels(raw.channels)), spillover_of(header), names=list(axes))
        scales = dict(resolve_scales(strategy, axes, events))
        shown[name] = transform(events, scales)
    controls = _NoAntigen(shown[_NO_ANTIGEN])
    return {name: gate(events, strategy, scales, controls=controls) for name, events in shown.items()}


def their_activation(data: Path, file: str, tree: GateTree) -> Masks:
    """Return the person's populations of one file, by our ids; scatter gates, which are the person's, among them."""
    stored = read_memberships(data / "activation" / f"Activation-GatingSet__{file}.event_labels.npz")
    masks = {path.rpartition("/")[2]: mask for path, mask in stored.items()}
    masks["Live Cells"] = masks["Single Cells"] & ~masks["Dead Cells"]  # a boolean gate has none stored
    return {node.id: masks[node.label] for node in tree.populations}


def threshold_distances(trees: Mapping[str, GateTree]) -> pd.DataFrame:
    """Return how far each border lies from the person's: the median of its distances over the files, in decades.

    Columns: population, border, decades.
    """
    rows = []
    for population, borders in _PERSON.items():
        placed = [next(p.facts for p in tree.populations if p.id == population) for tree in trees.values()]
        for name, threshold in borders.items():
            far = float(np.median([abs(facts[name] - threshold) for facts in placed]))
            rows.append({"population": population, "border": name, "decades": _DECADES * far})
    return pd.DataFrame(rows)


def run_itn(data: Path, study: Path, *, jobs: int) -> RunSummary:
    """Run the cohort of 15 patients as a study in a folder of its own; raises OSError where links cannot be made."""
    cohort = data / "cohorts" / "itn"
    for name, target in (("study", "study.yaml"), ("panel", "panels/itn.yaml"), ("strategy", "gating/itn.yaml")):
        (study / target).parent.mkdir(parents=True, exist_ok=True)
        (study / target).write_bytes((REFERENCES / "itn" / f"{name}.yaml").read_bytes())
    (study / "fcs").symlink_to(cohort.resolve(), target_is_directory=True)  # real data are never copied
    with (study / "study.yaml").open("a", encoding="utf-8", newline="\n") as file:
        file.write(f"data_folders: [{json.dumps(cohort.resolve().as_posix())}]\n")
    rows = ["file,subject,visit,panel,role,batch"]
    with (cohort / "ITN_phenoData.csv").open(encoding="utf-8", newline="") as file:
        rows += [
            f"fcs/{row['name']}.fcs,{row['PatientID']},baseline,itn,sample,site {row['SiteCode']}"
            for row in csv.DictReader(file)
        ]
    (study / "samples.csv").write_text("\n".join(rows) + "\n", encoding="utf-8", newline="\n")
    return run_study(study, jobs=jobs)


def itn_found(run: RunSummary) -> pd.DataFrame:
    """Return for each sample whether CD4 and CD8 cells were found, by its own valleys, and how many there are.

    Columns: sample, cd4, cd8 (percent of T cells), found.
    """
    table = pd.read_csv(run.folder / "tables" / "populations.csv")
    percent = table.set_index(["sample_id", "population"])["percent_of_parent"].astype("float64").to_dict()
    rows = []
    for path in sorted((run.folder / "gates").glob("*.json")):
        gates = json.loads(path.read_text(encoding="utf-8"))["populations"]
        own = all(not gate["failure"] and not gate["note"] for gate in gates)
        cd4, cd8 = (float(percent[path.stem, name]) for name in ("cd4", "cd8"))
        rows.append({"sample": path.stem, "cd4": cd4, "cd8": cd8, "found": own and cd4 > 0 and cd8 > 0})
    return pd.DataFrame(rows)
