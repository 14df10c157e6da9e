"""What a run folder holds for export: its manifest and its tables, checked against their contracts."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.errors import ExportFailed
from immunomon.model.populations import TABLES

__all__ = ["RunTables", "read_run"]

_AGAIN = "finish the run with: immunomon run"


@dataclass(frozen=True, eq=False)
class RunTables:
    """A finished run: its study, its tables, and the digests of what made it and of what it holds."""

    digest: str
    version: str
    study: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    tables_digest: str

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.study["name"])


def read_run(folder: Path) -> RunTables:
    """Read a run folder.

    Raises ExportFailed if it is no finished run, a table is missing or has other columns than its contract, or is not
    the one that ``run.json`` names.
    """
    manifest = _manifest(folder)
    named = manifest.get("tables") or {}
    study = json.dumps(manifest["study"], sort_keys=True)
    everything = hashlib.sha256(study.encode("utf-8"))
    tables = {}
    for name in TABLES:
        data = _bytes(folder / "tables" / f"{name}.parquet")
        digest = hashlib.sha256(data).hexdigest()
        if named.get(name, digest) != digest:
            raise ExportFailed(f"{folder}: table '{name}' is not the one run.json was written for; {_AGAIN}")
        everything.update(f"{name} {digest}\n".encode())
        tables[name] = _table(folder, name, data)
    return RunTables(
        digest=str(manifest["digest"]),
        version=str(manifest["version"]),
        study=manifest["study"],
        tables=tables,
        tables_digest=everything.hexdigest(),
    )


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


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ExportFailed(f"{path}: is missing; {_AGAIN}") from error
    except OSError as error:
        raise ExportFailed(f"{path}: cannot be read ({error})") from error


def _table(folder: Path, name: str, data: bytes) -> pd.DataFrame:
    contract = TABLES[name]
    try:
        table = pd.read_parquet(io.BytesIO(data))
        if tuple(table.columns) != contract.names:
            raise ValueError(f"has the columns {', '.join(map(str, table.columns))}")
        return table.astype(contract.dtypes)
    except (ValueError, TypeError, OSError) as error:
        raise ExportFailed(
            f"{folder}: table '{name}' is not as this version writes it ({error}); run the study again"
        ) from error
