"""What a delivery is made from: a finished run, its study's tables of other assessments, and the digests of both."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.cytometry.formats.fcs import read_header
from immunomon.errors import BadFcs, BadSpec, DeliveryFailed
from immunomon.files import open_input
from immunomon.study.model.fcs import Reading
from immunomon.study.model.identifiers import scrubbed_text
from immunomon.study.specs.study import load_study

__all__ = ["Headers", "RunSource", "file_sha256", "read_headers_of", "read_source", "records_of"]

# What the FCS files of a delivery say of themselves, without what may name a person.


@dataclass(frozen=True, eq=False)
class Headers:
    """Keywords by sample, scrubbed; the values that were taken out; and why headers are missing, if they are.

    removed: never shown and never delivered, only used to keep them from leaving elsewhere.
    """

    keywords: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    removed: frozenset[str] = field(default=frozenset(), repr=False)
    keywords_removed: tuple[str, ...] = ()
    note: str = ""


def read_headers_of(source: RunSource) -> Headers:
    """Read the headers of the run's FCS files, as far as the study is at hand."""
    if source.study_folder is None:
        return Headers(note="the study was not at hand, so FCS headers were not looked at")
    try:
        study = load_study(source.study_folder)
    except BadSpec as error:
        return Headers(note=f"the study file cannot be read any more, so FCS headers were not looked at ({error})")
    folder = (study.folder / study.samples_file).parent
    pseudonyms = [str(subject["id"]) for subject in source.study["subjects"]]
    listed = {str(entry["sample_id"]): entry for entry in source.record.get("files", ())}
    headers: dict[str, Mapping[str, str]] = {}
    removed: set[str] = set()
    named: set[str] = set()
    changed: list[str] = []
    for sample_id, row in source.samples.items():
        reading = Reading.from_record(listed.get(sample_id, {}))
        keywords, is_as_gated = _keywords(folder / str(row["file"]), reading)
        gone = study.identifiers.found(keywords, pseudonyms)
        removed.update(gone.values())
        named.update(gone)
        headers[sample_id] = {key: value for key, value in keywords.items() if key not in gone and is_as_gated}
        if keywords and not is_as_gated:
            changed.append(str(row["file"]))
    note = "" if any(headers.values()) else "no FCS file was found, so headers were not looked at"
    if changed:
        files = ", ".join(scrubbed_text(file, removed) for file in changed)
        note = f"headers left out, because the files are not those that the run gated: {files}"
    return Headers(headers, frozenset(removed), tuple(sorted(named)), note)


def _keywords(path: Path, reading: Reading) -> tuple[Mapping[str, str], bool]:
    """Return a file's keywords, and whether they are of the bytes that the run gated; of others only names are taken.

    Names of persons are removed from everything that leaves, whichever state of a file they stand in.
    """
    read = partial(read_header, path, data_set=reading.data_set, data_offset=reading.data_offset)
    try:
        return read(sha256=reading.sha256).keywords, True
    except (BadFcs, OSError):
        pass
    try:
        return read().keywords, False
    except (BadFcs, OSError):
        return {}, False


_TABLES = ("samples", "populations", "frequencies", "medians", "changes")
_AGAIN = "finish the run with: immunomon run"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, eq=False)
class RunSource:
    """A finished run: its folder, its record, its tables, and the study's folder if that is at hand."""

    folder: Path
    record: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame] = field(repr=False)
    study_folder: Path | None = None

    @property
    def study(self) -> Mapping[str, Any]:
        """The study as the run knew it: names, dose groups, subjects, visits, panels."""
        section: Mapping[str, Any] = self.record["study"]
        return section

    @property
    def digest(self) -> str:
        """The digest of all that made the run."""
        return str(self.record["digest"])

    @property
    def code_digest(self) -> str:
        """The digest of the code that made the run."""
        return str(self.record.get("software", {}).get("code_digest", ""))

    @cached_property
    def samples(self) -> dict[str, dict[str, Any]]:
        """The rows of the table of samples by sample id, missing values as None."""
        return {str(row["sample_id"]): row for row in records_of(self.tables["samples"])}

    def gates_digest(self, sample_id: str) -> str:
        """Return the SHA-256 of a sample's placed gates, or an empty text if there are none."""
        path = self.folder / "gates" / f"{sample_id}.json"
        return file_sha256(path) if path.is_file() else ""

    def audit_entries(self, sample_id: str) -> tuple[int, ...]:
        """Return the numbers of the entries of the run's audit trail that are about a sample.

        The last entry that seals a run seals every sample; others are decisions of persons about this one.
        """
        seals = [int(entry["number"]) for entry in self.audit if entry.get("action") == "run"]
        decided = [int(entry["number"]) for entry in self.audit if f" {sample_id} " in f" {entry.get('target', '')} "]
        return (*decided, *seals[-1:])

    @cached_property
    def audit(self) -> tuple[Mapping[str, Any], ...]:
        """The entries of the run's audit trail up to the seal of the run; none if it has no trail.

        Later entries, such as those of deliveries, are not about the run's numbers. Raises DeliveryFailed if it is no
        trail.
        """
        path = self.folder / "audit.jsonl"
        if not path.is_file():
            return ()
        try:
            entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            seals = [number for number, entry in enumerate(entries, start=1) if entry["action"] == "run"]
            return tuple({**entry, "number": int(entry["number"])} for entry in entries[: max(seals, default=0)])
        except (ValueError, KeyError, TypeError) as error:
            raise DeliveryFailed(f"{path}: is no audit trail ({error}); see what: immunomon audit RUN says") from None


def records_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as mappings of plain values, missing ones as None."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict(orient="records")]


def read_source(folder: Path, study: Path | None = None) -> RunSource:
    """Read a run folder, and find its study: the folder named, or the one above the run.

    Raises DeliveryFailed if it is no finished run, or a table is not the one that ``run.json`` was written for.
    """
    record = _record(folder)
    named = record.get("tables") or {}
    tables = {name: _table(folder, name, str(named.get(name, ""))) for name in _TABLES}
    if study is not None and not (study / "study.yaml").is_file():
        raise DeliveryFailed(f"{study}: there is no study.yaml here; name the study's folder")
    above = folder.resolve().parent
    study_folder = study if study is not None else above if (above / "study.yaml").is_file() else None
    return RunSource(folder, record, tables, study_folder)


def _record(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in ("digest", "version", "study") if not record.get(key)]
    except FileNotFoundError:
        inside = (folder / "run" / "run.json").is_file()
        remedy = f"did you mean {folder / 'run'}?" if inside else _AGAIN
        raise DeliveryFailed(f"{folder}: no run.json, so this is no finished run; {remedy}") from None
    except (OSError, ValueError, AttributeError) as error:
        raise DeliveryFailed(f"{path}: cannot be read ({error}); {_AGAIN}") from None
    if missing:
        raise DeliveryFailed(f"{path}: lacks {', '.join(missing)}; {_AGAIN}")
    return dict(record)


def _table(folder: Path, name: str, digest: str) -> pd.DataFrame:
    path = folder / "tables" / f"{name}.parquet"
    try:
        data = path.read_bytes()
        if digest and hashlib.sha256(data).hexdigest() != digest:
            raise DeliveryFailed(
                f"{folder}: table '{name}' is not the one run.json was written for: it was changed since then; "
                f"see what: immunomon audit {folder}; {_AGAIN}"
            )
        return pd.read_parquet(io.BytesIO(data), dtype_backend="numpy_nullable")
    except FileNotFoundError:
        raise DeliveryFailed(f"{path}: is missing; {_AGAIN}") from None
    except (OSError, ValueError) as error:
        raise DeliveryFailed(f"{path}: cannot be read ({error}); {_AGAIN}") from None
