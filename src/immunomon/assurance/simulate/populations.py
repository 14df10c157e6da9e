"""Which kinds of cell make up each tube's sample, and which of them each truth population holds."""

from __future__ import annotations

from dataclasses import dataclass

from immunomon.assurance.simulate.biology import NOVEL, PARENTS, Frequencies
from immunomon.assurance.simulate.stimulation import CYTOKINE_SUBSETS, STIMULATED, helper_mixture
from immunomon.assurance.simulate.t_cells import T_SUBSETS, T_TUBES, subset_mixture

__all__ = ["ROOT_PARENTS", "TruthPopulation", "lymphocyte_mixture", "truth_populations"]

ROOT_PARENTS: dict[str, str] = {"singlets": "root", "live": "singlets", "lymphocytes": "live"}

_TREG_RESTING = ("treg_resting", "treg_resting_dr")
_TREG_MEMORY = ("treg_memory", "treg_memory_dr")
_TREG = (*_TREG_RESTING, *_TREG_MEMORY)
_TCONV = ("tconv_naive", "tconv_memory", "tconv_activated")
_HELPERS = ("th1", "th17", "th17_1", "th_dn")
_B = ("b_naive", "b_transitional", "b_unswitched", "b_switched", "b_dn", "plasmablast")
_MAKING = tuple(f"ics_{name}" for name in CYTOKINE_SUBSETS)
_NK = ("nk_dim", "nk_bright", "nk_dim_cd16neg")


@dataclass(frozen=True)
class TruthPopulation:
    """A population of known members: its id, its parent's id, and the kinds of lymphocyte it holds."""

    id: str
    parent: str
    kinds: tuple[str, ...]


# What tubes of other markers than the shipped panels' can tell apart.
_SEEN: dict[str, tuple[str, ...]] = {
    **{"treg10": ("treg",), "blood20": ("treg", "thelper", "bcell"), "innate8": ("nk",)}
}
_MONOCYTES = ("monocyte", "monocyte_intermediate", "monocyte_cd16", "monocyte_small")
_MYELOID = (
    TruthPopulation("monocytes", "live", _MONOCYTES),
    TruthPopulation("mono_classical", "monocytes", _MONOCYTES[:1]),
    TruthPopulation("mono_intermediate", "monocytes", _MONOCYTES[1:2]),
    TruthPopulation("mono_nonclassical", "monocytes", _MONOCYTES[2:]),
    TruthPopulation("dc", "live", ("cdc", "pdc")),
    TruthPopulation("mdc", "dc", ("cdc",)),
    TruthPopulation("pdc", "dc", ("pdc",)),
)
_MEMORY_HELPERS = tuple(f"memory_{name}" for name in ("th1", "th17", "th17_1"))


def _truth(kinds_by_population: dict[str, tuple[str, ...]]) -> tuple[TruthPopulation, ...]:
    return tuple(TruthPopulation(name, PARENTS[name], kinds) for name, kinds in kinds_by_population.items())


_TRUTH: dict[str, tuple[TruthPopulation, ...]] = {
    "treg": _truth(
        {
            "t_cells": (*_TCONV, *_TREG, "cd8", "other_t"),
            "cd4": (*_TCONV, *_TREG),
            "treg": _TREG,
            "treg_memory": _TREG_MEMORY,
            "treg_activated": ("treg_resting_dr", "treg_memory_dr"),
        }
    ),
    "thelper": _truth(
        {
            "t_cells": (*_HELPERS, "cd8", "other_t"),
            "cd4": _HELPERS,
            "cd8": ("cd8",),
            **{name: (name,) for name in _HELPERS},
        }
    ),
    "bcell": _truth(
        {
            "t_cells": ("tconv_memory", "cd8", "other_t"),
            "b_cells": _B,
            "b_naive": ("b_naive", "b_transitional"),
            "b_unswitched": ("b_unswitched",),
            "b_switched": ("b_switched", "plasmablast"),
            "b_dn": ("b_dn",),
            "plasmablasts": ("plasmablast",),
            "b_transitional": ("b_transitional",),
        }
    ),
    "nk": _truth(
        {
            "nk": _NK,
            "nk_bright": ("nk_bright",),
            "nk_dim": ("nk_dim",),
            "nk_dim_cd16neg": ("nk_dim_cd16neg",),
            "nk_cd56neg_cd16pos": ("nk_cd56neg_cd16pos",),
        }
    ),
    "tbnk": _truth(
        {
            "t_cells": ("tconv_memory", "cd8", "other_t"),
            "cd4": ("tconv_memory",),
            "cd8": ("cd8",),
            "b_cells": ("b_naive",),
            "nk": ("nk_dim",),
        }
    ),
    STIMULATED: (
        TruthPopulation("t_cells", "lymphocytes", ("ics_none", *_MAKING, "ics_cd8", "ics_cd8_ifng")),
        TruthPopulation("cd3pos_cd8neg", "t_cells", ("ics_none", *_MAKING)),
        *(TruthPopulation(name, "cd3pos_cd8neg", (f"ics_{name}",)) for name in CYTOKINE_SUBSETS),
    ),
    **{tube: tuple(TruthPopulation(name, *T_SUBSETS[name]) for name in names) for tube, names in T_TUBES.items()},
}


def truth_populations(panel: str) -> tuple[TruthPopulation, ...]:
    """Return the populations below lymphocytes that a tube can see, parents before children.

    >>> [population.id for population in truth_populations("nk")][:2]
    ['nk', 'nk_bright']
    """
    if panel not in _SEEN:
        return _TRUTH[panel]
    declared = {population.id: population for seen in reversed(_SEEN[panel]) for population in _TRUTH[seen]}
    if len(_SEEN[panel]) > 1:
        cd4 = (*_TCONV, *_TREG, *_MEMORY_HELPERS)
        declared |= {
            "t_cells": TruthPopulation("t_cells", "lymphocytes", (*cd4, "cd8", "other_t")),
            "cd4": TruthPopulation("cd4", "t_cells", cd4),
            "th_dn": TruthPopulation("th_dn", "cd4", (*_TCONV, *_TREG)),
            **{
                name.removeprefix("memory_"): TruthPopulation(name.removeprefix("memory_"), "cd4", (name,))
                for name in _MEMORY_HELPERS
            },
        }
    above = [declared.pop(name) for name in ("t_cells", "cd4") if name in declared]
    return (*above, *declared.values(), *(_MYELOID if panel == "innate8" else ()))


def lymphocyte_mixture(panel: str, f: Frequencies) -> dict[str, float]:
    """Return each kind's share of the lymphocytes in a tube, from fractions of parent; the shares sum to 1.

    A tube that cannot tell some kinds apart gets one of them for all.

    >>> from immunomon.assurance.simulate.biology import healthy_donor
    >>> round(sum(lymphocyte_mixture("bcell", healthy_donor("D").frequencies()).values()), 9)
    1.0
    """
    t, b, nk = f["t_cells"], f["b_cells"], f["nk"]
    if panel == STIMULATED:
        out = helper_mixture(t, f)
    elif panel in T_TUBES:
        out = subset_mixture(t, f)
    else:
        out = {"cd8": t * f["cd8"], "other_t": t * (1 - f["cd4"] - f["cd8"])}
        out |= _cd4_mixture(panel, t * f["cd4"], f)
    seen = _SEEN.get(panel, (panel,))
    out |= _b_mixture(b, f) if "bcell" in seen else {"b_naive": b}
    out |= {name: nk * f[name] for name in _NK} if "nk" in seen else {"nk_dim": nk}
    # On a tube with both on one dye they would be NK cells, and NK cells are what other tubes call so.
    apart = 0.0 if panel == "tbnk" else f["nk_cd56neg_cd16pos"]
    out["nk_cd56neg_cd16pos"] = apart
    out["other_lymphocyte"] = 1 - t - b - nk - apart
    if NOVEL in f:
        return {kind: share * (1 - f[NOVEL]) for kind, share in out.items()} | {NOVEL: f[NOVEL]}
    return out


def _cd4_mixture(panel: str, cd4: float, f: Frequencies) -> dict[str, float]:
    if panel == "thelper":
        return {name: cd4 * f[name] for name in _HELPERS}
    seen = _SEEN.get(panel, (panel,))
    if "treg" not in seen:
        return {"tconv_memory": cd4}
    treg, memory, activated = cd4 * f["treg"], f["treg_memory"], f["treg_activated"]
    # HLA-DR is commoner on memory cells; the two shares together keep the drawn one.
    in_memory = min(1.3 * activated, activated / memory)
    in_resting = (activated - memory * in_memory) / (1 - memory)
    helpers = {f"memory_{name}": cd4 * f[name] for name in _HELPERS[:-1]} if "thelper" in seen else {}
    tconv = cd4 - treg - sum(helpers.values())
    return {
        **helpers,
        "treg_memory": treg * memory * (1 - in_memory),
        "treg_memory_dr": treg * memory * in_memory,
        "treg_resting": treg * (1 - memory) * (1 - in_resting),
        "treg_resting_dr": treg * (1 - memory) * in_resting,
        "tconv_naive": 0.43 * tconv,
        "tconv_memory": 0.54 * tconv,
        "tconv_activated": 0.03 * tconv,
    }


def _b_mixture(b: float, f: Frequencies) -> dict[str, float]:
    return {
        "b_transitional": b * f["b_transitional"],
        "b_naive": b * (f["b_naive"] - f["b_transitional"]),
        "b_unswitched": b * f["b_unswitched"],
        "plasmablast": b * f["plasmablasts"],
        "b_switched": b * (f["b_switched"] - f["plasmablasts"]),
        "b_dn": b * f["b_dn"],
    }
