"""How long a run's cells take as AnnData, in how much memory, and how fast the file is read in pieces.

    immunomon simulate demo && immunomon run demo
    python benchmarks/annotated.py demo/run [--events 10000000] [--json FILE]

The samples of the run are exported again and again, under other names, until there are as many events; each time they
are read, compensated, gated and transformed anew. Every export has a process of its own, so its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from immunomon.maps.anndata import export as export_module
from immunomon.maps.anndata.writing import Column


def repeated(events: int) -> None:
    """Have every export take its samples again under new names until they have so many events."""
    prepared = export_module._prepared

    def more(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        job, notes = prepared(*given, **named)
        table = job.run.table("samples").set_index("sample_id")["events"]
        each = sum(int(table[one.sample.id]) for one in job.samples)
        times = -(-events // each)
        samples = tuple(
            replace(one, sample=replace(one.sample, id=f"{one.sample.id}.{number}"))
            for number in range(times)
            for one in job.samples
        )
        files = [
            {**one, "sample_id": f"{one['sample_id']}.{number}"}
            for number in range(times)
            for one in job.run.record["files"]
        ]
        run = replace(job.run, record={**job.run.record, "files": files})
        columns = {**job.columns, "sample": Column("sample", tuple(one.sample.id for one in samples))}
        return replace(job, run=run, samples=samples, columns=columns), notes

    export_module._prepared = more


def one(run: Path, events: int, out: Path) -> dict[str, float]:
    """Export in this process; return what it took."""
    repeated(events)
    begin, began = time.perf_counter(), time.process_time()
    done = export_module.export_cells(run, out=out)
    seconds, processor = time.perf_counter() - begin, time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform != "darwin" else 1024.0**2)
    size = out.stat().st_size / 1e6
    return {
        "events": done.cells, "seconds": seconds, "cpu_seconds": processor, "peak_mb": peak, "file_mb": size,
    }  # fmt: skip


def read_back(path: Path) -> dict[str, float]:
    """Return how long a backed reader takes to open a file and to fetch 10,000 cells in a row."""
    import anndata

    begin = time.perf_counter()
    cells = anndata.read_h5ad(path, backed="r")
    opened = time.perf_counter() - begin
    begin = time.perf_counter()
    middle = cells.n_obs // 2
    cells[middle : middle + 10_000].to_memory()
    return {"open_backed_seconds": opened, "fetch_10000_seconds": time.perf_counter() - begin}


def main() -> None:
    """Measure both sizes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.run, given.events, given.one)))
        return
    rows = []
    for events in dict.fromkeys((given.events // 10, given.events)):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "cells.h5ad"
            words = [sys.executable, __file__, str(given.run), "--events", str(events), "--one", str(out)]
            text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            rows.append({**json.loads(text.splitlines()[-1]), **read_back(out)})
        print(", ".join(f"{name} {value:,.1f}" for name, value in rows[-1].items()), flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
