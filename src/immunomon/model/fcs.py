"""What an FCS file says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from immunomon.model.events import Channel

__all__ = ["FcsHeader"]


@dataclass(frozen=True)
class FcsHeader:
    """The header of an FCS file: version, keywords (upper case, standard ones with ``$``), channels, event count."""

    path: Path
    version: str
    keywords: Mapping[str, str]
    channels: tuple[Channel, ...]
    event_count: int

    def keyword(self, name: str) -> str:
        """Return a keyword's value without surrounding blanks, or an empty string.

        >>> FcsHeader(Path("a.fcs"), "3.1", {"$DATE": " 13-JAN-2025 "}, (), 0).keyword("$DATE")
        '13-JAN-2025'
        """
        return self.keywords.get(name.upper(), "").strip()
