"""Whether a panel's files were recorded alike: channels, marker names, voltages; and what a study accepts of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from immunomon.errors import Problem, counted
from immunomon.findings import shown
from immunomon.runs.checks.channels import OTHER_STAINS
from immunomon.runs.checks.tube import Tube
from immunomon.study.model.channels import ChannelKind
from immunomon.study.model.marker_names import plain
from immunomon.study.model.overrides import AcceptedDifference
from immunomon.study.model.panel import Panel
from immunomon.study.model.study import RoleKind

__all__ = ["Differences", "check_against_others"]

T = TypeVar("T")
_PLACES = {"channels": "$PnN", "marker-names": "$PnS", "voltages": "$PnV"}


@dataclass
class Differences:
    """What differs between a panel's files: problems, and notes on what is accepted or has no majority to differ from.

    accepted: what the study accepts, with why; unused: those that nothing was found for.
    """

    panel: Panel
    accepted: Sequence[AcceptedDifference] = ()
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    used: set[AcceptedDifference] = field(default_factory=set)

    def add(self, kind: str, tube: Tube, *, message: str, remedy: str) -> None:
        """Add a file that differs, as a problem or, where the study accepts it, as a note with the reason."""
        sample = tube.sample
        for accepted in self.accepted:
            if accepted.covers(kind, panel=sample.panel, batch=sample.batch, sample=sample.id):
                self.used.add(accepted)
                self.notes.append(f"{tube.path}: {message}; accepted: {accepted.reason}")
                return
        self.problems.append(tube.problem(_PLACES[kind], message, remedy))


def check_against_others(
    tubes: Sequence[Tube], panel: Panel, accepted: Sequence[AcceptedDifference] = ()
) -> Differences:
    """Return which files of one panel differ from most of its files in channels or marker names, or in voltages.

    Voltages are those of the panel's channels, compared within a batch (without one: within a day). Most is more than
    half. What the panel itself says is left to ``check_against_panel``, so that nothing is said twice.
    """
    differences = Differences(panel, accepted)
    _odd_channels(tubes, differences)
    _odd_markers([tube for tube in tubes if tube.sample.role.kind not in OTHER_STAINS], differences)
    batches: dict[str, list[Tube]] = defaultdict(list)
    for tube in tubes:
        batches[tube.sample.batch or tube.header.keyword("$DATE")].append(tube)
    usual_by_batch = {batch: _odd_voltages(members, batch, differences) for batch, members in batches.items()}
    differences.notes += _between_batches(usual_by_batch, panel)
    return differences


def _odd_voltages(tubes: Sequence[Tube], batch: str, differences: Differences) -> Mapping[str, tuple[float, int]]:
    """Add the files of a batch whose voltages differ from most of it; return what most have, by detector."""
    own = [_voltages(tube, differences.panel) for tube in tubes]
    usual = _usual(own)
    of_batch = f"batch '{batch}' of panel '{differences.panel.name}'" if batch else f"panel '{differences.panel.name}'"
    for tube, voltages in zip(tubes, own, strict=True):
        odd = [
            f"{detector} {voltage:g} V where {number} have {most:g} V"
            for detector, voltage, most, number in _differences(voltages, usual)
        ]
        if odd:
            message = f"voltages differ from most files of {of_batch}: {', '.join(odd)}"
            remedy = "check the cytometer's settings that day, or accept it in study.yaml with a reason (accept:)"
            differences.add("voltages", tube, message=message, remedy=f"intensities cannot be compared: {remedy}")
    undecided = sorted({detector for voltages in own for detector in voltages if detector not in usual})
    if undecided:
        values = [f"{name} {_counted({v[name] for v in own if name in v})}" for name in undecided]
        differences.notes.append(
            f"voltages differ within {of_batch}, and none is that of most files: {', '.join(values)}"
        )
    return usual


def _counted(voltages: set[float]) -> str:
    low, high = min(voltages), max(voltages)
    return f"{low:g} and {high:g} V" if len(voltages) == 2 else f"{low:g} to {high:g} V"


def _between_batches(usual: Mapping[str, Mapping[str, tuple[float, int]]], panel: Panel) -> Iterator[str]:
    by_detector: dict[str, dict[str, float]] = defaultdict(dict)
    for batch, of_batch in usual.items():
        for detector, (voltage, _) in of_batch.items():
            by_detector[detector][batch] = voltage
    moved = [
        f"{detector} {_counted(set(voltages.values()))}"
        for detector, voltages in by_detector.items()
        if len(set(voltages.values())) > 1
    ]
    if moved:
        message = f"voltages of panel '{panel.name}' differ between batches ({', '.join(moved)})"
        yield f"{message}: intensities of different batches cannot be compared as they stand"


def _odd_markers(tubes: Sequence[Tube], differences: Differences) -> None:
    usual = _usual([_markers(tube) for tube in tubes])
    for tube in tubes:
        odd = [
            f"{detector} is {shown(marker) if marker else 'blank'}, {counted(number, 'file')} "
            f"{'has' if number == 1 else 'have'} {most or 'it blank'}"
            for detector, marker, most, number in _differences(_markers(tube), usual)
            if bool(marker) != bool(most) and not _is_left_out(tube, most)
        ]
        if odd:
            message = f"marker names differ from most files of panel '{differences.panel.name}': {', '.join(odd)}"
            differences.add("marker-names", tube, message=message, remedy="check that it is the right tube")


def _is_left_out(tube: Tube, marker: str) -> bool:
    # A fluorescence-minus-one tube may well leave the name of what it lacks blank.
    return tube.sample.role.kind is RoleKind.FMO and plain(tube.sample.role.about) in plain(marker)


def _odd_channels(tubes: Sequence[Tube], differences: Differences) -> None:
    sets = [_beside(tube, differences.panel) for tube in tubes]
    usual, number = Counter(sets).most_common(1)[0] if sets else (frozenset[str](), 0)
    if 2 * number <= len(sets):
        return
    for tube, own in zip(tubes, sets, strict=True):
        parts = [f"it lacks {', '.join(sorted(usual - own))}"] if usual - own else []
        parts += [f"it has {', '.join(sorted(own - usual))} besides"] if own - usual else []
        if parts:
            others = f"{counted(number, 'file')} of panel '{differences.panel.name}'"
            message = f"channels differ from {others}: {' and '.join(parts)}"
            differences.add(
                "channels", tube, message=message, remedy="check that it was recorded with the same settings"
            )


def _beside(tube: Tube, panel: Panel) -> frozenset[str]:
    """Return the channels that the panel does not name."""
    own = set(panel.matched(tube.header.channels).detectors.values())
    return frozenset(channel.detector for channel in tube.header.channels) - own - {*panel.names, *panel.detectors}


def _markers(tube: Tube) -> dict[str, str]:
    return {c.detector: c.marker for c in tube.header.channels if c.kind is ChannelKind.FLUORESCENCE}


def _voltages(tube: Tube, panel: Panel) -> dict[str, float]:
    by_detector = {channel.detector: channel for channel in tube.header.channels}
    voltages = {
        name: by_detector[detector].voltage
        for name, detector in panel.matched(tube.header.channels).detectors.items()
        if by_detector[detector].kind is not ChannelKind.TIME
    }
    return {name: voltage for name, voltage in voltages.items() if voltage is not None}


def _usual(values: Sequence[Mapping[str, T]]) -> dict[str, tuple[T, int]]:
    """Return, by detector, the value that more than half of the files have, with how many; none where no value has."""
    counts: dict[str, Counter[T]] = {}
    for own in values:
        for detector, value in own.items():
            counts.setdefault(detector, Counter())[value] += 1
    most = {detector: counter.most_common(1)[0] for detector, counter in counts.items()}
    return {name: (value, number) for name, (value, number) in most.items() if 2 * number > counts[name].total()}


def _differences(own: Mapping[str, T], usual: Mapping[str, tuple[T, int]]) -> Iterator[tuple[str, T, T, int]]:
    for detector, value in own.items():
        if detector in usual and value != usual[detector][0]:
            yield detector, value, *usual[detector]
