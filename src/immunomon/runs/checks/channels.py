"""Whether a file's channels are its panel's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from immunomon.errors import Problem, counted, listed
from immunomon.findings import shown
from immunomon.runs.checks.tube import Tube
from immunomon.study.model.channels import ChannelKind
from immunomon.study.model.panel import Panel
from immunomon.study.model.panel_channels import MatchedChannels, missing_remedy
from immunomon.study.model.study import RoleKind

__all__ = ["OTHER_STAINS", "check_against_panel", "matching_notes"]

# What such tubes carry in a detector is not what the panel has there: isotypes, any bright antibody, or nothing.
OTHER_STAINS = {RoleKind.ISOTYPE, RoleKind.SINGLE_STAIN, RoleKind.UNSTAINED}


def check_against_panel(tubes: Sequence[Tube], panel: Panel, other_panels: Mapping[str, Panel]) -> Iterator[Problem]:
    """Yield where files' detectors ($PnN) and markers ($PnS) differ from their panel, with a remedy by what is seen.

    tubes: all of the panel, for what one file of many has is another fault than what all have. other_panels: the
    study's panels, to say which of them a file fits. What is the same in several files is said of the first.
    """
    return _said_once(_differences(tubes, panel, other_panels))


def _said_once(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield problems that are the same but for the file once, with the number and names of the other files."""
    alike: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.path, problem.what, problem.remedy), []).append(problem)
    for first, *others in alike.values():
        names = listed([PurePath(other.file).name for other in others], 3)
        also = f", as in {counted(len(others), 'other file')} ({names})" if others else ""
        yield replace(first, what=f"{first.what}{also}")


def _differences(tubes: Sequence[Tube], panel: Panel, other_panels: Mapping[str, Panel]) -> Iterator[Problem]:
    matches = [panel.matched(tube.header.channels) for tube in tubes]
    faults = [
        (*_missing(panel, matched), _wrong_markers(tube, panel, matched)) for tube, matched in _both(tubes, matches)
    ]
    detectors, channels, markers = (Counter(tuple(fault[kind]) for fault in faults) for kind in range(3))
    for (tube, matched), (no_detector, no_channel, wrong) in zip(_both(tubes, matches), faults, strict=True):
        if no_detector:
            named = [f"{marker.detector} ({marker.name})" for marker in panel.markers if marker.detector in no_detector]
            remedy = _remedy(no_detector, tube, panel, matched)
            remedy = remedy or _other_panel(tube, other_panels)
            remedy = remedy or _by_share(detectors[no_detector], len(tubes), "the panel's detectors")
            yield tube.problem("$PnN", f"panel '{panel.name}' needs the detectors {_listed(named)}", remedy)
        if no_channel:
            remedy = _remedy(no_channel, tube, panel, matched)
            remedy = remedy or _by_share(channels[no_channel], len(tubes), f"panel '{panel.name}'")
            yield tube.problem("$PnN", f"the channels {_listed(no_channel)} are missing", remedy)
        if wrong:
            share = _share(markers[tuple(wrong)], len(tubes))
            remedy = _other_panel(tube, other_panels) or _swapped(tube, panel, matched, share)
            remedy = remedy or _by_share(markers[tuple(wrong)], len(tubes), "the panel or its markers' aliases")
            yield tube.problem("$PnS", f"not panel '{panel.name}': {_listed(wrong)}", remedy)


def matching_notes(tubes: Sequence[Tube], panel: Panel) -> list[str]:
    """Return what was matched by another name than the panel's own, once each, however many files have it."""
    counts = Counter(note for tube in tubes for note in panel.matched(tube.header.channels).notes)
    return [f"panel '{panel.name}': {note} ({_share(number, len(tubes))})" for note, number in counts.items()]


def _both(tubes: Sequence[Tube], matches: Sequence[MatchedChannels]) -> Iterator[tuple[Tube, MatchedChannels]]:
    return zip(tubes, matches, strict=True)


def _missing(panel: Panel, matched: MatchedChannels) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the detectors, and the scatter and time channels, that a file lacks."""
    plain_channels = (*panel.scatter, *([panel.time] if panel.time else []))
    return (
        tuple(name for name in panel.detectors if name not in matched.detectors),
        tuple(name for name in plain_channels if name not in matched.detectors),
    )


def _wrong_markers(tube: Tube, panel: Panel, matched: MatchedChannels) -> list[str]:
    if tube.sample.role.kind in OTHER_STAINS:
        return []
    by_detector = {channel.detector: channel for channel in tube.header.channels}
    carried = {name: by_detector[detector] for name, detector in matched.detectors.items()}
    wrong = [
        f"{marker.detector} carries {shown(carried[marker.detector].marker)} instead of {shown(marker.name)}"
        for marker in panel.markers
        if marker.detector in carried and not marker.may_be_on(carried[marker.detector])
    ]
    used = {matched.detectors.get(name, name) for name in panel.detectors}
    return wrong + [
        f"{channel.detector} carries {shown(channel.marker)}, but the panel does not use it"
        for channel in tube.header.channels
        if channel.kind is ChannelKind.FLUORESCENCE and channel.marker and channel.detector not in used
    ]


def _remedy(names: Sequence[str], tube: Tube, panel: Panel, matched: MatchedChannels) -> str:
    detectors = [channel.detector for channel in tube.header.channels]
    return panel.fitting_set(tube.header) or missing_remedy(names, matched, detectors)


def _by_share(number: int, total: int, noun: str) -> str:
    """Return the remedy by how many files of the panel have the same fault: one is a wrong tube, all a wrong panel."""
    if total == 1:
        return f"correct {noun}, or the panel in the sample list"
    if number == total:
        return f"this is so in all {total} files of the panel: correct {noun}"
    tube = f"this is so in {_share(number, total)} of the panel: look whether it is the right tube"
    return f"{tube}, correct the panel in the sample list, or correct {noun}"


def _share(number: int, total: int) -> str:
    if number == total:
        return counted(total, "file")
    return f"{'one file' if number == 1 else f'{number} files'} of {total}"


def _swapped(tube: Tube, panel: Panel, matched: MatchedChannels, share: str) -> str:
    by_detector = {channel.detector: channel for channel in tube.header.channels}
    swapped = panel.swapped({name: by_detector[detector] for name, detector in matched.detectors.items()})
    return f"{swapped}, in {share}: correct the panel, or the names in the file" if swapped else ""


def _other_panel(tube: Tube, panels: Mapping[str, Panel]) -> str:
    by_detector = {channel.detector: channel for channel in tube.header.channels}
    for name, panel in panels.items():
        matched = panel.matched(tube.header.channels).detectors
        channels = [(by_detector.get(matched.get(marker.detector, "")), marker) for marker in panel.markers]
        if all(channel is not None and channel.marker and marker.may_be_on(channel) for channel, marker in channels):
            return f"its markers are those of panel '{name}': correct the sample list"
    return ""


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts)
