"""Sections of a study file: control limits, normalisation between batches, acquisition quality, identifiers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from immunomon.findings import Findings
from immunomon.shape import Name, SpecModel, noun_of
from immunomon.study.model.identifiers import Identifiers
from immunomon.study.model.quality import QualityLimits
from immunomon.study.model.steadiness import MEAN, Normalisation, PanelNormalisation, Steadiness

__all__ = [
    "IdentifiersSpec",
    "NormalisationSpec",
    "PanelNormalisationSpec",
    "QualitySpec",
    "SteadinessSpec",
    "check_normalisation",
    "check_quality",
]

Names = Annotated[list[Name], Field(min_length=1, max_length=200)]


class SteadinessSpec(SpecModel):
    """How the limits of the bridge samples' control charts are set."""

    establish: int | None = Field(
        None, ge=3, le=1000, description="How many bridge samples, from the first on, set the limits; left out: all."
    )
    fewest: int = Field(6, ge=3, le=1000, description="With fewer bridge samples than this, nothing is judged.")

    def model(self) -> Steadiness:
        """Return the section as a value."""
        return noun_of(Steadiness, self)


class PanelNormalisationSpec(SpecModel):
    """What is normalised in the files of a panel."""

    panel: Name = Field(description="Name of the panel, as in 'panels'.")
    cell_types: Names = Field(description="Populations whose markers are normalised, none of them within another.")
    markers: Names = Field(description="Markers that are normalised; not those that the cell type is gated by.")


class NormalisationSpec(SpecModel):
    """How batches are brought together by their bridge samples; without this section they are not."""

    panels: list[PanelNormalisationSpec] = Field(min_length=1, max_length=100, description="What is normalised.")
    goal: Name = Field(MEAN, description="mean of all batches, or the batch that the others are brought to.")
    quantiles: int = Field(99, ge=1, le=999, description="Levels that are matched, at most; 1 moves the median only.")
    min_cells: int = Field(50, ge=50, le=1_000_000, description="A batch with fewer bridge cells of a type is refused.")

    def model(self) -> Normalisation:
        """Return the section as a value."""
        return noun_of(Normalisation, self, panels=tuple(noun_of(PanelNormalisation, panel) for panel in self.panels))


def check_normalisation(spec: NormalisationSpec | None, panels: list[str], *, findings: Findings) -> None:
    """Note in ``findings`` what the section gets wrong: a panel not in use, a panel or a name twice."""
    panels_so_far: set[str] = set()
    for number, panel in enumerate(spec.panels if spec else []):
        path = ("normalisation", "panels", number)
        if panel.panel not in panels:
            findings.unknown((*path, "panel"), "panel in use", name=panel.panel, known=panels)
        if panel.panel in panels_so_far:
            findings.add((*path, "panel"), f"'{panel.panel}' is there already", "write all of a panel in one entry")
        panels_so_far.add(panel.panel)
        for key, names in (("cell_types", panel.cell_types), ("markers", panel.markers)):
            for index, name in enumerate(names):
                if name in names[:index]:
                    findings.add((*path, key, index), f"'{name}' is there twice", "remove one")


# The section of a study file about acquisition quality: when a file is remarked on, fails, or loses its events.

Percent = Annotated[float, Field(ge=0, le=100)]


class QualitySpec(SpecModel):
    """When a file's acquisition is remarked on, when it fails, and whether flagged events are left out."""

    min_events: int = Field(500, ge=0, le=1_000_000_000, description="A file with fewer events fails.")
    signal_shift: float = Field(
        0.08,
        gt=0,
        lt=0.5,
        description="A channel's mean rank (0 to 1) may be this far from its usual level over a stretch of events.",
    )
    rate_factor: float = Field(
        2.5, gt=1, le=1000, description="The flow rate may be this many times faster or slower than usual."
    )
    margin_percent: Percent = Field(5, description="More events than this at the end of a channel's range: a warning.")
    warn_percent: Percent = Field(2, description="More events than this off the usual course: a warning.")
    fail_percent: Percent = Field(
        30, description="More events than this off the usual course, or at the end of one channel's range: failed."
    )
    exclude_flagged: bool = Field(False, description="Whether flagged events are left out of every population.")

    def model(self) -> QualityLimits:
        """Return the section as a value."""
        return noun_of(QualityLimits, self)


def check_quality(spec: QualitySpec, findings: Findings) -> None:
    """Note in ``findings`` what the section gets wrong: a failure that comes before its warning."""
    for name, percent in (("warn_percent", spec.warn_percent), ("margin_percent", spec.margin_percent)):
        if percent > spec.fail_percent:
            message = f"{spec.fail_percent:g} is below {name} {percent:g}"
            findings.add(("quality", "fail_percent"), message, "a failure must be worse than a warning")


# ``identifiers:`` in a study file: which keywords of FCS files may name persons.


class IdentifiersSpec(SpecModel):
    """Keywords of FCS files that may name persons; they are reported by ``check`` and never delivered."""

    keywords: list[Name] | None = Field(
        None, max_length=200, description="Patterns of keywords, * for anything; default: $SRC, $OP, *PATIENT* ..."
    )
    allowed: list[Name] = Field([], max_length=1000, description="Values that name nobody, such as Specimen_*.")

    def model(self) -> Identifiers:
        """Return the identifiers as the rest of the program knows them."""
        allowed = tuple(self.allowed)
        return Identifiers(allowed=allowed) if self.keywords is None else Identifiers(tuple(self.keywords), allowed)
