"""Compensation from controls against known matrices: the simulator's, wrong tubes, and real single stains.

    python benchmarks/compensation.py [--seeds 5] [--events 2000] [--data ../shared/data] [--json compensation.json]

1. The simulator's beads, several seeds: every coefficient must be within 0.002 of the matrix that mixed them and every
   residual slope below 1e-4. 2. The same with dim cells instead of beads (a third of the brightness, broad, with the
   cells' own light), for information. 3. Tubes spoiled on purpose: each must be refused for its own fault.
4. single-stains/spectral, if it is there: the peak detector of 13 fluorochromes against the lists of the data set.
5. single-stains/four-colour: the matrix beside the one that came with the files. Exit 1 if 1, 3 or 4 fails.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from immunomon.assurance.simulate.instrument import (
    CHANNELS,
    DETECTORS,
    FLUOROCHROMES,
    SPILLOVER,
    autofluorescence,
    detect,
)
from immunomon.assurance.simulate.tubes import bead_run
from immunomon.cytometry.model.controls import ControlLabel, EstimatedSpillover, Fault, GoodControl
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.steps.control_quality import judge_control
from immunomon.cytometry.steps.estimate_spillover import estimate_spillover
from immunomon.runs.compensation import Controls, from_controls
from immunomon.study.model.channels import Channel
from immunomon.study.model.fluorochromes import simple_name

TOLERANCE = 0.002
SLOPE = 1e-4


def table(values: np.ndarray) -> EventTable:
    """Return simulated values as raw events."""
    return EventTable(np.asarray(values, dtype=np.float32), tuple(Channel(name) for name in CHANNELS))


def estimate(tubes: dict[str, np.ndarray], dark: np.ndarray | None = None) -> EstimatedSpillover:
    """Return the matrix from one tube a fluorochrome; a refused one is an error here."""
    good = []
    for name, values in tubes.items():
        label = ControlLabel(name, name, f"{name}-A")
        found = judge_control(table(values), label, DETECTORS, unstained=None if dark is None else table(dark))
        if not isinstance(found, GoodControl):
            raise SystemExit(f"a clean tube was refused: {found}")
        good.append(found)
    return estimate_spillover(good, DETECTORS)


def cells(stain: int | None, events: int, rng: np.random.Generator) -> np.ndarray:
    """Return lymphocytes, 30 % of them dimly and broadly stained, each with its own light."""
    amount = np.zeros((events, len(FLUOROCHROMES)), dtype=np.float32)
    if stain is not None:
        stained = rng.random(events) < 0.3
        amount[stained, stain] = 8000 * np.exp(0.4 * rng.standard_normal(int(stained.sum())))
    own = np.exp(0.25 * rng.standard_normal((events, 1))).astype(np.float32) * autofluorescence(1.0)
    light = detect(amount, own, rng)
    area = 90_000 * np.exp(0.07 * rng.standard_normal(events))
    scatter = np.stack([area, 0.84 * area, 28_000 * np.exp(0.1 * rng.standard_normal(events))], axis=1)
    return np.concatenate([scatter, light, np.zeros((events, 1))], axis=1)


def simulated(seeds: int, events: int) -> list[dict[str, Any]]:
    """Return, for every seed, the largest error and residual slope with beads and with dim cells."""
    rows = []
    for seed in range(1, seeds + 1):
        rng = np.random.default_rng(seed)
        started = time.perf_counter()
        beads = estimate({name: bead_run(name, events, rng) for name in FLUOROCHROMES})
        seconds = time.perf_counter() - started
        dim = {name: cells(stain, 4 * events, rng) for stain, name in enumerate(FLUOROCHROMES)}
        on_cells = estimate(dim, cells(None, 4 * events, rng))
        rows.append(
            {
                "seed": seed,
                "largest_error": float(np.abs(beads.values - SPILLOVER).max()),
                "largest_residual_slope": beads.largest_residual,
                "iterations": len(beads.history),
                "seconds": round(seconds, 2),
                "largest_error_dim_cells": float(np.abs(on_cells.values - SPILLOVER).max()),
                "largest_residual_slope_dim_cells": on_cells.largest_residual,
            }
        )
    return rows


def spoiled(seeds: int, events: int) -> list[dict[str, Any]]:
    """Return how many spoiled tubes of every kind were refused, and how many for the right fault."""
    counts: dict[str, list[int]] = {}
    for seed in range(1, seeds + 1):
        for place, name in enumerate(FLUOROCHROMES):
            rng = np.random.default_rng([seed, place])
            other = FLUOROCHROMES[(place + 3) % len(FLUOROCHROMES)]
            clean, column = bead_run(name, events, rng), 3 + place
            dark = clean[clean[:, column] < 5000]
            carried = np.concatenate([clean, bead_run(other, events // 8, rng)])
            cut = clean.copy()
            cut[:, column] = np.minimum(cut[:, column], 24_000)
            tubes = {
                "clean": (clean, None),
                Fault.NO_POSITIVE.value: (np.concatenate([dark, dark]), Fault.NO_POSITIVE),
                Fault.WRONG_DETECTOR.value: (bead_run(other, events, rng), Fault.WRONG_DETECTOR),
                Fault.CARRY_OVER.value: (carried, Fault.CARRY_OVER),
                Fault.SATURATED.value: (cut, Fault.SATURATED),
                Fault.TOO_FEW_EVENTS.value: (clean[:150], Fault.TOO_FEW_EVENTS),
            }
            for kind, (values, fault) in tubes.items():
                found = judge_control(table(values), ControlLabel("tube", name, f"{name}-A"), DETECTORS)
                right = found.fault is fault if fault and not isinstance(found, GoodControl) else fault is None
                right = right and isinstance(found, GoodControl) == (fault is None)
                tally = counts.setdefault(kind, [0, 0])
                tally[0] += right
                tally[1] += 1
    return [{"tube": kind, "judged_right": right, "of": of} for kind, (right, of) in counts.items()]


def listed(file: Path) -> dict[str, str]:
    """Return the peak detector of every fluorochrome in a list of the data set."""
    rows = csv.reader(file.read_text(encoding="utf-8-sig").splitlines()[1:])
    return {simple_name(row[0].removesuffix("-A")): row[1].strip() for row in rows if len(row) > 1}


def spectral(folder: Path) -> dict[str, Any]:
    """Return the peak detectors of 13 real single stains beside the data set's two lists.

    Panel.csv is of an instrument without yellow-green laser: its detectors are compared among the lasers it names.
    UnmixingPanel.csv is of one with it, as these files are.
    """
    files = sorted(folder.glob("DR_*.fcs"))
    started = time.perf_counter()
    unstained = next(folder.glob("*Unstained.fcs"))
    found = from_controls(Controls(tuple((path, "") for path in files), unstained), partial=True)
    result = found.estimate
    if result is None:
        raise SystemExit("no spectral control was good: " + "; ".join(map(str, found.refused)))
    panel, unmixing = listed(folder / "Panel.csv"), listed(folder / "UnmixingPanel.csv")
    lasers = {name.rstrip("0123456789-A") for name in panel.values()}
    rows = []
    for name, values in zip(result.stains, result.values, strict=False):
        order = [result.detectors[place] for place in np.argsort(-values)]
        same_lasers = next(detector for detector in order if detector.rstrip("0123456789-A") in lasers)
        key = simple_name(name)
        rows.append(
            {
                "fluorochrome": name,
                "peak": order[0],
                "peak_on_the_lasers_of_panel_csv": same_lasers,
                "panel_csv": panel.get(key, ""),
                "unmixing_panel_csv": unmixing.get(key, ""),
            }
        )
    return {
        "controls": len(files),
        "refused": [str(refused) for refused in found.refused],
        "right_by_panel_csv_on_its_lasers": sum(
            row["peak_on_the_lasers_of_panel_csv"] == row["panel_csv"] for row in rows
        ),
        "right_by_panel_csv_on_all": sum(row["peak"] == row["panel_csv"] for row in rows),
        "right_by_either_list": sum(row["peak"] in (row["panel_csv"], row["unmixing_panel_csv"]) for row in rows),
        "largest_residual_slope": result.largest_residual,
        "largest_unexplained_slope": float(np.abs(result.unexplained).max()),
        "iterations": len(result.history),
        "seconds": round(time.perf_counter() - started, 1),
        "peaks": rows,
    }


def four_colour(folder: Path) -> dict[str, Any]:
    """Return the matrix of four real single stains and how far it is from the one that came with the files."""
    files = [folder / "data" / f"060909.{number:03d}" for number in (2, 3, 4, 5)]
    found = from_controls(Controls(tuple((path, "") for path in files), folder / "data" / "060909.001"), partial=True)
    result = found.estimate
    if result is None:
        raise SystemExit("no four-colour control was good: " + "; ".join(map(str, found.refused)))
    lines = (folder / "compref").read_text(encoding="utf-8").splitlines()[1:]
    reference = np.array([[float(value) for value in line.split()[1:]] for line in lines])
    away = np.abs(result.values - reference)
    return {
        "fluorochromes": list(result.stains),
        "found": result.values.round(5).tolist(),
        "reference": reference.round(5).tolist(),
        "largest_difference_by_row": away.max(axis=1).round(5).tolist(),
        "largest_residual_slope": result.largest_residual,
    }


def main() -> int:
    """Measure, print, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--events", type=int, default=2000)
    default = os.environ.get("IMMUNOMON_REAL_DATA", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    out: dict[str, Any] = {"simulated": simulated(asked.seeds, asked.events), "spoiled": spoiled(2, asked.events)}
    error = max(row["largest_error"] for row in out["simulated"])
    slope = max(row["largest_residual_slope"] for row in out["simulated"])
    dim = max(row["largest_error_dim_cells"] for row in out["simulated"])
    met = error <= TOLERANCE and slope < SLOPE
    print(f"simulated beads, {asked.seeds} seeds: largest error {error:.5f} (target {TOLERANCE}), slope {slope:.1e}")
    print(f"simulated dim cells, {asked.seeds} seeds: largest error {dim:.5f} (no target)")
    for row in out["spoiled"]:
        print(f"{row['tube']}: judged right {row['judged_right']} of {row['of']}")
        met = met and row["judged_right"] == row["of"]
    stains = asked.data / "single-stains"
    if stains.is_dir():
        out["spectral"], out["four_colour"] = spectral(stains / "spectral"), four_colour(stains / "four-colour")
        seen = out["spectral"]
        print(
            f"spectral: {seen['right_by_panel_csv_on_its_lasers']} of {seen['controls']} peaks right by Panel.csv "
            f"on its lasers, {seen['right_by_panel_csv_on_all']} among all detectors, "
            f"{seen['right_by_either_list']} by either list; "
            f"{len(seen['refused'])} refused; slope {seen['largest_residual_slope']:.1e}"
        )
        for row in seen["peaks"]:
            if row["peak"] != row["panel_csv"]:
                print(
                    f"  {row['fluorochrome']}: {row['peak']}; Panel.csv {row['panel_csv']}, other list "
                    f"{row['unmixing_panel_csv']}"
                )
        print(f"four-colour: largest difference by row {out['four_colour']['largest_difference_by_row']}")
        met = met and seen["right_by_panel_csv_on_its_lasers"] == seen["controls"] == seen["right_by_either_list"]
    else:
        print(f"no real single stains in {stains}: skipped")
    if asked.json:
        asked.json.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8", newline="\n")
    print("met" if met else "NOT MET")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
