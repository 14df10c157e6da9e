"""A second, independent way to read FCS files: fcsparser, mended for big-endian files. For verification only.

What it covers: FCS 2.0 to 3.1 with one data set in list mode; floats of 32 and 64 bits and integers of 8, 16 and 32
bits (also mixed), in either byte order, log amplifiers, gain and time step included. It shares neither code nor library
with ``immunomon.cytometry.formats.fcs``. What it does not cover it refuses with BadFcs: several data sets, integers of
24 bits (fcsparser pads them in the wrong place), text data, keywords in lower case, byte orders such as 3,4,1,2.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from fcsparser.api import FCSParser, ParserFeatureNotImplementedError, fromfile
from numpy.typing import NDArray

from immunomon.errors import BadFcs
from immunomon.files import NotARegularFile, open_input

__all__ = ["read_with_fcsparser"]

Floats = NDArray[np.float64]
# It logs bytes that are not UTF-8, which are common in operators' names; without a handler that goes to the terminal.
logging.getLogger("fcsparser").addHandler(logging.NullHandler())

# fcsparser also pads 24 bits to 32, but forgets the padding before: only the first channel comes out right.
_WIDTHS = {1, 2, 4, 8}
_REMEDY = "the second reader does not cover it: verify this file by hand"
_FAULTS = (
    ParserFeatureNotImplementedError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    OSError,
)


class _Parser(FCSParser):  # type: ignore[misc]  # fcsparser carries no types
    """fcsparser's parser, with the byte order put right in a way that NumPy 2 still has."""

    def read_data(self, file_handle: BinaryIO) -> None:
        """Read the DATA segment into one float64 array, (events, channels)."""
        self._verify_assumptions()
        text = self.annotation
        order = "<" if text["$BYTEORD"].startswith("1") else ">"
        kind = {"F": "f", "D": "f", "I": "u"}[text["$DATATYPE"].strip()]
        widths = [text[f"$P{number}B"] // 8 for number in self.channel_numbers]
        if not set(widths) <= _WIDTHS:
            raise ParserFeatureNotImplementedError(f"numbers of {max(set(widths) - _WIDTHS)} bytes")
        file_handle.seek(self._data_start)
        stored = fromfile(file_handle, ",".join(f"{order}{kind}{width}" for width in widths), text["$TOT"])
        if order != ("<" if sys.byteorder == "little" else ">"):
            # fcsparser calls ndarray.newbyteorder() here, which NumPy 2 took away.
            stored = stored.byteswap().view(stored.dtype.newbyteorder())
        names = stored.dtype.names or ()
        columns = [stored[name] for name in names] if names else [stored]
        if kind == "u":
            columns = [self._without_spare_bits(values, number) for number, values in enumerate(columns, start=1)]
        self._data = np.column_stack(columns).astype(np.float64)

    def _without_spare_bits(self, values: NDArray[Any], number: int) -> NDArray[Any]:
        # An integer of 16 bits may hold a measurement of 10: the bits above the range mean nothing.
        top = int(float(self.annotation[f"$P{number}R"]))
        bits = max(top - 1, 0).bit_length()
        return values if bits >= 8 * values.itemsize else values & values.dtype.type((1 << bits) - 1)


def read_with_fcsparser(path: Path) -> tuple[NDArray[np.floating], tuple[str, ...]]:
    """Return an FCS file's events, (events, channels), and its detectors ($PnN), read by fcsparser alone.

    Log amplifiers ($PnE) of integer data, gain ($PnG) and the time step are applied, as the standard asks (FCS 3.1,
    Spidlen et al. 2010). As by ``read_fcs``, events are float32 if that holds all channels but time exactly, else
    float64, unless that takes more than four times the room of the file's DATA. Raises BadFcs for what it does not
    cover.

    >>> read_with_fcsparser(Path("no-such-file.fcs"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadFcs: no-such-file.fcs: there is no such file
    """
    try:
        with open_input(path):  # fcsparser would wait for ever for a named pipe
            pass
    except FileNotFoundError:
        raise BadFcs(path, "there is no such file") from None
    except NotARegularFile as error:
        raise BadFcs(path, f"it is {error.strerror}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of an ANALYSIS segment and of names that occur twice
            parser = _Parser(str(path), channel_naming="$PnN")
        text: dict[str, Any] = parser.annotation
        if text["$NEXTDATA"] != 0:
            raise ParserFeatureNotImplementedError("several data sets ($NEXTDATA)")
        names = tuple(str(text[f"$P{number}N"]).strip() for number in parser.channel_numbers)
        columns = [_as_measured(parser.data[:, number - 1], text, number) for number in parser.channel_numbers]
        return _narrowed(np.column_stack(columns), text, names), names
    except _FAULTS as error:
        raise BadFcs(path, f"fcsparser cannot read it ({type(error).__name__}: {error})", _REMEDY) from error


def _narrowed(events: Floats, text: Mapping[str, Any], names: tuple[str, ...]) -> NDArray[np.floating]:
    """Return the events as float32 where nothing but the last bits of seconds is lost, else as they are."""
    with np.errstate(all="ignore"):  # too large for float32: infinite there, and so not equal
        short = events.astype(np.float32)
    judged = [column for column, name in enumerate(names) if name.casefold() != "time"]
    stored_bits = sum(int(text[f"$P{number}B"]) for number in range(1, len(names) + 1))
    if 64 * len(names) > 4 * stored_bits or np.array_equal(short[:, judged], events[:, judged], equal_nan=True):
        return short
    return events


def _as_measured(stored: Floats, text: Mapping[str, Any], number: int) -> Floats:
    """Return stored numbers as intensities: log amplifiers undone, gain and time step applied."""
    decades, lowest = (float(part) for part in str(text.get(f"$P{number}E", "0,0")).split(","))
    if decades > 0 and text["$DATATYPE"].strip() == "I":
        # Numbers with a decimal point are linear by the standard, whatever $PnE says.
        return np.asarray((lowest or 1.0) * 10.0 ** (decades * stored / float(text[f"$P{number}R"])))
    if str(text[f"$P{number}N"]).strip().casefold() == "time":
        return stored * float(str(text.get("$TIMESTEP", "1")).strip() or 1)
    return stored / (float(str(text.get(f"$P{number}G", "1")).strip() or 1) or 1.0)
