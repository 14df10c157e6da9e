"""Writing FCS files: FCS 3.1, list mode, 32-bit float, little-endian, as every program reads it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from immunomon.cytometry.formats.fcs_layout import layout_of
from immunomon.cytometry.formats.fcs_text import Keywords
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.errors import WrongScale
from immunomon.files import whole_file
from immunomon.study.model.channels import Channel
from immunomon.study.model.fcs import FcsHeader

__all__ = ["kept_keywords", "linear_channels", "write_fcs"]

_TEXT_BEGIN = 58
_LARGEST_IN_HEADER = 99_999_999
_DELIMITERS = "|/\\\x0c\x1e~#!;"
# What says how and where the events are stored is made anew.
_STRUCTURE = re.compile(
    r"\$(BEGIN(DATA|ANALYSIS|STEXT)|END(DATA|ANALYSIS|STEXT)|BYTEORD|DATATYPE|MODE|NEXTDATA|PAR|TOT|TIMESTEP"
    r"|UNICODE|P\d+(B|E|G|N|R|S|DATATYPE))"
)


def kept_keywords(header: FcsHeader) -> dict[str, str]:
    """Return the keywords of a file that hold for a part of its events, too: all but those of the data's structure.

    >>> kept_keywords(FcsHeader(Path("a.fcs"), "3.0", {"$TOT": "9", "$DATE": "13-JAN-2025"}, (), 9))
    {'$DATE': '13-JAN-2025'}
    """
    return {key: value for key, value in header.keywords.items() if not _STRUCTURE.fullmatch(key)}


def linear_channels(header: FcsHeader) -> tuple[Channel, ...]:
    """Return a file's channels with ranges of intensities: behind gain, log amplifier and time step."""
    layout, _ = layout_of(Keywords(dict(header.keywords)), header.path)
    return tuple(
        replace(channel, range=stored.largest) for channel, stored in zip(header.channels, layout.formats, strict=True)
    )


def write_fcs(path: Path, events: EventTable, keywords: Mapping[str, str]) -> None:
    """Write raw events with their channels' names and ranges; the file appears whole or not at all.

    keywords: further ones, in upper case; those of the data's structure are left out, blank values become one blank.
    Values are written as float32, with gain, log amplifiers and time step applied already: $PnE is 0,0 and $TIMESTEP 1,
    so that every reader finds the same numbers. Raises WrongScale if the events are not raw.
    """
    if events.scale is not Scale.RAW:
        raise WrongScale(f"write_fcs needs raw events, got {events.scale.value} ones")
    values = np.ascontiguousarray(events.values, dtype="<f4")
    words = {**_structure(events), **{k: v for k, v in keywords.items() if not _STRUCTURE.fullmatch(k)}}
    text, begin = _text(words, values.nbytes)
    end = begin + values.nbytes - 1 if values.nbytes else begin
    fits = end <= _LARGEST_IN_HEADER
    offsets = (_TEXT_BEGIN, _TEXT_BEGIN + len(text) - 1, begin if fits else 0, end if fits else 0, 0, 0)
    head = b"FCS3.1    " + "".join(f"{offset:>8}" for offset in offsets).encode("ascii")
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        file.write((head + text).ljust(begin))
        file.write(values.data.cast("B") if values.size else b"")


def _structure(events: EventTable) -> dict[str, str]:
    words = {
        "$BYTEORD": "1,2,3,4",
        "$DATATYPE": "F",
        "$MODE": "L",
        "$NEXTDATA": "0",
        "$PAR": str(len(events.channels)),
        "$TOT": str(events.count),
        "$TIMESTEP": "1",
    }
    for number, channel in enumerate(events.channels, start=1):
        words |= {f"$P{number}B": "32", f"$P{number}E": "0,0", f"$P{number}G": "1", f"$P{number}N": channel.detector}
        words[f"$P{number}R"] = str(math.ceil(channel.range))
        if channel.marker:
            words[f"$P{number}S"] = channel.marker
    return words


def _text(words: Mapping[str, str], size: int) -> tuple[bytes, int]:
    """Return the TEXT segment and where DATA begins; offsets always have 12 digits, so that nothing moves."""
    everything = "".join(words) + "".join(words.values())
    delimiter = next((character for character in _DELIMITERS if character not in everything), _DELIMITERS[0])

    def joined(begin: int) -> bytes:
        offsets = {"BEGINANALYSIS": 0, "ENDANALYSIS": 0, "BEGINSTEXT": 0, "ENDSTEXT": 0}
        offsets |= {"BEGINDATA": begin, "ENDDATA": begin + max(size, 1) - 1}
        pairs = {**{f"${key}": f"{value:012}" if value else "0" for key, value in offsets.items()}, **words}
        parts = [_escaped(part, delimiter) for pair in pairs.items() for part in pair]
        return (delimiter + delimiter.join(parts) + delimiter).encode("utf-8")

    begin = _TEXT_BEGIN + len(joined(1))
    return joined(begin), begin


def _escaped(text: str, delimiter: str) -> str:
    """Return a text as it may stand between delimiters: not empty, not beginning with one, each doubled."""
    padded = " " + text if not text or text.startswith(delimiter) else text
    return padded.replace(delimiter, 2 * delimiter)
