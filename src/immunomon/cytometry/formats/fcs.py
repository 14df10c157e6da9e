"""Reading FCS files, 2.0 to 3.2, into headers and immutable events: right, repaired and said, or refused."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from immunomon.cytometry.formats.fcs_data import find_data
from immunomon.cytometry.formats.fcs_decode import Source, decode
from immunomon.cytometry.formats.fcs_header import DataSet, OpenFile, read_data_sets, whole_number
from immunomon.cytometry.formats.fcs_layout import Layout, layout_of, number_of
from immunomon.cytometry.formats.fcs_text import Keywords
from immunomon.cytometry.model.events import EventTable, RawTable, Scale
from immunomon.errors import BadFcs, ChangedFile
from immunomon.files import InputChanged, NotARegularFile, open_input
from immunomon.memory import lack_of_memory
from immunomon.study.model.channels import Channel
from immunomon.study.model.fcs import DataOffset, FcsHeader, Reading, unmangled

__all__ = ["MORE_MEMORY", "channels_of", "names_of", "read_events", "read_fcs", "read_header"]

# The channels of an FCS file by what its keywords say: names, markers, ranges, voltages.


def channels_of(keywords: Keywords, layout: Layout) -> tuple[tuple[Channel, ...], tuple[str, ...]]:
    """Return the channels' names, ranges and voltages; names that stand twice get their channel's number.

    None of them keeps the bare name: a gate on it would take one of them by chance.

    >>> from immunomon.cytometry.formats.fcs_layout import ChannelFormat
    >>> words = Keywords({"$P1N": "FL1-A", "$P2N": "FL1-A", "$P2S": "CD4"})
    >>> one = ChannelFormat("F", 32, 1024.0, 32)
    >>> [channel.detector for channel in channels_of(words, Layout((one, one), (1, 2, 3, 4)))[0]]
    ['FL1-A (P1)', 'FL1-A (P2)']
    """
    notes = []
    names = [keywords.get(f"$P{number}N") for number in range(1, len(layout.formats) + 1)]
    counted: dict[str, int] = {}
    for name in names:
        counted[name.casefold()] = counted.get(name.casefold(), 0) + 1
    channels = []
    for number, (name, stored) in enumerate(zip(names, layout.formats, strict=True), start=1):
        detector = name or f"P{number}"
        if not name:
            notes.append(f"$P{number}N is missing: the channel is named {detector}")
        elif counted[name.casefold()] > 1:
            detector = f"{name} (P{number})"
            notes.append(f"$P{number}N '{name}' names several channels: this one is '{detector}'")
        marker = keywords.get(f"$P{number}S")
        notes += [
            f"$P{number}{letter} is '{text}', which reads '{unmangled(text)}' if its UTF-8 was once taken for Latin-1"
            for letter, text in (("N", name), ("S", marker))
            if unmangled(text) != text
        ]
        voltage = number_of(keywords.get(f"$P{number}V"))
        channels.append(Channel(detector, "" if marker == name else marker, stored.limit, voltage))
    return tuple(channels), tuple(notes)


def names_of(keywords: Keywords) -> tuple[Channel, ...]:
    """Return the channels of a data set that is not read, by name alone.

    >>> names_of(Keywords({"$PAR": "2", "$P1N": "FS", "$P2N": "FL1", "$P2S": "CD4"}))[1]
    Channel(detector='FL1', marker='CD4', range=262144.0, voltage=None, aliases=())
    """
    count = min(whole_number(keywords.get("$PAR")) or 0, len(keywords.values))
    names = ((keywords.get(f"$P{number}N"), keywords.get(f"$P{number}S")) for number in range(1, count + 1))
    return tuple(Channel(name, "" if marker == name else marker) for name, marker in names if name)


_OF_STRUCTURE = re.compile(
    r"\$?(P\d+\w*|PK\d+|PKN\d+|PAR|TOT|MODE|DATATYPE|BYTEORD|NEXTDATA|BEGIN\w+|END\w+|TIMESTEP|SPILL\w*|COMP|DFC\w+"
    r"|G\d+\w+|R\d+\w+|GATE|GATING)$"
)
MORE_MEMORY = "close other programs, work on fewer files at once (--jobs), or use a larger machine"
_COPIES = 3 * 4  # bytes a value at the least: as float32 as it is in the file, compensated, and on a display scale
_OTHERS = 20  # data sets whose channels are kept, to say which of them a panel fits


def read_header(
    path: Path, *, data_set: int | None = None, data_offset: DataOffset | None = None, sha256: str | None = None
) -> FcsHeader:
    """Return what an FCS file says of itself, without its events; where they are is looked up all the same.

    data_set: which one of a file with several ($NEXTDATA), counted from 1; default: the first that has events, and of
    an LMD's FCS 2.0 and 3.0 ones that of 3.0. data_offset: whose word on where DATA is holds, ``header`` or ``text``;
    default: what the values tell. sha256: the digest that was recorded of the file. Raises BadFcs, with the reason and
    the remedy, if it is missing, cut off, or not an FCS file, ChangedFile if its bytes are not those recorded.

    >>> read_header(Path("no-such-file.fcs"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadFcs: no-such-file.fcs: there is no such file; check its name and folder; upper and lower ...
    """
    with _opened(path, sha256) as file:
        return _located(file, Reading(data_set, data_offset))[0]


def read_fcs(
    path: Path, *, data_set: int | None = None, data_offset: DataOffset | None = None, sha256: str | None = None
) -> tuple[FcsHeader, EventTable]:
    """Return an FCS file's header and its events, (events, channels), float32 where that is exact, on the raw scale.

    Gain ($PnG), log amplifiers ($PnE, of integers) and the time step are applied, as the standard asks (FCS 3.1,
    Spidlen et al. 2010). data_set, data_offset: see ``read_header``. sha256: the digest that was recorded of the file;
    what is decoded are the bytes that were found to have it. Raises BadFcs, ChangedFile if the bytes are others.
    """
    with _opened(path, sha256) as file:
        header, source = _located(file, Reading(data_set, data_offset))
        if lack := lack_of_memory(_COPIES * source.count * len(header.channels)):
            raise (BadFcs if sha256 is None else ChangedFile)(path, lack, MORE_MEMORY)
        values, factors = decode(source)
    if factors:
        return header, RawTable(values, header.channels, source=path.name, factors=factors)
    return header, EventTable.adopt(values, header.channels, Scale.RAW, path.name)


def read_events(path: Path, *, data_set: int | None = None) -> EventTable:
    """Return an FCS file's events; raises BadFcs. See ``read_fcs``."""
    return read_fcs(path, data_set=data_set)[1]


@contextmanager
def _opened(path: Path, sha256: str | None = None) -> Iterator[OpenFile]:
    fault = BadFcs if sha256 is None else ChangedFile  # whoever recorded a digest could read the file
    try:
        with open_input(path) as file:
            size = os.fstat(file.fileno()).st_size
            if sha256 is not None and (lack := lack_of_memory(size)):
                raise fault(path, lack, MORE_MEMORY)
            yield OpenFile(file if sha256 is None else _recorded(file, path, size, sha256), path, size)
    except FileNotFoundError as error:
        remedy = "check its name and folder; upper and lower case count"
        raise fault(path, "there is no such file", remedy) from error
    except NotARegularFile as error:
        raise fault(path, f"it is {error.strerror}", "name the FCS file itself") from error
    except InputChanged as error:
        raise fault(path, f"it {error.strerror}", "wait until it is written to its end, then run again") from error
    except PermissionError as error:
        raise fault(path, "it may not be read", "check the permissions of the file") from error
    except OSError as error:
        raise fault(path, f"it cannot be read ({error})", "copy it to another disk") from error
    except MemoryError as error:
        raise fault(path, "its events do not fit into memory", MORE_MEMORY) from error


def _recorded(file: BinaryIO, path: Path, size: int, sha256: str) -> BinaryIO:
    """Return a file's bytes, held in memory so that they are the ones whose digest is compared; raises ChangedFile."""
    data = file.read(size + 1)
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        problem = f"its bytes are not those that were recorded (SHA-256 {sha256[:12]}..., now {digest[:12]}...)"
        raise ChangedFile(path, f"{problem}: it was changed or exchanged", "put the right file there, then start again")
    return io.BytesIO(data)


def _located(file: OpenFile, reading: Reading) -> tuple[FcsHeader, Source]:
    """Return the data set that is asked for, or the first of those that may be meant which can be read."""
    data_sets, chain = read_data_sets(file)
    if reading.data_set is not None:
        if not 1 <= reading.data_set <= len(data_sets):
            problem = f"it has no data set {reading.data_set}, it holds {_listed(data_sets)}"
            raise BadFcs(file.path, problem, f"choose one of 1 to {len(data_sets)}, or auto")
        return _read_set(file, data_sets, reading.data_set, reading, chain)
    first_error: BadFcs | None = None
    for number in _meant(data_sets):
        notes = list(chain)
        if len(data_sets) > 1:
            notes.append(f"it holds {_listed(data_sets)}: number {number} is read")
        if first_error is not None:
            notes.append(str(first_error).removeprefix(f"{file.path}: ").partition("; ")[0])
        try:
            return _read_set(file, data_sets, number, reading, tuple(notes))
        except BadFcs as error:
            reason = str(error).removeprefix(f"{file.path}: ")
            first_error = first_error or (
                BadFcs(file.path, f"data set {number} cannot be read: {reason}") if len(data_sets) > 1 else error
            )
    assert first_error is not None, "a file has one data set at least"
    raise first_error


def _read_set(
    file: OpenFile, data_sets: list[DataSet], number: int, reading: Reading, notes: tuple[str, ...]
) -> tuple[FcsHeader, Source]:
    data_set = data_sets[number - 1]
    keywords, shared = _with_twin(data_sets, number)
    layout, assumed = layout_of(data_set.keywords, file.path)
    source, repaired = find_data(file, data_set, layout, data_offset=reading.data_offset)
    channels, renamed = channels_of(data_set.keywords, source.layout)
    header = FcsHeader(
        file.path,
        data_set.version,
        keywords,
        channels,
        source.count,
        deviations=(*notes, *shared, *data_set.keywords.deviations, *repaired, *assumed, *renamed),
        data_set=number,
        data_sets=len(data_sets),
        factors=tuple(stored.factor / stored.divisor for stored in source.layout.formats),
        other_sets={
            set_number: names_of(data_set.keywords)
            for set_number, data_set in enumerate(data_sets[:_OTHERS], start=1)
            if set_number != number
        },
    )
    return header, source


def _with_twin(data_sets: list[DataSet], number: int) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return a data set's keywords; an LMD's FCS 3.0 one has date, names and instrument in its FCS 2.0 twin.

    What is said of the structure and of channels is not taken: the twin's channels are others.
    """
    own, before = data_sets[number - 1], data_sets[max(number - 2, 0)]
    values = own.keywords.values
    if own.version == "2.0" or before.version != "2.0" or before.event_count != own.event_count:
        return values, ()
    more = {
        key: value
        for key, value in before.keywords.values.items()
        if key not in values and value.strip() and not _OF_STRUCTURE.match(key)
    }
    named = ", ".join(key for key in more if key.startswith("$"))
    note = f"keywords that data set {number} lacks are those of data set {number - 1}, of the same events: {named}"
    return {**values, **more}, ((note,) if named else ())


def _meant(data_sets: list[DataSet]) -> list[int]:
    """Return the data sets that a person may mean who names none, best first: with events, of FCS 3 rather than 2.0.

    An LMD has the same events twice, as FCS 2.0 of 10 bits and as FCS 3.0 of 20 bits, often of more channels.
    """
    filled = [number for number, data_set in enumerate(data_sets, start=1) if data_set.event_count != 0] or [1]
    newer = [number for number in filled if data_sets[number - 1].version != "2.0"]
    return list(dict.fromkeys([*newer[:1], *filled[:1]]))


def _listed(data_sets: list[DataSet]) -> str:
    shown = ", ".join(
        f"{number} (FCS {data_set.version}, {data_set.event_count} events)"
        for number, data_set in enumerate(data_sets[:6], start=1)
    )
    return f"{len(data_sets)} data sets, {shown}" + (" ..." if len(data_sets) > 6 else "")
