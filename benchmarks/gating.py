"""The gating engine beside FlowKit, in one run, on the same files, which this script makes itself.

    python benchmarks/gating.py [--json FILE] [--quick]

From a path to the counts of 13 gates: 200,000 events x 16 channels, 12 of them compensated and on a logicle scale.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from immunomon.assurance.simulate.fcs import fcs_bytes, spillover_keyword
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.runs.single import gate_file
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population, ScaleDeclaration

SCATTER = ("FSC-A", "FSC-H", "SSC-A", "Time")
COLOURS = tuple(f"FL{number}-A" for number in range(1, 13))
REPEATS = 7
THREADS = os.cpu_count() or 1
HEXAGON = np.array([[-1.0, 0.0], [-0.5, -0.9], [0.5, -0.9], [1.0, 0.0], [0.5, 0.9], [-0.5, 0.9]])


def make_file(path: Path, events: int) -> None:
    """Write an FCS file: cells with two levels of each colour, spilled into their neighbours."""
    rng = np.random.default_rng(events)
    bright = rng.random((events, 12)) < 0.45
    true = np.where(bright, np.exp(rng.normal(9.0, 0.6, (events, 12))), rng.normal(100.0, 250.0, (events, 12)))
    spill = np.eye(12) + 0.15 * np.exp(-np.abs(np.subtract.outer(np.arange(12), np.arange(12)))) * (1 - np.eye(12))
    area = np.exp(rng.normal(11.2, 0.25, events))
    height = area * rng.normal(0.8, 0.03, events)
    side = np.exp(rng.normal(10.3, 0.5, events))
    scatter = np.column_stack([area, height, side, np.linspace(0, 6e4, events)])
    names = (*SCATTER, *COLOURS)
    keywords = {"$SPILLOVER": spillover_keyword(spill, COLOURS), "$TIMESTEP": "0.01"}
    for number, name in enumerate(names, start=1):
        keywords |= {f"$P{number}N": name, f"$P{number}R": "262144", f"$P{number}E": "0,0"}
    path.write_bytes(fcs_bytes(np.hstack([scatter, true @ spill]).astype(np.float32), keywords))


def gates(count: int) -> list[dict[str, Any]]:
    """Return a tree of rectangles, polygons, ellipses and boolean gates as plain data, parents first."""
    found: list[dict[str, Any]] = [
        {"id": "cells", "parent": "root", "kind": "rectangle", "axes": ("FSC-A", "SSC-A"),
         "sides": ((3e4, 2e5), (5e3, 1.2e5))},
        {"id": "singlets", "parent": "cells", "kind": "polygon", "axes": ("FSC-A", "FSC-H"),
         "vertices": ((2e4, 1e4), (2.6e5, 1.8e5), (2.6e5, 2.4e5), (2e4, 2.2e4))},
    ]  # fmt: skip
    colours = [(COLOURS[(2 * n) % 12], COLOURS[(2 * n + 1 + 2 * (n // 6)) % 12]) for n in range(count)]
    parents = ["singlets"]
    while len(found) < count:
        number = len(found)
        x, y = colours[number]
        y = y if y != x else COLOURS[(COLOURS.index(x) + 1) % 12]
        parent = parents[(number * 7) % len(parents)]
        name = f"g{number}"
        kind = ("polygon", "rectangle", "polygon", "ellipse", "polygon", "boolean")[number % 6]
        made: dict[str, Any] = {"id": name, "parent": parent, "kind": kind, "axes": (x, y)}
        centre = (0.72, 0.72) if number % 2 else (0.25, 0.7)
        if kind == "polygon":
            made["vertices"] = tuple(map(tuple, (HEXAGON * (0.22, 0.28) + centre).tolist()))
        elif kind == "rectangle":
            made["sides"] = ((0.45, 1.0), (-0.2, 0.9))
        elif kind == "ellipse":
            made |= {"center": centre, "covariance": ((0.03, 0.008), (0.008, 0.02)), "distance": 1.5}
        else:
            # FlowKit combines siblings; so that both do the same work, ours are siblings too.
            siblings = [gate["id"] for gate in found if gate["parent"] == parent and gate["kind"] != "boolean"]
            made |= {"operator": ("or", "and", "not")[number % 3], "of": tuple(siblings[-2:])}
            made["of"] = made["of"][:1] if made["operator"] == "not" else made["of"]
            if len(made["of"]) < (1 if made["operator"] == "not" else 2):
                made |= {"kind": "rectangle", "sides": ((0.4, 1.0), (0.0, 1.0))}
        found.append(made)
        if number < 8 and made["kind"] != "boolean":
            parents.append(name)
    return found


def our_strategy(tree: list[dict[str, Any]]) -> GatingStrategy:
    """Return the tree as a strategy of immunomon."""

    def declared(gate: dict[str, Any]) -> GateDeclaration:
        if gate["kind"] == "rectangle":
            sides = [{"axis": a, "low": s[0], "high": s[1]} for a, s in zip(gate["axes"], gate["sides"], strict=True)]
            return GateDeclaration("rectangle", {"sides": sides, "units": "display"})
        if gate["kind"] == "boolean":
            return GateDeclaration("boolean", {"operator": gate["operator"], "of": gate["of"]})
        axes = {"x": gate["axes"][0], "y": gate["axes"][1], "units": "display"}
        if gate["kind"] == "polygon":
            return GateDeclaration("polygon", {**axes, "vertices": gate["vertices"]})
        shape = {"center": gate["center"], "covariance": gate["covariance"], "distance_square": gate["distance"]}
        return GateDeclaration("ellipse", {**axes, **shape})

    populations = tuple(Population(g["id"], g["id"], g["parent"], declared(g), "inside") for g in tree)
    logicle = ScaleDeclaration("logicle", (("t", 262144.0), ("w", 0.5), ("m", 4.5), ("a", 0.0)))
    return GatingStrategy("benchmark", "Benchmark", 1, None, populations, scales={"fluorescence": logicle})


def their_strategy(tree: list[dict[str, Any]], file: Path) -> Any:  # noqa: ANN401  (FlowKit carries no types)
    """Return the tree as a strategy of FlowKit."""
    import flowkit

    from immunomon.cytometry.formats.fcs import read_header
    from immunomon.cytometry.formats.spillover import spillover_of

    matrix = spillover_of(read_header(file))
    assert matrix is not None
    strategy = flowkit.GatingStrategy()
    strategy.add_comp_matrix("spill", flowkit.Matrix(matrix.array, list(COLOURS)))
    strategy.add_transform("logicle", flowkit.transforms.LogicleTransform(262144.0, 0.5, 4.5, 0.0))

    def dimension(axis: str, low: float | None = None, high: float | None = None) -> Any:  # noqa: ANN401
        display = {"compensation_ref": "spill", "transformation_ref": "logicle"} if axis in COLOURS else {}
        return flowkit.Dimension(axis, **display, range_min=low, range_max=high)

    paths: dict[str, tuple[str, ...]] = {"root": ("root",)}
    for gate in tree:
        path = paths[gate["parent"]]
        paths[gate["id"]] = (*path, gate["id"])
        dimensions = [dimension(axis) for axis in gate["axes"]]
        if gate["kind"] == "rectangle":
            sides = [dimension(axis, *side) for axis, side in zip(gate["axes"], gate["sides"], strict=True)]
            made = flowkit.gates.RectangleGate(gate["id"], sides)
        elif gate["kind"] == "polygon":
            made = flowkit.gates.PolygonGate(gate["id"], dimensions, [list(v) for v in gate["vertices"]])
        elif gate["kind"] == "ellipse":
            made = flowkit.gates.EllipsoidGate(
                gate["id"], dimensions, list(gate["center"]), np.array(gate["covariance"]), gate["distance"]
            )
        else:
            refs = [{"ref": name, "path": path, "complement": False} for name in gate["of"]]
            made = flowkit.gates.BooleanGate(gate["id"], gate["operator"], refs)
        strategy.add_gate(made, path)
    return strategy, paths


def floor(file: Path) -> float:
    """Read the values, multiply the float32 matrix, pass over the result once: what cannot be left out."""
    data = np.fromfile(file, dtype="<f4", offset=8192).reshape(-1, 16)
    inverse = np.linalg.inv(np.eye(12) * 1.1 + 0.01).astype(np.float32)
    return float((data[:, 4:] @ inverse).sum())


def timed(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds that a call takes; by ``time.process_time`` those of all its threads."""
    start = clock()
    work()
    return clock() - start


def peak_bytes(file: Path, count: int) -> int:
    """Return how much memory a fresh process takes for gating a file, beyond what it has when all is loaded."""
    code = (
        "import sys, threading, time, runpy; from pathlib import Path\n"
        f"module = runpy.run_path({str(Path(__file__))!r}, run_name='benchmark')\n"
        "def held():\n"
        "    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096\n"
        f"strategy = module['our_strategy'](module['gates']({count}))\n"
        "module['gate_file'](Path(sys.argv[1]), strategy, threads=1)\n"
        "before, seen, going = held(), [0], [True]\n"
        "def watch():\n"
        "    while going[0]:\n"
        "        seen[0] = max(seen[0], held()); time.sleep(0.0005)\n"
        "thread = threading.Thread(target=watch); thread.start()\n"
        f"module['gate_file'](Path(sys.argv[2]), strategy, threads={THREADS})\n"
        "going[0] = False; thread.join(); print(seen[0] - before)\n"
    )
    small = file.with_name("small.fcs")
    done = subprocess.run([sys.executable, "-c", code, small, file], capture_output=True, text=True, check=True)
    return int(done.stdout)


def compare(file: Path, count: int) -> dict[str, Any]:
    """Return both engines' seconds on one file, taken in turns, the floor, and whether they find the same events."""
    import flowkit

    tree = gates(count)
    ours, (theirs, paths) = our_strategy(tree), their_strategy(tree, file)

    def immunomon() -> Any:  # noqa: ANN401
        placed = gate_file(file, ours, threads=THREADS)
        return placed, {population.id: placed.size(population.id) for population in placed.populations}

    def their() -> Any:  # noqa: ANN401
        results = theirs.gate_sample(flowkit.Sample(file))
        return results, {g["id"]: results.get_gate_count(g["id"], paths[g["parent"]]) for g in tree}

    compiling = timed(immunomon)
    timed(their), timed(lambda: floor(file))
    seconds: dict[str, list[float]] = {"immunomon": [], "flowkit": [], "floor": [], "read": []}
    for _ in range(REPEATS):
        seconds["immunomon"].append(timed(immunomon))
        seconds["floor"].append(timed(lambda: floor(file)))
        seconds["read"].append(timed(lambda: read_fcs(file)))
        seconds["flowkit"].append(timed(their))
    cpu = {
        name: min(timed(work, time.process_time) for _ in range(REPEATS))
        for name, work in (("immunomon", immunomon), ("flowkit", their))
    }
    placed, counts = immunomon()
    results, _ = their()
    differing = [
        g["id"]
        for g in tree
        if not np.array_equal(placed.memberships[g["id"]], results.get_gate_membership(g["id"], paths[g["parent"]]))
    ]
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "flowkit_seconds": middle["flowkit"],
        "immunomon_seconds": middle["immunomon"],
        "ratio": middle["flowkit"] / middle["immunomon"],
        "floor_seconds": middle["floor"],
        "times_floor": middle["immunomon"] / middle["floor"],
        "memberships_equal": not differing,
        "differing_gates": differing,
        "read_seconds": middle["read"],
        "first_call_seconds": compiling,
        "immunomon_fastest_seconds": min(seconds["immunomon"]),
        "flowkit_fastest_seconds": min(seconds["flowkit"]),
        "floor_fastest_seconds": min(seconds["floor"]),
        "immunomon_cpu_seconds": cpu["immunomon"],
        "flowkit_cpu_seconds": cpu["flowkit"],
        "cpu_ratio": cpu["flowkit"] / cpu["immunomon"],
        "counts": counts,
    }


def growth(folder: Path, sizes: list[int], counts: list[int]) -> list[dict[str, Any]]:
    """Return our seconds (median) for files and trees of several sizes."""
    rows = []
    for size in sizes:
        for count in counts if size == 200_000 else [13]:
            file, strategy = folder / f"{size}.fcs", our_strategy(gates(count))
            taken = statistics.median(
                timed(lambda f=file, s=strategy: gate_file(f, s, threads=THREADS)) for _ in range(REPEATS)
            )
            rows.append({"events": size, "gates": count, "seconds": taken})
    return rows


def main() -> int:
    """Run the benchmark, print its table, write JSON; exit 1 if the two engines disagree on any event."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the numbers here.")
    parser.add_argument("--quick", action="store_true", help="Leave out growth and memory.")
    options = parser.parse_args()
    sizes = [200_000] if options.quick else [20_000, 200_000, 2_000_000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_file(folder / "small.fcs", 5_000)
        for size in sizes:
            make_file(folder / f"{size}.fcs", size)
        result: dict[str, Any] = {"events": 200_000, "channels": 16, "gates": 13, "threads": THREADS}
        result |= compare(folder / "200000.fcs", 13)
        if not options.quick:
            result["growth"] = growth(folder, sizes, [5, 13, 50, 200])
            held = {size: peak_bytes(folder / f"{size}.fcs", 13) for size in sizes[1:]}
            result["memory_times_file"] = {
                size: taken / (folder / f"{size}.fcs").stat().st_size for size, taken in held.items()
            }
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8", newline="\n")
    return 0 if result["memberships_equal"] else 1


def show(result: dict[str, Any]) -> None:
    """Print the numbers."""
    print(f"200,000 events x 16 channels, 13 gates, {result['threads']} threads, median (fastest) of {REPEATS}")
    for who in ("flowkit", "immunomon", "floor"):
        print(f"  {who:<10} {1e3 * result[f'{who}_seconds']:8.1f} ms ({1e3 * result[f'{who}_fastest_seconds']:.1f} ms)")
    print(f"  of which reading    {1e3 * result['read_seconds']:8.1f} ms")
    print(f"  first call (compiles, or loads the cached kernels) {result['first_call_seconds']:.2f} s")
    print(f"FlowKit / immunomon {result['ratio']:.1f}    immunomon / floor {result['times_floor']:.2f}")
    print(
        f"processor time: FlowKit {1e3 * result['flowkit_cpu_seconds']:.1f} ms, immunomon "
        f"{1e3 * result['immunomon_cpu_seconds']:.1f} ms, ratio {result['cpu_ratio']:.1f}"
    )
    print(f"memberships equal: {result['memberships_equal']} {result['differing_gates'] or ''}")
    for row in result.get("growth", []):
        print(f"  {row['events']:>9,} events {row['gates']:>4} gates {1e3 * row['seconds']:9.1f} ms")
    for size, times in result.get("memory_times_file", {}).items():
        print(f"  memory at {size:,} events: {times:.2f} x the file")


if __name__ == "__main__":
    sys.exit(main())
