"""A study's FCS files before a run: headers read at once, and what they say that a person should know."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from immunomon.cytometry.formats.fcs import read_fcs, read_header
from immunomon.cytometry.formats.fcs_header import fcs_date
from immunomon.cytometry.formats.spillover import differing_matrices
from immunomon.cytometry.model.swapped_pulses import swapped_pulses
from immunomon.errors import BadFcs, Problem, counted, listed
from immunomon.files import open_input
from immunomon.study.model.fcs import AS_JUDGED, FcsHeader, Reading
from immunomon.study.model.identifiers import scrubbed_text
from immunomon.study.model.study import RoleKind, Sample, Study

__all__ = [
    "Progress",
    "Tube",
    "bad_fcs",
    "deviation_notes",
    "equal_files",
    "identifier_notes",
    "matrix_notes",
    "pulse_notes",
    "read_headers",
    "specimen_notes",
]

Progress = Callable[[int, int], None]
_MOST_NAMED = 12
_WORKERS = 8  # mostly waiting for the disk or a network drive
_LOOKED_AT = 6  # files whose events are read: how a cytometer names its parameters does not change with every file


@dataclass(frozen=True)
class Tube:
    """One listed FCS file: its row, where it is, and what its header says."""

    sample: Sample
    path: Path
    header: FcsHeader

    def problem(self, field: str, message: str, remedy: str) -> Problem:
        """Return a problem of the FCS file."""
        return Problem(str(self.path), None, field, message, remedy)


def read_headers(
    paths: Sequence[Path], progress: Progress | None = None, *, readings: Mapping[Path, Reading] | None = None
) -> dict[Path, FcsHeader | Problem]:
    """Return for each path what the FCS header says, or why it cannot be read.

    progress: called with the number of files read and of all files. readings: what a person decided of how files are
    read.
    """
    decided = [(readings or {}).get(path, AS_JUDGED) for path in paths]
    headers: dict[Path, FcsHeader | Problem] = {}
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        for number, (path, result) in enumerate(zip(paths, pool.map(_header, paths, decided), strict=True), start=1):
            headers[path] = result
            if progress is not None:
                progress(number, len(paths))
    return headers


def _header(path: Path, reading: Reading) -> FcsHeader | Problem:
    try:
        return read_header(path, data_set=reading.data_set, data_offset=reading.data_offset)
    except BadFcs as error:
        return bad_fcs(error)


def bad_fcs(error: BadFcs) -> Problem:
    """Return an unreadable FCS file as a problem.

    >>> print(bad_fcs(BadFcs("a.fcs", "the keyword $TOT is missing", "write the file again")))
    a.fcs: the keyword $TOT is missing; write the file again
    """
    message, _, remedy = str(error).removeprefix(f"{error.path}: ").rpartition("; ")
    return Problem(error.path, None, "", message or remedy, remedy if message else "")


def deviation_notes(headers: Mapping[Path, FcsHeader | Problem]) -> list[str]:
    """Return what was repaired to read the files: no problem, but worth a look; once each, however many files have it.

    >>> odd = FcsHeader(Path("a.fcs"), "3.1", {}, (), 0, deviations=("$TOT is missing",))
    >>> deviation_notes({Path("a.fcs"): odd, Path("b.fcs"): odd})
    ['a.fcs and 1 more: repaired while reading: $TOT is missing']
    """
    readable = {path: header for path, header in headers.items() if isinstance(header, FcsHeader)}
    return [
        f"{files}: repaired while reading: {deviation}"
        for deviation, files in _by_remark(readable, lambda header: header.deviations).items()
    ]


def matrix_notes(headers: Mapping[Path, FcsHeader | Problem]) -> list[str]:
    """Return which files hold two different matrices of their own; once each, however many files have them.

    >>> from immunomon.study.model.channels import Channel
    >>> words = {"$SPILLOVER": "2,A,B,1,0,0,1", "SPILL": "2,A,B,1,0.1,0,1"}
    >>> odd = FcsHeader(Path("a.fcs"), "3.1", words, (Channel("A"), Channel("B")), 0)
    >>> matrix_notes({Path("a.fcs"): odd})[0].partition(":")[0]
    'a.fcs'
    """
    readable = {path: header for path, header in headers.items() if isinstance(header, FcsHeader)}
    remarks = _by_remark(readable, lambda header: filter(None, [differing_matrices(header)]))
    return [f"{files}: {remark}" for remark, files in remarks.items()]


def _by_remark(
    headers: Mapping[Path, FcsHeader], remarks_of: Callable[[FcsHeader], Iterable[str]]
) -> Mapping[str, str]:
    """Return for each remark the first file that it is about, and how many more."""
    files: dict[str, list[Path]] = {}
    for path, header in headers.items():
        for remark in remarks_of(header):
            files.setdefault(remark, []).append(path)
    return {
        remark: f"{paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}"
        for remark, paths in files.items()
    }


def pulse_notes(
    headers: Mapping[Path, FcsHeader | Problem], readings: Mapping[Path, Reading] | None = None
) -> list[str]:
    """Return what speaks for height and width of scatter being under each other's names, in a few files of all.

    The events of files evenly over the list are read, since a header does not tell.
    """
    readable = [path for path, header in headers.items() if isinstance(header, FcsHeader)]
    sampled = [readable[position] for position in range(0, len(readable), max(1, -(-len(readable) // _LOOKED_AT)))]
    notes = []
    for path in sampled:
        reading = (readings or {}).get(path, AS_JUDGED)
        try:
            _, events = read_fcs(path, data_set=reading.data_set, data_offset=reading.data_offset)
        except BadFcs:
            continue  # said of its header, or where it is gated
        notes += [f"{path}: {note}" for note in swapped_pulses(events)]
    if notes:
        notes[-1] += f" (seen in {len(sampled)} of {len(readable)} files)" if len(sampled) < len(readable) else ""
    return notes


_HEAD = 65536  # bytes in which files of one size are compared first


def _digest(path: Path, length: int) -> bytes:
    digest = hashlib.sha256()
    with open_input(path) as stream:
        if length >= 0:
            digest.update(stream.read(length))
        else:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.digest()


def equal_files(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Return the groups of files with the same bytes (SHA-256), in the order given.

    Only files of one size and one beginning are read to the end: a study's files have sizes in common, but no header.
    """
    groups: list[tuple[Path, ...]] = [tuple(paths)]
    keys: tuple[Callable[[Path], Hashable], ...] = (
        lambda path: path.stat().st_size,
        lambda path: _digest(path, _HEAD),
        lambda path: _digest(path, -1),
    )
    for key in keys:
        groups = [part for group in groups for part in _parted(group, key)]
    return groups


def _parted(group: Iterable[Path], key: Callable[[Path], Hashable]) -> list[tuple[Path, ...]]:
    parts: dict[Hashable, list[Path]] = defaultdict(list)
    for path in group:
        parts[key(path)].append(path)
    return [tuple(part) for part in parts.values() if len(part) > 1]


_RENAME = "sample ids, workspaces and .h5ad files repeat file names, so rename the file to a pseudonym"


def specimen_notes(study: Study, tubes: Sequence[Tube]) -> list[str]:
    """Return specimens that were older when measured than the study allows, and how many have no age.

    An age is the days from ``collection_date`` to the file's date; nothing is said where the study sets no limit.
    """
    limit = study.most_specimen_age_days
    if limit is None:
        return []
    old, unknown = [], 0
    for tube in (tube for tube in tubes if tube.sample.role.kind is RoleKind.SAMPLE):
        measured, collected = fcs_date(tube.header.keyword("$DATE")), tube.sample.collection_date
        if measured is None or collected is None:
            unknown += 1
        elif (age := (measured - collected).days) > limit:
            old.append(f"{tube.path.name} ({counted(age, 'day')})")
    of = f"the study allows {counted(limit, 'day')} from collection to measurement (specimens: most_age_days)"
    notes = [f"{counted(len(old), 'specimen')} older: {listed(old, _MOST_NAMED)}; {of}"] if old else []
    if unknown:
        notes.append(f"{counted(unknown, 'specimen')} without an age, as a date is missing; {of}")
    return notes


def identifier_notes(study: Study, tubes: Iterable[Tube]) -> list[str]:
    """Return, for each keyword that may name a person, in how many files it does and what to do about it.

    The values themselves are not repeated: what a check prints is often sent to others.
    """
    pseudonyms = [subject.id for subject in study.subjects]
    files: dict[str, list[str]] = {}
    in_names: list[str] = []
    for tube in tubes:
        values_by_keyword = study.identifiers.found(tube.header.keywords, pseudonyms)
        shown = scrubbed_text(tube.sample.file.as_posix(), values_by_keyword.values())
        for keyword in values_by_keyword:
            files.setdefault(keyword, []).append(shown)
        if shown != tube.sample.file.as_posix():
            reason = "its name holds what a keyword says of a person"
            in_names.append(f"{shown} (line {tube.sample.line} of the sample list): {reason}; {_RENAME}")
    remedy = "it is left out of deliveries; values that name nobody go under 'identifiers: allowed' in study.yaml"
    return [
        f"{names[0]}: {keyword} may name a person"
        + (f", as in {len(names) - 1} other files" if names[1:] else "")
        + f"; {remedy}"
        for keyword, names in sorted(files.items())
    ] + in_names
