"""A delivery as it was received: every file of a folder, read as it lies there; what cannot be read is noted."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from immunomon.cytometry.formats.xmltree import read_xml
from immunomon.errors import BadSpec, DeliveryFailed
from immunomon.files import read_input
from immunomon.jsonfile import parse_json, refuse_cells
from immunomon.outputs.conformance.defined import Define, define_of
from immunomon.outputs.conformance.table import Table
from immunomon.outputs.conformance.tables_read import (
    Transport,
    csv_table,
    json_table,
    read_transport,
    workbook_tables,
    xpt_table,
)

__all__ = ["MANIFEST", "File", "Received", "receive"]

MANIFEST = "manifest.json"
_MOST_FILES = 10_000
_MOST_BYTES = 500_000_000
_READ = {".xpt", ".json", ".csv", ".xlsx", ".xml"}


@dataclass(frozen=True)
class File:
    """A file of the delivery: path relative to it, SHA-256, bytes; fault says why it was not read."""

    path: str
    sha256: str = ""
    bytes: int = 0
    fault: str = ""


@dataclass(frozen=True, eq=False)
class Received:
    """All of a delivery: files, tables, transport headers by file, Define-XML documents, the manifest if it is one.

    beside: the datasets of the same delivery in another form, to be compared.
    """

    folder: Path
    files: tuple[File, ...] = ()
    tables: tuple[Table, ...] = ()
    transports: Mapping[str, Transport] = field(default_factory=dict)
    defines: tuple[Define, ...] = ()
    manifest: Mapping[str, Any] | None = None
    beside: tuple[Table, ...] = ()

    @cached_property
    def _first(self) -> dict[str, Table]:
        tables: dict[str, Table] = {}
        for table in self.tables:
            if table.is_cdisc:
                tables.setdefault(table.name, table)
        return tables

    def table(self, name: str) -> Table | None:
        """Return a dataset of SDTM or ADaM by name, the first one if there are two; None if there is none."""
        return self._first.get(name)

    @property
    def cdisc(self) -> tuple[Table, ...]:
        """The datasets of SDTM and ADaM, one of each name."""
        return tuple(self._first.values())

    def people_table(self, name: str) -> Table | None:
        """Return a table for people by name."""
        return next((table for table in self.tables if table.name == name and table.form == "csv"), None)

    def twin(self, table: Table) -> Table | None:
        """Return the same dataset as Dataset-JSON or as transport file, here or beside; None if there is none."""
        same_name = (other for other in (*self.tables, *self.beside) if other.name == table.name)
        return next((other for other in same_name if {other.form, table.form} == {"xpt", "json"}), None)

    @cached_property
    def subjects(self) -> Mapping[str, Any]:
        """The records of DM by USUBJID, the first of each."""
        subjects: dict[str, Any] = {}
        for record in ((dm := self.table("DM")) and dm.records) or ():
            subjects.setdefault(record.text("USUBJID"), record)
        return subjects


def receive(folder: Path) -> Received:
    """Read everything in a folder; raises DeliveryFailed only if there is no folder, or none or too many files in it.

    What cannot be read is a ``File`` with a fault. Links and what is no file are not followed.
    """
    if not folder.is_dir():
        raise DeliveryFailed(f"{folder}: no such folder; name the folder of a delivery")
    reading = _Reading(folder)
    for path in _paths(folder):
        reading.read(path)
    received = reading.received()
    if not received.files:
        raise DeliveryFailed(f"{folder}: holds no files, so nothing was checked; name the folder of a delivery")
    return received


def _paths(folder: Path) -> Iterator[Path]:
    for count, path in enumerate(sorted(folder.rglob("*"))):
        if count > _MOST_FILES:
            raise DeliveryFailed(f"{folder}: holds more than {_MOST_FILES:,} files; name the folder of one delivery")
        if path.is_symlink() or not path.is_dir():
            yield path


class _Reading:
    """A delivery while it is read, file by file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[File] = []
        self._tables: list[Table] = []
        self._transports: dict[str, Transport] = {}
        self._defines: list[Define] = []
        self._manifest: Mapping[str, Any] | None = None

    def received(self) -> Received:
        files, tables = tuple(self._files), tuple(self._tables)
        return Received(self._folder, files, tables, self._transports, tuple(self._defines), self._manifest)

    def read(self, path: Path) -> None:
        name = path.relative_to(self._folder).as_posix()
        fault, digest, size = "", "", 0
        try:
            if path.is_symlink() or not path.is_file():
                raise ValueError("is a link or no file, and was not followed")
            size = path.stat().st_size
            if size > _MOST_BYTES:
                raise ValueError(f"has more than {_MOST_BYTES // 10**6} MB, and was not read")
            data = read_input(path)
            digest = hashlib.sha256(data).hexdigest()
            if path.suffix.lower() in _READ:
                self._content(path, name, data)
        except OSError as error:
            fault = f"cannot be read: {error.strerror or error}"
        except BadSpec as error:
            fault = error.problems[0].what
        except (ValueError, KeyError, TypeError, RecursionError, csv.Error, zipfile.BadZipFile, OverflowError) as error:
            fault = " ".join(str(error).split())[:200] or type(error).__name__
        self._files.append(File(name, digest, size, fault))

    def _content(self, path: Path, name: str, data: bytes) -> None:
        suffix = path.suffix.lower()
        if suffix == ".xpt":
            transport = read_transport(data)
            self._transports[name] = transport
            if transport.faults:
                raise ValueError(f"is no whole SAS transport file: it {transport.faults[0]}")
            self._tables.append(xpt_table(path, name, transport))
        elif suffix == ".xml":
            define = define_of(read_xml(path), name)
            if define is None and path.name == "define.xml":
                raise ValueError("is no Define-XML: it has no Study with a MetaDataVersion")
            self._defines += [define] if define else []
        elif suffix == ".xlsx":
            self._tables += workbook_tables(path, name)
        elif suffix == ".csv":
            refuse_cells(data)
            self._tables.append(csv_table(csv.reader(io.StringIO(data.decode("utf-8-sig")), strict=True), name))
        elif name == MANIFEST:
            self._manifest = _mapping(parse_json(data))
        else:
            self._tables.append(json_table(_mapping(parse_json(data)), name))


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("holds no JSON object")
    return value
