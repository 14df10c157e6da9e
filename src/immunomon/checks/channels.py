"""Whether a file's channels are its panel's, and those of the panel's other files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from immunomon.checks.tube import Tube
from immunomon.errors import Problem
from immunomon.model.events import ChannelKind
from immunomon.model.panel import Panel, plain
from immunomon.model.study import RoleKind
from immunomon.specs.findings import shown

__all__ = ["check_against_others", "check_against_panel"]

T = TypeVar("T")

# What such tubes carry in a detector is not what the panel has there: isotypes, any bright antibody, or nothing.
_OTHER_STAINS = {RoleKind.ISOTYPE, RoleKind.SINGLE_STAIN, RoleKind.UNSTAINED}


def check_against_panel(tube: Tube, panel: Panel, others: Mapping[str, Panel]) -> Iterator[Problem]:
    """Yield where a file's detectors ($PnN) and markers ($PnS) differ from its panel.

    others: the study's panels, to say which of them the file fits.
    """
    by_detector = {channel.detector: channel for channel in tube.header.channels}
    missing = [f"{marker.detector} ({marker.name})" for marker in panel.markers if marker.detector not in by_detector]
    if missing:
        remedy = panel.fitting_set(tube.header) or _other_panel(tube, others)
        remedy = remedy or "correct the panel's detectors, or the panel in the sample list"
        yield tube.problem("$PnN", f"panel '{panel.name}' needs the detectors {_listed(missing)}", remedy)
    plain_channels = [*panel.scatter, *([panel.time] if panel.time else [])]
    absent = [name for name in plain_channels if name not in by_detector]
    if absent:
        yield tube.problem("$PnN", f"the channels {_listed(absent)} are missing", f"correct panel '{panel.name}'")
    if tube.sample.role.kind in _OTHER_STAINS:
        return
    wrong = [
        f"{marker.detector} carries {shown(by_detector[marker.detector].marker)} instead of {shown(marker.name)}"
        for marker in panel.markers
        if marker.detector in by_detector and not marker.may_be_on(by_detector[marker.detector])
    ]
    used = set(panel.detectors)
    wrong += [
        f"{channel.detector} carries {shown(channel.marker)}, but the panel does not use it"
        for channel in tube.header.channels
        if channel.kind is ChannelKind.FLUORESCENCE and channel.marker and channel.detector not in used
    ]
    if wrong:
        remedy = _other_panel(tube, others) or "correct the sample list, or add the spelling to the panel's aliases"
        yield tube.problem("$PnS", f"not panel '{panel.name}': {_listed(wrong)}", remedy)


def _other_panel(tube: Tube, panels: Mapping[str, Panel]) -> str:
    by_detector = {channel.detector: channel for channel in tube.header.channels}
    for name, panel in panels.items():
        channels = [(by_detector.get(marker.detector), marker) for marker in panel.markers]
        if all(channel is not None and channel.marker and marker.may_be_on(channel) for channel, marker in channels):
            return f"its markers are those of panel '{name}': correct the sample list"
    return ""


def check_against_others(tubes: Sequence[Tube], panel: Panel) -> Iterator[Problem]:
    """Yield the files of one panel whose channels, marker names or voltages differ from most of the panel's files.

    What the panel itself says is left to ``check_against_panel``, so that nothing is said twice.
    """
    yield from _odd_channels(tubes, panel)
    yield from _odd_markers([tube for tube in tubes if tube.sample.role.kind not in _OTHER_STAINS], panel)
    usual = _usual([_voltages(tube) for tube in tubes])
    for tube in tubes:
        odd = [
            f"{detector} {voltage:g} V where {number} have {most:g} V"
            for detector, voltage, most, number in _differences(_voltages(tube), usual)
        ]
        if odd:
            what = f"voltages differ from most files of panel '{panel.name}': {_listed(odd)}"
            yield tube.problem("$PnV", what, "intensities cannot be compared: check the cytometer's settings that day")


def _odd_markers(tubes: Sequence[Tube], panel: Panel) -> Iterator[Problem]:
    usual = _usual([_markers(tube) for tube in tubes])
    for tube in tubes:
        odd = [
            f"{detector} is {shown(marker) if marker else 'blank'}, {number} files have {most or 'it blank'}"
            for detector, marker, most, number in _differences(_markers(tube), usual)
            if bool(marker) != bool(most) and not _is_left_out(tube, most)
        ]
        if odd:
            what = f"marker names differ from most files of panel '{panel.name}': {_listed(odd)}"
            yield tube.problem("$PnS", what, "check that it is the right tube")


def _is_left_out(tube: Tube, marker: str) -> bool:
    # A fluorescence-minus-one tube may well leave the name of what it lacks blank.
    return tube.sample.role.kind is RoleKind.FMO and plain(tube.sample.role.about) in plain(marker)


def _odd_channels(tubes: Sequence[Tube], panel: Panel) -> Iterator[Problem]:
    own_names = {*panel.detectors, *panel.names}
    sets = [frozenset(channel.detector for channel in tube.header.channels) - own_names for tube in tubes]
    if not sets:
        return
    usual, number = Counter(sets).most_common(1)[0]
    for tube, own in zip(tubes, sets, strict=True):
        parts = [f"it lacks {_listed(sorted(usual - own))}"] if usual - own else []
        parts += [f"it has {_listed(sorted(own - usual))} besides"] if own - usual else []
        if parts:
            what = f"channels differ from {number} files of panel '{panel.name}': {' and '.join(parts)}"
            yield tube.problem("$PnN", what, "check that it was recorded with the same settings")


def _markers(tube: Tube) -> dict[str, str]:
    return {c.detector: c.marker for c in tube.header.channels if c.kind is ChannelKind.FLUORESCENCE}


def _voltages(tube: Tube) -> dict[str, float]:
    return {
        c.detector: c.voltage for c in tube.header.channels if c.voltage is not None and c.kind is not ChannelKind.TIME
    }


def _usual(values: Sequence[Mapping[str, T]]) -> dict[str, tuple[T, int]]:
    """Return each detector's most frequent value, with how many files have it; the first met wins a tie."""
    counts: dict[str, Counter[T]] = {}
    for one in values:
        for detector, value in one.items():
            counts.setdefault(detector, Counter())[value] += 1
    return {detector: counter.most_common(1)[0] for detector, counter in counts.items()}


def _differences(own: Mapping[str, T], usual: Mapping[str, tuple[T, int]]) -> Iterator[tuple[str, T, T, int]]:
    for detector, value in own.items():
        most, number = usual[detector]
        if value != most:
            yield detector, value, most, number


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts)
