"""What a delivery is made from: a finished run, its study's tables of other assessments, and the digests of both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.cytometry.formats.fcs import read_header
from immunomon.errors import BadFcs, BadSpec, DeliveryFailed, counted
from immunomon.runs.audit import AuditTrail
from immunomon.runs.opened import Run, open_run
from immunomon.study.model.fcs import Reading
from immunomon.study.model.identifiers import scrubbed_text
from immunomon.study.specs.data_folders import data_folders
from immunomon.study.specs.study import load_study

__all__ = ["Headers", "RunSource", "read_headers_of", "read_source", "records_of"]

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
    outside: list[str] = []
    folders = data_folders(study)
    for sample_id, row in source.samples.items():
        reading = Reading.from_record(listed.get(sample_id, {}))
        path = folder / str(row["file"])
        if folders.fault(path, path.name):
            outside.append(str(row["file"]))
            continue
        keywords, is_as_gated = _keywords(path, reading)
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
    if outside:
        why = "they lie outside of the study's folder, and study.yaml allows no such data_folders"
        note = "; ".join(filter(None, [note, f"headers left out of {counted(len(outside), 'file')}, because {why}"]))
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


@dataclass(frozen=True, eq=False, repr=False)
class RunSource(Run):
    """A finished run with the tables that deliveries are made from."""

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def samples(self) -> dict[str, dict[str, Any]]:
        """The rows of the table of samples by sample id, missing values as None."""
        return {str(row["sample_id"]): row for row in records_of(self.tables["samples"])}

    def gates_digest(self, sample_id: str) -> str:
        """Return the SHA-256 of a sample's placed gates, or an empty text if there are none."""
        data = self.gates_bytes(sample_id)
        return "" if data is None else hashlib.sha256(data).hexdigest()

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

        Later entries, such as those of deliveries, are not about the run's numbers. Raises DeliveryFailed if an entry
        has no number.
        """
        trail = AuditTrail(self.folder)
        entries = trail.entries()
        try:
            seals = [number for number, entry in enumerate(entries, start=1) if entry["action"] == "run"]
            return tuple({**entry, "number": int(entry["number"])} for entry in entries[: max(seals, default=0)])
        except (ValueError, KeyError, TypeError) as error:
            problem = f"is no audit trail ({error})"
            raise DeliveryFailed(f"{trail.path}: {problem}; see what: immunomon audit RUN says") from None


def records_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as mappings of plain values, missing ones as None."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict(orient="records")]


def read_source(folder: Path, study: Path | None = None) -> RunSource:
    """Read a run folder, and find its study: the folder named, or the one above the run.

    Raises BadRun if it is no finished run, or a table is not the one that ``run.json`` was written for.
    """
    run = open_run(folder, study, needs=("digest", "version", "study"))
    tables = {name: run.table(name) for name in _TABLES}
    return RunSource(run.folder, run.record, run.study_folder, run.record_sha256, tables)
