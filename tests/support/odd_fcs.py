"""FCS files by the letter of the standard, byte by byte, each piece of which a test can spoil."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

DATA_BEGIN = 4096


def structure(channels: int, events: int, size: int, **more: str) -> dict[str, str]:
    """Return the required keywords of an FCS 3.1 file of 32-bit floats; more: without their ``$``, None leaves out."""
    words = {
        "$BEGINDATA": str(DATA_BEGIN),
        "$ENDDATA": str(DATA_BEGIN + size - 1),
        "$BYTEORD": "1,2,3,4",
        "$DATATYPE": "F",
        "$MODE": "L",
        "$NEXTDATA": "0",
        "$PAR": str(channels),
        "$TOT": str(events),
    }
    for number in range(1, channels + 1):
        of_channel = {"N": f"C{number}", "B": "32", "R": "1024", "E": "0,0"}
        words |= {f"$P{number}{key}": value for key, value in of_channel.items()}
    for key, value in more.items():
        words.pop(f"${key}", None)
        if value is not None:
            words[f"${key}"] = value
    return words


def segment(words: Mapping[str, str], delimiter: str = "/") -> bytes:
    """Return a TEXT segment; delimiters in values are doubled."""
    parts = [part.replace(delimiter, 2 * delimiter) for pair in words.items() for part in pair]
    return (delimiter + delimiter.join(parts) + delimiter).encode()


def header(version: str, offsets: Sequence[int | str]) -> bytes:
    """Return a HEADER of 58 bytes."""
    return f"FCS{version}    ".encode() + "".join(f"{offset:>8}" for offset in offsets).encode()


def write_odd(
    path: Path,
    data: bytes,
    text: bytes,
    *,
    version: str = "3.1",
    text_span: tuple[int | str, int | str] | None = None,
    data_span: tuple[int | str, int | str] | None = None,
    tail: bytes = b"",
) -> Path:
    """Write HEADER, TEXT right behind it, DATA at byte 4096, and a tail."""
    assert 58 + len(text) <= DATA_BEGIN
    spans = (*(text_span or (58, 57 + len(text))), *(data_span or (DATA_BEGIN, DATA_BEGIN + len(data) - 1)), 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((header(version, spans) + text).ljust(DATA_BEGIN) + data + tail)
    return path


def write_plain(path: Path, data: bytes, channels: int, events: int, **more: str) -> Path:
    """Write a file that is right but for the keywords in ``more``."""
    return write_odd(path, data, segment(structure(channels, events, len(data), **more)))


# One file's events, as float32 and as integers, and what its TEXT says of them.
ROWS, CHANNELS = 200, 4
FLOATS = np.random.default_rng(1).uniform(1, 1000, (ROWS, CHANNELS)).astype("<f4")
WHOLE = np.random.default_rng(2).integers(0, 2**20, (ROWS, CHANNELS)).astype("<u4")
DATA = FLOATS.tobytes()
LAST = DATA_BEGIN + len(DATA) - 1


def text_of(data: bytes = DATA, **more: str | None) -> bytes:
    """Return the TEXT segment of ROWS events on CHANNELS channels."""
    return segment(structure(CHANNELS, ROWS, len(data), **more))


def whole_words(**more: str) -> dict[str, str]:
    """Return the keywords that make of floats the integers of WHOLE."""
    words = {"DATATYPE": "I"}
    return words | {f"P{n}R": str(2**20) for n in range(1, CHANNELS + 1)} | more


# An LMD: the same events as FCS 2.0 of 10 bits and as FCS 3.0 of 20 bits, under other names.
COARSE = (WHOLE >> 10).astype("<u2")
NAMES = {"P1N": "FS Lin", "P2N": "FL1 Log", "P3N": "FL2 Log", "P4N": "TIME"}
FINE_NAMES = {"P1N": "FS", "P2N": "FL1", "P3N": "FL2", "P4N": "TIME"}


def write_part(folder: Path, data: bytes, version: str, **words: str | None) -> bytes:
    """Return one data set: HEADER, TEXT, DATA."""
    count = int(words.pop("TOT", str(ROWS)) or 0)
    text = segment(structure(CHANNELS, count, len(data), **words))
    span = None if data else (0, 0)
    return write_odd(folder / "part", data, text, version=version, data_span=span).read_bytes()


def write_lmd(folder: Path, fine: bytes | None = None, coarse_version: str = "2.0", **words: str) -> Path:
    """Write a list-mode file: the same events as FCS 2.0 of 10 bits, then as FCS 3.0 of 20 bits."""
    data = COARSE.tobytes()
    old = {f"P{n}{key}": value for n in range(1, CHANNELS + 1) for key, value in (("B", "16"), ("R", "1024"))}
    old |= NAMES | {"DATATYPE": "I", "BEGINDATA": None, "ENDDATA": None, "NEXTDATA": str(DATA_BEGIN + len(data))}
    first = write_part(
        folder, data, coarse_version, **(old | {"DATE": "02-MAR-2025", "FIL": "a.lmd", "P1V": "300"} | words)
    )
    second = write_part(folder, WHOLE.tobytes(), "3.0", **whole_words(**FINE_NAMES)) if fine is None else fine
    path = folder / "a.lmd"
    path.write_bytes(first + second)
    return path
