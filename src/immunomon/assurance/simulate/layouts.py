"""Which marker is on which detector in the tubes that are simulated: four always, others where they are asked for.

A table of its own, so that the simulator depends on no other part of the product; a test compares it with panels/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from immunomon.assurance.simulate.instrument import EIGHT_COLOURS, VOLTAGES, Optics
from immunomon.errors import UnknownName, nearest

__all__ = ["EXTRA_LAYOUTS", "LAYOUTS", "Layout", "layout_named", "optics_of"]


@dataclass(frozen=True)
class Layout:
    """A tube: its markers in the order of the detectors, those with an FMO control, and how long it is run.

    run_length: multiplies the number of events asked for; B tubes are run longer for their rare subsets. strategies:
    the gating strategies that look at it, default that of its name; optics: its dyes. is_shipped: whether its panel is
    one of those that come with the product; others are written into the trial. contents: shares of all events that are
    not those of blood mononuclear cells; beads_per_ul: counting beads that were added to a microlitre of blood.

    >>> LAYOUTS["treg"].marker_on("PE")
    'CD25'
    """

    name: str
    markers: tuple[str, ...]
    fmo: tuple[str, ...]
    run_length: float
    strategies: tuple[str, ...] = ()
    optics: Optics = EIGHT_COLOURS
    is_shipped: bool = True
    contents: Mapping[str, float] = field(default_factory=dict)
    beads_per_ul: float = 0.0

    def __post_init__(self) -> None:
        if len(self.markers) != len(self.optics.detectors):
            number = len(self.optics.detectors)
            raise ValueError(f"tube {self.name} has {len(self.markers)} markers for {number} detectors")

    def marker_on(self, fluorochrome: str) -> str:
        """Return the marker that a fluorochrome stains in this tube."""
        return self.markers[self.optics.fluorochromes.index(fluorochrome)]


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

# Dyes of a five-laser instrument, by laser, each list in the order of emission.
_LASERS: dict[str, tuple[str, ...]] = {
    "ultraviolet": ("BUV395", "BUV496", "BUV563", "BUV661", "BUV737"),
    "violet": ("BV421", "BV480", "BV605", "BV650", "BV711", "BV786"),
    "blue": ("AF488", "PerCP-eF710"),
    "yellow": ("PE", "PE-CF594", "PE-Cy5", "PE-Cy7"),
    "red": ("AF647", "AF700", "APC-Fire810"),
}
_NEXT, _AFTER_NEXT, _OTHER_LASER = 0.12, 0.02, 0.002


def optics_of(dyes: tuple[str, ...]) -> Optics:
    """Return the optics of a tube with some of the five-laser instrument's dyes, in this order.

    A dye spills most into the next detector of its laser, less into the one before and the one after the next, and next
    to nothing into other lasers' detectors.

    >>> optics_of(("BV421", "BV480", "AF647")).spillover[0].tolist()
    [1.0, 0.12, 0.002]
    """
    place = {dye: (laser, number) for laser, names in _LASERS.items() for number, dye in enumerate(names)}
    spillover = np.eye(len(dyes))
    for row, (laser, number) in enumerate(place[dye] for dye in dyes):
        for column, (other, seen) in enumerate(place[dye] for dye in dyes):
            near = {1: _NEXT, -1: _AFTER_NEXT, 2: _AFTER_NEXT}.get(seen - number, _OTHER_LASER)
            if row != column:
                spillover[row, column] = near if laser == other else _OTHER_LASER
    number = len(dyes)
    red = np.array(
        [place[dye][1] for dye in dyes], dtype=np.float32
    )  # the redder, the fewer photons, the less own light
    voltages = {**VOLTAGES, **{f"{dye}-A": 450 + 20 * place[dye][1] for dye in dyes}}
    return Optics(
        dyes,
        spillover,
        photoelectron=8 + 3 * red,
        noise=np.full(number, 34, dtype=np.float32),
        own_light=np.float32(120) / (1 + red),
        trend=np.zeros(number),
        voltages=voltages,
    )


def _wide(name: str, stains: str, run_length: float, strategies: tuple[str, ...]) -> Layout:
    """Return a tube of the five-laser instrument; stains: DYE:MARKER ..."""
    pairs = [stain.split(":") for stain in stains.split()]
    dyes, markers = (tuple(names) for names in zip(*pairs, strict=True))
    return Layout(name, markers, (), run_length, strategies, optics_of(dyes), is_shipped=False)


def _first_dyes(number: int) -> Optics:
    """Return the optics of a tube with the first dyes of the eight."""
    whole, rows = EIGHT_COLOURS, slice(number)
    return replace(
        whole,
        fluorochromes=whole.fluorochromes[rows],
        spillover=whole.spillover[rows, rows],
        photoelectron=whole.photoelectron[rows],
        noise=whole.noise[rows],
        own_light=whole.own_light[rows],
        trend=whole.trend[rows],
    )


# Lysed whole blood that was not washed: mostly granulocytes, some red cells, few dead cells, and beads to count by.
_WHOLE_BLOOD = {
    **{"granulocytes": 0.50, "eosinophils": 0.03, "monocytes": 0.06, "small_cd16": 0.1, "erythrocytes": 0.03},
    **{"debris": 0.04, "dead": 0.01, "doublets": 0.015},
}


# Simulated only where it is asked for: the lineages counted in whole blood; helper T cells by cytokines, each tube with
# its unstimulated twin; naive and memory T cells; monocytes; regulatory T cells among ten colours; and two tubes
# of twenty colours: one that three strategies of other panels see, and one for the subsets of T cells.
EXTRA_LAYOUTS: dict[str, Layout] = {
    tube.name: tube
    for tube in (
        Layout(
            "tbnk",
            ("CD3", "CD16+CD56", "CD45", "CD4", "CD19", "CD8"),
            (),
            1.0,
            optics=_first_dyes(6),
            contents=_WHOLE_BLOOD,
            beads_per_ul=1000.0,
        ),
        _tube("tmemory", "viability CCR7 CD4 CD45RA CD38 CD8 CD3 HLA-DR", "CCR7 CD45RA CD38 HLA-DR", 1.0),
        # The markers of the panel nk, and monocytes and dendritic cells of all kinds.
        replace(
            LAYOUTS["nk"],
            name="innate8",
            run_length=1.0,
            strategies=("nk", "monocyte-dc"),
            is_shipped=False,
            contents={"dendritic": 0.02, "intermediate": 0.07, "small_cd16": 0.06},
        ),
        _tube("thelper-ics", "viability IL-17A CD4 IFN-g IL-4 CD8 CD3 CD45RA", "", 1.0),
        _wide(
            "treg10",
            "BUV395:viability BV421:CD25 BV480:CD8 BV605:CD127 BV711:CD38 AF488:CD4 PE:CCR4 PE-Cy7:CD45RO "
            "AF647:CD3 APC-Fire810:HLA-DR",
            1.0,
            ("treg",),
        ),
        _wide(
            "blood20",
            "BUV395:viability BUV496:CD8 BUV563:CD56 BUV661:CD38 BUV737:CD3 BV421:CD25 BV480:IgD BV605:CD127 "
            "BV650:CXCR3 BV711:CD20 BV786:CD24 AF488:CD4 PerCP-eF710:CCR6 PE:CCR4 PE-CF594:CD19 PE-Cy5:CD16 "
            "PE-Cy7:CD45RO AF647:CD27 AF700:CD14 APC-Fire810:HLA-DR",
            2.2,
            ("treg", "thelper", "bcell"),
        ),
        _wide(
            "tcell20",
            "BUV395:viability BUV496:CD8 BUV563:CD45RA BUV661:CD38 BUV737:CD3 BV421:CCR7 BV480:TCRgd BV605:CD127 "
            "BV650:CXCR3 BV711:PD-1 BV786:CD161 AF488:CD4 PerCP-eF710:CCR6 PE:CCR4 PE-CF594:CXCR5 PE-Cy5:CD27 "
            "PE-Cy7:CD25 AF647:FoxP3 AF700:Va7.2 APC-Fire810:HLA-DR",
            2.0,
            ("tmemory", "tfh-th2", "treg-foxp3", "gdt-mait"),
        ),
    )
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
