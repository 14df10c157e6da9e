"""Reading FCS files, 2.0 to 3.2, into headers and immutable events: right, repaired and said, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from immunomon.errors import BadFcs
from immunomon.io.fcs_channels import channels_of
from immunomon.io.fcs_data import find_data
from immunomon.io.fcs_decode import Source, decode
from immunomon.io.fcs_header import DataSet, OpenFile, read_data_sets
from immunomon.io.fcs_layout import layout_of
from immunomon.model.events import EventTable, Scale
from immunomon.model.fcs import FcsHeader
from immunomon.model.raw import RawTable

__all__ = ["read_events", "read_fcs", "read_header"]


def read_header(path: Path, *, data_set: int | None = None) -> FcsHeader:
    """Return what an FCS file says of itself, without its events; where they are is looked up all the same.

    data_set: which one of a file with several ($NEXTDATA), counted from 1; default: the first that has events.
    Raises BadFcs, with the reason and the remedy, if it is missing, cut off, or not an FCS file.

    >>> read_header(Path("no-such-file.fcs"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadFcs: no-such-file.fcs: there is no such file; check the name in the sample list, ...
    """
    with _opened(path) as file:
        return _located(file, data_set)[0]


def read_fcs(path: Path, *, data_set: int | None = None) -> tuple[FcsHeader, EventTable]:
    """Return an FCS file's header and its events, (events, channels), float32 where that is exact, on the raw scale.

    Gain ($PnG), log amplifiers ($PnE, of integers) and the time step are applied, as the standard asks (FCS 3.1,
    Spidlen et al. 2010). data_set: see ``read_header``. Raises BadFcs.
    """
    with _opened(path) as file:
        header, source = _located(file, data_set)
        values, factors = decode(source)
    if factors:
        return header, RawTable(values, header.channels, source=path.name, factors=factors)
    return header, EventTable.adopt(values, header.channels, Scale.RAW, path.name)


def read_events(path: Path, *, data_set: int | None = None) -> EventTable:
    """Return an FCS file's events; raises BadFcs. See ``read_fcs``."""
    return read_fcs(path, data_set=data_set)[1]


@contextmanager
def _opened(path: Path) -> Iterator[OpenFile]:
    if not path.is_file():
        raise BadFcs(path, "there is no such file", "check the name in the sample list, upper and lower case count")
    try:
        with path.open("rb") as file:
            yield OpenFile(file, path, path.stat().st_size)
    except PermissionError as error:
        raise BadFcs(path, "it may not be read", "check the permissions of the file") from error
    except OSError as error:
        raise BadFcs(path, f"it cannot be read ({error})", "copy it to another disk") from error
    except MemoryError as error:
        raise BadFcs(
            path, "its events do not fit into memory", "close other programs, or use a larger machine"
        ) from error


def _located(file: OpenFile, data_set: int | None) -> tuple[FcsHeader, Source]:
    data_sets, chain = read_data_sets(file)
    number, said = _which(data_sets, file.path, data_set)
    found = data_sets[number - 1]
    layout, assumed = layout_of(found.keywords, file.path)
    source, repaired = find_data(file, found, layout)
    channels, renamed = channels_of(found.keywords, source.layout)
    header = FcsHeader(
        file.path,
        found.version,
        found.keywords.values,
        channels,
        source.count,
        deviations=(*chain, *said, *found.keywords.deviations, *repaired, *assumed, *renamed),
        data_set=number,
        data_sets=len(data_sets),
        factors=tuple(stored.factor / stored.divisor for stored in source.layout.formats),
    )
    return header, source


def _which(data_sets: list[DataSet], path: Path, wanted: int | None) -> tuple[int, tuple[str, ...]]:
    """Return which data set is read, counted from 1, and that there are others."""
    if wanted is not None:
        if not 1 <= wanted <= len(data_sets):
            raise BadFcs(path, f"it has no data set {wanted}", f"choose one of 1 to {len(data_sets)}")
        return wanted, ()
    if len(data_sets) == 1:
        return 1, ()
    number = next((number for number, one in enumerate(data_sets, start=1) if one.event_count != 0), 1)
    others = ", ".join(
        f"{place} (FCS {one.version}, {one.event_count} events)" for place, one in enumerate(data_sets[:6], start=1)
    )
    return number, (f"it holds {len(data_sets)} data sets, {others}: number {number} is read",)
