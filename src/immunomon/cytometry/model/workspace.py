"""Another program's analysis: samples with the gates it placed on each, and the counts it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from immunomon.cytometry.model.placed import PlacedStrategy

__all__ = ["HELPER", "Units", "Workspace", "WorkspaceSample"]

# The method of populations that only serve others (what a complement is the complement of): they are not reported.
HELPER = "helper"


@dataclass(frozen=True)
class Units:
    """How another program counts on a channel: its gain, units per stored number, and units per number as read."""

    gain: float = 1.0
    per_number: float = 1.0


@dataclass(frozen=True, eq=False)
class WorkspaceSample:
    """One sample of a workspace: the file it names, its placed gates, and the counts that the program stored.

    file: the base name of the FCS file; order: the reported populations' ids as the workspace lists them; counts: id ->
    events, where the program counted; identity: keywords by which the file can be known under another name; clock:
    keywords of how time was counted; failure: why its gates are not known; notes: what else should be known of it.
    """

    id: str
    name: str
    file: str
    placed: PlacedStrategy
    order: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    event_count: int | None = None
    identity: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    clock: Mapping[str, str] = field(default_factory=dict)
    detectors: tuple[str, ...] = ()
    units: Mapping[str, Units] = field(default_factory=dict)
    failure: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Workspace:
    """A workspace: which program wrote it, its samples, and its groups' own gates.

    groups: as samples, named like the group and without counts; only groups that have gates and members. remarks: what
    should be known of all its gates.
    """

    path: str
    program: str
    samples: tuple[WorkspaceSample, ...]
    groups: tuple[WorkspaceSample, ...] = ()
    remarks: tuple[str, ...] = ()
