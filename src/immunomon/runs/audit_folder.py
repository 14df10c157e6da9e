"""Which files of a run folder nobody sealed: those of other commands, held against their records, and strangers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from immunomon.errors import counted
from immunomon.files import file_digest
from immunomon.runs.audit import SEALED, AuditTrail
from immunomon.runs.audit_inputs import Inspected
from immunomon.runs.folder import RunFolder

__all__ = ["inspect_folder"]

# What other commands write into a run folder: the record in which the digests of its files stand, and the command.
_RECORDS = {
    "statistics/analysis.json": "immunomon compare",
    "assessments/assessments.json": "immunomon assess",
    "mechanism/mechanism.json": "immunomon mechanism",
    "normalisation.json": "immunomon normalise",
}
# What they write without digests, by the first part of its name.
_WITHOUT = {
    "report.html": "the report (immunomon report)",
    "verification.json": "the verification (immunomon verify)",
    "gates.wsp": "exported gates (immunomon export-gates)",
    "gatingml": "exported gates (immunomon export-gates)",
    "clusters": "clusters (immunomon cluster)",
    "atlas": "the atlas (immunomon embed, immunomon project)",
    "anndata": "exported cells (immunomon export --as anndata)",
}
_DATABASES = (".sqlite", ".sqlite3", ".db")
_MANIFEST = "manifest.json"


def inspect_folder(run: Path) -> Inspected:
    """Name every file in a run folder that the run did not write, and hold what has a record against it.

    What the trail seals is for the trail to verify.
    """
    names = set(_names(run))
    left = names - AuditTrail(run).names()
    inspected = Inspected()
    for record, command in _RECORDS.items():
        data = RunFolder(run).read_json(run / record) if record in names else None
        if data is not None and isinstance(data.get("files"), dict):
            inspected += _recorded(run, Path(record).parent, data["files"], f"{record} ({command})")
            left -= {record, *((Path(record).parent / name).as_posix() for name in data["files"])}
    for manifest in sorted(name for name in left if Path(name).name == _MANIFEST):
        data = RunFolder(run).read_json(run / manifest)
        if data is not None and str(data.get("format", "")).startswith("immunomon.delivery/"):
            files = [file for file in data.get("files") or () if isinstance(file, dict)]
            listed = {str(file.get("file")): str(file.get("sha256")) for file in files}
            inspected += _recorded(run, Path(manifest).parent, listed, f"{manifest} (immunomon deliver)")
            left -= {manifest, *((Path(manifest).parent / name).as_posix() for name in listed)}
    return inspected + _unrecorded(run, left)


def _names(run: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(run):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        yield from (Path(folder, name).relative_to(run).as_posix() for name in (*files, *links))


def _recorded(run: Path, folder: Path, listed: Mapping[str, Any], record: str) -> Inspected:
    """Hold files against the digests in a record that the command which wrote them left."""
    problems = []
    for name, digest in sorted(listed.items()):
        path = run / folder / name
        if "\0" in name or not path.resolve().is_relative_to(run.resolve()):
            problems.append(f"{run / folder}: {record} names '{name[:80]}', which leads out of the run folder")
        elif not path.is_file():
            problems.append(f"{path}: it is missing, though {record} names it; run the command again")
        elif _digest(path) != digest:
            problems.append(f"{path}: it was changed since {record} was written; run the command again")
    return Inspected(tuple(problems), (f"{counted(len(listed), 'file')} by {record}",))


def _digest(path: Path) -> str | None:
    try:
        return file_digest(path)
    except OSError:
        return None


def _unrecorded(run: Path, names: set[str]) -> Inspected:
    """Return what no record has a digest of: problems where only the run writes, otherwise named."""
    problems, unknown = [], []
    skipped: dict[str, None] = {}
    for name in sorted(names):
        first, last = name.partition("/")[0], name.rpartition("/")[2]
        if last.startswith(".") and last.endswith(".tmp"):
            skipped[f"{name}: a stopped program left it; it can be deleted"] = None
        elif first in SEALED:
            remedy = "take it away, nothing reads it"
            problems.append(f"{run / name}: it was added, the run wrote no such file; {remedy}")
        elif first in _WITHOUT:
            skipped[f"{_WITHOUT[first]}: no digests are kept of {first}"] = None
        elif name.endswith(_DATABASES):
            skipped[f"the database {name}: immunomon audit sqlite:///{run / name} does"] = None
        else:
            unknown.append(name)
    foreign = (f"written neither by the run nor by a command that keeps digests: {', '.join(unknown)}",)
    return Inspected(tuple(problems), (), (*skipped, *(foreign if unknown else ())))
