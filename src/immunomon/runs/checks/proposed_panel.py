"""A panel proposed from what FCS headers say of their channels: markers by the table of names, or left blank."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from immunomon.errors import counted
from immunomon.findings import shown
from immunomon.shape import BLANK
from immunomon.study.model.channels import Channel, ChannelKind, compensated_channels
from immunomon.study.model.fcs import FcsHeader
from immunomon.study.model.fluorochromes import fluorochrome_key
from immunomon.study.model.marker_names import DUMP, VIABILITY, Label, read_label, usual_kind

__all__ = ["ProposedMarker", "ProposedPanel", "kind_of_file", "propose_panel", "yaml_text"]

_SIGNAL = re.compile(r"[-_ ]([AHW]|area|height|width)$", re.IGNORECASE)
_NO_STAIN = re.compile(
    r"(event_?length|width|center|offset|residual|bead_?dist|hdr-.*|doublet.*|index.*|sort.*|sample_?id|file_?\w*|"
    r"class\w*|gaussian.*)$",
    re.IGNORECASE,
)
_DETECTOR = re.compile(
    r"(FL\s?\d+\b.*|(?:V|B|R|G|Y|YG|UV|NUV|IR|VL|BL|RL|YL|GL)\d{1,3})([-_ ](area|height|width|[AHW]|log|lin))*",
    re.IGNORECASE,
)
_METAL = re.compile(r"\(?([A-Z][a-z]?\d{2,3})\)?D[id]")
_PLAIN_YAML = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*(?:[ /][A-Za-z0-9_.+-]+)*")
_WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
_MOST_NAMED = 40
_LONGEST = 60  # letters of a name in a panel


@dataclass(frozen=True)
class ProposedMarker:
    """A stained channel as it is proposed; remark: what was guessed, or why the marker is left blank.

    may_be: what a blank marker is on one of several detectors.
    """

    detector: str
    marker: str
    fluorochrome: str
    kind: str
    remark: str = ""
    fmo: bool = False
    may_be: str = ""


@dataclass(frozen=True)
class ProposedPanel:
    """A panel as it is proposed, with what it passes over: unnamed detectors and channels that no stain can be in."""

    name: str
    markers: tuple[ProposedMarker, ...]
    scatter: tuple[str, ...] = ()
    time: str | None = None
    unnamed: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    about: str = ""

    @property
    def blanks(self) -> int:
        """How many markers are left to a person."""
        return sum(marker.marker == BLANK for marker in self.markers)

    @property
    def is_compensated(self) -> bool:
        """Whether the names of all stained detectors say that their values are compensated already."""
        return bool(self.markers) and len(compensated_channels(m.detector for m in self.markers)) == len(self.markers)

    def text(self) -> str:
        """Return the panel's file."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"# Proposed {self.about}: look at every line." if self.about else "# Proposed: look at every line."
        yield '# "?" is left to you; remarks say what was guessed. state: of activation; dump: of what is excluded.'
        yield "schema: immunomon.panel/1"
        yield f"name: {yaml_text(self.name)}"
        yield f"label: {yaml_text(self.name)}"
        yield f"scatter: [{', '.join(map(yaml_text, self.scatter))}]"
        if self.time:
            yield f"time: {yaml_text(self.time)}"
        yield "markers:"
        for marker in self.markers:
            yield _line_of(marker)
        if self.unnamed:
            yield f"# Detectors without a marker's name, left out: {_listed(self.unnamed)}"
        if self.passed_over:
            yield f"# Not fluorescence, left out: {_listed(self.passed_over)}"


def _line_of(marker: ProposedMarker) -> str:
    named = (("marker", marker.marker), ("detector", marker.detector), ("fluorochrome", marker.fluorochrome))
    parts = [f"{key}: {yaml_text(value)}" for key, value in named]
    parts += [f"kind: {marker.kind}", *(["fmo: true"] if marker.fmo else [])]
    return f"  - {{{', '.join(parts)}}}{f'  # {marker.remark}' if marker.remark else ''}"


def _listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return ", ".join([*(shown(name)[1:-1] for name in names[:_MOST_NAMED]), *more])


def yaml_text(text: str) -> str:
    """Return a text as YAML has it, in quotes where it could be read as something else.

    >>> yaml_text("BV421-A"), yaml_text("?"), yaml_text("no"), yaml_text("a: b"), yaml_text("1")
    ('BV421-A', '"?"', '"no"', '"a: b"', '"1"')
    """
    if _PLAIN_YAML.fullmatch(text) and text.casefold() not in _WORDS_OF_YAML:
        return text
    return json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True)
class _Read:
    """A channel and what its label, or else its detector's name, says; said: the label as the file has it."""

    channel: Channel
    label: Label
    said: str = ""

    @property
    def is_named(self) -> bool:
        return bool(self.label.markers or self.label.unknown)


def kind_of_file(header: FcsHeader) -> frozenset[tuple[str, str]]:
    """Return what tells kinds of files apart: the stained detectors, each with its marker as the table has it.

    >>> from pathlib import Path
    >>> files = [FcsHeader(Path("a"), "3.1", {}, (Channel("PE-A", name),), 0) for name in ("CD183", "CXCR3 PE")]
    >>> kind_of_file(files[0]) == kind_of_file(files[1])
    True
    """
    return frozenset(
        (read.channel.detector, "|".join(read.label.markers) or read.said)
        for read in _stained(header.channels, {})[0]
        if read.is_named
    )


def propose_panel(
    headers: Sequence[FcsHeader],
    name: str,
    *,
    markers: Mapping[str, str] | None = None,
) -> ProposedPanel:
    """Return the panel that files of one kind seem to have; what may be two markers, or one on two detectors, is blank.

    markers: detector -> label, said elsewhere, for files whose $PnS are blank.

    >>> from pathlib import Path
    >>> channels = (Channel("FSC-A"), Channel("BV421-A", "CD183"), Channel("PE-A", "Granzyme"), Channel("Time"))
    >>> panel = propose_panel([FcsHeader(Path("a.fcs"), "3.1", {}, channels, 0)], "p")
    >>> [(marker.marker, marker.fluorochrome) for marker in panel.markers], panel.scatter, panel.time
    ([('CXCR3', 'BV421'), ('?', 'PE')], ('FSC-A',), 'Time')
    """
    channels = headers[0].channels if headers else ()
    stained, unnamed, passed_over = _stained(channels, markers or {})
    proposed = _without_shared_dyes(_once_each([_proposed(read) for read in stained if read.is_named]))
    writable = [marker for marker in proposed if _is_writable(marker.detector)]
    passed_over += [marker.detector for marker in proposed if not _is_writable(marker.detector)]
    scatter = [channel.detector for channel in channels if channel.kind is ChannelKind.SCATTER]
    times = [channel.detector for channel in channels if channel.kind is ChannelKind.TIME]
    about = f"from {counted(len(headers), 'header')}" if headers else ""
    if not writable:
        remark = "no channel of these files says which marker it carries"
        writable = [ProposedMarker(BLANK, BLANK, BLANK, "type", remark)]
    return ProposedPanel(
        name,
        tuple(writable),
        tuple(filter(_is_writable, scatter[:20])),
        times[0] if times and _is_writable(times[0]) else None,
        tuple(read.channel.detector for read in unnamed),
        tuple(passed_over),
        about,
    )


def _is_writable(name: str) -> bool:
    return 0 < len(name.strip()) <= _LONGEST and name.isprintable() and name == name.strip()


def _stained(
    channels: Sequence[Channel], said_elsewhere: Mapping[str, str]
) -> tuple[list[_Read], list[_Read], list[str]]:
    """Return one channel for each detector that is named, those of detectors that are not, and what is no stain."""
    by_base: dict[str, list[_Read]] = defaultdict(list)
    passed_over: list[str] = []
    for channel in channels:
        if channel.kind is not ChannelKind.FLUORESCENCE:
            continue
        if _NO_STAIN.match(channel.detector):
            passed_over.append(channel.detector)
            continue
        read = _read(channel, said_elsewhere.get(channel.detector, ""))
        by_base[_SIGNAL.sub("", channel.detector)].append(read)
    chosen = [_area_first(reads) for reads in by_base.values()]
    return [read for read in chosen if read.is_named], [read for read in chosen if not read.is_named], passed_over


def _area_first(reads: Sequence[_Read]) -> _Read:
    """Return the channel of a detector that is gated on: a named one; of these area, else height, never width."""
    order = {"a": 0, "area": 0, "": 1, "h": 2, "height": 2}

    def rank(read: _Read) -> tuple[bool, int]:
        signal = _SIGNAL.search(read.channel.detector)
        return not read.is_named, order.get(signal[1].casefold() if signal else "", 3)

    return min(reads, key=rank)


def _read(channel: Channel, said_elsewhere: str) -> _Read:
    said = channel.marker or said_elsewhere
    label = read_label(said)
    if label.markers or (label.unknown and not _is_detector(said, channel)):
        return _Read(channel, label, said)
    of_detector = read_label(channel.detector)
    is_dye = of_detector.markers == (VIABILITY,) and of_detector.fluorochrome
    if of_detector.markers and not of_detector.unknown and not is_dye:  # $PnN names the marker, $PnS the dye or nothing
        return _Read(channel, replace(of_detector, fluorochrome=label.fluorochrome or of_detector.fluorochrome), "")
    return _Read(channel, Label(fluorochrome=label.fluorochrome), "")


def _is_detector(said: str, channel: Channel) -> bool:
    """Say whether a label is but a detector's name again: FL1-Height, V2-A."""
    return bool(_DETECTOR.fullmatch(said.strip())) or said.strip().casefold() == channel.detector.casefold()


def _proposed(read: _Read) -> ProposedMarker:
    label, detector = read.label, read.channel.detector
    of_detector = read_label(detector)
    metal = _METAL.search(detector)
    fluorochrome = label.fluorochrome or of_detector.fluorochrome or (metal[1] if metal else "")
    remarks = [] if fluorochrome else ["guess: no file names the fluorochrome"]
    fluorochrome = (fluorochrome or _bare_detector(detector))[:_LONGEST]
    name = label.marker
    source = "$PnS" if read.said == read.channel.marker else "the table beside the files"
    written = f"{source} says {shown(read.said)}" if read.said else f"$PnN says {shown(detector)}"
    if name:
        is_as_named = read.said in ("", name) and not (read.said and source != "$PnS")
        remarks = remarks if is_as_named else [written, *remarks]
    elif label.markers:
        joined = " and " if label.both else " or "
        reason = (
            joined.join(label.markers) if not label.unknown else f"{joined.join(label.markers)}, beside an unknown word"
        )
        remarks.insert(0, f"left blank: {written}, which is {reason}")
        name = BLANK
    else:
        name = " ".join(read.said.split())
        remarks.insert(0, "guess: as the file has it, a name that is not in the table of markers")
        if not _is_writable(name) or name == BLANK:
            name, remarks[0] = BLANK, f"left blank: {written}"
    kind = usual_kind(name)
    if kind == DUMP and name == DUMP:
        remarks.append("of which antibodies? A strategy may ask for it by their names, such as CD3/CD19/CD20")
    return ProposedMarker(detector, name, fluorochrome, kind, "; ".join(remarks))


def _bare_detector(detector: str) -> str:
    # Without what says area, height or width: BL1-A is BL1.
    bare = _SIGNAL.sub("", detector).strip()
    return bare if _is_writable(bare) else BLANK


def _once_each(markers: Sequence[ProposedMarker]) -> list[ProposedMarker]:
    """Return the markers, those that two detectors seem to carry left blank."""
    detectors: dict[str, list[str]] = defaultdict(list)
    for marker in markers:
        detectors[marker.marker.casefold()].append(marker.detector)
    result = []
    for marker in markers:
        others = [name for name in detectors[marker.marker.casefold()] if name != marker.detector]
        remark = f"left blank: {shown(marker.marker)}, which {_listed(others)} may be, too"
        blank = replace(marker, marker=BLANK, kind="type", remark=remark, may_be=marker.marker)
        result.append(blank if others and marker.marker != BLANK else marker)
    return result


def _without_shared_dyes(markers: Sequence[ProposedMarker]) -> list[ProposedMarker]:
    counts = Counter(fluorochrome_key(marker.fluorochrome) for marker in markers)
    return [
        replace(
            marker,
            fluorochrome=_bare_detector(marker.detector),
            remark="; ".join(filter(None, [marker.remark, f"guess: {marker.fluorochrome} is named on two detectors"])),
        )
        if counts[fluorochrome_key(marker.fluorochrome)] > 1
        else marker
        for marker in markers
    ]
