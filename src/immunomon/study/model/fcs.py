"""What an FCS file says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from immunomon.study.model.channels import Channel

__all__ = ["AS_JUDGED", "DataOffset", "FcsHeader", "Reading", "unmangled"]

# Whose word on where DATA begins: HEADER's, or TEXT's ($BEGINDATA).
DataOffset = Literal["header", "text"]


@dataclass(frozen=True)
class Reading:
    """How a file is read: which data set, whose offset of DATA, and the digest that its bytes must have.

    data_set: counted from 1; None for any of these: as the file tells. sha256: in hexadecimal.
    """

    data_set: int | None = None
    data_offset: DataOffset | None = None
    sha256: str | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Reading:
        """Return how a run read a file, by its record; the file must still have the bytes that were recorded.

        >>> Reading.from_record({"data_set": 2, "data_offset": None, "sha256": "9f86"})
        Reading(data_set=2, data_offset=None, sha256='9f86')
        """
        data_set, data_offset, sha256 = (record.get(name) for name in ("data_set", "data_offset", "sha256"))
        offset = data_offset if data_offset in get_args(DataOffset) else None
        return cls(data_set if isinstance(data_set, int) else None, offset, sha256 if isinstance(sha256, str) else None)


AS_JUDGED = Reading()


@dataclass(frozen=True)
class FcsHeader:
    """The header of one data set of an FCS file: version, keywords (upper case), channels, event count.

    deviations: where the file departs from the standard, and how it was read all the same; data_set counts from 1.
    factors: what each channel's stored numbers were multiplied by (time step, 1 / gain); () for 1 everywhere.
    other_sets: the channels of the file's other data sets, by their number.
    """

    path: Path
    version: str
    keywords: Mapping[str, str]
    channels: tuple[Channel, ...]
    event_count: int
    deviations: tuple[str, ...] = ()
    data_set: int = 1
    data_sets: int = 1
    factors: tuple[float, ...] = ()
    other_sets: Mapping[int, tuple[Channel, ...]] = field(default_factory=dict, repr=False)

    def keyword(self, name: str) -> str:
        """Return a keyword's value without surrounding blanks, or an empty string.

        >>> FcsHeader(Path("a.fcs"), "3.1", {"$DATE": " 13-JAN-2025 "}, (), 0).keyword("$DATE")
        '13-JAN-2025'
        """
        return self.keywords.get(name.upper(), "").strip()

    def factor_of(self, detector: str) -> float:
        """Return what a detector's stored numbers were multiplied by when they were read.

        >>> FcsHeader(Path("a.fcs"), "3.1", {}, (Channel("Time"),), 0, factors=(0.01,)).factor_of("Time")
        0.01
        """
        named = zip(self.channels, self.factors, strict=False)
        return next((factor for channel, factor in named if channel.detector == detector), 1.0)


def unmangled(text: str) -> str:
    r"""Return a text whose UTF-8 bytes were once read as Latin-1 or Windows-1252, as it was meant; others as they are.

    >>> unmangled("TCR-Î³Î´"), unmangled("Integrin Ã\x9f7"), unmangled("µm, naïve")
    ('TCR-γδ', 'Integrin ß7', 'µm, naïve')
    """
    if text.isascii():
        return text
    for encoding in ("latin-1", "cp1252"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return text
