"""From control files to a matrix: which stain each is of, which are good, the estimate, and the record of it all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.model.controls import (
    ControlLabel,
    EstimatedSpillover,
    Fault,
    GoodControl,
    RefusedControl,
)
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.steps.control_quality import ControlLimits, gated_cells, judge_control, own_negatives
from immunomon.cytometry.steps.estimate_spillover import estimate_spillover, refuse_shared_peaks
from immunomon.errors import BadSpillover
from immunomon.files import file_digest
from immunomon.study.model.channels import Channel, ChannelKind
from immunomon.study.model.fcs import FcsHeader
from immunomon.study.model.fluorochromes import (
    KNOWN_FLUOROCHROMES,
    fluorochrome_key,
    names_unstained,
    stain_named_in,
)
from immunomon.study.model.panel import Panel

__all__ = ["Controls", "ControlsResult", "Method", "fluorescence_detectors", "from_controls"]

Method = Literal["auto", "spillover", "unmixing"]
_ROUNDS = 2  # of finding the controls' own negatives: the first may take a stain for the cells' own light
_SPECTRAL = 30  # detectors: no conventional instrument has more


@dataclass(frozen=True)
class Controls:
    """The files of a compensation: single stains, each with the fluorochrome it is said to be of, or ''; unstained.

    also_unstained: unstained tubes of other kinds of cells, whose own light is another.
    """

    files: tuple[tuple[Path, str], ...]
    unstained: Path | None = None
    panel: Panel | None = None
    also_unstained: tuple[Path, ...] = ()


@dataclass(frozen=True, eq=False)
class ControlsResult:
    """What came of it: the estimate (None if a stain that is needed was refused), the good and the refused controls.

    missing: fluorochromes of the panel, or of a refused control, that the matrix lacks; detectors: the columns of the
    good controls' events; notes: what was decided without being asked, such as which tube is the unstained one.
    """

    estimate: EstimatedSpillover | None
    good: tuple[GoodControl, ...]
    refused: tuple[RefusedControl, ...]
    missing: tuple[str, ...]
    detectors: tuple[str, ...]
    unstained: ControlLabel | None
    notes: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether there is a matrix, of a good control of each fluorochrome."""
        return self.estimate is not None and not (self.refused or self.missing)


def fluorescence_detectors(channels: Sequence[Channel]) -> tuple[str, ...]:
    """Return the detectors to compensate: of areas, heights and widths the one kind that most detectors have.

    >>> fluorescence_detectors([Channel(name) for name in ("FSC-A", "FITC-A", "FITC-H", "PE-A", "PE-H", "Time")])
    ('FITC-A', 'PE-A')
    """
    names = [channel.detector for channel in channels if channel.kind is ChannelKind.FLUORESCENCE]
    kinds = {name: name[-2:].upper() if name[-2:].upper() in ("-A", "-H", "-W") else "" for name in names}
    counts = {kind: sum(ending == kind for ending in kinds.values()) for kind in ("-A", "-H", "")}
    chosen = max(counts, key=lambda kind: counts[kind])
    return tuple(name for name in names if kinds[name] == chosen)


def from_controls(
    controls: Controls,
    *,
    method: Method = "auto",
    partial: bool = False,
    complete: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> ControlsResult:
    """Return the matrix of some control files; without ``partial`` only if no fluorochrome is missing.

    Files whose names say so are unstained tubes. Without one, the events that the controls do not stain serve in its
    place. complete: with the light in detectors that have no control. Raises BadFcs for a file that cannot be read,
    BadSpillover if the files have different detectors or none is good.
    """
    controls, notes = _sorted_out(controls)
    tubes = [path for path in (controls.unstained, *controls.also_unstained) if path is not None]
    digests = {path: _digest(path) for path in (*tubes, *(path for path, _ in controls.files))}
    dark = [read_fcs(path, sha256=digests[path])[1] for path in tubes]
    detectors: tuple[str, ...] = ()
    for path, events in zip(tubes, dark, strict=True):
        detectors = _same_detectors(path, events, detectors)
    negatives, limits = dark[0] if dark else None, ControlLimits()
    if negatives is None and (negatives := _own_negatives(controls, digests)) is not None:
        limits = replace(limits, separation=limits.separation_pooled)
        notes += (f"no unstained tube: {negatives.count} events that the controls do not stain serve in its place",)
    judged: list[GoodControl | RefusedControl] = []
    for number, (path, stain) in enumerate(controls.files, start=1):
        header, events = read_fcs(path, sha256=digests[path])
        detectors = _same_detectors(path, events, detectors)
        label = _label(path, header, stain=stain, panel=controls.panel, detectors=detectors)
        label = replace(label, digest=digests[path] or "")
        judged.append(_judged(events, label, detectors, unstained=negatives, panel=controls.panel, limits=limits))
        if progress:
            progress(path.name, number, len(controls.files))
    unmix = method == "unmixing" or (method == "auto" and len(detectors) > _SPECTRAL)
    kept, refused, missing = _chosen(judged, detectors, controls.panel, unmix=unmix)
    estimate = None
    if kept and (partial or not (missing or any(c.label.fluorochrome == "" for c in refused))):
        cells = [gated_cells(events, detectors) for events in dark]
        first = cells[0] if cells else None
        estimate = estimate_spillover(
            kept, detectors, unstained=first, also_unstained=cells[1:], unmix=unmix, complete=complete
        )
    if unmix and not dark:
        notes += ("no row of autofluorescence: the cells' own light is known from an unstained tube (--unstained)",)
    if controls.also_unstained and not unmix:
        notes += tuple(f"{path.name}: one unstained tube is enough here; not used" for path in controls.also_unstained)
    tube = controls.unstained
    label_of_unstained = None if tube is None else ControlLabel(tube.name, "", digest=digests[tube] or "")
    return ControlsResult(estimate, kept, refused, missing, detectors, label_of_unstained, notes)


def _sorted_out(controls: Controls) -> tuple[Controls, tuple[str, ...]]:
    """Return the controls with the unstained tubes among the files put where they belong, and what was decided."""
    names = _spellings(controls.panel)
    unstained_files = [path for path in (controls.unstained, *controls.also_unstained) if path is not None]
    known = {path.resolve() for path in unstained_files}
    files = tuple((path, stain) for path, stain in controls.files if path.resolve() not in known)
    named_unstained = [path for path, stain in files if names_unstained(stain or path.stem, names)]
    notes = tuple(
        f"{path.name}: unstained, as its name says"
        + ("" if unstained_files or number else "; it serves as the unstained tube (--unstained names another)")
        for number, path in enumerate(named_unstained)
    )
    tubes = (*unstained_files, *named_unstained)
    files = tuple((path, stain) for path, stain in files if path not in named_unstained)
    return replace(controls, files=files, unstained=tubes[0] if tubes else None, also_unstained=tubes[1:]), notes


def _digest(path: Path) -> str | None:
    try:
        return file_digest(path)
    except OSError:
        return None  # reading it says why


def _own_negatives(controls: Controls, digests: Mapping[Path, str | None]) -> EventTable | None:
    """Return what the controls do not stain, pooled: a stain in one tube is rare among the negatives of all."""
    known: EventTable | None = None
    files = [path for path, _ in controls.files]
    for _ in range(_ROUNDS if len(files) > 1 else 0):
        parts: list[EventTable] = []
        for path in files:
            raw = read_fcs(path, sha256=digests[path])[1]
            plain = tuple(Channel(channel.detector) for channel in raw.channels)  # $PnS differs from stain to stain
            detectors = fluorescence_detectors(plain)
            if detectors and plain == (parts[0].channels if parts else plain):
                negatives = own_negatives(EventTable(raw.values, plain), detectors, known)
                parts += [negatives] if negatives.count else []
        if parts:
            known = EventTable(np.concatenate([part.values for part in parts]), parts[0].channels)
    return known


def _chosen(
    judged: Sequence[GoodControl | RefusedControl], detectors: Sequence[str], panel: Panel | None, *, unmix: bool
) -> tuple[tuple[GoodControl, ...], tuple[RefusedControl, ...], tuple[str, ...]]:
    """Return the controls that go into the matrix, those that are refused, and the fluorochromes that it will lack."""
    refused = [control for control in judged if isinstance(control, RefusedControl)]
    kept, more = _consistent([control for control in judged if isinstance(control, GoodControl)], detectors)
    if not unmix:
        kept, shared = refuse_shared_peaks(kept, detectors)
        more = (*more, *shared)
    refused += more
    needed = {control.label.fluorochrome for control in refused} | {m.fluorochrome for m in _markers(panel)}
    missing = tuple(sorted(needed - {control.label.fluorochrome for control in kept} - {""}))
    return kept, tuple(refused), missing


def _same_detectors(path: Path, events: EventTable, detectors: tuple[str, ...]) -> tuple[str, ...]:
    own_detectors = fluorescence_detectors(events.channels)
    if not own_detectors:
        raise BadSpillover(f"{path}: it has no fluorescence detectors")
    if detectors and set(own_detectors) != set(detectors):
        differing = sorted(set(own_detectors) ^ set(detectors))[0]
        raise BadSpillover(
            f"{path}: its detectors are not those of the other controls ({differing} differs); controls of one "
            "instrument and one acquisition template are needed"
        )
    return detectors or own_detectors


def _markers(panel: Panel | None) -> Iterable[Any]:
    return panel.markers if panel else ()


def _label(path: Path, header: FcsHeader, *, stain: str, panel: Panel | None, detectors: Sequence[str]) -> ControlLabel:
    """Return which fluorochrome a file is of: as said, by its name, TUBE NAME, or the only marker in it."""
    names = _spellings(panel)
    only = [c.marker for c in header.channels if c.marker and c.kind is ChannelKind.FLUORESCENCE]
    texts = [("said", stain), ("file name", path.stem), ("TUBE NAME", header.keyword("TUBE NAME"))]
    texts += [("$PnS", only[0])] if len(only) == 1 else []
    for told_by, text in texts:
        meant = stain_named_in(text, names) or (text if told_by == "said" else None)
        if meant:
            return ControlLabel(path.name, meant, _own(meant, panel, detectors), told_by=told_by)
    return ControlLabel(path.name, "")


def _spellings(panel: Panel | None) -> dict[str, str]:
    if panel is None:
        return {name: name for name in KNOWN_FLUOROCHROMES}
    names = {name: marker.fluorochrome for marker in panel.markers for name in (marker.name, *marker.aliases)}
    return names | {marker.fluorochrome: marker.fluorochrome for marker in panel.markers}


def _own(fluorochrome: str, panel: Panel | None, detectors: Sequence[str]) -> str:
    """Return the detector that a fluorochrome must be brightest in: the panel's, or the one named after it."""
    for marker in _markers(panel):
        if fluorochrome_key(marker.fluorochrome) == fluorochrome_key(fluorochrome):
            return str(marker.detector)
    alike = [name for name in detectors if fluorochrome_key(name.removesuffix("-A")) == fluorochrome_key(fluorochrome)]
    return alike[0] if len(alike) == 1 else ""


def _judged(
    events: EventTable,
    label: ControlLabel,
    detectors: Sequence[str],
    *,
    unstained: EventTable | None,
    panel: Panel | None,
    limits: ControlLimits,
) -> GoodControl | RefusedControl:
    known = [marker.fluorochrome for marker in _markers(panel)]
    if panel is not None and label.fluorochrome not in known:
        remedy = f"panel {panel.name} has {', '.join(known)}; say which it is: --control FLUOROCHROME={label.file}"
        return RefusedControl(label, Fault.UNKNOWN_STAIN, remedy)
    judgement = judge_control(events, label, detectors, unstained=unstained, limits=limits)
    if isinstance(judgement, GoodControl) and not label.fluorochrome:
        named = replace(label, fluorochrome=detectors[judgement.peak].removesuffix("-A"), told_by="peak detector")
        return replace(judgement, label=named)
    return judgement


def _consistent(
    good: Sequence[GoodControl], detectors: Sequence[str]
) -> tuple[tuple[GoodControl, ...], tuple[RefusedControl, ...]]:
    """Refuse controls of one fluorochrome that are brightest in another detector than most of its controls."""
    peaks: dict[str, list[int]] = {}
    for control in good:
        peaks.setdefault(control.label.fluorochrome, []).append(control.peak)
    usual = {name: max(sorted(set(peak_detectors)), key=peak_detectors.count) for name, peak_detectors in peaks.items()}
    kept = tuple(control for control in good if control.peak == usual[control.label.fluorochrome])
    refused = tuple(
        RefusedControl(
            control.label,
            Fault.WRONG_DETECTOR,
            f"it is brightest in {detectors[control.peak]}, the other {control.label.fluorochrome} controls in "
            f"{detectors[usual[control.label.fluorochrome]]}; one of them is another fluorochrome's",
        )
        for control in good
        if control.peak != usual[control.label.fluorochrome]
    )
    return kept, refused
