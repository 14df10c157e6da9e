"""A whole run beside FlowKit gating the same files alone, both as processes of their own.

    python benchmarks/run.py [--json FILE] [--events 200000] [--files 84] [--jobs 2] [--repeats 3]

immunomon: ``immunomon run`` from the study's folder to all tables, nothing kept from before: digests, quality, noise,
two looks at each file, consensus, gates, their errors, medians, pictures. FlowKit: the gates of that run, exported as
Gating-ML, a document a file, read and applied to the file, nothing else. Both take turns, with as many workers; the
first turn, which compiles or loads what was compiled, is timed apart. Seconds by the clock, and of the processor (all
threads and children), which a busy machine disturbs less. Exit 1 if the two count other events in any population.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN = "from immunomon.cli.main import main; main()"
PANEL = "treg"
RATIO_AIM = 10.0
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Turn:
    """Seconds that a process took by the clock, and those of the processor that it and its children took."""

    clock: float
    cpu: float


def make_study(folder: Path, events: int, files: int) -> None:
    """Write a simulated trial of one panel, and leave so many files in its sample list."""
    from immunomon.assurance.simulate.trial import simulate_trial

    subjects = max(1, -(-files // 7))
    simulate_trial(folder, events=events, panels=[PANEL], subjects_per_group=-(-subjects // 3), controls=False)
    listed = (folder / "samples.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "samples.csv").write_text("".join(listed[: files + 1]), encoding="utf-8", newline="")


def timed(command: Sequence[str | Path]) -> Turn:
    """Run a process to its end; raises CalledProcessError if it failed."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *map(str, command)], check=True, stdout=subprocess.DEVNULL)
    clock = time.perf_counter() - start
    wait_for_all()
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Turn(clock, used)


def adopt_all() -> None:
    """Let processes whose parent has ended become children of this one, so that their time is counted (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_all() -> None:
    """Wait for all children to end."""
    with suppress(ChildProcessError):
        while True:
            os.wait()


def gated_by_flowkit(document_and_file: tuple[str, str]) -> dict[str, int]:
    """Return population -> events, as FlowKit counts them with the gates of a document."""
    import flowkit

    document, file = document_and_file
    results = flowkit.parse_gating_xml(document).gate_sample(flowkit.Sample(file))
    return {"/".join((*path[1:], name)): int(results.get_gate_count(name, path)) for name, path in results_of(results)}


def results_of(results: Any) -> list[tuple[str, tuple[str, ...]]]:  # noqa: ANN401  (FlowKit carries no types)
    """Return the gates of a result, each with the path above it."""
    return [(row.gate_name, row.gate_path) for row in results.report.itertuples()]


def flowkit_alone(pairs: Path, jobs: int) -> None:
    """Gate the files of a list with the documents beside them, and write what was counted."""
    listed = [tuple(pair) for pair in json.loads(pairs.read_text(encoding="utf-8"))]
    with ProcessPoolExecutor(jobs) as pool:
        counts = list(pool.map(gated_by_flowkit, listed, chunksize=max(1, len(listed) // (4 * jobs))))
    pairs.with_suffix(".counts").write_text(json.dumps(counts), encoding="utf-8")


def pairs_of(study: Path, run: Path, documents: Path) -> list[tuple[str, str]]:
    """Return each gated file of a run with the document of its gates."""
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    gated = [file for file in record["files"] if file["status"] == "gated"]
    return [(str(documents / f"{file['sample_id']}.xml"), str(study / file["file"])) for file in gated]


def samples_of(run: Path) -> dict[str, dict[str, Any]]:
    """Return the gated samples of a run, in its order: name -> what the run keeps of it."""
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    names = [file["sample_id"] for file in record["files"] if file["status"] == "gated"]
    return {name: json.loads((run / "samples" / f"{name}.json").read_text(encoding="utf-8")) for name in names}


def differing(run: Path, counts: list[dict[str, int]]) -> list[str]:
    """Return the populations that FlowKit counts otherwise than the run, sample by sample."""
    found = []
    for (name, sample), theirs in zip(samples_of(run).items(), counts, strict=True):
        ours = {population: count for population, count in sample["measured"]["counts"].items() if count is not None}
        of_theirs = {path.rsplit("/", 1)[-1]: count for path, count in theirs.items()}
        found += [f"{name}: {p}" for p, count in ours.items() if of_theirs.get(p) != count]
    return found


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return all numbers, the medians of several turns."""
    study, out, documents, pairs = (folder / name for name in ("study", "out", "gates", "pairs.json"))
    make_study(study, options.events, options.files)
    ours: list[Turn] = []
    theirs: list[Turn] = []
    for number in range(1 + options.repeats):
        run = out.with_name(f"out-{number}")
        ours.append(timed(["-c", RUN, "run", study, "--out", run, "--jobs", str(options.jobs)]))
        if number == 0:
            timed(["-c", RUN, "export-gates", run, "--as", "gatingml", "--out", documents])
            pairs.write_text(json.dumps(pairs_of(study, run, documents)), encoding="utf-8")
        theirs.append(timed([__file__, "--flowkit", pairs, "--jobs", str(options.jobs)]))
    files = len(json.loads(pairs.read_text(encoding="utf-8")))
    counts = json.loads(pairs.with_suffix(".counts").read_text(encoding="utf-8"))
    events = sum(sample["measured"]["events"] for sample in samples_of(out.with_name("out-0")).values())
    clock, their_clock = (statistics.median(turn.clock for turn in turns[1:]) for turns in (ours, theirs))
    cpu, their_cpu = (statistics.median(turn.cpu for turn in turns[1:]) for turns in (ours, theirs))
    return {
        "events": options.events,
        "files": files,
        "jobs": options.jobs,
        "first_seconds": ours[0].clock,
        "events_per_second": events / clock,
        "seconds_a_file": clock / files,
        "flowkit_seconds_a_file": their_clock / files,
        "ratio": their_clock / clock,
        "cpu_seconds_a_file": cpu / files,
        "flowkit_cpu_seconds_a_file": their_cpu / files,
        "cpu_ratio": their_cpu / cpu,
        "differing": differing(out.with_name("out-0"), counts),
    }


def show(result: dict[str, Any]) -> None:
    """Print the numbers."""
    print(f"{result['files']} files of {result['events']:,} events, {result['jobs']} workers, whole processes")
    rate = f"{result['events_per_second']:,.0f} events/s"
    print(f"  immunomon run        {1e3 * result['seconds_a_file']:8.1f} ms a file, {rate}")
    print(f"  FlowKit, gating only {1e3 * result['flowkit_seconds_a_file']:8.1f} ms a file")
    print(f"  ratio {result['ratio']:.1f} (aim: {RATIO_AIM:g}); of processor time {result['cpu_ratio']:.1f}")
    mine, theirs = result["cpu_seconds_a_file"], result["flowkit_cpu_seconds_a_file"]
    print(f"  processor: immunomon {1e3 * mine:.1f} ms a file, FlowKit {1e3 * theirs:.1f} ms")
    print(f"  first run (compiles, or loads what was compiled) {result['first_seconds']:.1f} s")
    print(f"  counts that differ: {len(result['differing'])} {result['differing'][:3] or ''}")


def main() -> int:
    """Run the benchmark, print its table, write JSON; exit 1 if the two count differently."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the numbers here.")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--files", type=int, default=84)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--flowkit", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    adopt_all()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's machine keeps bytecode
    if options.flowkit:
        flowkit_alone(options.flowkit, options.jobs)
        return 0
    with tempfile.TemporaryDirectory() as name:
        result = measure(Path(name), options)
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8", newline="\n")
    return 1 if result["differing"] else 0


if __name__ == "__main__":
    sys.exit(main())
