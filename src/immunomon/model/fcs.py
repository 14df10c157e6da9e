"""What an FCS file says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from immunomon.model.events import Channel

__all__ = ["FcsHeader"]


@dataclass(frozen=True)
class FcsHeader:
    """The header of one data set of an FCS file: version, keywords (upper case), channels, event count.

    deviations: where the file departs from the standard, and how it was read all the same; data_set counts from 1.
    """

    path: Path
    version: str
    keywords: Mapping[str, str]
    channels: tuple[Channel, ...]
    event_count: int
    deviations: tuple[str, ...] = ()
    data_set: int = 1
    data_sets: int = 1

    def keyword(self, name: str) -> str:
        """Return a keyword's value without surrounding blanks, or an empty string.

        >>> FcsHeader(Path("a.fcs"), "3.1", {"$DATE": " 13-JAN-2025 "}, (), 0).keyword("$DATE")
        '13-JAN-2025'
        """
        return self.keywords.get(name.upper(), "").strip()
