"""What a file of a study costs as studies grow, in processes of their own: gated anew, and when nothing has changed.

    python benchmarks/scaling.py [--json FILE] [--files 200 2000 20000] [--events 1000] [--workers 1 2] [--cluster 4]

Studies of small files of one panel (``treg``): three patients to a cohort, seven visits, a batch and a bridge for each
visit of a cohort. Each file has cells of its own, drawn from simulated tubes. Every study is run with each number of
workers into a folder of its own, then once more, unchanged: time of the whole command, the start of Python among it.
The first study is run once beforehand, so that nothing is compiled while the clock runs. Exit 1 if an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from run import adopt_all, wait_for_all

from immunomon.assurance.simulate.biology import healthy_donor
from immunomon.assurance.simulate.fcs import fcs_bytes
from immunomon.assurance.simulate.layouts import layout_named
from immunomon.assurance.simulate.tables import csv_bytes
from immunomon.assurance.simulate.tubes import Batch, Tube, keywords, run_tube

GROWTH_AIM, NOTHING_AIM_MS, SPEEDUP_AIM = 1.1, 2.0, 1.8
VISITS = {"D-1": -1, "W1": 8, "W2": 15, "W4": 29, "W8": 57, "W16": 113, "W28": 197}
ROLES = {"sample": "", "bridge": "bridge"}
DONORS, CELLS, SETTLED_SECONDS = 24, 4_000, 2.5
COSTS = ("ms_a_file", "cpu_ms_a_file", "nothing_to_do_ms", "cpu_nothing_to_do_ms")
RUN = "import sys; from immunomon.cli.main import main; main()"

HEAD = """\
schema: immunomon.study/1
name: SCALING
title: Many small files (simulated)
site: "001"
country: CHN
dose_groups:
  - {name: A, cells_per_kg: 1.0e6, infusion_days: [1]}
cohorts:
  - {name: A, dose_group: A, planned_subjects: SUBJECTS}
panels:
  - {panel: treg, strategy: treg}
compensation: {source: file}
samples: samples.csv
visits:
"""


def drawn_tubes() -> list[tuple[np.ndarray, dict[str, str]]]:
    """Return the events and keywords of the tubes that files draw their cells from."""
    tubes = []
    for number in range(DONORS):
        name = f"DONOR-{number}"
        batch = Batch(f"B{number % 6}", date(2024, 1, 8) + timedelta(days=number), number)
        tube = Tube(layout_named("treg"), "bridge", batch, "tube", CELLS, name, healthy_donor(name).frequencies())
        events = run_tube(tube, number).events[:CELLS]
        tubes.append((events, dict(keywords(tube, float(events[-1, -1]), number))))
    return tubes


def sample_rows(files: int) -> Iterator[dict[str, str]]:
    """Yield the rows of a sample list, so many: cohorts of three patients and a bridge, seven visits each."""
    for number in range(files):
        cohort, (visit, member) = number // 28, divmod(number % 28, 4)
        label, is_bridge = list(VISITS)[visit], member == 3
        yield {
            "file": f"fcs/{number // 1000:03}/F{number:06}.fcs",
            "subject": "" if is_bridge else f"S{3 * cohort + member:05}",
            "visit": "" if is_bridge else label,
            "panel": "treg",
            "role": "bridge" if is_bridge else "sample",
            "batch": f"{cohort:05}-{label}",
            "collection_date": (date(2025, 1, 13) + timedelta(days=VISITS[label])).isoformat(),
            "lymphocytes_per_ul": "" if is_bridge else "1800",
        }


def make_study(folder: Path, files: int, events: int) -> None:
    """Write a study of so many files of so many events each."""
    rows, tubes = list(sample_rows(files)), drawn_tubes()
    subjects = sorted({row["subject"] for row in rows} - {""})
    text = HEAD.replace("SUBJECTS", str(len(subjects)))
    for label, day in VISITS.items():
        window = [day, day] if day < 0 else [day - 2, day + 2]
        text += f"  - {{label: {label}, planned_day: {day}, window_days: {window}{', baseline: true' * (day < 0)}}}\n"
    text += "subjects:\n"
    for subject in subjects:
        text += f"  - {{id: {subject}, dose_group: A, cohort: A, sex: F, infusion_dates: [2025-01-13]}}\n"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(text)
    (folder / "samples.csv").write_bytes(csv_bytes(rows))
    for number, row in enumerate(rows):
        rng = np.random.default_rng([files, number])
        cells, words = tubes[int(rng.integers(DONORS))]
        drawn = cells[np.sort(rng.integers(CELLS, size=events))]
        path = folder / row["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(fcs_bytes(drawn, words | {"$FIL": path.name, "$DATE": row["collection_date"]}))


@contextmanager
def cluster_of(workers: int, folder: Path) -> Iterator[str]:
    """Yield the address of a Dask cluster of so many processes of one thread on this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    address, here = f"tcp://127.0.0.1:{port}", ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")
    of_workers = ("--nworkers", str(workers), "--nthreads", "1", "--local-directory", str(folder))
    commands = (("dask_scheduler", "--port", port, *here), ("dask_worker", address, *here, *of_workers))
    with ExitStack() as processes:
        for module, *words in commands:
            command = [sys.executable, "-m", f"distributed.cli.{module}", *words]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            processes.callback(process.wait)
            processes.callback(process.terminate)
        time.sleep(SETTLED_SECONDS)
        yield address


def seconds_of_run(study: Path, out: Path, *words: str) -> tuple[float, float]:
    """Return how long the whole command takes, by the clock and of the processor; raises CalledProcessError."""
    command = [sys.executable, "-c", RUN, "run", str(study), "--out", str(out), *words]
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    if "--scheduler" not in words:  # a cluster's processes go on
        wait_for_all()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, cpu


def measured(
    folder: Path, files: int, events: int, workers: list[int], cluster: tuple[int, str] | None
) -> list[dict[str, float]]:
    """Return the costs of one study with each number of workers; cluster: its number of workers, and its address."""
    study = folder / f"study-{files}"
    make_study(study, files, events)
    rows: list[dict[str, float]] = []
    ways = [({"workers": count}, ("--jobs", str(count))) for count in workers]
    ways += [({"workers": cluster[0], "cluster": 1}, ("--scheduler", cluster[1]))] if cluster else []
    for number, (way, words) in enumerate(ways):
        out = folder / f"run-{files}-{number}"
        gated = seconds_of_run(study, out, *words)
        time.sleep(SETTLED_SECONDS)  # files as young as their record are read again
        seconds_of_run(study, out, *words)
        nothing = seconds_of_run(study, out, *words)
        rows.append({"files": files, **way})
        for name, (clock, cpu) in {"ms_a_file": gated, "nothing_to_do_ms": nothing}.items():
            rows[-1] |= {name: 1e3 * clock / files, f"cpu_{name}": 1e3 * cpu / files}
        print(
            f"{files:>7,} {way['workers']:>5}{'*' if 'cluster' in way else ' ':2}"
            + "".join(f"{rows[-1][name]:>22.2f}" for name in COSTS),
            flush=True,
        )
    return rows


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return growth and speedup: the costs of the most files by those of the fewest, of one worker by those of two."""
    few, many = min(row["files"] for row in rows), max(row["files"] for row in rows)
    by_size = {(row["files"], row["workers"]): row for row in rows if "cluster" not in row}
    workers = min(count for _, count in by_size)
    least, most = by_size[few, workers], by_size[many, workers]
    found = {f"{kind}growth": most[f"{kind}ms_a_file"] / least[f"{kind}ms_a_file"] for kind in ("", "cpu_")}
    if (many, 1) in by_size and (many, 2) in by_size:
        found["speedup"] = by_size[many, 1]["ms_a_file"] / by_size[many, 2]["ms_a_file"]
    for name in COSTS:
        found[name] = max(row[name] for key, row in by_size.items() if key[0] == many)
    for row in rows:
        if "cluster" in row and row["files"] == many:
            found["cluster_ms_a_file"] = row["ms_a_file"]
    found["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return found


def main() -> int:
    """Measure, print, and say whether an aim was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--files", type=int, nargs="+", default=[200, 2_000, 20_000])
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cluster", type=int, default=4, help="workers of a Dask cluster; 0: no cluster")
    options = parser.parse_args()
    adopt_all()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's machine keeps bytecode
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        make_study(folder / "warm", 28, options.events)
        seconds_of_run(folder / "warm", folder / "warm-run", "--jobs", "1")
        cluster = None
        if options.cluster:
            cluster = options.cluster, stack.enter_context(cluster_of(options.cluster, folder / "dask"))
        print("  files workers" + "".join(f"{name:>22}" for name in COSTS) + "   (* of a cluster)")
        sizes = options.files
        rows = [row for files in sizes for row in measured(folder, files, options.events, options.workers, cluster)]
    found = {**summary(rows), "runs": rows}
    for key, value in list(found.items())[:-1]:
        print(f"{key}: {value:.3g}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    is_fast = found["growth"] <= GROWTH_AIM and found["nothing_to_do_ms"] <= NOTHING_AIM_MS
    return 0 if is_fast and found.get("speedup", SPEEDUP_AIM) >= SPEEDUP_AIM else 1


if __name__ == "__main__":
    sys.exit(main())
