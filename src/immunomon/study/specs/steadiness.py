"""The sections of a study file about steadiness over time: control limits, and normalisation between batches."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from immunomon.findings import Findings
from immunomon.shape import Name, SpecModel
from immunomon.study.model.steadiness import MEAN, Normalisation, PanelNormalisation, Steadiness

__all__ = ["NormalisationSpec", "PanelNormalisationSpec", "SteadinessSpec", "check_normalisation"]

Names = Annotated[list[Name], Field(min_length=1, max_length=200)]


class SteadinessSpec(SpecModel):
    """How the limits of the bridge samples' control charts are set."""

    establish: int | None = Field(
        None, ge=3, le=1000, description="How many bridge samples, from the first on, set the limits; left out: all."
    )
    fewest: int = Field(6, ge=3, le=1000, description="With fewer bridge samples than this, nothing is judged.")

    def model(self) -> Steadiness:
        """Return the section as a value."""
        return Steadiness(self.establish, self.fewest)


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
        panels = tuple(PanelNormalisation(p.panel, tuple(p.cell_types), tuple(p.markers)) for p in self.panels)
        return Normalisation(panels, self.goal, self.quantiles, self.min_cells)


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
