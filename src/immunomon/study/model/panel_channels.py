"""Which of a file's channels are a panel's: by name, by a listed alias, or but for upper and lower case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from immunomon.errors import nearest
from immunomon.study.model.channels import about_compensated, compensated_channels, folded

__all__ = ["MatchedChannels", "match_channels", "missing_remedy"]


@dataclass(frozen=True)
class MatchedChannels:
    """The file's detector for each of the panel's that is there; notes: what was matched by another name than its own.

    ambiguous: of the panel's that fit several channels alike, these channels.
    """

    detectors: Mapping[str, str]
    notes: tuple[str, ...]
    ambiguous: Mapping[str, tuple[str, ...]]


def match_channels(
    names: Iterable[str], aliases: Mapping[str, Sequence[str]], detectors: Sequence[str]
) -> MatchedChannels:
    """Return which of a file's detectors are those that a panel names; what is another's own name is nobody's alias.

    >>> match_channels(["FSC-H", "SSC-H"], {"SSC-H": ["SSC1-H"]}, ["fsc-h", "SSC1-H"]).detectors
    {'FSC-H': 'fsc-h', 'SSC-H': 'SSC1-H'}
    """
    channel_names = list(names)
    own = {name: name for name in channel_names if name in detectors}
    free = [detector for detector in detectors if detector not in own]
    matched, notes, ambiguous = dict(own), [], {}
    for name in (name for name in channel_names if name not in own):
        for how, fitting in _ways(name, aliases.get(name, ()), free):
            if len(fitting) == 1:
                matched[name] = fitting[0]
                notes.append(f"the channel {fitting[0]} is the panel's {name}, {how}")
            elif fitting:
                ambiguous[name] = fitting
            if fitting:
                break
    twice = {detector for detector in matched.values() if list(matched.values()).count(detector) > 1}
    for name in [name for name, detector in matched.items() if detector in twice]:
        ambiguous[name] = (matched.pop(name),)
    return MatchedChannels(matched, tuple(notes), ambiguous)


def _ways(name: str, aliases: Sequence[str], free: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "by an alias that the panel lists", tuple(detector for detector in free if detector in aliases)
    # Of channels that share a name the reader has numbered each: FSC-H (P3).
    bare = {detector: re.sub(r" \(P[0-9]+\)$", "", detector) for detector in free}
    yield "from which it differs only in case", tuple(d for d in free if folded(bare[d]) == folded(name))
    keys = {folded(alias) for alias in aliases}
    yield "by an alias that it differs from only in case", tuple(d for d in free if folded(d) in keys)


def missing_remedy(names: Sequence[str], matched: MatchedChannels, detectors: Sequence[str]) -> str:
    """Return what to do about a panel's channels that a file lacks, by what it has instead; '' where that says nothing.

    >>> matched = match_channels(["SSC-H"], {}, ["SSC1-H", "FSC-A"])
    >>> missing_remedy(["SSC-H"], matched, ["SSC1-H", "FSC-A"])
    "if SSC1-H is SSC-H, list it in the panel: 'aliases: {SSC-H: [SSC1-H]}'"
    """
    compensated = compensated_channels(detectors)
    if all(name in compensated for name in names):
        return ": ".join(about_compensated(compensated.values()))
    for name in names:
        fitting = matched.ambiguous.get(name, ())
        if fitting:
            return f"{name} may be {' or '.join(fitting)}: list the right one in the panel's aliases"
    taken = set(matched.detectors.values())
    free = [detector for detector in detectors if detector not in taken]
    pairs = {name: _near(name, free) for name in names}
    if not all(pairs.values()) or len(set(pairs.values())) < len(pairs):
        return ""
    listed = ", ".join(f"{name}: [{detector}]" for name, detector in pairs.items())
    alike = " and ".join(f"{detector} is {name}" for name, detector in pairs.items())
    return f"if {alike}, list {'it' if len(pairs) == 1 else 'them'} in the panel: 'aliases: {{{listed}}}'"


def _near(name: str, free: Sequence[str]) -> str:
    """Return the one free channel that is the same kind of signal (area, height, width) with nearly the same name."""
    kind = name.rpartition("-")[2]
    alike = [detector for detector in free if detector.rpartition("-")[2].casefold() == kind.casefold()]
    remedy = nearest(name, alike) if alike else ""
    near = [detector for detector in alike if remedy == f"did you mean '{detector}'?"]
    letters = [letter for letter in folded(name) if letter.isalpha()]
    return near[0] if near and letters == [letter for letter in folded(near[0]) if letter.isalpha()] else ""
