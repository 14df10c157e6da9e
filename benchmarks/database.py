"""How long 10^6 results take into the trial database, and what is left of an export that is killed.

    python benchmarks/database.py [--rows 1000000] [--json FILE]    # bulk load into SQLite and into PostgreSQL
    python benchmarks/database.py --kill 50 [--seed 1] [--json FILE]  # kill -9 at random points, on both
    python benchmarks/database.py --tamper RUN... [--json FILE]       # change every column of every table, on both

The results are rows of the tables ``populations`` (16 a sample) and ``frequencies`` (two denominators each); their
samples, specimens, files, subjects and visits are exported with them, and counted in ``rows_in_all``. PostgreSQL is a
server of our own in a temporary folder (fsync off). Seconds by the clock. Exit 1 if SQLite takes more than 20 s,
PostgreSQL more than 30 s, a killed export left something else than the state before it or the whole of the run, or
something that was done to a database by other means was not named by its table and the key of its row. RUN...: states
of one run folder, exported one after the other, so that there are earlier versions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import Connection, NullPool, create_engine, text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.postgresql import NoServerError, server
from support.tampering import done, rounds, unnamed

from immunomon.cytometry.kernels.proportions import wilson
from immunomon.cytometry.model.populations import TABLES
from immunomon.outputs.database.connection import database_url, transaction
from immunomon.outputs.database.database import export_run
from immunomon.outputs.database.schema import (
    APPENDED,
    HISTORIES,
    VERSIONED,
    runs,
    sealed_rows,
    seals,
    studies,
)
from immunomon.outputs.database.verifying import verify

SQLITE_AIM, POSTGRESQL_AIM = 20.0, 30.0
POPULATIONS, DENOMINATORS, PER_SUBJECT = 16, 2, 8
KILLED_RESULTS = 1_000
# Forks a process for each export, so that none need wait for the imports; needs POSIX.
EXPORTS = """
import os, sys
from pathlib import Path
from alembic import command
from immunomon.outputs.database import database
from immunomon.outputs.database.connection import database_url, transaction
with transaction(database_url(sys.argv[1]), change=False): pass
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            database.export_run(Path(line.strip()), sys.argv[1])
        finally:
            os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


def make_run(folder: Path, results: int, shift: int = 0) -> Path:
    """Write a run folder with so many results; shift: added to every count, so that every value is another."""
    samples = -(-results // (POPULATIONS * (1 + DENOMINATORS)))
    names = np.array([f"S{i // PER_SUBJECT:05}_W{i % PER_SUBJECT}" for i in range(samples)], dtype=object)
    whose = pd.DataFrame(
        {
            "sample_id": names,
            "subject": [name[:6] for name in names],
            "visit": [name[7:] for name in names],
            "panel": "treg",
            "role": "sample",
            "batch": "1",
        }
    )
    frames = {name: pd.DataFrame(columns=list(one.names), dtype=object) for name, one in TABLES.items()}
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    frames["samples"] = whose.assign(
        file=[f"fcs/{name}.fcs" for name in names], sha256=digests, events=9000, status="gated"
    )
    frames["populations"] = _populations(whose, shift)
    frames["frequencies"] = _frequencies(frames["populations"], shift)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for name, contract in TABLES.items():
        table = frames[name].reindex(columns=list(contract.names)).astype(contract.dtypes)
        table.to_parquet(folder / "tables" / f"{name}.parquet", index=False)
    study = {
        "name": "BULK",
        "dose_groups": [{"name": "A", "cells_per_kg": 1e6}],
        "subjects": [{"id": one, "dose_group": "A"} for one in sorted(set(whose["subject"]))],
        "visits": [{"label": f"W{i}", "planned_day": 7 * i + 1, "baseline": i == 0} for i in range(PER_SUBJECT)],
    }
    manifest = {"digest": f"bulk{shift}", "version": "0", "study": study}
    (folder / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _populations(whose: pd.DataFrame, shift: int) -> pd.DataFrame:
    rows = whose.loc[whose.index.repeat(POPULATIONS)].reset_index(drop=True)
    number = np.arange(len(rows)) % POPULATIONS
    rows["population"] = [f"population_{i}" for i in number]
    rows["label"] = rows["population"]
    rows["parent"] = [f"population_{i - 1}" if i else "root" for i in number]
    rows["path"] = ["/" + "/".join(f"population_{j}" for j in range(i + 1)) for i in number]
    total = 10_000 - 500 * number
    count = total - 1000 + (np.arange(len(rows)) * 7919 + shift) % 500
    low, high = wilson(count, total)
    rows = rows.assign(count=count, parent_count=total, percent_of_parent=100 * count / total)
    rows = rows.assign(percent_of_parent_low=100 * low, percent_of_parent_high=100 * high)
    return rows.assign(gate_method="valley", gate_source="valley", reportable=True)


def _frequencies(populations: pd.DataFrame, shift: int) -> pd.DataFrame:
    rows = populations.loc[populations.index.repeat(DENOMINATORS)].reset_index(drop=True)
    of_parent = np.arange(len(rows)) % DENOMINATORS == 0
    rows["denominator"] = np.where(of_parent, rows["parent"], "everything")
    total = np.where(of_parent, rows["parent_count"], 20_000 + shift)
    low, high = wilson(rows["count"].to_numpy(), total)
    rows = rows.assign(is_parent=of_parent, denominator_count=total, percent=100 * rows["count"] / total)
    return rows.assign(percent_low=100 * low, percent_high=100 * high, gate_se=0.02)


@contextmanager
def places(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the URL of an empty database of each kind that there is."""
    with ExitStack() as stack:
        urls = {"sqlite": f"sqlite:///{(folder / 'trial.sqlite').as_posix()}"}
        try:
            urls["postgresql"] = stack.enter_context(server()).url
        except NoServerError as error:
            print(f"PostgreSQL is not measured: {error}")
        yield urls


def bulk(rows: int) -> dict[str, object]:
    """Return the seconds that a bulk load takes into each kind of database."""
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        run = make_run(Path(name) / "run", rows)
        with places(Path(name)) as urls:
            for kind, url in urls.items():
                began = time.perf_counter()
                written = export_run(run, url).rows
                found[f"{kind}_seconds"] = round(time.perf_counter() - began, 2)
                found["rows"] = written["populations"] + written["frequencies"]
                found["rows_in_all"] = sum(written.values())
                print(f"{kind}: {found['rows']:,} results in {found[f'{kind}_seconds']} s", flush=True)
    return found


def state(url: str) -> str:
    """Return a digest of everything in a database, except when things were exported."""
    digest = hashlib.sha256()
    engine = create_engine(database_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        for table in (studies, runs, *VERSIONED, *HISTORIES.values(), *APPENDED, seals, sealed_rows):
            kept = [c.name for c in table.columns if c.name not in {"exported_at_utc", "valid_from", "valid_to"}]
            listed = ", ".join(f'"{name}"' for name in kept)
            rows = sorted(map(repr, connection.execute(text(f'SELECT {listed} FROM "{table.name}"'))))
            digest.update(f"{table.name} {rows}".encode())
    return digest.hexdigest()


def kill(points: int, seed: int) -> dict[str, object]:
    """Kill exports at random points; return how many left the state before, the whole, or anything else."""
    rng = random.Random(seed)
    found: dict[str, object] = {"points": points}
    with tempfile.TemporaryDirectory() as name:
        one, two = (make_run(Path(name) / f"run{i}", KILLED_RESULTS, shift=i) for i in range(2))
        with places(Path(name)) as urls:
            for kind, url in urls.items():
                found |= {f"{kind}_{key}": value for key, value in _kill(one, two, url, (points, rng)).items()}
                print(kind, {key: value for key, value in found.items() if key.startswith(kind)}, flush=True)
    return found


def _kill(one: Path, two: Path, url: str, how: tuple[int, random.Random]) -> dict[str, int]:
    """Kill exports of two runs that take each other's place."""
    points, rng = how
    found = {"before": 0, "whole": 0, "torn": 0, "not_completed_after": 0}
    export_run(one, url)
    command = [sys.executable, "-c", EXPORTS, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as exporter:
        now, then = one, two
        began = time.perf_counter()
        _export(exporter, then, kill_after=None)
        whole = 1.1 * (time.perf_counter() - began)
        now, then = then, now
        for point in range(1, points + 1):
            before = state(url)
            _export(exporter, then, kill_after=rng.uniform(0, whole))
            after = state(url)
            outcome = export_run(then, url).outcome
            if after == before:
                found["before"] += 1
                found["not_completed_after"] += outcome != "replaced"
            else:
                found["whole" if outcome == "unchanged" and state(url) == after else "torn"] += 1
            now, then = then, now
            if point % 10 == 0:
                print(f"{point} killed: {found}", flush=True)
        assert exporter.stdin is not None
        exporter.stdin.close()
    with transaction(database_url(url), change=False) as connection:
        found["not_as_sealed"] = len(verify(connection, "it").problems)
    return found


def _export(exporter: subprocess.Popen[str], run: Path, *, kill_after: float | None) -> None:
    """Have a run exported by a process of its own, and kill that after some seconds."""
    assert exporter.stdin is not None
    assert exporter.stdout is not None
    exporter.stdin.write(f"{run}\n")
    exporter.stdin.flush()
    child = int(exporter.stdout.readline())
    if kill_after is not None:
        time.sleep(kill_after)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    exporter.stdout.readline()


def tamper(exported: Sequence[Path]) -> dict[str, object]:
    """Change a row of every table column by column, take it out, put one in; return how many were not named."""
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name, places(Path(name)) as urls:
        for kind, url in urls.items():
            for run in exported:
                export_run(run, url)
            with transaction(database_url(url)) as connection:
                began = time.perf_counter()
                clean = verify(connection, kind)
                found |= {
                    f"{kind}_rows": clean.rows,
                    f"{kind}_verify_seconds": round(time.perf_counter() - began, 2),
                }
                found |= {f"{kind}_{key}": value for key, value in _tamper(connection, clean.problems).items()}
            print(kind, {key: value for key, value in found.items() if key.startswith(kind)}, flush=True)
    return found


def _tamper(connection: Connection, problems: list[str]) -> dict[str, int]:
    counted = {"tables": 0, "tried": 0, "refused_by_constraints": 0, "not_named": len(problems)}
    tables = set()
    for group in rounds(connection):
        with done(connection, group) as made:
            missed = unnamed(made, verify(connection, "it").problems)
            counted["tried"] += len(made)
            counted["refused_by_constraints"] += len(group) - len(made)
            counted["not_named"] += len(missed)
            tables |= {point.table.name for point in made}
            for point in missed:
                print("not named:", point.statement, flush=True)
    return counted | {"tables": len(tables)}


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kill", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tamper", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = tamper(asked.tamper) if asked.tamper else kill(asked.kill, asked.seed) if asked.kill else bulk(asked.rows)
    print(json.dumps(found, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if asked.kill or asked.tamper:
        bad = [
            value
            for key, value in found.items()
            if key.endswith(("torn", "not_completed_after", "not_named", "not_as_sealed"))
        ]
        return int(any(bad))
    aims = {"sqlite_seconds": SQLITE_AIM, "postgresql_seconds": POSTGRESQL_AIM}
    return int(any(float(str(found[key])) > aim for key, aim in aims.items() if key in found))


if __name__ == "__main__":
    sys.exit(main())
