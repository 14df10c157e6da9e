"""A folder of FCS files as a study is proposed from it: what can be read, of which kinds, and what the names say."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from immunomon.csvfile import read_csv_table
from immunomon.errors import BadSpec, Problem, counted
from immunomon.findings import shown
from immunomon.runs.checks.file_names import FileName, Pattern, patterned_names, read_name
from immunomon.runs.checks.guessed_names import guessed_names
from immunomon.runs.checks.proposed_panel import kind_of_file
from immunomon.runs.checks.tube import Progress, read_headers
from immunomon.study.model.fcs import FcsHeader

__all__ = ["FcsFolder", "find_fcs_files", "read_fcs_folder"]

_ENDINGS = {".fcs", ".lmd"}
_MOST_FILES = 100_000
_MOST_SHOWN = 20
_NOT_IN_NAMES = set('<>:"|?*')


def find_fcs_files(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the FCS files at and below a folder, in order, and what is passed over; no link to a folder is followed.

    >>> find_fcs_files(Path("none"))
    ([], [])
    """
    files: list[Path] = []
    others = Counter[str]()
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            ending = os.path.splitext(name)[1].casefold()  # noqa: PTH122 - a name, which need not be a path
            if ending not in _ENDINGS:
                others[ending or "no ending"] += 1
            elif len(files) < _MOST_FILES:
                files.append(Path(parent) / name)
            else:
                others["more than can be listed"] += 1
    notes = []
    if others:
        kinds = ", ".join(f"{number} {shown(ending)[1:-1]}" for ending, number in others.most_common(8))
        notes.append(f"{folder}: {counted(others.total(), 'other file')} not listed: {kinds}")
    return files, notes


@dataclass
class FcsFolder:
    """The files of a folder: headers and names by relative path, notes on what was not read, each file's kind.

    markers: what a table beside the files says of their detectors. refused: why no study can be proposed from it.
    """

    folder: Path
    headers: dict[str, FcsHeader] = field(default_factory=dict)
    names: list[FileName] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    markers: dict[str, str] = field(default_factory=dict)
    refused: str = ""


def read_fcs_folder(folder: Path, *, pattern: Pattern | None = None, progress: Progress | None = None) -> FcsFolder:
    """Return what the headers and names of a folder's files say; what cannot be read is said, file by file.

    pattern: how the files are named; without it names are read as far as they agree.

    >>> read_fcs_folder(Path("none")).refused
    'none: there are no FCS files (.fcs, .lmd)'
    """
    files, notes = find_fcs_files(folder)
    if not files:
        return FcsFolder(folder, notes=notes, refused=f"{folder}: there are no FCS files (.fcs, .lmd)")
    relative = {path: path.relative_to(folder).as_posix() for path in files}
    usable = [path for path in files if _is_usable(relative[path])]
    unusable = [name for name in relative.values() if not _is_usable(name)]
    notes += _many("a name that no sample list can have; rename it", unusable)
    read = read_headers(usable, progress)
    notes += _many("", [f"{header}" for header in read.values() if isinstance(header, Problem)], "not read: ")
    headers = {relative[path]: header for path, header in read.items() if isinstance(header, FcsHeader)}
    fcs_files = FcsFolder(folder, headers, [read_name(name) for name in headers], notes)
    if not headers:
        fcs_files.refused = f"{folder}: no FCS file there can be read"
        return fcs_files
    _sort_into_kinds(fcs_files)
    _read_marker_tables(fcs_files)
    fcs_files.refused = _name_fields(fcs_files, pattern)
    return fcs_files


def _is_usable(name: str) -> bool:
    return name.isprintable() and not _NOT_IN_NAMES & set(name) and len(name) <= 150 and "\\" not in name


def _many(what: str, names: Sequence[str], before: str = "") -> list[str]:
    if not names:
        return []
    listed = [
        f"{before}{shown(name, 300)[1:-1] if before else shown(name)}{f': {what}' if what else ''}" for name in names
    ]
    more = [f"{before}and {len(names) - _MOST_SHOWN} more"] if len(names) > _MOST_SHOWN else []
    return listed[:_MOST_SHOWN] + more


def _sort_into_kinds(fcs_files: FcsFolder) -> None:
    """Say of which kind each file is: fully stained tubes by their channels, controls by the tubes most like them."""
    kinds: dict[frozenset[tuple[str, str]], str] = {}
    signatures = {name.file: kind_of_file(fcs_files.headers[name.file]) for name in fcs_files.names}
    persons = [name.file for name in fcs_files.names if not name.is_control] or list(signatures)
    for file in persons:
        fcs_files.kinds[file] = kinds.setdefault(signatures[file], f"kind {len(kinds) + 1}")
    detectors = {
        kind: {channel.detector for channel in fcs_files.headers[file].channels}
        for file, kind in reversed(fcs_files.kinds.items())
    }
    for file in (file for file in signatures if file not in fcs_files.kinds):
        own = {channel.detector for channel in fcs_files.headers[file].channels}
        likeness = {
            kind: (len(signatures[file] & signature), -len(own ^ detectors[kind])) for signature, kind in kinds.items()
        }
        best = [kind for kind, alike in likeness.items() if alike == max(likeness.values())]
        fcs_files.kinds[file] = best[0] if len(best) == 1 else ""


def _name_fields(fcs_files: FcsFolder, pattern: Pattern | None) -> str:
    """Read the names' fields; return why that cannot be done, with the names that do not fit."""
    if pattern is None:
        fcs_files.names, why = guessed_names(fcs_files.names, fcs_files.kinds)
        if not why:
            return ""
        examples = "\n".join(f"  {shown(name.file, 120)[1:-1]}" for name in fcs_files.names[:5])
        return (
            f"{why}; say how the files are named, such as --pattern '{{subject}}_{{visit}}_{{panel}}.fcs' "
            f"({{}} for what does not matter); the first names are\n{examples}"
        )
    fitting, odd = patterned_names(fcs_files.names, pattern)
    listed = [f"  {shown(name.file, 120)[1:-1]}: {name.why}" for name in odd[:_MOST_SHOWN]]
    more = [f"  and {len(odd) - _MOST_SHOWN} more"] if len(odd) > _MOST_SHOWN else []
    about = (
        f"{counted(len(odd), 'name')} of {len(fcs_files.names)} not read by the pattern {pattern.text}, and not listed:"
    )
    if not any(not name.is_control for name in fitting):
        return "\n".join([about, *listed, *more])
    if odd:
        fcs_files.notes.append("\n".join([about, *listed, *more]))
    fcs_files.names = fitting
    return ""


_OF_CHANNELS = {"channel", "fcs_colname", "detector", "parameter", "$pnn", "pnn", "channel name"}
_OF_MARKERS = {"marker", "antigen", "target", "$pns", "pns", "marker name", "desc"}
_FEWEST_CHANNELS = 2
_LARGEST_TABLE = 1_000_000


def _read_marker_tables(fcs_files: FcsFolder) -> None:
    """Read which marker each detector carries from tables beside the files, where their labels are blank."""
    detectors = {channel.detector for header in fcs_files.headers.values() for channel in header.channels}
    for path in sorted(fcs_files.folder.glob("*.csv"))[:_MOST_SHOWN]:
        try:
            table = read_csv_table(path, _LARGEST_TABLE)
        except BadSpec:
            continue  # no table of markers, at least
        channels = [name for name in table.columns if name in _OF_CHANNELS]
        markers = [name for name in table.columns if name in _OF_MARKERS]
        if len(channels) != 1 or len(markers) != 1:
            continue
        pairs = [(row[channels[0]], row[markers[0]]) for _, row in table.rows]
        pairs = [pair for pair in pairs if pair[0] in detectors and pair[1] not in ("", "NA")]
        named = dict(pairs)
        if twice := [channel for channel, marker in pairs if named[channel] != marker]:
            fcs_files.notes.append(f"{path}: it says two markers of {twice[0]}; it is not used")
        elif clash := [
            channel for channel, marker in named.items() if fcs_files.markers.get(channel, marker) != marker
        ]:
            fcs_files.notes.append(
                f"{path}: it says another marker of {clash[0]} than another table there; it is not used"
            )
        elif len(named) >= _FEWEST_CHANNELS:
            fcs_files.markers |= named
            fcs_files.notes.append(f"{path}: which markers the channels carry is read from it")
