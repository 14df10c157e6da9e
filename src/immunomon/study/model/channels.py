"""Channels of a cytometer: detectors by their names, the markers on them, and what the names alone say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Channel", "ChannelKind", "about_compensated", "compensated_channels", "folded", "kind_of"]

# As FlowJo, Diva and spectral software name channels of compensated values: Comp-PE-A, FJComp-PE-A, <PE-A>.
_COMPENSATED = re.compile(r"(?:fj)?comp[-_ ](?P<of>.+)|<(?P<in>.+)>", re.IGNORECASE)


class ChannelKind(StrEnum):
    """What a channel measures."""

    SCATTER = "scatter"
    FLUORESCENCE = "fluorescence"
    TIME = "time"


def folded(name: str) -> str:
    """Return a name without what tells names apart by accident only: upper and lower case, and the Unicode form.

    >>> folded("Prüfung-A") == folded("PRU\N{COMBINING DIAERESIS}FUNG-A")
    True
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def kind_of(detector: str) -> ChannelKind:
    """Return what a detector measures, judged by its name.

    >>> [kind_of(name).value for name in ("FSC-A", "SSC", "PE-A", "Time")]
    ['scatter', 'scatter', 'fluorescence', 'time']
    """
    upper = detector.upper()
    if upper.startswith(("FSC", "SSC", "FS ", "SS ", "FS-", "SS-", "ALL FSC")) or upper in {"FS", "SS"}:
        return ChannelKind.SCATTER
    return ChannelKind.TIME if upper.startswith("TIME") or upper == "HDR-T" else ChannelKind.FLUORESCENCE


@dataclass(frozen=True)
class Channel:
    """One channel of a file: its detector ($PnN), the marker it carries, its range ($PnR) and voltage ($PnV).

    >>> Channel("PE-A", marker="CD25").name
    'CD25'
    """

    detector: str
    marker: str = ""
    range: float = 262144.0
    voltage: float | None = None
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name people use: the marker if there is one, else the detector."""
        return self.marker or self.detector

    @property
    def kind(self) -> ChannelKind:
        """What the channel measures, judged by its detector."""
        return kind_of(self.detector)


def compensated_channels(detectors: Iterable[str]) -> dict[str, str]:
    """Return the channels whose names say that they are compensated already, by the detector each is of.

    >>> compensated_channels(["FSC-A", "FJComp-PE-A", "Comp-FITC-A"])
    {'PE-A': 'FJComp-PE-A', 'FITC-A': 'Comp-FITC-A'}
    """
    matches = ((_COMPENSATED.fullmatch(name), name) for name in detectors)
    return {match["of"] or match["in"]: name for match, name in matches if match}


def about_compensated(channels: Iterable[str]) -> tuple[str, str]:
    """Return what is to be said of channels that a matrix would compensate a second time, and the remedy.

    >>> about_compensated(["FJComp-PE-A"])[0]
    'its channels are compensated already (FJComp-PE-A)'
    """
    names = list(channels)
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    remedy = "gate with --compensation none, or declare compensation: {source: none} in study.yaml, and name these"
    return f"its channels are compensated already ({shown})", f"{remedy} channels as the panel's detectors"
