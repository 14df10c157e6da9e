# ruff: noqa: E501, RUF001
"""Folders of FCS files as laboratories have them: names of files and channels of five kinds of cytometers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from support.fcs_files import write_fcs

SCATTER = {"FSC-A": "", "FSC-H": "", "SSC-A": ""}


@dataclass(frozen=True)
class LabFolder:
    """A folder to be made: channels (detector -> label) by a word of the file's name, and the names.

    pattern: what a person says of the names; strategies: what is to be proposed for each panel.
    """

    channels: Mapping[str, Mapping[str, str]]
    files: Sequence[str]
    strategies: Mapping[str, Sequence[str]]
    pattern: str | None = None
    with_matrix: bool = True


# FACSDiva: clones in brackets, an FMO tube, single stains, an unstained tube.
DIVA = LabFolder(
    {
        "": {
            "Zombie NIR-A": "Zombie NIR", "BV421-A": "CD25 (M-A251)", "PerCP-Cy5-5-A": "anti-CD4", "PE-Cy7-A": "CD194 (1G1)",
            "APC-A": "hCD127", "APC-H7-A": "CD45RO (UCHL1)", "V500-A": "CD3", "PE-A": "HLADR",
        }
    },
    [
        *(f"Specimen_001_S0{number}_{visit}_001.fcs" for number in (1, 2) for visit in ("Baseline", "W4")),
        "Specimen_001_S01_Baseline_FMO CD25.fcs", "Compensation Controls_PE Stained Control.fcs", "Unstained Control.fcs",
    ],
    {"panel": ["treg"]},
)  # fmt: skip
# FlowJo's export of compensated values: a folder for each subject and visit.
EXPORTED = LabFolder(
    {
        "thelper": {
            "Comp-FITC-A": "Comp-FITC-A :: L/D", "Comp-BV421-A": "Comp-BV421-A :: CD183", "Comp-PE-A": "Comp-PE-A :: CD4",
            "Comp-PE-Cy7-A": "Comp-PE-Cy7-A :: CD196", "Comp-APC-A": "Comp-APC-A :: CD38", "Comp-BV605-A": "Comp-BV605-A :: CD8a",
            "Comp-V450-A": "Comp-V450-A :: CD3", "Comp-V500-A": "Comp-V500-A :: HLA DR",
        }
    },
    [f"P{number}/{visit}/thelper.fcs" for number in (11, 12) for visit in ("D-1", "D15")],
    {"thelper": ["thelper"]},
    pattern="{subject}/{visit}/{panel}.fcs",
    with_matrix=False,
)  # fmt: skip
# Attune: detectors by laser; markers with their dyes, Greek letters; tubes with and without stimulus.
ATTUNE = LabFolder(
    {
        "": {
            "BL1-A": "CD45RA_FITC", "BL2-A": "Live/Dead", "YL1-A": "IL17A_PE", "YL4-A": "IFN-γ_PE-Cy7", "RL1-A": "IL-4_APC",
            "RL3-A": "CD8α_APC-H7", "VL1-A": "CD3_V450", "VL2-A": "CD4_V500", "BL1-H": "", "YL1-H": "",
        }
    },
    [f"PT{number} {visit} {stimulus}.fcs" for number in (1, 2) for visit in ("V1", "V2") for stimulus in ("PMA", "unstim")],
    {"panel": ["thelper-ics"]},
)  # fmt: skip
# CytoFLEX: filters and dyes in the detectors' names; dates, no visits.
CYTOFLEX = LabFolder(
    {
        "": {
            "B525-FITC-A": "CD24", "B690-PC5.5-A": "anti-human CD19 (HIB19)", "Y585-PE-A": "CD27 PE", "Y780-PC7-A": "CD38",
            "R660-APC-A": "CD20", "R763-APCA750-A": "Zombie NIR", "V450-PB-A": "CD3e", "V610-A": "IgD",
        }
    },
    [f"{who}_20{year}-03-0{number}_bcell.fcs" for number, who in enumerate(("DON1", "DON2"), 1) for year in (24, 25)],
    {"bcell": ["bcell"]},
)  # fmt: skip
# Two tubes and a bridge donor; names with hyphens alone, an ambiguous label, one marker on two detectors, no matrix.
MIXED = LabFolder(
    {
        "treg": {
            "FITC-A": "viability", "PE-A": "IL2RA", "PerCP-A": "CD4", "PE-Cy7-A": "CCR4", "APC-A": "IL-7Rα", "V450-A": "CD3",
            "APC-H7-A": "CD45RO", "V500-A": "HLA-DR",
        },
        "nk": {
            "FITC-A": "Dead", "PE-A": "CD56", "PerCP-A": "IL3RA", "PE-Cy7-A": "CD11c", "APC-A": "CD16", "V450-A": "CD14",
            "APC-H7-A": "CD3_CD19_CD20", "V500-A": "HLADR", "BV605-A": "Granzyme", "BV711-A": "NCAM",
        },
    },
    [
        *(f"K{number}-{visit}-{tube}.fcs" for number in (1, 2) for visit in ("T0", "T1") for tube in ("treg", "nk")),
        "D9-T0-treg-bridge.fcs",
    ],
    {"treg": ["treg"], "nk": ["monocyte-dc", "nk"]},
    pattern="{subject}-{visit}-{panel}.fcs",
    with_matrix=False,
)  # fmt: skip
LAB_FOLDERS = {"diva": DIVA, "exported": EXPORTED, "attune": ATTUNE, "cytoflex": CYTOFLEX, "mixed": MIXED}


def make(folder: Path, lab: LabFolder, values: Callable[[int, int], np.ndarray] | None = None) -> Path:
    """Write the files of a folder; values: number of the file and of its channels -> events."""
    for number, name in enumerate(lab.files):
        word = next(word for word in lab.channels if word in name)
        channels = {**SCATTER, **lab.channels[word], "Time": ""}
        seed = np.random.default_rng(number)
        events = values(number, len(channels)) if values else seed.uniform(1, 2e5, (60, len(channels)))
        events[:, -1] = np.sort(events[:, -1])
        words = (
            {"$DATE": f"0{1 + number % 9}-MAR-20{24 + number % 2}"}
            if "cytoflex" not in str(folder)
            else {"$DATE": _date(name)}
        )
        if lab.with_matrix:
            words["$SPILLOVER"] = _matrix([detector for detector in lab.channels[word] if not detector.endswith("-H")])
        words["$CYT"] = "made up"
        write_fcs(folder / name, events, tuple(channels), tuple(channels.values()), **words)
    return folder


def _date(name: str) -> str:
    year = name.partition("_")[2][:4]
    return f"07-MAR-{year}"


def _matrix(detectors: Sequence[str]) -> str:
    cells = np.eye(len(detectors)) + 0.01 * (1 - np.eye(len(detectors)))
    return ",".join([str(len(detectors)), *detectors, *(f"{cell:g}" for cell in cells.ravel())])
