"""How the DATA segment of an FCS file is built, by what its keywords say of each channel."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from immunomon.cytometry.formats.fcs_header import whole_number
from immunomon.cytometry.formats.fcs_text import ODD_FILE, Keywords
from immunomon.errors import BadFcs

__all__ = ["ChannelFormat", "Layout", "layout_of", "number_of", "padded"]

_FEWEST_BITS, _MOST_BITS = 8, 64
_BITS = {"F": 32, "D": 64}
_MOST_DECADES = 38.0  # of float32; real amplifiers have 2.5 to 8
_STAND_IN_RANGE = 262144.0  # of floats whose $PnR is none: for plots and for gates on a linear axis
_LARGEST_RANGE = 3.5e38  # of float32
_NOT_AVAILABLE = {"na", "n/a", "nan", "null", "none", "-", "inf", "infinity"}


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
        problem = f"$PAR is '{keywords.get('$PAR')[:20]}'"
        raise BadFcs(path, problem + (f", but $P{count}B is missing" if count else ""), ODD_FILE)
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

    def is_blank(self, letters: str) -> bool:
        """Say whether a keyword is missing, empty, or only says that its value is not known."""
        return not self.get(letters) or self.get(letters).casefold() in _NOT_AVAILABLE

    def refuse(self, letters: str, problem: str) -> BadFcs:
        return BadFcs(self.path, f"$P{self.number}{letters} is '{self.get(letters)[:30]}', {problem}", ODD_FILE)


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
    """Return $PnR; floats do not need it to be read, so that a stated stand-in does where it is no range."""
    text = cell.get("R")
    could_be_thousands = re.fullmatch(r"\s*[1-9]\d{0,2}(,\d{3})+\s*", text)
    value = None if could_be_thousands else _number(cell, "R", notes)
    if kind in _BITS:
        if value is not None and 0 < value <= _LARGEST_RANGE:
            return value
        if value is None and not cell.is_blank("R") and not could_be_thousands:
            raise cell.refuse("R", "not a range")
        state = f"is '{text[:20]}', not a range" if text else "is missing"
        notes.append(f"$P{cell.number}R {state}: {_STAND_IN_RANGE:g} is taken, for plots and linear axes")
        return _STAND_IN_RANGE
    if could_be_thousands:
        raise cell.refuse("R", "which may have a decimal comma or a comma before thousands")
    if value is None or value < 0:
        raise cell.refuse("R", "not a range")
    return value


def _amplifier(cell: _Cell, kind: str, notes: list[str]) -> tuple[float, float]:
    """Return $PnE's decades and lowest value, (0, 1) for linear channels: those of numbers with a decimal point all."""
    if kind in _BITS:
        return 0.0, 1.0
    text = cell.get("E")
    if cell.is_blank("E"):
        state = f"is '{text[:20]}'" if text else "is missing"
        notes.append(f"$P{cell.number}E {state}: taken as linear")
        return 0.0, 1.0
    parts = _pair(text)
    decades, lowest = (number_of(part) for part in parts) if len(parts) == 2 else (None, None)
    if decades is None or lowest is None:
        raise cell.refuse("E", "not the two numbers of an amplifier, such as 0,0 or 4,1")
    if parts != text.split(","):
        notes.append(f"$P{cell.number}E is '{text[:20]}', with decimal commas: read as {decades:g} and {lowest:g}")
    if not (0 <= decades <= _MOST_DECADES and 0 <= lowest <= 1e6):
        raise cell.refuse("E", "which no amplifier has")
    return decades, lowest if decades > 0 and lowest > 0 else 1.0


def _pair(text: str) -> list[str]:
    """Return the two numbers of $PnE, also where they have decimal commas.

    >>> _pair("4,1"), _pair("4,0,1,0"), _pair("4,5;1,0")
    (['4', '1'], ['4.0', '1.0'], ['4.5', '1.0'])
    """
    if ";" in text and "," in text:
        return [part.replace(",", ".") for part in text.split(";")]
    parts = [part.strip() for part in text.split(",")]
    return [".".join(parts[:2]), ".".join(parts[2:])] if len(parts) == 4 else text.split(",")


def _gain(cell: _Cell, notes: list[str]) -> float:
    if cell.is_blank("G"):
        if cell.get("G"):
            notes.append(f"$P{cell.number}G is '{cell.get('G')}': taken as no gain")
        return 1.0
    value = _number(cell, "G", notes)
    if value is not None and 1e-9 <= value <= 1e9:
        return value
    if value != 0:
        raise cell.refuse("G", "not a gain")
    notes.append(f"$P{cell.number}G is 0: taken as no gain")
    return 1.0


def _time_step(keywords: Keywords, notes: list[str]) -> float:
    text = keywords.get("$TIMESTEP")
    value = number_of(text)
    if value is not None and 1e-15 < value < 1e9:
        if "," in text:
            notes.append(f"$TIMESTEP is '{text[:20]}', with a decimal comma: read as {value:g}")
        return value
    if text:
        notes.append(f"$TIMESTEP is '{text[:20]}', not a number: the time channel stays in the instrument's ticks")
    return 1.0


def _number(cell: _Cell, letters: str, notes: list[str]) -> float | None:
    """Return a channel's keyword as a number, None if it is none; a decimal comma is understood and said."""
    text = cell.get(letters)
    value = number_of(text)
    if value is not None and "," in text:
        notes.append(f"$P{cell.number}{letters} is '{text[:20]}', with a decimal comma: read as {value:g}")
    return value


def number_of(text: str) -> float | None:
    """Return the finite number that a keyword is, with a decimal point or comma; None if it is none.

    >>> number_of(" 1,5 "), number_of("1e-3"), number_of("NaN"), number_of("1.000,5")
    (1.5, 0.001, None, None)
    """
    bare = text.strip()[:64].replace(",", ".")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", bare):
        return None
    value = float(bare)
    return value if math.isfinite(value) else None
