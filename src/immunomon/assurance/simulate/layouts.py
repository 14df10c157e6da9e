"""Which marker is on which detector in the tubes that are simulated: four always, others where they are asked for.

A table of its own, so that the simulator depends on no other part of the product; a test compares it with panels/.
"""

from __future__ import annotations

from dataclasses import dataclass

from immunomon.assurance.simulate.instrument import DETECTORS, FLUOROCHROMES
from immunomon.errors import UnknownName, nearest

__all__ = ["EXTRA_LAYOUTS", "LAYOUTS", "Layout", "layout_named"]


@dataclass(frozen=True)
class Layout:
    """A tube: its markers in the order of the detectors, those with an FMO control, and how long it is run.

    run_length: multiplies the number of events asked for; B tubes are run longer for their rare subsets.

    >>> LAYOUTS["treg"].marker_on("PE")
    'CD25'
    """

    name: str
    markers: tuple[str, ...]
    fmo: tuple[str, ...]
    run_length: float

    def __post_init__(self) -> None:
        if len(self.markers) != len(DETECTORS):
            raise ValueError(f"tube {self.name} has {len(self.markers)} markers for {len(DETECTORS)} detectors")

    def marker_on(self, fluorochrome: str) -> str:
        """Return the marker that a fluorochrome stains in this tube."""
        return self.markers[FLUOROCHROMES.index(fluorochrome)]


def _tube(name: str, markers: str, fmo: str, run_length: float) -> Layout:
    return Layout(name, tuple(markers.split()), tuple(fmo.split()), run_length)


# Markers in the order FITC, PE, PerCP-Cy5-5, PE-Cy7, APC, APC-H7, V450, V500 (Maecker 2012, Finak 2016).
LAYOUTS: dict[str, Layout] = {
    tube.name: tube
    for tube in (
        _tube("treg", "viability CD25 CD4 CCR4 CD127 CD45RO CD3 HLA-DR", "CD25 CCR4 CD127 HLA-DR", 1.0),
        _tube("thelper", "viability CXCR3 CD4 CCR6 CD38 CD8 CD3 HLA-DR", "CXCR3 CCR6", 0.8),
        _tube("bcell", "viability CD24 CD19 CD27 CD38 CD20 CD3 IgD", "CD24 CD27 CD38 IgD", 2.2),
        _tube("nk", "viability CD56 CD123 CD11c CD16 CD3/CD19/CD20 CD14 HLA-DR", "", 0.5),
    )
}

# Simulated only where it is asked for: helper T cells by cytokines, each tube with its unstimulated twin.
EXTRA_LAYOUTS: dict[str, Layout] = {
    tube.name: tube for tube in (_tube("thelper-ics", "viability IL-17A CD4 IFN-g IL-4 CD8 CD3 CD45RA", "", 1.0),)
}


def layout_named(name: str) -> Layout:
    """Return a tube by its panel's name.

    Raises UnknownName for a panel that is not simulated.

    >>> layout_named("bcells")
    Traceback (most recent call last):
        ...
    immunomon.errors.UnknownName: no simulated panel named 'bcells'; did you mean 'bcell'?
    """
    known = LAYOUTS | EXTRA_LAYOUTS
    if name not in known:
        raise UnknownName(f"no simulated panel named '{name}'; {nearest(name, known)}")
    return known[name]
