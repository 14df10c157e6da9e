"""Panel files: which marker is on which detector, by which fluorochrome."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from immunomon.errors import nearest
from immunomon.findings import DataPath, Findings, shown
from immunomon.shape import Name, Shaped, SpecModel, Text, shape
from immunomon.study.model.marker_names import known_marker, plain
from immunomon.study.model.panel import Marker, MarkerKind, Panel
from immunomon.yamlfile import read_yaml

__all__ = ["MarkerSpec", "PanelSpec", "load_panel"]


class MarkerSpec(SpecModel):
    """A stained marker: what it is, where it is measured, and how else people spell it."""

    marker: Name = Field(description="Name of the marker, as used by strategies and results.")
    detector: Name = Field(description="Detector as the cytometer names it: $PnN in the FCS file, such as PE-A.")
    fluorochrome: Name = Field(description="Fluorochrome the antibody carries.")
    kind: MarkerKind = Field(
        MarkerKind.TYPE,
        description="What it is for: type (tells cells apart), state (activation), viability, dump (exclusion).",
    )
    fmo: bool = Field(False, description="Whether the panel is run with a fluorescence-minus-one control for it.")
    aliases: list[Name] = Field(
        [], max_length=50, description="Other spellings of the marker in the FCS files' $PnS keyword."
    )


class PanelSpec(SpecModel):
    """A panel: the markers of one tube, with the scatter and time channels that go with them."""

    stand_ins: ClassVar[Mapping[str, object]] = {"name": "?", "label": "?"}

    declared_schema: Literal["immunomon.panel/1"] = Field(
        alias="schema", description="Format and version of this file."
    )
    name: Name = Field(description="Name of the panel: the file's name without .yaml.")
    label: Text = Field(description="Name for people.")
    scatter: list[Name] = Field([], max_length=20, description="Scatter channels, such as [FSC-A, FSC-H, SSC-A].")
    time: Name | None = Field(None, description="Time channel, usually Time.")
    aliases: dict[Name, list[Name]] = Field(
        {},
        max_length=100,
        description="Other names of detectors, scatter and time channels in the FCS files' $PnN: {SSC-H: [SSC1-H]}.",
    )
    markers: list[MarkerSpec] = Field(min_length=1, max_length=100, description="The stained markers.")


def load_panel(path: Path) -> Panel:
    """Read a panel file.

    Raises BadSpec with every problem found: of shape, and detectors, fluorochromes or spellings that two markers share.

    >>> load_panel(Path("panels/none.yaml"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: panels/none.yaml: no such file; check the path
    """
    file = read_yaml(path)
    shaped = shape(file, PanelSpec)
    if shaped is not None:
        _check_meaning(shaped, file.findings)
    file.findings.raise_any()
    assert shaped is not None
    return _panel(shaped.spec)


def _check_meaning(shaped: Shaped[PanelSpec], findings: Findings) -> None:
    detectors: dict[str, DataPath] = {}
    fluorochromes: dict[str, DataPath] = {}
    spellings: dict[str, str] = {}
    known_markers: dict[str, str] = {}
    for path, marker in shaped.items("markers"):
        for key, first_paths in (("detector", detectors), ("fluorochrome", fluorochromes)):
            value = getattr(marker, key)
            if value in first_paths:
                first = f"markers[{first_paths[value][1]}]"
                findings.add((*path, key), f"{key} {shown(value)} is used twice, first by {first}", "correct one")
            first_paths.setdefault(value, path)
        names = (marker.marker, *marker.aliases)
        for spelling in dict.fromkeys([plain(name) for name in names]):
            if spelling in spellings:
                message = (
                    f"{shown(marker.marker)} and {shown(spellings[spelling])} share the spelling {shown(spelling)}"
                )
                findings.add((*path, "marker"), message, "give each marker spellings of its own")
            spellings.setdefault(spelling, marker.marker)
        known = known_marker(marker.marker)
        if known and (first_name := known_markers.get(known, marker.marker)) != marker.marker:
            message = f"{shown(marker.marker)} and {shown(first_name)} are two names of one marker"
            findings.add((*path, "marker"), message, "name the clone or the target of each: CD8 (SK1), CD8 (RPA-T8)")
        known_markers.setdefault(known, marker.marker)
    for path, channel in (*shaped.items("scatter"), *((("time",), t) for t in (shaped.spec.time,) if t)):
        if channel in detectors:
            findings.add(path, f"{shown(channel)} is a marker's detector, too", "remove it from one of them")
        detectors.setdefault(channel, path)
    _check_aliases(shaped.spec, detectors, findings)


def _check_aliases(spec: PanelSpec, detectors: Mapping[str, DataPath], findings: Findings) -> None:
    owners: dict[str, str] = {}
    for name, aliases in spec.aliases.items():
        if name not in detectors:
            message = f"the panel has no detector, scatter or time channel {shown(name)}"
            findings.add(("aliases", name), message, nearest(name, detectors))
        for number, alias in enumerate(aliases):
            owner = alias if alias in detectors else owners.get(alias)
            if owner is not None:
                message = (
                    f"{shown(alias)} is {'a channel' if alias in detectors else f'an alias of {shown(owner)}'} already"
                )
                findings.add(("aliases", name, number), message, "give each channel names of its own")
            owners.setdefault(alias, name)


def _panel(spec: PanelSpec) -> Panel:
    markers = tuple(Marker(m.marker, m.detector, m.fluorochrome, m.kind, m.fmo, tuple(m.aliases)) for m in spec.markers)
    aliases = {name: tuple(alternatives) for name, alternatives in spec.aliases.items()}
    return Panel(spec.name, spec.label, markers, tuple(spec.scatter), spec.time, aliases)
