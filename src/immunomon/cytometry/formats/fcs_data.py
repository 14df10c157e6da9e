"""Where the DATA segment of an FCS file is: what HEADER, TEXT, $TOT and the values themselves say, weighed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.formats.fcs_decode import Source, stored_blocks
from immunomon.cytometry.formats.fcs_header import DataSet, OpenFile, Span, whole_number
from immunomon.cytometry.formats.fcs_layout import Layout, padded
from immunomon.cytometry.formats.fcs_text import ODD_FILE, is_utf8
from immunomon.errors import BadFcs
from immunomon.study.model.fcs import DataOffset

__all__ = ["find_data"]

_LARGEST_IN_HEADER = 99_999_999
_SAMPLE = 500
_ORDERS = ((1, 2, 3, 4), (4, 3, 2, 1))
_CHECKSUM = 8  # bytes, after the last segment
_ENOUGH = 0.95  # of the values fit $PnR where the offsets are right; a few times a bit is lost
_COPY_AGAIN = "copy it again from the cytometer"


@dataclass(frozen=True)
class _Candidate:
    """A place where DATA may be: who says so, its first and last byte, the events it holds, how far the end fits.

    misfit: 0 exact, 1 one byte too many, 2 some spare bytes, 3 the end is wrong but the events are there.
    """

    said_by: str
    begin: int
    end: int
    layout: Layout
    count: int
    misfit: int


def find_data(
    file: OpenFile, data_set: DataSet, layout: Layout, *, data_offset: DataOffset | None = None
) -> tuple[Source, tuple[str, ...]]:
    """Return where the events are and how many, and what was repaired to find them.

    data_offset: whose word holds where HEADER and TEXT disagree; None: what the values tell. Raises BadFcs if DATA is
    cut off, if no place fits $TOT, $PAR and $PnB, if two do that hold different values, or if the values cannot be
    right.
    """
    spans, notes = _spans(data_set)
    if data_offset is not None:
        spans = _as_decided(spans, data_offset, file, notes)
    smallest = max(1, layout.event_bits // 8)
    if data_set.event_count == 0 and not any(end - begin + 1 >= smallest for _, (begin, end) in spans):
        return Source(file, data_set.start, data_set.start, layout, 0), tuple(notes)
    if not spans:
        spans = _after_text(data_set, file.size, layout)
        notes.append("neither HEADER nor TEXT says where DATA is: taken from the end of TEXT, where $TOT fits exactly")
    fitting, reasons = _fitting(spans, _Room(data_set, file.size), layout)
    if not fitting:
        raise BadFcs(file.path, *reasons[-1])
    sources = [_source(candidate, file, data_set.start) for candidate in fitting]
    index = _chosen(fitting, sources, spans, notes)
    notes += _about(fitting[index], data_set)
    _must_be_plausible(sources[index])
    return sources[index], tuple(notes)


def _source(taken: _Candidate, file: OpenFile, start: int) -> Source:
    begin = start + taken.begin
    is_free_text = taken.layout.event_bits == 0
    end = start + taken.end + 1 if is_free_text else begin + taken.layout.data_bytes(taken.count)
    return Source(file, begin, end, taken.layout, taken.count)


def _spans(data_set: DataSet) -> tuple[list[tuple[str, Span]], list[str]]:
    """Return HEADER's and TEXT's word on where DATA is, one if they agree, and what is odd about them."""
    begin, end = (whole_number(data_set.keywords.get(name)) for name in ("$BEGINDATA", "$ENDDATA"))
    by_text = (begin, end) if begin and end is not None else None
    by_header = data_set.data
    old = data_set.version == "2.0"  # which has no such keywords
    if by_header is None and by_text is None:
        return [], []
    if by_header is None and by_text is not None:
        is_large = by_text[1] > _LARGEST_IN_HEADER
        return [("TEXT", by_text)], [] if is_large else ["HEADER does not say where DATA is: TEXT's offsets are taken"]
    if by_text is None and by_header is not None:
        note = "TEXT does not say where DATA is ($BEGINDATA, $ENDDATA): HEADER's offsets are taken"
        return [("HEADER", by_header)], [] if old else [note]
    assert by_header is not None
    assert by_text is not None
    return [("HEADER", by_header)] if by_header == by_text else [("HEADER", by_header), ("TEXT", by_text)], []


def _as_decided(
    spans: list[tuple[str, Span]], data_offset: DataOffset, file: OpenFile, notes: list[str]
) -> list[tuple[str, Span]]:
    """Return the place that a person decided on, where there are two; the one there is does not need the decision."""
    if len(spans) < 2:
        if spans and data_offset.upper() != spans[0][0] and notes:
            raise BadFcs(file.path, f"{notes[0].partition(':')[0]}: it cannot be followed", "leave out data_offset")
        return spans
    decided = [(said_by, span) for said_by, span in spans if said_by == data_offset.upper()]
    notes.append(f"DATA is at bytes {_told(spans)}: that of {data_offset.upper()} is taken, as was decided")
    return decided


def _told(spans: list[tuple[str, Span]]) -> str:
    return " and ".join(f"{begin} to {end} by {said_by}" for said_by, (begin, end) in spans)


def _after_text(data_set: DataSet, size: int, layout: Layout) -> list[tuple[str, Span]]:
    begin = data_set.text[1] + 1
    room = size - data_set.start - begin
    needed = layout.data_bytes(data_set.event_count or 0)
    if needed and room - needed in {0, _CHECKSUM}:
        return [("the end of TEXT", (begin, begin + needed - 1))]
    return []


def _fitting(
    spans: list[tuple[str, Span]], room: _Room, layout: Layout
) -> tuple[list[_Candidate], list[tuple[str, str]]]:
    """Return the places that can hold the events, and why the others cannot."""
    fitting: list[_Candidate] = []
    reasons: list[tuple[str, str]] = []
    if not spans:
        reasons.append(("neither HEADER nor $BEGINDATA and $ENDDATA say where DATA is", ODD_FILE))
    wider = padded(layout)
    for said_by, span in spans:
        if span[0] <= room.data_set.text[1] and span[1] >= room.data_set.text[0]:
            reasons.append((f"DATA, bytes {span[0]} to {span[1]} by {said_by}, overlaps TEXT", ODD_FILE))
            continue
        for layout_tried in (layout, wider):
            outcome = _fit(said_by, span, room, layout_tried) if layout_tried else None
            if isinstance(outcome, _Candidate):
                fitting.append(outcome)
                break
            if outcome is not None and layout_tried is layout:
                reasons.append(outcome)
    return fitting, reasons


@dataclass(frozen=True)
class _Room:
    data_set: DataSet
    size: int

    @property
    def bytes(self) -> int:
        return self.size - self.data_set.start


def _fit(said_by: str, span: Span, room: _Room, layout: Layout) -> _Candidate | tuple[str, str]:
    begin, end = span
    held = end - begin + 1
    total = room.data_set.event_count
    if layout.event_bits == 0:
        return _fit_free_text(said_by, span, room, layout)
    if total is None:
        total = 8 * held // layout.event_bits if held > 0 else 0
    needed = layout.data_bytes(total)
    spare = held - needed
    if begin + needed > room.bytes or (spare < 0 and begin + needed not in {room.bytes, room.bytes - _CHECKSUM}):
        has = max(0, min(held, room.bytes - begin))
        return f"cut off: {total} events need {needed} bytes of data, it has {has}", _COPY_AGAIN
    misfit = 3 if spare < 0 else 0 if spare == 0 else 1 if spare == 1 else 2
    if 8 * spare >= layout.event_bits:
        if end < room.bytes:
            events = 8 * held // layout.event_bits
            return (
                f"DATA, bytes {begin} to {end} by {said_by}, holds {events} events of {layout.event_bits} bits, "
                f"but $TOT is {total}",
                ODD_FILE,
            )
        misfit = 3
    return _Candidate(said_by, begin, end, layout, total, misfit)


def _fit_free_text(said_by: str, span: Span, room: _Room, layout: Layout) -> _Candidate | tuple[str, str]:
    total = room.data_set.event_count
    held = span[1] - span[0] + 1
    if total is None:
        return "$TOT is missing, and text of free format does not say how many events there are", ODD_FILE
    if span[1] >= room.bytes or 2 * total * len(layout.formats) - 1 > held:
        return f"cut off: {total} events of text do not fit into bytes {span[0]} to {span[1]}", _COPY_AGAIN
    return _Candidate(said_by, *span, layout, total, 0)


def _chosen(fitting: list[_Candidate], sources: list[Source], spans: list[tuple[str, Span]], notes: list[str]) -> int:
    """Return which candidate is taken, and say why if there was a choice."""
    places, why = list(range(len(fitting))), "only there $TOT, $PAR and $PnB fit"
    size = sources[0].file.size
    tests: list[tuple[str, list[bool]]] = [
        (
            "its length fits $TOT, $PAR and $PnB",
            [candidate.misfit == min(o.misfit for o in fitting) for candidate in fitting],
        )
    ]
    if len({candidate.begin for candidate in fitting}) > 1:
        tests = [
            ("only there the values fit $PnR", [_part_in_range(source) >= _ENOUGH for source in sources]),
            *tests,
            ("only there time goes on", [_time_goes_on(source) for source in sources]),
            ("it ends where the file does", [source.end in {size, size - _CHECKSUM} for source in sources]),
        ]
    for reason, passed in tests:
        left = [index for index in places if passed[index]]
        if left and len(left) < len(places):
            places, why = left, reason
    if len({fitting[index].begin for index in places}) > 1:
        first, second = (fitting[index] for index in places[:2])
        problem = f"{first.said_by} says that DATA begins at byte {first.begin}, {second.said_by} at {second.begin}"
        remedy = "say which with --data-offset header or text, or in the column data_offset of samples.csv"
        raise BadFcs(sources[0].path, f"{problem}, and nothing tells which is right", remedy)
    if len(spans) > 1:
        notes.append(f"DATA is at bytes {_told(spans)}: that of {fitting[places[0]].said_by} is taken, {why}")
    return places[0]


def _about(taken: _Candidate, data_set: DataSet) -> list[str]:
    notes = []
    if data_set.event_count is None and data_set.version != "2.0":
        text = data_set.keywords.get("$TOT")
        state = f"is '{text[:20]}', not a number" if text else "is missing"
        notes.append(f"$TOT {state}: {taken.count} events by the length of DATA")
    if any(channel.bits % 8 for channel in taken.layout.formats):
        notes.append("integers of odd widths are read as packed bit by bit, as the standard says")
    if taken.misfit == 1:
        notes.append(f"{taken.said_by} counts one byte too many: DATA ends at {taken.end - 1}, not at {taken.end}")
    elif taken.misfit == 2:
        notes.append(f"DATA has spare bytes after its {taken.count} events, before its end at {taken.end}")
    elif taken.misfit == 3:
        notes.append(f"DATA does not end at {taken.end} as {taken.said_by} says: $TOT's {taken.count} events are there")
    return notes


def _sample(source: Source) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    few = replace(source, count=min(source.count, _SAMPLE))
    with np.errstate(all="ignore"):
        return list(stored_blocks(few, masked=False))


def _part_in_range(source: Source) -> float:
    """Return the part of the first events' values that $PnR allows; numbers with a decimal point may leave it."""
    inside = total = 0
    with np.errstate(all="ignore"):
        for block in _sample(source):
            for column, channel in enumerate(source.layout.formats):
                values = block[:, column]
                if channel.kind == "I":
                    inside += int((values < 2.0**channel.mask_bits).sum())
                else:
                    size = np.abs(values)
                    inside += int(((size <= max(100 * channel.limit, 1e9)) & ((size > 1e-9) | (size == 0))).sum())
                total += values.size
    return inside / total if total else 1.0


def _time_goes_on(source: Source) -> bool:
    """Say whether the first events' times do not go back (but where the clock starts again)."""
    places = [column for column, channel in enumerate(source.layout.formats) if channel.is_time]
    times = np.concatenate([block[:, places[:1]] for block in _sample(source)] or [np.empty((0, 0))])
    with np.errstate(all="ignore"):
        steps = np.diff(times, axis=0)
    return bool((steps > 0).any() and (steps >= 0).mean() >= _ENOUGH)


def _must_be_plausible(source: Source) -> None:
    """Refuse values that no instrument gives: text that went through a conversion, floats in another byte order."""
    head = source.file.bytes_at(source.begin, min(1 << 16, source.end - source.begin))
    if b"\xef\xbf\xbd" in head and is_utf8(head):
        raise BadFcs(
            source.path,
            f"DATA from byte {source.begin} went through a text conversion: bytes above 127 were replaced by EF BF BD, "
            "the values are lost",
            "copy it again from the cytometer, as a binary file",
        )
    if (odd := _odd_floats(source)).size:
        reordered = (replace(source, layout=replace(source.layout, order=order)) for order in _ORDERS)
        orders = [candidate.layout.order for candidate in reordered if not _odd_floats(candidate).size]
        cause = "the offsets, $DATATYPE or $BYTEORD are wrong"
        if orders:
            stated, right = (",".join(map(str, order)) for order in (source.layout.order, orders[0]))
            cause = f"$BYTEORD {stated} is wrong; in the order {right} they are numbers that a cytometer gives"
        problem = f"DATA from byte {source.begin} holds values such as {odd[0]:.3g}: {cause}"
        raise BadFcs(source.path, problem, ODD_FILE)


def _odd_floats(source: Source) -> Floats:
    """Return the sizes of floats that no instrument gives, none if they are not more than a quarter."""
    floats = [column for column, channel in enumerate(source.layout.formats) if channel.kind in "FD"]
    if not floats:
        return np.empty(0)
    with np.errstate(all="ignore"):
        sizes = np.abs(np.concatenate([block[:, floats].ravel() for block in _sample(source)] or [np.empty(0)]))
    sizes = sizes[sizes != 0]
    odd = ~((sizes > 1e-15) & (sizes < 1e15))
    return sizes[odd] if sizes.size >= 8 and odd.mean() > 0.25 else np.empty(0)
