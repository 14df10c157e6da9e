"""The DATA segment of an FCS file: bytes in, intensities out, a block of events at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats32
from immunomon.cytometry.formats.fcs_header import OpenFile
from immunomon.cytometry.formats.fcs_layout import ChannelFormat, Layout
from immunomon.cytometry.formats.fcs_text import ODD_FILE
from immunomon.errors import BadFcs

__all__ = ["Source", "decode", "stored_blocks"]

Floats = NDArray[np.floating]
Block = NDArray[np.float64]
_BLOCK_VALUES = 1 << 15  # 256 kB as float64: stays in the processor's cache
_TEXT_PIECE = 1 << 15
_LONGEST_NUMBER = 100
_TO_BLANKS = bytes.maketrans(b"\t,\r\n", b"    ")


@dataclass(frozen=True)
class Source:
    """Where the events are: an open file, where DATA begins in it, how they are stored, how many there are.

    end: the byte after the last one of DATA.
    """

    file: OpenFile
    begin: int
    end: int
    layout: Layout
    count: int

    @property
    def path(self) -> Path:
        """The file's path."""
        return self.file.path


def decode(source: Source) -> tuple[Floats, dict[int, float]]:
    """Return the intensities, (events, channels): float32 if that is exact in all channels but time, else float64.

    With them come the columns that are still to be multiplied by a number: the time, in files of float32. Float64 is
    left out where it would take more than four times the file's size (integers of 8 bits behind a log amplifier).
    Raises BadFcs if text is no number or ends early.
    """
    if source.count == 0:
        return np.empty((0, len(source.layout.formats)), dtype=np.float32), {}
    formats, one_order = source.layout.formats, source.layout.is_little or source.layout.is_big
    if one_order and all(channel.kind == "F" and (channel.as_stored or channel.is_time) for channel in formats):
        factors = {column: channel.factor for column, channel in enumerate(formats) if not channel.as_stored}
        return _read_floats(source), factors
    values = _filled(source, np.float32)
    if values is None:
        values = _filled(source, np.float64)
    assert values is not None, "float64 holds them all"
    return values, {}


def _read_floats(source: Source) -> Floats32:
    values = np.empty((source.count, len(source.layout.formats)), dtype=np.float32)
    source.file.stream.seek(source.begin)
    got = source.file.stream.readinto(values.data.cast("B"))  # type: ignore[attr-defined]  # typeshed's BinaryIO lacks it
    if got != values.nbytes:
        raise _ended(source)
    if not source.layout.is_little:
        values.byteswap(inplace=True)
    return values


def _filled(source: Source, dtype: type[np.floating]) -> Floats | None:
    """Return all events as dtype, None as soon as float32 turns out not to hold them."""
    formats = source.layout.formats
    values: Floats = np.empty((source.count, len(formats)), dtype=dtype)
    # Seconds are never exact (a step of 0.01), and nothing is lost with their last bits: they do not decide.
    judged = [column for column, channel in enumerate(formats) if not channel.is_time]
    may_widen = 8 * values.size <= 4 * (source.end - source.begin)
    may_round = may_widen and not all(
        channel.as_stored and channel.kind == "I" and channel.mask_bits <= 24 for channel in formats
    )
    done = 0
    with np.errstate(all="ignore"):
        for block in stored_blocks(source):
            _scale(block, formats)
            part = values[done : done + len(block)]
            part[:] = block
            if (
                dtype is np.float32
                and may_round
                and not np.array_equal(part[:, judged], block[:, judged], equal_nan=True)
            ):
                return None
            done += len(block)
    return values


def _scale(block: Block, formats: tuple[ChannelFormat, ...]) -> None:
    for column, channel in enumerate(formats):
        if channel.as_stored:
            continue
        if channel.decades > 0:
            block[:, column] = 10 ** (channel.decades * block[:, column] / channel.limit) * channel.lowest
        block[:, column] *= channel.factor
        block[:, column] /= channel.divisor


def stored_blocks(source: Source, *, masked: bool = True) -> Iterator[Block]:
    """Yield the stored numbers as float64, (some events, channels), in order; integers without the bits above $PnR.

    Raises BadFcs if the file ends early or text is no number.
    """
    layout = source.layout
    if layout.is_text and layout.event_bits == 0:
        yield from _free_text(source)
        return
    whole_bytes = all(channel.bits % 8 == 0 for channel in layout.formats)
    step = max(8, _BLOCK_VALUES // len(layout.formats) // 8 * 8)
    source.file.stream.seek(source.begin)
    for first in range(0, source.count, step):
        events = min(step, source.count - first)
        raw = source.file.stream.read(layout.data_bytes(events))
        if len(raw) < layout.data_bytes(events):
            raise _ended(source)
        table = np.frombuffer(raw, dtype=np.uint8)
        if whole_bytes:
            yield _from_bytes(table.reshape(events, -1), source, masked=masked)
        else:
            yield _from_bits(table, events, layout, masked=masked)


def _from_bytes(table: NDArray[np.uint8], source: Source, *, masked: bool) -> Block:
    """Return numbers of whole bytes; table: (events, bytes of an event)."""
    block = np.empty((len(table), len(source.layout.formats)))
    byte = first = 0
    for (kind, bits), group in groupby(source.layout.formats, key=lambda channel: (channel.kind, channel.bits)):
        members = list(group)
        width, last = bits // 8, first + len(members)
        cells = table[:, byte : byte + width * len(members)].reshape(len(table), len(members), width)
        if kind == "A":
            block[:, first:last] = _numbers(cells, source)
        elif kind == "I":
            whole = _unsigned(cells, source)
            masks = np.array([(1 << channel.mask_bits) - 1 for channel in members], dtype=np.uint64)
            block[:, first:last] = whole & masks.astype(whole.dtype) if masked else whole
        else:
            block[:, first:last] = _little(cells, source).view(f"<f{width}")[:, :, 0]
        byte, first = byte + width * len(members), last
    return block


def _little(cells: NDArray[np.uint8], source: Source) -> NDArray[np.uint8]:
    """Return the bytes of each number with the least significant one first; cells: (events, channels, bytes)."""
    layout, width = source.layout, cells.shape[2]
    if layout.is_little or width == 1:
        return np.ascontiguousarray(cells)
    if layout.is_big:
        return np.ascontiguousarray(cells[:, :, ::-1])
    if width != len(layout.order):
        order = ",".join(map(str, layout.order))
        raise BadFcs(source.path, f"$BYTEORD is '{order}', which says nothing of numbers of {width} bytes", ODD_FILE)
    return np.ascontiguousarray(cells[:, :, np.argsort(layout.order)])


def _unsigned(cells: NDArray[np.uint8], source: Source) -> NDArray[np.unsignedinteger]:
    little = _little(cells, source)
    width = little.shape[2]
    full = next(size for size in (1, 2, 4, 8) if size >= width)
    if full != width:
        wider = np.zeros((*little.shape[:2], full), dtype=np.uint8)
        wider[:, :, :width] = little
        little = wider
    return np.asarray(little.view(f"<u{full}")[:, :, 0])


def _from_bits(table: NDArray[np.uint8], events: int, layout: Layout, *, masked: bool) -> Block:
    """Return numbers packed without gaps: a number's highest bit first, or its lowest if the file is little-endian."""
    order: Literal["little", "big"] = "little" if layout.is_little else "big"
    bits = np.unpackbits(table, bitorder=order)[: events * layout.event_bits].reshape(events, -1)
    block = np.empty((events, len(layout.formats)))
    begin = 0
    for column, channel in enumerate(layout.formats):
        powers = 2.0 ** np.arange(channel.bits)
        if masked:
            powers[channel.mask_bits :] = 0
        block[:, column] = bits[:, begin : begin + channel.bits] @ (powers if order == "little" else powers[::-1])
        begin += channel.bits
    return block


def _numbers(cells: NDArray[np.uint8], source: Source) -> Block:
    width = cells.shape[2]
    try:
        return np.ascontiguousarray(cells).view(f"S{width}")[:, :, 0].astype(np.float64)
    except ValueError as error:
        raise BadFcs(source.path, f"DATA, text from byte {source.begin}: {error}", ODD_FILE) from error


def _free_text(source: Source) -> Iterator[Block]:
    """Yield numbers parted by blanks, tabs, commas or line ends; several in a row are one (FCS 3.1, 3.3)."""
    channels = len(source.layout.formats)
    values_left, rest, pending = source.count * channels, b"", np.empty(0)
    source.file.stream.seek(source.begin)
    left = source.end - source.begin
    while values_left:
        piece = source.file.stream.read(min(_TEXT_PIECE, left))
        left -= len(piece)
        if not piece and not rest:
            raise _ended(source)
        text = (rest + piece).translate(_TO_BLANKS)
        words = text.split()
        rest = words.pop() if piece and words and not text.endswith(b" ") else b""
        numbers = _parsed(words[: values_left - pending.size], rest, source)
        pending = np.concatenate([pending, numbers])
        events = pending.size // channels
        yield pending[: events * channels].reshape(events, channels).copy()
        pending = pending[events * channels :]
        values_left -= events * channels


def _parsed(words: list[bytes], rest: bytes, source: Source) -> Floats:
    longest = max(map(len, [*words, rest]), default=0)
    if longest > _LONGEST_NUMBER:
        raise BadFcs(source.path, f"DATA, text from byte {source.begin}: a number of {longest} digits", ODD_FILE)
    try:
        return np.array(words, dtype=np.bytes_).astype(np.float64)
    except ValueError as error:
        raise BadFcs(source.path, f"DATA, text from byte {source.begin}: {error}", ODD_FILE) from error


def _ended(source: Source) -> BadFcs:
    return BadFcs(
        source.path,
        f"cut off: DATA from byte {source.begin} ends before its {source.count} events do",
        "copy it again from the cytometer",
    )
