"""How long the first and the next ``immunomon gate STRATEGY FILE`` take, in processes of their own.

    python benchmarks/start.py [--json FILE] [--repeats 5]

One simulated sample of 200,000 events x 16 channels through the shipped strategy ``treg``. Cold: nothing compiled yet,
neither Python's byte code nor the gating kernels, as right after an installation. Beside it, in the same minutes,
``python -c "import numba"``, which the command does not do for a few files: it says how fast the machine is just now.
Seconds by the clock, and of the processor (all threads), which a busy machine disturbs less: those are compared with
the aims. Exit 1 if one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np

from immunomon.assurance.simulate.biology import healthy_donor
from immunomon.assurance.simulate.fcs import fcs_bytes, spillover_keyword
from immunomon.assurance.simulate.instrument import CHANNELS, DETECTORS, SPILLOVER
from immunomon.assurance.simulate.layouts import layout_named
from immunomon.assurance.simulate.tubes import Batch, Tube, keywords, run_tube

EVENTS, ALL_CHANNELS = 200_000, 16
COLD_AIM, WARM_AIM = 6.0, 1.2
GATE = "from immunomon.cli.main import main; main()"
# The compiled way, which many or large files take, on one file: what its first use costs.
COMPILED = (
    "import sys; from pathlib import Path; from immunomon.runs.named import find_gates\n"
    "from immunomon.runs.single import gate_file\n"
    "strategy, panel, _ = find_gates('treg'); gate_file(Path(sys.argv[1]), strategy, panel=panel, fast=True)"
)


def make_file(path: Path) -> None:
    """Write a healthy donor's cells, stained with the panel treg, with empty detectors up to 16 channels."""
    donor = healthy_donor("DONOR")
    tube = Tube(
        layout_named("treg"), "bridge", Batch("B", date(2024, 1, 8), 0), "start", EVENTS, "DONOR", donor.frequencies()
    )
    events = run_tube(tube, 1).events[:EVENTS]
    empty = tuple(f"V{number}-A" for number in range(ALL_CHANNELS - len(CHANNELS)))
    noise = np.random.default_rng(1).normal(50, 150, (len(events), len(empty)))
    spill = np.eye(len(DETECTORS) + len(empty))
    spill[: len(DETECTORS), : len(DETECTORS)] = SPILLOVER
    words = keywords(tube, float(events[-1, -1]), 1) | {"$SPILLOVER": spillover_keyword(spill, (*DETECTORS, *empty))}
    for number, name in enumerate(empty, start=len(CHANNELS) + 1):
        words |= {f"$P{number}N": name, f"$P{number}R": "262144", f"$P{number}E": "0,0"}
    path.write_bytes(fcs_bytes(np.hstack([events, noise]).astype(np.float32), words))


def timed(command: list[str], caches: Path) -> tuple[float, float]:
    """Return the seconds of a process by the clock, and those of the processor that it and its children took."""
    places = {"NUMBA_CACHE_DIR": str(caches / "numba"), "PYTHONPYCACHEPREFIX": str(caches / "python")}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | places
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    clock, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return clock, used


def measure(repeats: int) -> dict[str, float]:
    """Return all seconds, the medians of several repeats where they can be repeated."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "start.fcs"
        make_file(file)
        gate = ["-c", GATE, "gate", "treg", str(file)]
        result: dict[str, float] = {}

        def note(key: str, runs: list[tuple[float, float]]) -> None:
            result[f"{key}_seconds"] = statistics.median(clock for clock, _ in runs)
            result[f"{key}_cpu_seconds"] = statistics.median(used for _, used in runs)

        caches = Path(name) / "caches"
        note("cold", [timed(gate, caches)])
        timed(["-c", "import numba"], caches)
        warm, numba = [], []
        for _ in range(repeats):
            warm.append(timed(gate, caches))
            numba.append(timed(["-c", "import numba"], caches))
        note("warm", warm)
        note("import_numba", numba)
        note("compiled_cold", [timed(["-c", COMPILED, str(file)], caches)])
        note("compiled_warm", [timed(["-c", COMPILED, str(file)], caches)])
    return result


def main() -> int:
    """Measure, print the table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the numbers here.")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    result = measure(options.repeats)
    rows = (
        ("cold", f"first immunomon gate treg FILE (aim: {COLD_AIM:g})"),
        ("warm", f"the next ones (aim: {WARM_AIM:g})"),
        ("import_numba", "python -c 'import numba', for comparison"),
        ("compiled_cold", "first use of the compiled way, for many or large files"),
        ("compiled_warm", "the next ones"),
    )
    print(f"{EVENTS:,} events x {ALL_CHANNELS} channels: seconds by the clock, and of the processor")
    for key, words in rows:
        print(f"  {result[f'{key}_seconds']:6.2f}  {result[f'{key}_cpu_seconds']:6.2f}  {words}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8", newline="\n")
    return 0 if result["cold_cpu_seconds"] <= COLD_AIM and result["warm_cpu_seconds"] <= WARM_AIM else 1


if __name__ == "__main__":
    sys.exit(main())
