"""What a label of a matrix means: a detector, by its own name or another one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from immunomon.errors import BadSpillover
from immunomon.study.model.channels import Channel
from immunomon.study.model.fluorochromes import fluorochrome_key
from immunomon.study.model.panel import Panel

__all__ = ["ChannelNames", "as_written", "bare_label"]

_PREFIX = re.compile(r"^(?:FJ)?Comp-", re.IGNORECASE)


@dataclass(frozen=True)
class ChannelNames:
    """The detectors that are known, each with its other names: its fluorochrome and its marker."""

    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, channels: Iterable[Channel] = (), panels: Iterable[Panel] = ()) -> ChannelNames:
        """Return the names of a file's channels, or of the panels' detectors.

        >>> ChannelNames.of([Channel("FL1-A", "CD3")]).detector_of("CD3")
        'FL1-A'
        """
        candidates_by_name: dict[str, tuple[str, ...]] = {}
        for channel in channels:
            candidates_by_name[channel.detector] = tuple(name for name in (channel.marker, *channel.aliases) if name)
        for marker in (marker for panel in panels for marker in panel.markers):
            names = (marker.fluorochrome, f"{marker.fluorochrome}-A", marker.name, *marker.aliases)
            candidates_by_name[marker.detector] = (*candidates_by_name.get(marker.detector, ()), *names)
        return cls(candidates_by_name)

    def detector_of(self, label: str, detectors: Iterable[str] | None = None) -> str | None:
        """Return the detector that a label means, or None: among the known ones, or among those given.

        As it is written first; then without ``Comp-``, ``<>`` and ``:: marker``; then by fluorochrome or marker; then
        whatever its case, blanks and hyphens; then without ``-A``. Raises BadSpillover if two fit alike.

        >>> names = ChannelNames({"YG1-A": ("PE",), "B1-A": ("FITC",)})
        >>> names.detector_of("Comp-B1-A :: CD3"), names.detector_of("pe"), names.detector_of("APC")
        ('B1-A', 'YG1-A', None)
        """
        candidates = tuple(self.others if detectors is None else detectors)
        for alike in (as_written, bare_label, None, _plain, _without_area):
            matches = [name for name in candidates if self._fits(label, name, alike)]
            if len(matches) > 1:
                raise BadSpillover(
                    f"'{label}' may be the detector {' or '.join(matches)}; write the detector's own name"
                )
            if matches:
                return matches[0]
        return None

    def _fits(self, label: str, detector: str, alike: Callable[[str], str] | None) -> bool:
        if alike is not None:
            return alike(label) == alike(detector) != ""
        keys = {fluorochrome_key(name) for name in self.others.get(detector, ())} - {""}
        return bool({fluorochrome_key(bare_label(label)), fluorochrome_key(_without_area(label))} & keys)


def as_written(label: str) -> str:
    """Return a label in its composed Unicode form, with single blanks.

    >>> as_written(" PE\N{NO-BREAK SPACE}A ")
    'PE A'
    """
    return " ".join((label if label.isascii() else unicodedata.normalize("NFC", label)).split())


def bare_label(label: str) -> str:
    """Return a label without what other programs put around a detector: ``Comp-``, ``<>`` and ``:: marker``.

    >>> bare_label("Comp-PE-A :: CD4"), bare_label("<PE-A>")
    ('PE-A', 'PE-A')
    """
    name = as_written(label).partition("::")[0].strip()
    if name.startswith("<") and name.endswith(">"):
        name = name[1:-1].strip()
    return _PREFIX.sub("", name)


def _plain(label: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", bare_label(label)).casefold() if letter.isalnum())


def _without_area(label: str) -> str:
    bare = bare_label(label)
    return _plain(bare[:-2] if bare[-2:].upper() == "-A" else bare)
