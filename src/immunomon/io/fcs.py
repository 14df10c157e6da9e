"""Reading FCS files (through FlowIO) into headers and immutable events."""

from __future__ import annotations

import re
import struct
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from immunomon.errors import BadFcs
from immunomon.model.events import Channel, ChannelKind, EventTable, Scale
from immunomon.model.fcs import FcsHeader

__all__ = ["read_events", "read_fcs", "read_header"]

# The standard keywords of FCS 2.0 to 3.2 without an index; FlowIO drops the "$" that marks them.
_STANDARD_WORDS = """
abrt beginanalysis begindata beginstext btim byteord carrierid carriertype cells com comp csmode csvbits cyt cytsn
datatype date endanalysis enddata endstext etim exp fil flowrate gate inst last_modified last_modifier locationid lost
mode nextdata op originality par plateid platename proj smno spillover src sys timestep tot tr unicode
unstainedcenters unstainedinfo vol wellid begindatetime enddatetime
"""
_STANDARD = frozenset(_STANDARD_WORDS.split())
_FILTERS = threading.Lock()
_INDEXED = re.compile(r"^(p\d+[a-z]+|g\d+[a-z]|gating|r\d+[iw]|pk\d+|pkn\d+)$")
_ODD_FILES = "write the file again from the cytometer's software, or leave it out of the sample list"


def _open(path: Path, *, only_text: bool) -> Any:  # noqa: ANN401  (FlowIO carries no types)
    import flowio
    from flowio.exceptions import FCSParsingError, MultipleDataSetsError

    if not path.is_file():
        raise BadFcs(path, "there is no such file", "check the name in the sample list, upper and lower case count")
    try:
        # The lock: filters of warnings belong to the whole process. The handle: FlowIO leaves it open when it fails.
        with _FILTERS, warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            return flowio.FlowData(file, only_text=only_text)
    except MultipleDataSetsError as error:
        raise BadFcs(path, "it holds several data sets ($NEXTDATA)", "export each data set as a file") from error
    except FCSParsingError as error:
        raise BadFcs(path, f"the FCS structure is broken ({error})", _ODD_FILES) from error
    except KeyError as error:
        raise BadFcs(path, f"the keyword ${str(error.args[0]).upper()} is missing", _ODD_FILES) from error
    except MemoryError as error:
        raise BadFcs(path, "its header asks for more memory than there is", _ODD_FILES) from error
    except PermissionError as error:
        raise BadFcs(path, "it may not be read", "check the permissions of the file") from error
    except (ValueError, LookupError, TypeError, OSError, EOFError, ArithmeticError, struct.error) as error:
        raise BadFcs(path, f"it is not a readable FCS file ({type(error).__name__}: {error})", _ODD_FILES) from error


def _keywords(text: Mapping[str, str]) -> dict[str, str]:
    def name(key: str) -> str:
        standard = key in _STANDARD or _INDEXED.match(key)
        return ("$" if standard and not key.startswith("$") else "") + key.upper()

    return {name(key): value for key, value in text.items()}


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _channels(data: Any) -> tuple[Channel, ...]:  # noqa: ANN401
    text = data.text
    return tuple(
        Channel(
            detector=detector.strip(),
            marker=marker.strip() if marker.strip() != detector.strip() else "",
            range=float(limit),
            voltage=_number(text.get(f"p{number}v")),
        )
        for number, (detector, marker, limit) in enumerate(
            zip(data.pnn_labels, data.pns_labels, data.pnr_values, strict=True), start=1
        )
    )


def _header(path: Path, data: Any) -> FcsHeader:  # noqa: ANN401
    try:
        channels = _channels(data)
    except (ValueError, TypeError) as error:
        raise BadFcs(path, f"a channel's $PnR is not a number ({error})", _ODD_FILES) from error
    return FcsHeader(path, str(data.version), _keywords(data.text), channels, int(data.event_count))


def read_header(path: Path) -> FcsHeader:
    """Return what an FCS file says of itself, without its events.

    Raises BadFcs, with the reason and the remedy, if it is missing or not an FCS file.

    >>> read_header(Path("no-such-file.fcs"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadFcs: no-such-file.fcs: there is no such file; check the name in the sample list, ...
    """
    return _header(path, _open(path, only_text=True))


def read_fcs(path: Path) -> tuple[FcsHeader, EventTable]:
    """Return an FCS file's header and its events, (events, channels), float32 where that is exact, on the raw scale.

    Gain ($PnG), log amplifiers ($PnE, of integers) and the time step are applied, as the standard asks. Raises BadFcs.
    """
    data = _open(path, only_text=False)
    header = _header(path, data)
    if header.keyword("$DATATYPE").upper() != "I":
        # Floating-point data are linear by the standard; files that were linearised often keep their old $PnE.
        for channel in data.channels.values():
            channel["pne"] = (0.0, 0.0)
    try:
        values = np.asarray(data.as_array(preprocess=True))
    except (ValueError, IndexError, TypeError, KeyError, ArithmeticError, MemoryError) as error:
        raise BadFcs(path, f"its events do not fit its header ({type(error).__name__}: {error})", _ODD_FILES) from error
    if values.shape != (header.event_count, len(header.channels)):
        raise BadFcs(
            path, f"$TOT and $PAR promise {header.event_count} x {len(header.channels)} values, it has {values.shape}"
        )
    # float32 holds every value of up to 24 bits; wider integers, doubles and odd gains keep float64. Seconds are never
    # exact (a step of 0.01), and nothing is lost with their last bits: they do not decide.
    judged = [place for place, channel in enumerate(header.channels) if channel.kind is not ChannelKind.TIME]
    short = values.astype(np.float32)
    wide = not np.array_equal(short[:, judged], values[:, judged], equal_nan=True)
    table = EventTable.adopt(np.array(values) if wide else short, header.channels, Scale.RAW, path.name)
    return header, table


def read_events(path: Path) -> EventTable:
    """Return an FCS file's events; raises BadFcs. See ``read_fcs``."""
    return read_fcs(path)[1]
