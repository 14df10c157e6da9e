"""Reading a finished run for export: its manifest, its tables and its placed gates, checked against their contracts."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.cytometry.model.populations import DOUBTS, TABLES, TRUST_COLUMNS, Table
from immunomon.cytometry.model.run_tables import QUALITY, RESPONSES, STEADINESS
from immunomon.errors import ExportFailed
from immunomon.outputs.database.run_beside import (
    Records,
    as_json,
    read_assessments,
    read_laboratory,
    read_reviews,
    read_statistics,
    read_trail,
)
from immunomon.runs.folder import AGAIN
from immunomon.runs.opened import Run, open_run
from immunomon.trial.model.tables import LABORATORY_VALUES

__all__ = ["RunTables", "read_gates", "read_run"]

# The gates as a run placed them: a row a sample and population.


def read_gates(run: Run, samples: pd.DataFrame) -> Records:
    """Return the placed gates of a run's gated samples.

    Raises ExportFailed for a file that cannot be read, BadRun if it is not the one that the audit trail sealed.
    """
    rows: list[dict[str, Any]] = []
    digests, missing = {}, []
    gated = samples.loc[samples["status"] == "gated", "sample_id"]
    for sample_id in sorted(gated) if (run.folder / "gates").is_dir() else ():
        name = f"gates/{Path(str(sample_id)).name}.json"
        data = run.gates_bytes(str(sample_id))
        if data is None:
            missing.append(str(sample_id))
            continue
        digests[name] = hashlib.sha256(data).hexdigest()
        try:
            rows += _rows(str(sample_id), json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ExportFailed(f"{run.folder / name}: holds no placed gates ({error!r}); {AGAIN}") from error
    problem = f"{len(missing)} gated samples have no file of placed gates, {missing[0]} among them" if missing else ""
    return Records(pd.DataFrame(rows, dtype=object), digests, (problem,) if problem else ())


def _rows(sample_id: str, gates: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for population in gates["populations"]:
        gate = population["gate"]
        geometry = None if gate is None else as_json(gate)
        used = set(_words(gate))
        yield {
            "sample_id": sample_id,
            "population": population["population"],
            "strategy": gates["strategy"],
            "parent": population["parent"],
            "path": population["path"],
            "method": population["method"],
            "source": population.get("source", ""),
            "kind": None if gate is None else gate["kind"],
            "geometry": geometry,
            "geometry_sha256": None if geometry is None else hashlib.sha256(geometry.encode("utf-8")).hexdigest(),
            "axes": as_json({name: axis for name, axis in gates["axes"].items() if name in used}),
            "facts": as_json(population.get("facts", {})),
            "errors": as_json(population.get("errors", {})),
            "own_weight": population.get("own_weight"),
            "outlier": bool(population.get("outlier", False)),
            "note": population.get("note", ""),
            "reason": None if gate is not None else population.get("failure") or "the gate could not be placed",
        }


def _words(value: object) -> Iterator[str]:
    """Yield every text in a gate: the names of its axes are among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _words(part)
    elif isinstance(value, list):
        for part in value:
            yield from _words(part)


# Tables that runs of earlier versions do not have.
_LATER = {table.name: table for table in (QUALITY, STEADINESS, RESPONSES, DOUBTS)}


@dataclass(frozen=True, eq=False, repr=False)
class RunTables(Run):
    """A finished run with its tables, what lies beside them, and the digest of all that.

    notes: what is not exported, and why; trail: the entries of its audit trail, oldest first.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    tables_digest: str = ""
    trail: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def read_run(folder: Path, study: Path | None = None) -> RunTables:
    """Read a run folder, and the study's other assessments from the folder named, or the one above the run.

    Raises BadRun if it is no finished run, or a table is missing or not the one that ``run.json`` names; ExportFailed
    if one has other columns than its contract.
    """
    run = open_run(folder, study, needs=("digest", "version", "study"))
    everything = hashlib.sha256(json.dumps(run.study, sort_keys=True).encode("utf-8"))
    tables = {}
    for name, contract in (TABLES | _LATER).items():
        if name in TABLES or run.has_table(name):
            data = run.table_bytes(name)
            everything.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
            tables[name] = _table(folder, contract, data)
    gates = read_gates(run, tables["samples"])
    if len(gates.frame):
        tables["placed_gates"] = gates.frame
    beside: dict[str, Records] = {"statistics": read_statistics(run), "assessments": read_assessments(run)}
    beside[LABORATORY_VALUES.name] = read_laboratory(run)
    beside["reviews"] = read_reviews(run, tables["samples"])
    tables |= {name: records.frame for name, records in beside.items() if len(records.frame.columns)}
    for records in (gates, *beside.values()):
        everything.update("".join(f"{name} {digest}\n" for name, digest in sorted(records.digests.items())).encode())
    notes = (*gates.notes, *(note for records in beside.values() for note in records.notes))
    opened = (run.folder, run.record, run.study_folder, run.record_sha256)
    return RunTables(*opened, tables, everything.hexdigest(), read_trail(run), notes)


def _table(folder: Path, contract: Table, data: bytes) -> pd.DataFrame:
    try:
        # Texts stay in Arrow's memory: a table of a million rows need not become Python objects.
        with pd.option_context("mode.string_storage", "pyarrow"):
            table = pd.read_parquet(io.BytesIO(data), dtype_backend="numpy_nullable")
            kept = [name for name in contract.names if name not in TRUST_COLUMNS]
            if tuple(table.columns) not in (contract.names, tuple(kept)):
                raise ValueError(f"has the columns {', '.join(map(str, table.columns))}")
            # A run of before does not say what its values rest on.
            return contract.shaped(table)
    except (ValueError, TypeError, OSError) as error:
        raise ExportFailed(
            f"{folder}: table '{contract.name}' is not as this version writes it ({error}); run the study again"
        ) from error
