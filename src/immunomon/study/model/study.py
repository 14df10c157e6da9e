"""The study as data: dose groups, cohorts, subjects, visits, specimens and files. No dose or visit lives in code."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from immunomon.errors import UnknownName, nearest
from immunomon.study.model.endpoints import AssessmentRules
from immunomon.study.model.fcs import DataOffset, Reading
from immunomon.study.model.fluorochromes import names_unstained
from immunomon.study.model.identifiers import Identifiers
from immunomon.study.model.overrides import AcceptedDifference
from immunomon.study.model.protocol import Protocol
from immunomon.study.model.quality import QualityLimits
from immunomon.study.model.ratios import RatioQuantity
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.steadiness import Normalisation, Steadiness
from immunomon.study.model.uses import PanelUse, tube_of
from immunomon.study.model.visits import Visit

__all__ = [
    "NO_GROUP",
    "Cohort",
    "CompensationSource",
    "Donor",
    "DoseGroup",
    "Role",
    "RoleKind",
    "Sample",
    "Study",
    "Subject",
    "seen_by_strategies",
    "tubes_of",
]


# Where a study has no groups, everybody is in this one, so that every table has its column filled.
NO_GROUP = "no group"


@dataclass(frozen=True)
class DoseGroup:
    """A dose or arm: cells per kilogram of body weight, on which study days; None if the study states no dose."""

    name: str
    cells_per_kg: float | None
    infusion_days: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cohort:
    """Patients entered together at one dose."""

    name: str
    dose_group: str
    planned_subjects: int
    expansion: bool = False


@dataclass(frozen=True)
class Subject:
    """A patient: dose group, sex, infusion dates, and what is known beforehand (prior rituximab, splenectomy, ...)."""

    id: str
    dose_group: str
    cohort: str | None = None
    sex: str = "U"
    infusion_dates: tuple[datetime.date, ...] = ()
    flags: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Donor:
    """Somebody whose cells are measured in every batch to see whether the assay is steady; no subject of the study."""

    id: str
    note: str = ""


class RoleKind(StrEnum):
    """What a tube is for."""

    SAMPLE = "sample"
    FMO = "fmo"
    UNSTIMULATED = "unstimulated"
    ISOTYPE = "isotype"
    SINGLE_STAIN = "single-stain"
    UNSTAINED = "unstained"
    BRIDGE = "bridge"


def _remedy(word: str, known: Sequence[str]) -> str:
    return "did you mean 'unstained'?" if names_unstained(word, {}) else nearest(word, known)


@dataclass(frozen=True)
class Role:
    """What a tube is for, with the marker or fluorochrome it is about.

    >>> Role.parse("fmo:CD25")
    Role(kind=<RoleKind.FMO: 'fmo'>, about='CD25')
    >>> str(Role.parse("bridge"))
    'bridge'
    """

    kind: RoleKind
    about: str = ""

    @classmethod
    def parse(cls, text: str) -> Role:
        """Read ``sample``, ``fmo:MARKER``, ``single-stain:FLUOROCHROME`` ...; raises UnknownName otherwise."""
        word, _, about = text.strip().partition(":")
        known = [kind.value for kind in RoleKind]
        if word not in known:
            raise UnknownName(f"no role named '{word}'; {_remedy(word, known)}")
        kind = RoleKind(word)
        if (kind in {RoleKind.FMO, RoleKind.SINGLE_STAIN}) != bool(about.strip()):
            form = {RoleKind.FMO: "fmo:MARKER", RoleKind.SINGLE_STAIN: "single-stain:FLUOROCHROME"}.get(kind, word)
            raise UnknownName(f"role '{text}' is incomplete or has too much; write {form}")
        if kind is RoleKind.SINGLE_STAIN and names_unstained(about, {}):
            raise UnknownName(f"role '{text}' names no fluorochrome; write unstained")
        return cls(kind, about.strip())

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.about}" if self.about else self.kind.value

    @property
    def is_gated(self) -> bool:
        """Whether a run gates such a tube (cells of a person, fully stained) or keeps it as a control."""
        return self.kind in {RoleKind.SAMPLE, RoleKind.UNSTIMULATED, RoleKind.BRIDGE}

    @property
    def is_control(self) -> bool:
        """Whether gates of other tubes may be placed on such a tube."""
        return self.kind not in {RoleKind.SAMPLE, RoleKind.BRIDGE}


@dataclass(frozen=True)
class Sample:
    """One FCS file of the study: whose, when, which panel, in which batch, with what is needed for absolute counts.

    A file that several strategies look at is as many samples: ``panel`` and ``id`` end with ``~STRATEGY``.
    """

    file: Path
    id: str
    panel: str
    role: Role
    subject: str = ""
    visit: str = ""
    batch: str = ""
    collection_date: datetime.date | None = None
    lymphocytes_per_ul: float | None = None
    beads_counted: float | None = None
    beads_added: float | None = None
    sample_volume_ul: float | None = None
    data_set: int | None = None
    data_offset: DataOffset | None = None
    line: int | None = field(default=None, compare=False)

    @property
    def tube(self) -> str:
        """The name of the panel that the tube is stained with."""
        return tube_of(self.panel)

    @property
    def tube_id(self) -> str:
        """The id of the tube, which several strategies may look at."""
        return self.id.removesuffix(self.panel.removeprefix(self.tube))

    def seen_by(self, use: PanelUse) -> Sample:
        """Return the sample as one of a tube's strategies looks at it.

        >>> sample = Sample(Path("a.fcs"), "a", "blood20", Role.parse("sample"))
        >>> seen = sample.seen_by(PanelUse("blood20~treg", "treg"))
        >>> seen.id, seen.tube_id
        ('a~treg', 'a')
        """
        ending = use.panel.removeprefix(self.panel)
        return replace(self, panel=use.panel, id=f"{self.id}{ending}")

    @property
    def reading(self) -> Reading:
        """How the file is read, as far as a person decided it; which bytes it must have is not in a sample list."""
        return Reading(self.data_set, self.data_offset)


def tubes_of(samples: Iterable[Sample]) -> dict[str, tuple[str, ...]]:
    """Return the ids of the samples of each tube that several strategies look at, by the tube's own id.

    >>> tube = Sample(Path("a.fcs"), "a", "blood20", Role.parse("sample"))
    >>> tubes_of([tube.seen_by(PanelUse(f"blood20~{name}", name)) for name in ("treg", "nk")])
    {'a': ('a~treg', 'a~nk')}
    """
    tubes: dict[str, tuple[str, ...]] = {}
    for sample in samples:
        if sample.tube_id != sample.id:
            tubes[sample.tube_id] = (*tubes.get(sample.tube_id, ()), sample.id)
    return tubes


@dataclass(frozen=True)
class CompensationSource:
    """Where the spillover matrix comes from: each ``file``, one ``matrix`` (CSV), or ``none``."""

    source: str = "file"
    path: Path | None = None


@dataclass(frozen=True)
class Study:
    """A whole study: who, which doses, which visits, which panels, and the limits of what is reported."""

    name: str
    title: str
    dose_groups: tuple[DoseGroup, ...]
    cohorts: tuple[Cohort, ...]
    subjects: tuple[Subject, ...]
    visits: tuple[Visit, ...]
    panels: tuple[PanelUse, ...]
    reportability: Reportability = field(default_factory=Reportability)
    compensation: CompensationSource = CompensationSource()
    quality: QualityLimits = field(default_factory=QualityLimits)
    steadiness: Steadiness = field(default_factory=Steadiness)
    normalisation: Normalisation | None = None
    identifiers: Identifiers = field(default_factory=Identifiers)
    donors: tuple[Donor, ...] = ()
    assessments: AssessmentRules = field(default_factory=AssessmentRules)
    protocol: Protocol | None = None
    ratios: tuple[RatioQuantity, ...] = ()
    most_specimen_age_days: int | None = None
    accepted: tuple[AcceptedDifference, ...] = ()
    site: str | None = None
    country: str | None = None
    samples_file: Path = Path("samples.csv")
    folder: Path = Path()
    data_folders: tuple[Path, ...] = ()

    def subject(self, subject_id: str) -> Subject:
        """Return a subject by id; raises UnknownName with the nearest id."""
        for subject in self.subjects:
            if subject.id == subject_id:
                return subject
        known = [subject.id for subject in self.subjects]
        raise UnknownName(f"no subject '{subject_id}'; {nearest(subject_id, known)}")

    def visit(self, label: str) -> Visit:
        """Return a visit by label; raises UnknownName with the nearest label."""
        for visit in self.visits:
            if visit.label == label:
                return visit
        known = [visit.label for visit in self.visits]
        raise UnknownName(f"no visit '{label}'; {nearest(label, known, in_order=True)}")

    @property
    def baseline(self) -> Visit | None:
        """The visit that changes are counted from; None in a study that counts none."""
        return next((visit for visit in self.visits if visit.baseline), None)

    @property
    def first_infusions(self) -> dict[str, str | None]:
        """The ISO date of each subject's first infusion, by id; None before it."""
        return {person.id: min(map(str, person.infusion_dates), default=None) for person in self.subjects}

    def uses_of(self, tube: str) -> tuple[PanelUse, ...]:
        """Return what a panel's tubes are in use for: a use for each strategy that looks at them."""
        return tuple(use for use in self.panels if use.tube == tube)

    def dose_group_of(self, subject: str) -> str | None:
        """Return a subject's dose group; None for a donor of bridge samples, or nobody."""
        return next((person.dose_group for person in self.subjects if person.id == subject), None)

    def strategy_of(self, panel: str) -> str:
        """Return the name of the strategy a panel's files are gated by; raises UnknownName with the nearest."""
        for use in self.panels:
            if use.panel == panel:
                return use.strategy
        raise UnknownName(f"no panel '{panel}' in use; {nearest(panel, [use.panel for use in self.panels])}")


def seen_by_strategies(samples: Iterable[Sample], study: Study) -> tuple[Sample, ...]:
    """Return a sample for each strategy that looks at a tube's cells; control tubes belong to all of them, once."""
    uses = ((sample, study.uses_of(sample.panel) if sample.role.is_gated else ()) for sample in samples)
    return tuple(seen for sample, of in uses for seen in (map(sample.seen_by, of) if of else (sample,)))
