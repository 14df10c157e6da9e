"""How frequent each population is in each person at each visit, and what treatment does to it.

Means, spreads and effects: docs of the trial, section 3; where they give a figure for ITP it is used. Figures marked
``assumed`` below are common knowledge of the field and no one's measurement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

__all__ = [
    "NOVEL",
    "PARENTS",
    "TIME_PROFILE",
    "TRAITS",
    "Donor",
    "Frequencies",
    "Trait",
    "draw_donor",
    "healthy_donor",
    "visit_frequencies",
]

Frequencies = dict[str, float]  # population -> fraction of its parent

TIME_PROFILE: dict[str, float] = {"D-1": 0.0, "W2": 0.5, "W4": 1.0, "W8": 1.0, "W12": 0.8, "W16": 0.6, "W28": 0.35}


# The population of the scenario ``novel``, its fraction of the lymphocytes, and the visits that it is there at.
NOVEL = "novel"
_NOVEL_SHARE, _NOVEL_WITHIN = 0.005, 0.20
_NOVEL_VISITS = ("W4", "W8", "W12", "W16", "W28")


@dataclass(frozen=True)
class Trait:
    """A frequency that is drawn: percent of its parent in ITP and in health, its spreads, and its effect by dose.

    sd: between patients, percent of parent; within: log-odds SD from visit to visit; peak: log-odds at doses A, B, C.
    """

    population: str
    parent: str
    itp: float
    sd: float
    healthy: float
    within: float
    peak: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def between(self) -> float:
        """The log-odds SD between patients, within 0.15 to 0.7."""
        p = self.itp / 100
        whole = self.sd / 100 / (p * (1 - p))
        return float(np.clip(math.sqrt(max(whole**2 - self.within**2, 0.0)), 0.15, 0.7))


TRAITS: tuple[Trait, ...] = (
    Trait("t_cells", "lymphocytes", 62.7, 6.6, 69.9, 0.10),
    Trait("b_cells", "lymphocytes", 18.9, 4.3, 13.2, 0.18),
    Trait("nk", "lymphocytes", 11.0, 4.9, 14.7, 0.18),
    Trait("nk_cd56neg_cd16pos", "lymphocytes", 1.5, 0.6, 0.8, 0.20),  # assumed
    Trait("cd4", "t_cells", 47.0, 6.0, 55.9, 0.10),  # CD4 and CD8 of lymphocytes, divided by CD3
    Trait("cd8", "t_cells", 48.3, 6.0, 37.1, 0.10),
    Trait("treg", "cd4", 3.5, 1.2, 6.1, 0.18, (0.15, 0.35, 0.55)),
    Trait("treg_memory", "treg", 65.0, 8.0, 65.0, 0.15),  # assumed
    Trait("treg_activated", "treg", 25.0, 7.0, 25.0, 0.15),  # assumed
    Trait("th1", "cd4", 14.0, 5.0, 10.0, 0.20, (-0.10, -0.20, -0.30)),
    Trait("th17", "cd4", 10.0, 4.0, 8.0, 0.22, (-0.15, -0.30, -0.50)),
    Trait("th17_1", "cd4", 4.0, 2.0, 4.0, 0.25),
    Trait("b_naive", "b_cells", 65.0, 10.0, 65.0, 0.18),
    Trait("b_unswitched", "b_cells", 12.0, 5.0, 12.0, 0.18),
    Trait("b_switched", "b_cells", 15.0, 6.0, 15.0, 0.18),
    Trait("b_dn", "b_cells", 8.0, 3.0, 8.0, 0.18),
    Trait("b_transitional", "b_cells", 3.1, 2.6, 5.4, 0.40, (0.15, 0.30, 0.45)),
    Trait("plasmablasts", "b_cells", 0.8, 0.6, 0.8, 0.40, (-0.20, -0.35, -0.50)),
    Trait("nk_bright", "nk", 6.5, 4.3, 4.2, 0.22),
    Trait("nk_dim_cd16neg", "nk", 6.0, 3.0, 5.0, 0.22),  # assumed
)

PARENTS: dict[str, str] = {
    **{trait.population: trait.parent for trait in TRAITS},
    "th_dn": "cd4",
    "nk_dim": "nk",
}

# What the named populations leave over, by whether the donor has ITP: of lymphocytes, and of T cells.
_OTHER_LYMPHOCYTES = {True: 0.059, False: 0.014}
_OTHER_T_CELLS = {True: 0.047, False: 0.070}


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@dataclass(frozen=True)
class Donor:
    """A person: the log-odds of every trait without treatment, and what treatment does at its peak.

    novel: whether treatment brings forth cells of the kind NOVEL; None where the trial has no such cells.
    """

    name: str
    log_odds: Mapping[str, float]
    peak_effect: Mapping[str, float]
    has_itp: bool = True
    novel: bool | None = None

    def with_percents(self, percents: Mapping[str, float]) -> Donor:
        """Return the same person with other frequencies, in percent of parent, before they are fitted together."""
        return replace(self, log_odds={**self.log_odds, **{n: _logit(p / 100) for n, p in percents.items()}})

    def frequencies(self, effect: float = 0.0, noise: Mapping[str, float] | None = None) -> Frequencies:
        """Return the fractions of parent at ``effect`` times the peak, with ``noise`` added to the log-odds."""
        shifts = noise or {}
        drawn = {
            name: _expit(base + effect * self.peak_effect.get(name, 0.0) + shifts.get(name, 0.0))
            for name, base in self.log_odds.items()
        }
        return _fitted_together(drawn, _OTHER_LYMPHOCYTES[self.has_itp], _OTHER_T_CELLS[self.has_itp])


def _fitted_together(drawn: Mapping[str, float], other_lymphocytes: float, other_t_cells: float) -> Frequencies:
    """Make drawn fractions agree: partitions sum to 1, and a subset fits into the population it is a part of."""
    out = dict(drawn)
    lineages = ("t_cells", "b_cells", "nk", "nk_cd56neg_cd16pos")
    _scale(out, lineages, 1 / (sum(out[name] for name in lineages) + other_lymphocytes))
    _scale(out, ("cd4", "cd8"), 1 / (out["cd4"] + out["cd8"] + other_t_cells))
    helpers = ("th1", "th17", "th17_1")
    _scale(out, helpers, min(1.0, 0.9 / sum(out[name] for name in helpers)))
    out["th_dn"] = 1 - sum(out[name] for name in helpers)
    quadrants = ("b_naive", "b_unswitched", "b_switched", "b_dn")
    _scale(out, quadrants, 1 / sum(out[name] for name in quadrants))
    out["b_transitional"] = min(out["b_transitional"], 0.6 * out["b_naive"])
    out["plasmablasts"] = min(out["plasmablasts"], 0.6 * out["b_switched"])
    _scale(out, ("nk_bright", "nk_dim_cd16neg"), min(1.0, 0.9 / (out["nk_bright"] + out["nk_dim_cd16neg"])))
    out["nk_dim"] = 1 - out["nk_bright"] - out["nk_dim_cd16neg"]
    return out


def _scale(fractions: Frequencies, names: tuple[str, ...], factor: float) -> None:
    for name in names:
        fractions[name] *= factor


def draw_donor(name: str, dose: int, factor: float, *, b_depleted: bool, rng: np.random.Generator) -> Donor:
    """Return a patient with ITP: dose is 0, 1, 2 for A, B, C; factor multiplies the dose's effect.

    b_depleted: CD19+ cells are about 0.05 to 1.7 % of lymphocytes, as after recent rituximab.

    >>> donor = draw_donor("S01", 2, 1.4, b_depleted=False, rng=np.random.default_rng(1))
    >>> round(donor.peak_effect["treg"], 3)
    0.77
    """
    log_odds = {t.population: _logit(t.itp / 100) + t.between * float(rng.standard_normal()) for t in TRAITS}
    depleted = _logit(float(rng.uniform(0.0005, 0.0125)))
    if b_depleted:
        log_odds["b_cells"] = depleted
    effect = {t.population: factor * t.peak[dose] for t in TRAITS if any(t.peak)}
    return Donor(name, log_odds, effect)


def healthy_donor(name: str) -> Donor:
    """Return the healthy person whose frozen cells are run with every batch: always the same.

    >>> round(100 * healthy_donor("BRIDGE").frequencies()["treg"], 1)
    6.1
    """
    return Donor(name, {t.population: _logit(t.healthy / 100) for t in TRAITS}, {}, has_itp=False)


def visit_frequencies(donor: Donor, visit: str, rng: np.random.Generator) -> tuple[Frequencies, Frequencies]:
    """Return a visit's fractions of parent as drawn, and the treatment's effect on each in log-odds, before noise.

    >>> donor = draw_donor("S01", 2, 1.4, b_depleted=False, rng=np.random.default_rng(1))
    >>> drawn, effect = visit_frequencies(donor, "W2", np.random.default_rng(2))
    >>> round(effect["treg"], 3), round(effect["nk"], 3)
    (0.385, 0.0)
    """
    noise = {t.population: t.within * float(rng.standard_normal()) for t in TRAITS}
    profile = TIME_PROFILE[visit]
    without, treated = donor.frequencies(), donor.frequencies(profile)
    effect = {name: _logit(treated[name]) - _logit(without[name]) for name in without}
    drawn = donor.frequencies(profile, noise)
    if donor.novel is not None:  # drawn last, so that the rest of the blood is that of the other scenarios
        there = donor.novel and visit in _NOVEL_VISITS
        share = _expit(_logit(_NOVEL_SHARE) + _NOVEL_WITHIN * float(rng.standard_normal()))
        drawn[NOVEL], effect[NOVEL] = (share, math.inf) if there else (0.0, 0.0)
    return drawn, effect
