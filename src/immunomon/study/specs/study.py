"""Study files: who is treated with what, when cells are looked at, with which panels, and what may be reported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from immunomon.errors import BadSpec
from immunomon.remote import as_path
from immunomon.shape import IsoDate, Name, SpecModel, Text, noun_of, shape
from immunomon.study.model.overrides import AcceptedDifference
from immunomon.study.model.study import NO_GROUP, Cohort, CompensationSource, Donor, DoseGroup, Study, Subject
from immunomon.study.model.uses import PanelUse
from immunomon.study.model.visits import Visit
from immunomon.study.specs.assessments import AssessmentsSpec
from immunomon.study.specs.data_folders import DataFolders, data_folders
from immunomon.study.specs.protocol import ProtocolSpec
from immunomon.study.specs.ratios import RatioSpec
from immunomon.study.specs.reportability import ReportabilitySpec
from immunomon.study.specs.steadiness import IdentifiersSpec, NormalisationSpec, QualitySpec, SteadinessSpec
from immunomon.study.specs.study_meaning import check_study
from immunomon.yamlfile import read_yaml

__all__ = [
    "AcceptSpec",
    "CohortSpec",
    "CompensationSpec",
    "DonorSpec",
    "DoseGroupSpec",
    "PanelUseSpec",
    "SpecimensSpec",
    "StudySpec",
    "SubjectSpec",
    "VisitSpec",
    "load_data_folders",
    "load_study",
]

Day = Annotated[int, Field(ge=-10_000, le=10_000)]


class DoseGroupSpec(SpecModel):
    """A dose: cells per kilogram of body weight, on which study days; or an arm without a dose."""

    name: Name = Field(description="Name of the dose group or arm.")
    cells_per_kg: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="Cells per kilogram of body weight, each infusion; 0 for an arm that gets none, left out if no "
        "dose is stated.",
    )
    infusion_days: list[Day] = Field(
        [], max_length=200, description="Planned study days of the infusions; the first infusion is Day 1."
    )


class CohortSpec(SpecModel):
    """Patients entered together at one dose."""

    name: Name = Field(description="Name of the cohort.")
    dose_group: Name = Field(description="Name of its dose group.")
    planned_subjects: int = Field(ge=0, le=100_000, description="How many patients are planned.")
    expansion: bool = Field(False, description="Whether it expands a dose chosen before.")


class SubjectSpec(SpecModel):
    """A patient, or a healthy subject."""

    id: Name = Field(description="Subject id, as in samples.csv. A pseudonym, never a name.")
    dose_group: Name | None = Field(
        None, description="Name of the dose group or arm; left out where the study has none, or only one."
    )
    cohort: Name | None = Field(None, description="Name of the cohort.")
    sex: Literal["F", "M", "U"] = Field("U", description="F, M, or U for unknown.")
    infusion_dates: list[IsoDate] = Field(
        [], max_length=200, description="Dates of the infusions given, in order: year-month-day."
    )
    flags: dict[str, bool] = Field(
        {}, max_length=50, description="What is known beforehand, under names of your choice: prior_rituximab: true."
    )


class DonorSpec(SpecModel):
    """Somebody whose cells are measured in every batch, and who is no subject of the study."""

    id: Name = Field(description="Donor id, as in the column subject of samples.csv. A pseudonym, never a name.")
    note: Text | None = Field(None, description="What should be known of the donor: healthy, frozen 2025-01.")


class VisitSpec(SpecModel):
    """A planned visit."""

    label: Name = Field(description="Label of the visit, as in samples.csv.")
    planned_day: Day | None = Field(
        None, description="Study day: the first infusion is Day 1, the day before is Day -1; left out if there is none."
    )
    window_days: Annotated[list[Day], Field(min_length=2, max_length=2)] | None = Field(
        None, description="First and last study day that still count as this visit: [12, 18]."
    )
    baseline: bool = Field(
        False, description="Whether changes are counted from this visit; true for one, or for none if none are counted."
    )


class PanelUseSpec(SpecModel):
    """A panel in use."""

    panel: Name = Field(description="Name of the panel.")
    strategy: Name | Annotated[list[Name], Field(min_length=1, max_length=20)] = Field(
        description="Name of the gating strategy for its files, or a list of several; results are then called by "
        "PANEL~STRATEGY."
    )

    @property
    def strategies(self) -> tuple[str, ...]:
        """The names of its strategies."""
        return (self.strategy,) if isinstance(self.strategy, str) else tuple(self.strategy)

    @property
    def uses(self) -> tuple[PanelUse, ...]:
        """A use for each strategy; what results are called by."""
        if len(self.strategies) == 1:
            return (PanelUse(self.panel, self.strategies[0]),)
        return tuple(PanelUse(f"{self.panel}~{name}", name) for name in self.strategies)


class CompensationSpec(SpecModel):
    """Where the spillover matrix comes from."""

    source: Literal["file", "matrix", "none"] = Field(
        "file",
        description="file: each FCS file's own keyword; matrix: one CSV file; none: compensated already.",
    )
    path: Text | None = Field(None, description="The CSV file for 'source: matrix', relative to the study's folder.")


class AcceptSpec(SpecModel):
    """A difference between a panel's files that is accepted, with why."""

    difference: Literal["voltages", "channels", "marker-names"] = Field(description="What may differ.")
    panel: Name | None = Field(None, description="In files of this panel; of all if left out.")
    batch: Name | None = Field(None, description="In files of this batch; of all if left out.")
    sample: Name | None = Field(None, description="In this file alone, by its sample id.")
    reason: Text = Field(description="Why it does no harm: set daily with calibration beads.")


class SpecimensSpec(SpecModel):
    """What the validation of the assay says of the blood."""

    most_age_days: int | None = Field(
        None, ge=0, le=10_000, description="Days from collection to measurement that the assay allows; 0: the same day."
    )


class StudySpec(SpecModel):
    """A study: dose groups, cohorts, subjects, visits, the panels in use, and the limits of what is reported."""

    stand_ins: ClassVar[Mapping[str, object]] = {"name": "?"}

    declared_schema: Literal["immunomon.study/1", "immunomon.study/2"] = Field(
        alias="schema",
        description="Format and version of this file; the doses, planned days and the baseline that /1 demands may be "
        "left out in /2.",
    )
    name: Name = Field(description="Short name of the study.")
    title: Text | None = Field(None, description="Title for people.")
    site: Name | None = Field(
        None, description="Site of the study, SITEID of deliveries; export/cp-map.yaml may say it, too."
    )
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = Field(
        None, description="Its country, three letters of ISO 3166: COUNTRY of deliveries."
    )
    dose_groups: list[DoseGroupSpec] = Field([], max_length=100, description="The doses or arms, if there are any.")
    cohorts: list[CohortSpec] = Field([], max_length=200, description="Groups of patients entered together.")
    subjects: list[SubjectSpec] = Field([], max_length=5000, description="The patients or healthy subjects.")
    donors: list[DonorSpec] = Field(
        [], max_length=500, description="Whose cells are the bridge samples: donors, who are no subjects (schema /2)."
    )
    visits: list[VisitSpec] = Field(min_length=1, max_length=200, description="The planned visits, in order.")
    panels: list[PanelUseSpec] = Field(min_length=1, max_length=100, description="The panels in use.")
    ratios: list[RatioSpec] = Field(
        [], max_length=100, description="Ratios of two populations that are followed over time, besides Th17/Treg."
    )
    compensation: CompensationSpec = Field(CompensationSpec(), description="Where the spillover matrix comes from.")
    samples: Text = Field("samples.csv", description="The sample list, relative to the study's folder.")
    data_folders: list[Text] = Field(
        [],
        max_length=100,
        description="Folders outside of the study's that its files may lie in, relative to it, or addresses that files "
        "may be fetched from: [../fcs, s3://lab/trial]. No path and no link may lead anywhere else.",
    )
    reportability: ReportabilitySpec = Field(ReportabilitySpec(), description="When a frequency may be reported.")
    quality: QualitySpec = Field(QualitySpec(), description="When a file's acquisition is remarked on, or fails.")
    steadiness: SteadinessSpec = Field(SteadinessSpec(), description="Control limits of the bridge samples' charts.")
    normalisation: NormalisationSpec | None = Field(
        None, description="How batches are brought together by their bridge samples; off if left out."
    )
    accept: list[AcceptSpec] = Field(
        [], max_length=1000, description="Differences between a panel's files that 'immunomon check' lets pass."
    )
    identifiers: IdentifiersSpec = Field(
        IdentifiersSpec(), description="Which keywords of FCS files may name persons; they never leave."
    )
    assessments: AssessmentsSpec = Field(
        AssessmentsSpec(), description="Definitions of the other assessments: platelet response, escalation ..."
    )
    specimens: SpecimensSpec = Field(SpecimensSpec(), description="How old the blood may be when it is measured.")
    protocol: ProtocolSpec | None = Field(
        None, description="What the protocol says of the trial, for deliveries in CDISC's formats."
    )


def load_study(path: Path) -> Study:
    """Read a study file, or ``study.yaml`` in a folder.

    Paths in the result (sample list, spillover matrix) are as declared: relative to ``Study.folder``.
    Raises BadSpec with every problem found.

    >>> load_study(Path("none/study.yaml"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none/study.yaml: no such file; check the path
    """
    file = read_yaml(path / "study.yaml" if path.is_dir() else path)
    folder = Path(file.file).parent
    shaped = shape(file, StudySpec)
    if shaped is not None:
        check_study(shaped, file.data, folder=folder, findings=file.findings)
    file.findings.raise_any()
    assert shaped is not None
    return _study(shaped.spec, folder)


def load_data_folders(folder: Path) -> DataFolders:
    """Return the folders that a study's files may lie in; its own alone, if its file cannot be read.

    >>> load_data_folders(Path("none")).allowed
    ()
    """
    try:
        return data_folders(load_study(folder))
    except BadSpec:
        return DataFolders(folder)


def _dose_groups(spec: StudySpec) -> tuple[DoseGroup, ...]:
    groups = spec.dose_groups or [DoseGroupSpec(name=NO_GROUP)]
    return tuple(noun_of(DoseGroup, group) for group in groups)


def _study(spec: StudySpec, folder: Path) -> Study:
    only_group = spec.dose_groups[0].name if len(spec.dose_groups) == 1 else NO_GROUP
    return Study(
        name=spec.name,
        title=spec.title or spec.name,
        site=spec.site,
        country=spec.country,
        dose_groups=_dose_groups(spec),
        cohorts=tuple(noun_of(Cohort, cohort) for cohort in spec.cohorts),
        subjects=tuple(
            noun_of(Subject, subject, dose_group=subject.dose_group or only_group) for subject in spec.subjects
        ),
        donors=tuple(noun_of(Donor, donor, note=donor.note or "") for donor in spec.donors),
        visits=tuple(noun_of(Visit, visit) for visit in spec.visits),
        panels=tuple(use for panel in spec.panels for use in panel.uses),
        ratios=tuple(ratio.model() for ratio in spec.ratios),
        reportability=spec.reportability.model(),
        compensation=CompensationSource(
            spec.compensation.source, Path(spec.compensation.path) if spec.compensation.path else None
        ),
        quality=spec.quality.model(),
        steadiness=spec.steadiness.model(),
        normalisation=spec.normalisation.model() if spec.normalisation else None,
        identifiers=spec.identifiers.model(),
        assessments=spec.assessments.model(),
        most_specimen_age_days=spec.specimens.most_age_days,
        protocol=spec.protocol.model() if spec.protocol else None,
        accepted=tuple(
            noun_of(
                AcceptedDifference, entry, panel=entry.panel or "", batch=entry.batch or "", sample=entry.sample or ""
            )
            for entry in spec.accept
        ),
        samples_file=Path(spec.samples),
        folder=folder,
        data_folders=tuple(map(as_path, spec.data_folders)),
    )
