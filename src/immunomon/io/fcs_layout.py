"""How the DATA segment of an FCS file is built, by what its keywords say of each channel."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from immunomon.errors import BadFcs
from immunomon.io.fcs_header import whole_number
from immunomon.io.fcs_text import ODD_FILE, Keywords
from immunomon.model.events import Channel

__all__ = ["ChannelFormat", "Layout", "channels_of", "layout_of", "padded"]

_FEWEST_BITS, _MOST_BITS = 8, 64
_BITS = {"F": 32, "D": 64}
_MOST_DECADES = 38.0  # of float32; real amplifiers have 2.5 to 8


@dataclass(frozen=True)
class ChannelFormat:
    """One channel as stored (kind I, F, D or A; bits; 0 bits: free-format text) and how its numbers become intensities.

    mask_bits: an integer's bits that mean something; decades and lowest: of a log amplifier; factor, divisor: of
    linear channels.
    """

    kind: str
    bits: int
    limit: float
    mask_bits: int
    decades: float = 0.0
    lowest: float = 1.0
    factor: float = 1.0
    divisor: float = 1.0
    is_time: bool = False

    @property
    def as_stored(self) -> bool:
        """Whether the stored number is the intensity."""
        return self.decades == 0 and self.factor == 1 and self.divisor == 1

    @property
    def largest(self) -> float:
        """The end of the channel's range as an intensity."""
        if self.decades > 0:
            return float(self.lowest * 10.0**self.decades)
        return self.limit * self.factor / self.divisor


@dataclass(frozen=True)
class Layout:
    """All channels as stored, and the significance of each of a number's bytes, in the file's order: $BYTEORD."""

    formats: tuple[ChannelFormat, ...]
    order: tuple[int, ...]

    @property
    def event_bits(self) -> int:
        """The bits of one event; 0 for free-format text."""
        return sum(channel.bits for channel in self.formats)

    @property
    def is_text(self) -> bool:
        """Whether the numbers are written in characters ($DATATYPE A)."""
        return self.formats[0].kind == "A"

    @property
    def is_little(self) -> bool:
        """Whether the least significant byte comes first."""
        return self.order == tuple(sorted(self.order))

    @property
    def is_big(self) -> bool:
        """Whether the most significant byte comes first."""
        return self.order == tuple(sorted(self.order, reverse=True))

    def data_bytes(self, events: int) -> int:
        """Return how many bytes some events take.

        >>> channel = ChannelFormat("I", 10, 1024.0, 10)
        >>> Layout((channel, channel), (1, 2)).data_bytes(3)
        8
        """
        return -(-events * self.event_bits // 8)


def layout_of(keywords: Keywords, path: Path) -> tuple[Layout, tuple[str, ...]]:
    """Return how the data are stored, and what had to be assumed; raises BadFcs where assuming could give wrong values.

    >>> text = Keywords({"$PAR": "1", "$MODE": "L", "$DATATYPE": "F", "$BYTEORD": "1,2,3,4", "$P1B": "32"})
    >>> layout_of(replace(text, values={**text.values, "$P1N": "FSC-A", "$P1R": "1024"}), Path("a.fcs"))[0].event_bits
    32
    """
    notes: list[str] = []
    mode = keywords.get("$MODE").upper()
    if mode not in {"L", ""}:
        raise BadFcs(path, f"$MODE is '{mode[:20]}', a histogram: only list mode (L) holds events", ODD_FILE)
    if not mode:
        notes.append("$MODE is missing: taken as L (list mode)")
    count = whole_number(keywords.get("$PAR"))
    if not count or f"$P{count}B" not in keywords.values:
        what = f"$PAR is '{keywords.get('$PAR')[:20]}'"
        raise BadFcs(path, what + (f", but $P{count}B is missing" if count else ""), ODD_FILE)
    kind = keywords.get("$DATATYPE").upper()
    order = _order(keywords, path, is_text=kind == "A")
    step = _time_step(keywords, notes)
    formats = tuple(_format(_Cell(keywords, path, number, kind), step, notes) for number in range(1, count + 1))
    if any(channel.bits == 0 for channel in formats):
        if any(channel.bits for channel in formats):
            raise BadFcs(path, "some $PnB are '*' (free format), others are numbers", ODD_FILE)
    elif kind == "A" and any(channel.bits % 8 for channel in formats):
        raise BadFcs(path, "$DATATYPE is A with numbers of less than a character", ODD_FILE)
    return Layout(formats, order), tuple(notes)


def padded(layout: Layout) -> Layout | None:
    """Return the same with each integer in the next larger 8, 16, 32 or 64 bits, None if they are so already."""
    wider = tuple(
        replace(channel, bits=max(8, 1 << (channel.bits - 1).bit_length())) if channel.kind == "I" else channel
        for channel in layout.formats
    )
    return None if wider == layout.formats else replace(layout, formats=wider)


def _order(keywords: Keywords, path: Path, *, is_text: bool) -> tuple[int, ...]:
    text = keywords.get("$BYTEORD")
    places = tuple(whole_number(part) or 0 for part in text.split(","))
    if is_text:
        return (1, 2, 3, 4)
    if sorted(places) != list(range(1, len(places) + 1)) or len(places) > 8:
        raise BadFcs(path, f"$BYTEORD is '{text[:30]}', not an order of bytes such as 1,2,3,4", ODD_FILE)
    return places


@dataclass(frozen=True)
class _Cell:
    keywords: Keywords
    path: Path
    number: int
    file_kind: str

    def get(self, letters: str) -> str:
        return self.keywords.get(f"$P{self.number}{letters}")

    def refuse(self, letters: str, what: str) -> BadFcs:
        return BadFcs(self.path, f"$P{self.number}{letters} is '{self.get(letters)[:30]}', {what}", ODD_FILE)


def _format(cell: _Cell, step: float, notes: list[str]) -> ChannelFormat:
    kind = cell.get("DATATYPE").upper() or cell.file_kind
    if kind not in {"I", "F", "D", "A"} or ("A" in {kind, cell.file_kind} and kind != cell.file_kind):
        raise BadFcs(cell.path, f"$DATATYPE of channel {cell.number} is '{kind[:20]}', not I, F, D or A", ODD_FILE)
    bits = _bits(cell, kind, notes)
    limit = _limit(cell, kind, notes)
    mask_bits = min((math.ceil(limit) - 1).bit_length() if limit >= 2 else bits, bits)
    if kind == "I" and limit < 2:
        notes.append(f"$P{cell.number}R is {limit:g}: no bits are masked")
    decades, lowest = _amplifier(cell, kind, notes)
    if decades > 0 and limit < 1:
        raise cell.refuse("R", "which a log amplifier needs to be at least 1")
    is_time = cell.get("N").casefold() == "time" or cell.get("TYPE").casefold() == "time"
    gain = _gain(cell, notes)
    if decades > 0 and gain != 1 and not is_time:
        notes.append(f"$P{cell.number}G is {gain:g} on a log amplifier, where the standard has none: not applied")
    plain = is_time or decades > 0
    return ChannelFormat(
        kind, bits, limit, mask_bits, decades, lowest, step if is_time else 1.0, 1.0 if plain else gain, is_time
    )


def _bits(cell: _Cell, kind: str, notes: list[str]) -> int:
    text = cell.get("B")
    if kind == "A":
        if text == "*":
            return 0
        characters = whole_number(text) or 0
        if not 1 <= characters <= 100:
            raise cell.refuse("B", "neither '*' nor a number of characters")
        return 8 * characters
    bits = whole_number(text) or 0
    if kind == "I":
        if not _FEWEST_BITS <= bits <= _MOST_BITS:
            raise cell.refuse("B", f"and integers of {_FEWEST_BITS} to {_MOST_BITS} bits are read")
        return bits
    if bits != _BITS[kind]:
        notes.append(f"$P{cell.number}B is '{text[:20]}', but data of type {kind} have {_BITS[kind]} bits")
    return _BITS[kind]


def _limit(cell: _Cell, kind: str, notes: list[str]) -> float:
    text = cell.get("R")
    value = _float(text)
    if value is None or value < 0:
        if kind == "I" or text:
            raise cell.refuse("R", "not a range")
        notes.append(f"$P{cell.number}R is missing: 262144 is taken, for plots only")
        return 262144.0
    return value


def _amplifier(cell: _Cell, kind: str, notes: list[str]) -> tuple[float, float]:
    """Return $PnE's decades and lowest value, (0, 1) for linear channels: those of numbers with a decimal point all."""
    if kind in _BITS:
        return 0.0, 1.0
    text = cell.get("E")
    if not text:
        notes.append(f"$P{cell.number}E is missing: taken as linear")
        return 0.0, 1.0
    parts = [_float(part) for part in text.split(",")]
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        raise cell.refuse("E", "not the two numbers of an amplifier, such as 0,0 or 4,1")
    decades, lowest = parts[0], parts[1]
    if not (0 <= decades <= _MOST_DECADES and 0 <= lowest <= 1e6):
        raise cell.refuse("E", "which no amplifier has")
    return decades, lowest if decades > 0 and lowest > 0 else 1.0


def _gain(cell: _Cell, notes: list[str]) -> float:
    text = cell.get("G")
    value = _float(text)
    if value is not None and 1e-9 <= value <= 1e9:
        return value
    if text and value != 0:
        raise cell.refuse("G", "not a gain")
    if text:
        notes.append(f"$P{cell.number}G is 0: taken as no gain")
    return 1.0


def _time_step(keywords: Keywords, notes: list[str]) -> float:
    text = keywords.get("$TIMESTEP")
    value = _float(text)
    if value is not None and 1e-15 < value < 1e9:
        return value
    if text:
        notes.append(f"$TIMESTEP is '{text[:20]}', not a number: the time channel stays in the instrument's ticks")
    return 1.0


def _float(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text.strip()[:64]):
        return None
    value = float(text.strip()[:64])
    return value if math.isfinite(value) else None


def channels_of(keywords: Keywords, layout: Layout) -> tuple[tuple[Channel, ...], tuple[str, ...]]:
    """Return the channels' names, ranges and voltages; names that stand twice get their channel's number.

    None of them keeps the bare name: a gate on it would take one of them by chance.

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
        voltage = _float(keywords.get(f"$P{number}V"))
        channels.append(Channel(detector, "" if marker == name else marker, stored.limit, voltage))
    return tuple(channels), tuple(notes)
