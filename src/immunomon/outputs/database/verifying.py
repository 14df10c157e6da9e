"""Whether a database holds what its exports wrote: every row is held against the seal of the export that brought it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, text

from immunomon.errors import ExportFailed
from immunomon.outputs.database.guards import foreign_objects, unguarded
from immunomon.outputs.database.migrating import revision_of
from immunomon.outputs.database.schema import HEAD, seals, studies
from immunomon.outputs.database.sealing import (
    GENESIS,
    PARTS,
    Part,
    Sealed,
    digests_of_views,
    read_part,
    seal_digest,
    unpacked,
)

__all__ = ["Verified", "verify"]

_MOST = 50  # of one table are told; a table that was emptied needs no million lines
Seal = Mapping[str, Any]


@dataclass
class Verified:
    """What was found: how many seals and rows were looked at, what does not fit, and the end of the chain."""

    seals: int = 0
    rows: int = 0
    head: str | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(connection: Connection, database: str) -> Verified:
    """Return what in a database is not as its exports wrote it, each with its table and the key of its row.

    database: its name in messages. Every row of every table is read. Raises ExportFailed for a database without seals:
    one of an earlier version, or none of immunomon's.
    """
    revision = revision_of(connection, database)
    if revision != HEAD:
        reason = (
            "no run was exported to it" if revision is None else "it is of an earlier version, which sealed nothing"
        )
        raise ExportFailed(
            f"{database}: {reason}; there is something to verify after: immunomon export RUN --to {database}"
        )
    verified = Verified()
    chain = _chain(connection, verified)
    if not chain:
        verified.problems.append("table seals: there is none, or none that can be read: no row can be held against it")
        return verified
    sealed = _Sealed(connection, chain, verified)
    for part in PARTS.values():
        _rows(connection, part, sealed, verified)
    _studies(connection, chain, verified)
    _form(connection, chain, verified)
    return verified


def _chain(connection: Connection, verified: Verified) -> list[Seal]:
    """Return the seals that can be read, oldest first; what is wrong with them goes into what was found."""
    chain: list[Seal] = []
    try:
        chain = [dict(row._mapping) for row in connection.execute(select(seals).order_by(seals.c.number))]
    except (ValueError, TypeError) as error:
        verified.problems.append(f"table seals: it was changed so that it cannot be read: {error}")
    for number, seal in enumerate(chain, start=1):
        position = f"table seals: number {seal['number']} ({seal['study']}, {seal['sealed_at_utc']})"
        if not isinstance(seal["content"], dict) or seal["hash"] != seal_digest(seal):
            verified.problems.append(f"{position}: it was changed after it was written")
        before = GENESIS if number == 1 else chain[number - 2]["hash"]
        if seal["previous_hash"] != before or seal["number"] != number:
            verified.problems.append(f"{position}: the seal before it is not the one that it was written after")
    verified.seals = len(chain)
    verified.head = f"{chain[-1]['number']}:{chain[-1]['hash']}" if chain else None
    return [seal for seal in chain if isinstance(seal["content"], dict)]


class _Sealed:
    """What the seals say of each part of each table."""

    def __init__(self, connection: Connection, chain: Sequence[Seal], verified: Verified) -> None:
        self._connection, self._found = connection, verified
        self.of_part: dict[tuple[str, str], list[tuple[Seal, Mapping[str, Any]]]] = defaultdict(list)
        for seal in chain:
            for row in seal["content"].get("rows", ()):
                self.of_part[str(row["table"]), str(row["part"])].append((seal, row))
        self.runs = {int(seal["run_id"]): str(seal["study"]) for seal in chain if seal["run_id"] is not None}
        self.studies = {str(seal["study"]) for seal in chain}
        self._look_for_others({seal["number"] for seal in chain})

    def _look_for_others(self, numbers: set[int]) -> None:
        """Say which rows are of no seal that there is, and so which seals were taken out at the end."""
        listed = {(seal["number"], *which) for which, ones in self.of_part.items() for seal, _ in ones}
        there = self._connection.execute(text("SELECT number, of_table, part FROM sealed_rows")).all()
        for number in sorted({row.number for row in there} - numbers, key=repr):
            self._found.problems.append(f"table seals: number {number}, whose rows are in sealed_rows, is missing")
        for number, name, part in there:
            if number in numbers and (number, name, part) not in listed:
                self._found.problems.append(f"table sealed_rows: {part} rows of {name} were added to seal {number}")

    def read(self, seal: Seal, described: Mapping[str, Any]) -> Sealed | None:
        """Return the rows of a part, None (with a problem) if they are not the ones that the seal names."""
        name, part = described["table"], described["part"]
        query = text("SELECT keys, digests FROM sealed_rows WHERE number = :n AND of_table = :t AND part = :p")
        row = self._connection.execute(query, {"n": seal["number"], "t": name, "p": part}).first()
        position = f"table sealed_rows: seal {seal['number']}, {part} rows of {name}"
        if row is None:
            self._found.problems.append(f"{position}: missing")
            return None
        try:
            keys, digests = bytes(row.keys), bytes(row.digests)
            if hashlib.sha256(keys + digests).hexdigest() == described["sha256"]:
                return unpacked(keys, digests)
        except (ValueError, TypeError):
            pass
        self._found.problems.append(f"{position}: changed after the export")
        return None


@dataclass
class _TableProblems:
    """The problems of one table, of which not more are listed than a person reads."""

    verified: Verified
    table: str
    more: int = 0
    count: int = 0

    def add(self, problem: str) -> None:
        self.count += 1
        if self.count <= _MOST:
            self.verified.problems.append(f"table {self.table}: {problem}")

    def end(self) -> None:
        if self.count > _MOST:
            self.verified.problems.append(
                f"table {self.table}: {self.count - _MOST} more rows are not as they were sealed"
            )


def _rows(connection: Connection, part: Part, sealed: _Sealed, verified: Verified) -> None:
    """Hold every row of a part against the seals."""
    problems = _TableProblems(verified, part.name if part.part == "added" else f"{part.name}_history")
    if part.owner:
        for seal, described in sealed.of_part[part.name, part.part]:
            where = {"study": seal["study"], part.owner: seal["run_id"]}
            _compare(connection, part, [(seal, described)], where=where, sealed=sealed, problems=problems)
        for run_id, study in sealed.runs.items():
            if not any(seal["run_id"] == run_id for seal, _ in sealed.of_part[part.name, part.part]):
                where = {"study": study, part.owner: run_id}
                _compare(connection, part, [], where=where, sealed=sealed, problems=problems)
    else:
        for study in sealed.studies:
            ones = [pair for pair in sealed.of_part[part.name, part.part] if pair[0]["study"] == study]
            _compare(connection, part, ones, where={"study": study}, sealed=sealed, problems=problems)
    for key in _strays(connection, part, sealed):
        problems.add(f"the row {key} is of no export that was sealed: it was added by other means")
    problems.end()


def _compare(
    connection: Connection,
    part: Part,
    ones: Sequence[tuple[Seal, Mapping[str, Any]]],
    *,
    where: Mapping[str, Any],
    sealed: _Sealed,
    problems: _TableProblems,
) -> None:
    expected: dict[str, bytes] = {}
    for seal, described in ones:
        rows = sealed.read(seal, described)
        if rows is None:
            return
        expected |= dict(zip(rows.keys, rows.digests, strict=True))
    since = f"; export {where[part.owner]}" if part.owner else ""
    keys_seen: set[str] = set()
    for rows in read_part(connection, part, where):
        problems.verified.rows += len(rows.keys) if part.part == "added" else 0
        for key, digest in zip(rows.keys, rows.digests, strict=True):
            if key not in expected:
                problems.add(f"the row {_named(part, key)} was added by other means than an export{since}")
            elif key in keys_seen:
                problems.add(f"the row {_named(part, key)} is there twice{since}")
            elif digest != expected[key]:
                problems.add(f"the row {_named(part, key)} was changed after it was sealed{since}")
            keys_seen.add(key)
    for key in expected.keys() - keys_seen:
        problems.add(f"the row {_named(part, key)} is missing{since}")


def _named(part: Part, key: str) -> str:
    return ", ".join(f"{column.name}={value}" for column, value in zip(part.key, key.split("\x1f"), strict=False))


def _strays(connection: Connection, part: Part, sealed: _Sealed) -> Iterator[str]:
    """Yield the keys of rows that name an export, or a study, that no seal is of."""
    quote = connection.dialect.identifier_preparer.quote
    for table in part.tables:
        whose = "study" if not part.owner else f"study, {part.owner}"
        groups = connection.execute(text(f"SELECT DISTINCT {whose} FROM {quote(table.name)}")).all()
        for group in groups:
            known = group[0] in sealed.studies if not part.owner else sealed.runs.get(group[1]) == group[0]
            if not known:
                values = dict(zip(("study", part.owner), group, strict=False))
                condition = " AND ".join(f"{quote(name)} = :{name}" for name in values)
                names = ", ".join(quote(column.name) for column in part.key)
                for row in connection.execute(
                    text(f"SELECT {names} FROM {quote(table.name)} WHERE {condition}"), values
                ):
                    yield f"{_named(part, chr(31).join(map(str, row)))} of study {group[0]}"


def _studies(connection: Connection, chain: Sequence[Seal], verified: Verified) -> None:
    """Hold studies and the mark of the current run against the last seal of each study."""
    titles = {str(seal["study"]): seal["content"].get("title") for seal in chain}
    current = {str(seal["study"]): seal["run_id"] for seal in chain if seal["run_id"] is not None}
    rows = {row.study: row.title for row in connection.execute(select(studies))}
    for study in sorted({*titles, *rows}):
        if study not in titles:
            verified.problems.append(f"table studies: {study} was added by other means than an export")
        elif study not in rows:
            verified.problems.append(f"table studies: {study} is missing")
        elif titles[study] != rows[study]:
            verified.problems.append(f"table studies: the title of {study} was changed")
    for row in connection.execute(text("SELECT study, run_id, is_current FROM runs")):
        if bool(row.is_current) != (current.get(row.study) == row.run_id):
            verified.problems.append(f"table runs: is_current of run_id={row.run_id} was changed")


def _form(connection: Connection, chain: Sequence[Seal], verified: Verified) -> None:
    """Hold views and triggers against what the last sealed export left."""
    for foreign in foreign_objects(connection):
        verified.problems.append(f"{foreign}: it is not immunomon's, and can change or hide what is written")
    for table in unguarded(connection):
        verified.problems.append(f"table {table}: the trigger that refuses changes is missing, switched off or another")
    sealed = next((seal["content"].get("views") for seal in reversed(chain) if seal["run_id"] is not None), None)
    if sealed is None:
        return
    now = digests_of_views(connection)
    if now["told_by"] != sealed["told_by"]:
        problem = (
            f"The views were not looked at: {sealed['told_by']} told them when they were sealed, {now['told_by']} now"
        )
        verified.notes.append(f"{problem}; the next export seals them anew.")
        return
    for name in sorted({*now["views"], *sealed["views"]}):
        if now["views"].get(name) != sealed["views"].get(name):
            verified.problems.append(f"view {name}: it was changed, added or taken away by other means than an export")
