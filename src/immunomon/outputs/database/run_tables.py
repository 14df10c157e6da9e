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
from immunomon.outputs.database.run_beside import Records, as_json, read_assessments, read_statistics, read_trail

__all__ = ["RunTables", "read_gates", "read_run"]

# The gates as a run placed them: a row a sample and population.

_AGAIN = "finish the run with: immunomon run"


def read_gates(folder: Path, samples: pd.DataFrame) -> Records:
    """Return the placed gates of a run's gated samples.

    Raises ExportFailed for a file that cannot be read, or is not the one that the run's audit trail sealed.
    """
    sealed = _sealed(folder)
    rows: list[dict[str, Any]] = []
    digests, missing = {}, []
    gated = samples.loc[samples["status"] == "gated", "sample_id"]
    for sample_id in sorted(gated) if (folder / "gates").is_dir() else ():
        name = f"gates/{Path(str(sample_id)).name}.json"
        path = folder / name
        if not path.is_file():
            missing.append(str(sample_id))
            continue
        data = path.read_bytes()
        digests[name] = hashlib.sha256(data).hexdigest()
        if sealed.get(name, digests[name]) != digests[name]:
            raise ExportFailed(f"{path}: was changed after the run; see what: immunomon audit RUN; then {_AGAIN}")
        try:
            rows += _rows(str(sample_id), json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ExportFailed(f"{path}: holds no placed gates ({error!r}); {_AGAIN}") from error
    problem = f"{len(missing)} gated samples have no file of placed gates, {missing[0]} among them" if missing else ""
    return Records(pd.DataFrame(rows, dtype=object), digests, (problem,) if problem else ())


def _sealed(folder: Path) -> dict[str, str]:
    """Return the digests that the run's audit trail sealed; empty if it has none."""
    path = folder / "audit-contents.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except (OSError, ValueError, TypeError) as error:
        raise ExportFailed(f"{path}: cannot be read ({error}); {_AGAIN}") from error


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


@dataclass(frozen=True, eq=False)
class RunTables:
    """A finished run: its record, its tables, what lies beside them, and the digest of all that.

    notes: what is not exported, and why; trail: the entries of its audit trail, oldest first.
    """

    record: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    tables_digest: str
    trail: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def study(self) -> Mapping[str, Any]:
        """The study as the run knew it."""
        section: Mapping[str, Any] = self.record["study"]
        return section

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.study["name"])

    @property
    def digest(self) -> str:
        """The digest of everything the run was made from."""
        return str(self.record["digest"])

    @property
    def version(self) -> str:
        """The version of immunomon that made it."""
        return str(self.record["version"])


def read_run(folder: Path, study: Path | None = None) -> RunTables:
    """Read a run folder, and the study's other assessments from the folder named, or the one above the run.

    Raises ExportFailed if it is no finished run, a table is missing or has other columns than its contract, or is not
    the one that ``run.json`` names.
    """
    record = _manifest(folder)
    everything = hashlib.sha256(json.dumps(record["study"], sort_keys=True).encode("utf-8"))
    tables = {}
    for name, contract in (TABLES | _LATER).items():
        data = _bytes(folder, record, name)
        if data is not None:
            everything.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
            tables[name] = _table(folder, contract, data)
    gates = read_gates(folder, tables["samples"])
    if len(gates.frame):
        tables["placed_gates"] = gates.frame
    subjects = [str(subject["id"]) for subject in record["study"]["subjects"]]
    beside: dict[str, Records] = {
        "statistics": read_statistics(folder),
        "assessments": read_assessments(folder, _study_folder(folder, study), subjects),
    }
    tables |= {name: records.frame for name, records in beside.items()}
    for records in (gates, *beside.values()):
        everything.update("".join(f"{name} {digest}\n" for name, digest in sorted(records.digests.items())).encode())
    notes = (*gates.notes, *(note for records in beside.values() for note in records.notes))
    return RunTables(record, tables, everything.hexdigest(), read_trail(folder), notes)


def _study_folder(folder: Path, study: Path | None) -> Path | None:
    if study is not None:
        if not (study / "study.yaml").is_file():
            raise ExportFailed(f"{study}: there is no study.yaml here; name the study's folder")
        return study
    above = folder.resolve().parent
    return above if (above / "study.yaml").is_file() else None


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        inside = (folder / "run" / "run.json").is_file()
        remedy = f"did you mean {folder / 'run'}?" if inside else _AGAIN
        raise ExportFailed(f"{folder}: no run.json, so this is no finished run; {remedy}") from error
    except (OSError, ValueError) as error:
        raise ExportFailed(f"{path}: cannot be read ({error}); {_AGAIN}") from error
    missing = [key for key in ("digest", "version", "study") if not manifest.get(key)]
    if missing:
        raise ExportFailed(f"{path}: lacks {', '.join(missing)}; {_AGAIN}")
    return dict(manifest)


def _bytes(folder: Path, record: Mapping[str, Any], name: str) -> bytes | None:
    """Return a table's file; None if it is one that the run's version did not write."""
    path = folder / "tables" / f"{name}.parquet"
    named = (record.get("tables") or {}).get(name)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        if name in _LATER and named is None:
            return None
        raise ExportFailed(f"{path}: is missing; {_AGAIN}") from error
    except OSError as error:
        raise ExportFailed(f"{path}: cannot be read ({error})") from error
    if named not in (None, hashlib.sha256(data).hexdigest()):
        raise ExportFailed(
            f"{folder}: table '{name}' is not the one run.json was written for: it was changed since then; "
            f"see what: immunomon audit {folder}; {_AGAIN}"
        )
    return data


def _table(folder: Path, contract: Table, data: bytes) -> pd.DataFrame:
    try:
        # Texts stay in Arrow's memory: a table of a million rows need not become Python objects.
        with pd.option_context("mode.string_storage", "pyarrow"):
            table = pd.read_parquet(io.BytesIO(data), dtype_backend="numpy_nullable")
            kept = [name for name in contract.names if name not in TRUST_COLUMNS]
            if tuple(table.columns) not in (contract.names, tuple(kept)):
                raise ValueError(f"has the columns {', '.join(map(str, table.columns))}")
            # A run of before does not say what its values rest on.
            return table.reindex(columns=list(contract.names)).astype(contract.dtypes)
    except (ValueError, TypeError, OSError) as error:
        raise ExportFailed(
            f"{folder}: table '{contract.name}' is not as this version writes it ({error}); run the study again"
        ) from error
