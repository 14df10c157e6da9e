"""Helper T cells that make cytokines after stimulation: an extra tube, with its unstimulated twin.

Means are those of docs of the trial, section 3; spreads, the background and the levels are assumed (no measurement).
"""

from __future__ import annotations

import math

import numpy as np

from immunomon.assurance.simulate.biology import Frequencies
from immunomon.assurance.simulate.cells import KINDS, CellKind, Level
from immunomon.assurance.simulate.seeding import generator

__all__ = ["CYTOKINE_SUBSETS", "STIMULATED", "cytokine_frequencies", "helper_mixture", "with_cytokines"]

STIMULATED = "thelper-ics"  # the panel, and the layout of its tube

# Fraction of the CD3+ CD8- helper cells after stimulation: median, log-odds SD between people and between visits, and
# how many times fewer there are without stimulation.
_AFTER = {
    "th1_ifng": (0.21, 0.45, 0.20, 180.0),
    "th17_il17a": (0.014, 0.40, 0.25, 60.0),
    "th17_1_ifng_il17a": (0.004, 0.45, 0.30, 60.0),
    "th2_il4": (0.02, 0.40, 0.25, 40.0),
}
CYTOKINE_SUBSETS = tuple(_AFTER)
_CD8_MAKING_IFNG, _CD8_BACKGROUND = 0.35, 150.0

# What antibodies leave in fixed, permeable cells that make no cytokine.
_BACKGROUND = {"IFN-g": Level(90, 0.30), "IL-17A": Level(75, 0.28), "IL-4": Level(95, 0.28)}
_IFNG, _IL17A, _IL4 = {"IFN-g": Level(4_500, 0.32)}, {"IL-17A": Level(2_600, 0.28)}, {"IL-4": Level(1_500, 0.25)}


def _kinds() -> dict[str, CellKind]:
    helper = {**KINDS["th_dn"].levels, **_BACKGROUND, "CD4": Level(3_200, 0.22)}  # stimulation takes CD4 down
    cytotoxic = {**KINDS["cd8"].levels, **_BACKGROUND, "CD8": Level(6_500, 0.15)}
    made = {
        "ics_none": helper,
        "ics_th1_ifng": {**helper, **_IFNG},
        "ics_th17_il17a": {**helper, **_IL17A},
        "ics_th17_1_ifng_il17a": {**helper, **_IFNG, **_IL17A},
        "ics_th2_il4": {**helper, **_IL4},
        "ics_cd8": cytotoxic,
        "ics_cd8_ifng": {**cytotoxic, **_IFNG},
    }
    return {name: CellKind(name, levels) for name, levels in made.items()}


# Known by name to whoever fills a tube; the other tubes have none of them.
KINDS.update(_kinds())


def cytokine_frequencies(donor: str, visit: str, *, stimulated: bool, seed: int) -> Frequencies:
    """Return the fractions of helper cells that make each cytokine, and of CD8 cells that make IFN-g.

    >>> with_it, without = (cytokine_frequencies("S01", "W4", stimulated=s, seed=1) for s in (True, False))
    >>> with_it["th1_ifng"] > 50 * without["th1_ifng"]
    True
    """
    person, day = generator(seed, "cytokines", donor), generator(seed, "cytokines", donor, visit)
    out = {}
    for name, (median, between, within, fold) in _AFTER.items():
        odds = math.log(median / (1 - median)) + between * _z(person) + within * _z(day)
        fraction = 1 / (1 + math.exp(-odds))
        background = fraction / fold * math.exp(0.3 * _z(day))
        out[name] = fraction if stimulated else background
    out["cd8_ifng"] = _CD8_MAKING_IFNG / (1 if stimulated else _CD8_BACKGROUND)
    return out


def _z(rng: np.random.Generator) -> float:
    return float(rng.standard_normal())


def with_cytokines(frequencies: Frequencies, made: Frequencies) -> Frequencies:
    """Return the fractions of parent of a stimulated or unstimulated tube."""
    return {**frequencies, **made, "cd3pos_cd8neg": 1 - frequencies["cd8"]}


def helper_mixture(t_cells: float, f: Frequencies) -> dict[str, float]:
    """Return the share of the lymphocytes of each kind of T cell in the tube; they sum to ``t_cells``."""
    helper, cytotoxic = t_cells * (1 - f["cd8"]), t_cells * f["cd8"]
    making = {f"ics_{name}": helper * f[name] for name in _AFTER}
    return {
        **making,
        "ics_none": helper - sum(making.values()),
        "ics_cd8": cytotoxic * (1 - f["cd8_ifng"]),
        "ics_cd8_ifng": cytotoxic * f["cd8_ifng"],
    }
