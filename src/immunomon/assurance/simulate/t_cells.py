"""T cells by differentiation, activation, help and receptor: two extra tubes, of eight and of twenty colours.

Shares and levels are assumed: common knowledge of the field, and no one's measurement.
"""

from __future__ import annotations

import math

from immunomon.assurance.simulate.biology import Frequencies
from immunomon.assurance.simulate.cells import KINDS, CellKind, Level
from immunomon.assurance.simulate.seeding import generator

__all__ = ["T_SUBSETS", "T_TUBES", "subset_frequencies", "subset_mixture", "with_subsets"]

_HIGH_RA, _LOW_RA = {"CD45RA": Level(7_000, 0.17)}, {"CD45RA": Level(260, 0.28)}
_HIGH_R7, _LOW_R7 = {"CCR7": Level(2_600, 0.2)}, {"CCR7": Level(95, 0.3)}
_NAIVE, _CENTRAL = {**_HIGH_RA, **_HIGH_R7}, {**_LOW_RA, **_HIGH_R7, "CCR7": Level(2_000, 0.21)}
_EFFECTOR, _TEMRA = {**_LOW_RA, **_LOW_R7}, {**_HIGH_RA, **_LOW_R7}
_RESTING = {"CD38": Level(190, 0.28), "HLA-DR": Level(80, 0.35)}
_NAIVE_CD38 = {"CD38": Level(1_500, 0.25)}
_WITH_DR = {"HLA-DR": Level(2_800, 0.2)}
_ACTIVATED = {"CD38": Level(5_000, 0.2), "HLA-DR": Level(3_600, 0.2)}
_EVERY = {
    "CXCR5": Level(95, 0.3),
    "PD-1": Level(85, 0.32),
    "FoxP3": Level(130, 0.28),
    "TCRgd": Level(60, 0.3),
    "Va7.2": Level(2_600, 0.22, share=0.02, otherwise=60),
    "CD161": Level(900, 0.25, share=0.15, otherwise=75),
}
_CD4_MEMORY = {"CD25": Level(420, 0.25), "CD127": Level(3_700, 0.18), "CCR4": Level(90, 0.3), "CXCR3": Level(105, 0.34)}
_CXCR3, _CCR6, _CCR4 = {"CXCR3": Level(1_900, 0.22)}, {"CCR6": Level(2_700, 0.21)}, {"CCR4": Level(2_400, 0.2)}
_TFH, _PD1 = {"CXCR5": Level(2_300, 0.2)}, {"PD-1": Level(2_600, 0.22)}
_TREG = {"CD25": Level(5_800, 0.18), "CD127": Level(360, 0.24), "FoxP3": Level(3_600, 0.2)}


def _kinds() -> dict[str, CellKind]:
    cd4 = {**KINDS["tconv_naive"].levels, **_EVERY, **_RESTING}
    helper = {**cd4, **_CD4_MEMORY}
    cd8 = {**KINDS["cd8"].levels, **_EVERY, **_RESTING}
    gamma_delta = {**KINDS["other_t"].levels, **_EVERY, **_TEMRA, "TCRgd": Level(3_200, 0.2)}
    made = {
        "t4_naive": {**cd4, **_NAIVE, **_NAIVE_CD38},
        "t4_naive_treg": {**cd4, **_TREG, **_NAIVE, **_NAIVE_CD38},
        "t4_cm": {**helper, **_CENTRAL},
        "t4_cm_th2": {**helper, **_CENTRAL, **_CCR4},
        "t4_cm_tfh": {**helper, **_CENTRAL, **_TFH},
        "t4_cm_tfh_pd1": {**helper, **_CENTRAL, **_TFH, **_PD1},
        "t4_cm_treg": {**helper, **_TREG, **_CENTRAL, **_CCR4},
        "t4_em_th1": {**helper, **_EFFECTOR, **_CXCR3},
        "t4_em_th17": {**helper, **_EFFECTOR, **_CCR6, **_CCR4},
        "t4_em_dr": {**helper, **_EFFECTOR, **_WITH_DR},
        "t4_em_activated": {**helper, **_EFFECTOR, **_ACTIVATED, "PD-1": Level(1_800, 0.25, share=0.3, otherwise=90)},
        "t4_em": {**helper, **_EFFECTOR},
        "t4_temra": {**helper, **_TEMRA},
        "t8_naive": {**cd8, **_NAIVE, **_NAIVE_CD38},
        "t8_cm": {**cd8, **_CENTRAL},
        "t8_em": {**cd8, **_EFFECTOR},
        "t8_em_dr": {**cd8, **_EFFECTOR, **_WITH_DR},
        "t8_em_activated": {**cd8, **_EFFECTOR, **_ACTIVATED},
        "t8_mait": {**cd8, **_EFFECTOR, "Va7.2": Level(4_200, 0.17), "CD161": Level(8_000, 0.18)},
        "t8_temra": {**cd8, **_TEMRA},
        "t_gamma_delta": gamma_delta,
        "t_other": {**KINDS["other_t"].levels, **_EVERY, **_EFFECTOR},
    }
    return {name: CellKind(name, levels) for name, levels in made.items()}


KINDS.update(_kinds())  # known by name to whoever fills a tube, as those of the stimulated tube are

# Share of what stands before it, in percent, and its log-odds SD between people and between visits; what is left over
# is effector memory, and of each set the plain kind of its name.
_OF_CD4 = {"naive": (40.0, 0.45, 0.12), "cm": (32.0, 0.25, 0.12), "temra": (5.0, 0.5, 0.15)}
_OF_CD8 = {"naive": (32.0, 0.5, 0.12), "cm": (11.0, 0.3, 0.15), "temra": (24.0, 0.45, 0.12)}
_OF_PART = {
    "t4_cm_th2": ("t4_cm", 15.0, 0.3, 0.15),
    "t4_cm_tfh": ("t4_cm", 18.0, 0.3, 0.15),
    "t4_cm_tfh_pd1": ("t4_cm", 9.0, 0.35, 0.2),
    "t4_em_th1": ("t4_em", 30.0, 0.3, 0.15),
    "t4_em_th17": ("t4_em", 20.0, 0.3, 0.15),
    "t4_em_dr": ("t4_em", 8.0, 0.4, 0.2),
    "t4_em_activated": ("t4_em", 9.0, 0.4, 0.25),
    "t8_em_dr": ("t8_em", 15.0, 0.4, 0.2),
    "t8_em_activated": ("t8_em", 16.0, 0.4, 0.25),
    "t8_mait": ("t8_em", 14.0, 0.5, 0.15),
    "t_gamma_delta": ("t_other", 70.0, 0.4, 0.12),
}
_TREG_IN_MEMORY = 0.7

_CD4 = tuple(name for name in KINDS if name.startswith("t4_"))
_CD8 = tuple(name for name in KINDS if name.startswith("t8_"))


def _of(kinds: tuple[str, ...], *parts: str) -> tuple[str, ...]:
    return tuple(name for name in kinds if name.split("_")[1] in parts)


# Each population's parent and the kinds it holds.
T_SUBSETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "t_cells": ("lymphocytes", (*_CD4, *_CD8, "t_gamma_delta", "t_other")),
    "cd4": ("t_cells", _CD4),
    "cd8": ("t_cells", _CD8),
    **{f"cd4_{part}": ("cd4", _of(_CD4, part)) for part in ("naive", "cm", "em", "temra")},
    **{
        f"cd8_{part}": ("cd8", (*_of(_CD8, part), *(("t8_mait",) if part == "em" else ())))
        for part in ("naive", "cm", "em", "temra")
    },
    "cd4_activated": ("cd4", ("t4_em_activated",)),
    "cd8_activated": ("cd8", ("t8_em_activated",)),
    "tfh": ("cd4", ("t4_cm_tfh", "t4_cm_tfh_pd1")),
    "tfh_pd1": ("tfh", ("t4_cm_tfh_pd1",)),
    "th2": ("cd4", ("t4_cm_th2", "t4_cm_treg")),  # regulatory cells have CCR4, too
    "treg_foxp3": ("cd4", ("t4_naive_treg", "t4_cm_treg")),
    "gamma_delta": ("t_cells", ("t_gamma_delta",)),
    "mait": ("t_cells", ("t8_mait",)),
}
# The tubes, by panel, and the populations that each can tell apart.
T_TUBES: dict[str, tuple[str, ...]] = {
    "tcell20": tuple(T_SUBSETS),
    "tmemory": tuple(name for name in T_SUBSETS if name == "t_cells" or name.startswith("cd")),
}


def subset_frequencies(donor: str, visit: str, *, seed: int) -> Frequencies:
    """Return the shares that are drawn for a person's visit, by kind of cell.

    >>> shares = subset_frequencies("S01", "W4", seed=1)
    >>> 0.15 < shares["t4_naive"] < 0.75
    True
    """
    person, day = generator(seed, "T cells", donor), generator(seed, "T cells", donor, visit)
    drawn = {f"t4_{part}": how for part, how in _OF_CD4.items()} | {f"t8_{part}": how for part, how in _OF_CD8.items()}
    drawn |= {name: tuple(how) for name, (_, *how) in _OF_PART.items()}  # type: ignore[misc]
    shares = {}
    for name, (percent, between, within) in drawn.items():
        odds = math.log(percent / (100 - percent))
        odds += between * float(person.standard_normal()) + within * float(day.standard_normal())
        shares[name] = 1 / (1 + math.exp(-odds))
    return shares


def subset_mixture(t_cells: float, f: Frequencies) -> dict[str, float]:
    """Return the share of the lymphocytes of each kind of T cell in the tube; they sum to ``t_cells``."""
    cd4, cd8 = t_cells * f["cd4"], t_cells * f["cd8"]
    treg = {"t4_cm_treg": cd4 * f["treg"] * _TREG_IN_MEMORY, "t4_naive_treg": cd4 * f["treg"] * (1 - _TREG_IN_MEMORY)}
    kinds = {"t_other": t_cells - cd4 - cd8, **treg}
    for stem, whole, drawn in (("t4", cd4 - sum(treg.values()), _OF_CD4), ("t8", cd8, _OF_CD8)):
        # Naive, central memory and TEMRA leave a tenth at least to effector memory cells.
        shares = {part: f[f"{stem}_{part}"] for part in drawn}
        fit = min(1.0, 0.9 / sum(shares.values()))
        kinds |= {f"{stem}_{part}": whole * share * fit for part, share in shares.items()}
        kinds[f"{stem}_em"] = whole * (1 - fit * sum(shares.values()))
    wholes = dict(kinds)
    for name, (of, *_) in _OF_PART.items():
        kinds[name] = f[name] * wholes[of]
        kinds[of] -= kinds[name]
    return kinds


def with_subsets(frequencies: Frequencies, drawn: Frequencies) -> Frequencies:
    """Return the fractions of parent in the tube: those of other tubes, what was drawn, and each population's."""
    f = {**frequencies, **drawn}
    kinds = subset_mixture(1.0, f)
    held = {name: sum(kinds[kind] for kind in of) for name, (_, of) in T_SUBSETS.items()}
    own = {name: held[name] / held[parent] for name, (parent, _) in T_SUBSETS.items() if parent in held}
    return {**f, **own}
