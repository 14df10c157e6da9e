"""Panels: which marker is on which detector, by which fluorochrome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import combinations

from immunomon.errors import UnknownChannel, nearest
from immunomon.study.model.channels import Channel, kind_of
from immunomon.study.model.fcs import FcsHeader
from immunomon.study.model.fluorochromes import fluorochrome_key
from immunomon.study.model.marker_names import known_marker, plain, read_label
from immunomon.study.model.panel_channels import MatchedChannels, match_channels, missing_remedy

__all__ = ["Marker", "MarkerKind", "Panel"]


class MarkerKind(StrEnum):
    """What a marker is for."""

    TYPE = "type"
    STATE = "state"
    VIABILITY = "viability"
    DUMP = "dump"


_CORRECT = "correct the names in the file"


@dataclass(frozen=True)
class Marker:
    """One stained marker of a panel: its detector ($PnN), fluorochrome and other spellings of its name ($PnS)."""

    name: str
    detector: str
    fluorochrome: str
    kind: MarkerKind = MarkerKind.TYPE
    fmo: bool = False
    aliases: tuple[str, ...] = ()

    def answers_to(self, name: str) -> bool:
        """Say whether a name is this marker's, or another spelling of it that is listed, or that the table knows.

        Case, spaces, hyphens and underscores do not matter, but between two numbers: CD3-8 is not CD38.

        >>> Marker("HLA-DR", "V500-A", "V500").answers_to("hla dr"), Marker("CXCR3", "PE-A", "PE").answers_to("CD183")
        (True, True)
        """
        names = (self.name, *self.aliases)
        if plain(name) in {plain(known) for known in names}:
            return True
        return known_marker(name) in {known_marker(known) for known in names} - {""}

    def may_be_on(self, channel: Channel) -> bool:
        """Say whether a file's channel can carry this marker: by a name of it, with its dye or clone, or unnamed.

        A label that says no more than the marker's own dye or detector leaves it unnamed.

        >>> cd25 = Marker("CD25", "PE-A", "PE")
        >>> [cd25.may_be_on(Channel("PE-A", name)) for name in ("", "CD25 PE", "anti-IL2RA (M-A251)", "PE", "CD56")]
        [True, True, True, True, False]
        """
        if not channel.marker or self.answers_to(channel.marker):
            return True
        marker, dyes, names = plain(channel.marker), (self.fluorochrome, self.detector), (self.name, *self.aliases)
        labels = (*dyes, *(f"{a} {b}" for name in names for dye in dyes for a, b in ((name, dye), (dye, name))))
        if marker in map(plain, labels):
            return True
        label = read_label(channel.marker, names)
        if not label.markers:
            return not label.unknown and fluorochrome_key(label.fluorochrome) == fluorochrome_key(self.fluorochrome)
        return self.answers_to(label.marker) if label.marker else False


@dataclass(frozen=True)
class Panel:
    """A named set of markers, with the scatter and time channels that go with them.

    aliases: other names of its detectors, scatter and time channels in FCS files ($PnN).
    """

    name: str
    label: str
    markers: tuple[Marker, ...]
    scatter: tuple[str, ...] = ()
    time: str | None = None
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors of the stained markers, in the panel's order."""
        return tuple(marker.detector for marker in self.markers)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name an axis of a strategy may use: markers, then scatter, then time."""
        return (*(marker.name for marker in self.markers), *self.scatter, *([self.time] if self.time else []))

    def marker(self, name: str) -> Marker:
        """Return a marker by its name or an alias; raises UnknownChannel with the nearest name.

        >>> Panel("p", "P", (Marker("CD25", "PE-A", "PE"),)).marker("cd25").detector
        'PE-A'
        """
        for marker in (*(m for m in self.markers if m.name == name), *self.markers):
            if marker.answers_to(name):
                return marker
        remedy = nearest(name, [marker.name for marker in self.markers])
        raise UnknownChannel(f"panel {self.name}: no marker '{name}'; {remedy}")

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Every name that an axis of a strategy can have here: markers, scatter, time, detectors."""
        return tuple(dict.fromkeys((*self.names, *self.detectors)))

    def has(self, axis: str) -> bool:
        """Say whether an axis of a strategy is in this panel: a marker, a detector, scatter or time, in any case.

        >>> Panel("p", "P", (Marker("CD25", "PE-A", "PE"),), scatter=("FSC-A",)).has("cd25")
        True
        """
        return bool(self.own_name(axis))

    def own_name(self, axis: str) -> str:
        """Return this panel's name of an axis, whichever of its names a strategy has; '' for one that it has not.

        >>> Panel("p", "P", (Marker("CD183", "PE-A", "PE"),)).own_name("CXCR3")
        'CD183'
        """
        if axis.casefold() in {name.casefold() for name in (*self.names, *self.detectors)}:
            return axis
        return next((marker.name for marker in self.markers if marker.answers_to(axis)), "")

    def label_channels(self, channels: Sequence[Channel]) -> tuple[Channel, ...]:
        """Return a file's channels with the panel's marker names on them, matched by detector.

        A fluorescence channel of a detector that the panel does not use keeps its own name. Raises UnknownChannel if a
        detector of the panel is missing in the file, or carries another marker there: it is another tube.

        >>> panel = Panel("p", "P", (Marker("CD25", "PE-A", "PE"),))
        >>> panel.label_channels([Channel("PE-A", "cd25 PE")])[0].marker
        'CD25'
        """
        matched = self.matched(channels)
        missing = [marker for marker in self.markers if marker.detector not in matched.detectors]
        if missing:
            named = ", ".join(f"{marker.detector} ({marker.name})" for marker in missing)
            detectors = [channel.detector for channel in channels]
            have = ", ".join(sorted(name for name in detectors if kind_of(name) == "fluorescence"))
            remedy = missing_remedy([marker.detector for marker in missing], matched, detectors)
            remedy = remedy or "correct the panel's detectors"
            raise UnknownChannel(f"panel {self.name}: the file has no detector {named}; it has {have}: {remedy}")
        self._refuse_another_tube(channels, matched)
        by_detector = {matched.detectors[marker.detector]: marker.name for marker in self.markers}
        return tuple(replace(c, marker=by_detector.get(c.detector, c.marker)) for c in self.aliased(channels))

    def matched(self, channels: Sequence[Channel]) -> MatchedChannels:
        """Return which of a file's detectors are those that this panel names: stained, scatter and time.

        >>> panel = Panel("p", "P", (Marker("CD25", "PE-A", "PE"),), scatter=("FSC-A",), aliases={"PE-A": ("YG1-A",)})
        >>> panel.matched([Channel("fsc-a"), Channel("YG1-A")]).detectors
        {'PE-A': 'YG1-A', 'FSC-A': 'fsc-a'}
        """
        names = (*self.detectors, *self.scatter, *([self.time] if self.time else []))
        return match_channels(names, self.aliases, [channel.detector for channel in channels])

    def aliased(self, channels: Sequence[Channel]) -> tuple[Channel, ...]:
        """Return a file's channels, those that have another name in this panel under that name, too."""
        own = {detector: name for name, detector in self.matched(channels).detectors.items() if name != detector}
        return tuple(
            replace(channel, aliases=(own[channel.detector],)) if channel.detector in own else channel
            for channel in channels
        )

    def known_in(self, header: FcsHeader) -> FcsHeader:
        """Return a file's header with this panel's names beside the file's own, and what was matched so."""
        notes = self.matched(header.channels).notes
        return replace(header, channels=self.aliased(header.channels), deviations=(*header.deviations, *notes))

    def label_file(self, header: FcsHeader) -> tuple[Channel, ...]:
        """Return a file's channels as ``label_channels``; where another of its data sets fits the panel, that is said.

        >>> from pathlib import Path
        >>> panel = Panel("p", "P", (Marker("CD4", "FL1", "FITC"),))
        >>> sets = {2: (Channel("FL1"),)}
        >>> panel.label_file(FcsHeader(Path("a.lmd"), "2.0", {}, (Channel("FL1 Log"),), 5, other_sets=sets))
        Traceback (most recent call last):
            ...
        immunomon.errors.UnknownChannel: ...data set 1 is read, and data set 2 fits the panel: ...
        """
        try:
            return self.label_channels(header.channels)
        except UnknownChannel as error:
            fitting = self.fitting_set(header)
            if not fitting:
                raise
            raise UnknownChannel(f"{str(error).partition(': correct the panel')[0]}; {fitting}") from error

    def fitting_set(self, header: FcsHeader) -> str:
        """Return what to do where not the data set that was read but another one has this panel's channels, else ''."""
        for number, channels in header.other_sets.items():
            try:
                self.label_channels(channels)
            except UnknownChannel:
                continue
            message = f"data set {header.data_set} is read, and data set {number} fits the panel"
            return f"{message}: read it with --data-set {number}, or in a study by the column data_set of samples.csv"
        return ""

    def swapped(self, carried: Mapping[str, Channel]) -> str:
        """Return which two detectors carry each other's markers, '' if none do; carried: the file's, by the panel's.

        >>> panel = Panel("p", "P", (Marker("CD3", "FITC-A", "FITC"), Marker("CD4", "PE-A", "PE")))
        >>> panel.swapped({"FITC-A": Channel("FITC-A", "CD4"), "PE-A": Channel("PE-A", "CD3")})
        'the markers of FITC-A and PE-A are swapped'
        """
        named = [marker for marker in self.markers if marker.detector in carried and carried[marker.detector].marker]
        pairs = (
            (first.detector, second.detector)
            for first, second in combinations(named, 2)
            if first.answers_to(carried[second.detector].marker) and second.answers_to(carried[first.detector].marker)
        )
        return ", ".join(f"the markers of {first} and {second} are swapped" for first, second in pairs)

    def _refuse_another_tube(self, channels: Sequence[Channel], matched: MatchedChannels) -> None:
        by_name = {channel.detector: channel for channel in channels}
        carried = {marker.detector: by_name[matched.detectors[marker.detector]] for marker in self.markers}
        wrong = [
            f"{marker.detector} carries '{carried[marker.detector].marker}' instead of '{marker.name}'"
            for marker in self.markers
            if not marker.may_be_on(carried[marker.detector])
        ]
        if wrong:
            swapped = self.swapped(carried)
            spellings = self.aliases_for(carried)
            remedy = f"name the right panel, or {f'list the spellings in it: {spellings}' if spellings else _CORRECT}"
            if swapped:
                remedy = f"{swapped}: correct the panel, or the names in the file"
            raise UnknownChannel(f"it is no tube of panel {self.name}: {', '.join(wrong)}; {remedy}")

    def aliases_for(self, carried: Mapping[str, Channel]) -> str:
        """Return, as lines of this panel would say it, all spellings by which a file's labels would fit it.

        A label that is the name of another marker is no spelling of this one.

        >>> panel = Panel("p", "P", (Marker("CD25", "PE-A", "PE"),))
        >>> [panel.aliases_for({"PE-A": Channel("PE-A", label)}) for label in ("Tac-1", "CD56")]
        ['CD25: aliases: ["Tac-1"]', '']
        """
        return ", ".join(
            f'{marker.name}: aliases: ["{carried[marker.detector].marker[:60]}"]'
            for marker in self.markers
            if marker.detector in carried
            and not marker.may_be_on(carried[marker.detector])
            and not _is_another(marker, carried[marker.detector].marker)
        )


def _is_another(marker: Marker, label: str) -> bool:
    """Say whether a label names markers, none of which is this one."""
    named = read_label(label).markers
    return bool(named) and known_marker(marker.name) not in named
