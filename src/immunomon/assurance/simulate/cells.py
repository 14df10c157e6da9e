"""What each kind of cell looks like: size, granularity, own light, and how much of each marker it carries.

Medians are in intensity units of the 262144 scale; spreads are log10 SDs. They are chosen so that lineages part cleanly
and subsets part with a visible valley, as in a decent 8-colour tube; none is a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["BACKGROUND", "KINDS", "CellKind", "Level"]


@dataclass(frozen=True)
class Level:
    """How much of a marker a kind of cell carries: log-normal, or a share of positives over a lower level.

    >>> Level(2000, 0.2, share=0.35, otherwise=100).share
    0.35
    """

    median: float
    spread: float = 0.2
    share: float = 1.0
    otherwise: float = 45.0
    otherwise_spread: float = 0.3


BACKGROUND = Level(45, 0.3)  # what sticks to a cell that does not carry the marker


@dataclass(frozen=True)
class CellKind:
    """A kind of cell: median forward and side scatter area with log10 SDs, own light, and levels by marker.

    background: what it has of every marker that it does not carry.
    """

    name: str
    levels: Mapping[str, Level] = field(default_factory=dict)
    fsc: tuple[float, float] = (90_000, 0.045)
    ssc: tuple[float, float] = (29_000, 0.065)
    light: float = 1.0
    background: Level = BACKGROUND

    def level(self, marker: str) -> Level:
        """Return how much of a marker it carries; of markers on one dye, as much as of the one that it has most of.

        >>> KINDS["b_naive"].level("CD3") == BACKGROUND
        True
        """
        parts = (marker,) if marker in self.levels else marker.split("+")
        return max((self.levels.get(part, self.background) for part in parts), key=lambda level: level.median)


_DUMP = "CD3/CD19/CD20"
_LIVE = {"viability": Level(85, 0.28)}
_LYMPHOCYTE = {**_LIVE, "CD45": Level(13_000, 0.10)}  # of which other leukocytes have less, and red cells none

_T = {**_LYMPHOCYTE, "CD3": Level(12_000, 0.10), _DUMP: Level(8_000, 0.14), "CD27": Level(4_000, 0.2, share=0.7)}
_CD4 = {
    **_T,
    "CD4": Level(9_500, 0.10),
    "CD25": Level(140, 0.28),
    "CD127": Level(4_200, 0.16),
    "CD45RO": Level(240, 0.28),
    "HLA-DR": Level(80, 0.35),
    "CD38": Level(1_500, 0.3, share=0.55, otherwise=260),
    "CXCR3": Level(105, 0.34),
    "CCR6": Level(85, 0.36),
}
_CD4_MEMORY = {
    **_CD4,
    "CD25": Level(500, 0.25),
    "CD127": Level(3_700, 0.18),
    "CD45RO": Level(6_500, 0.18),
    "CCR4": Level(1_900, 0.2, share=0.3, otherwise=90),
    "HLA-DR": Level(2_600, 0.2, share=0.07, otherwise=80),
}
_CD4_ACTIVATED = {
    **_CD4_MEMORY,
    "CD25": Level(1_500, 0.2),
    "CD127": Level(2_300, 0.18),
    "HLA-DR": Level(3_000, 0.2, share=0.4, otherwise=90),
}
_TREG = {**_CD4, "CD25": Level(5_800, 0.18), "CD127": Level(360, 0.24)}
_TREG_MEMORY = {"CD45RO": Level(7_000, 0.17), "CCR4": Level(3_000, 0.2)}
_TREG_RESTING = {"CD45RO": Level(5_500, 0.2, share=0.2, otherwise=240), "CCR4": Level(70, 0.3)}
_TREG_ACTIVATED = {"HLA-DR": Level(4_000, 0.2)}
_CXCR3 = {"CXCR3": Level(1_900, 0.22)}
_CCR6 = {"CCR6": Level(2_700, 0.21)}
_HELPER = {**_CD4, "HLA-DR": Level(2_800, 0.2, share=0.07, otherwise=80)}
_CD8 = {
    **_T,
    "CD8": Level(9_000, 0.12),
    "CD127": Level(2_800, 0.2, share=0.65, otherwise=300),
    "CD45RO": Level(5_500, 0.2, share=0.4, otherwise=260),
    "CD25": Level(90, 0.28),
    "CD38": Level(1_800, 0.3, share=0.5, otherwise=250),
    "HLA-DR": Level(2_800, 0.22, share=0.15, otherwise=80),
    "CXCR3": Level(1_800, 0.24, share=0.55, otherwise=130),
    "CCR6": Level(1_800, 0.22, share=0.06, otherwise=60),
    "CCR4": Level(1_200, 0.22, share=0.06, otherwise=60),
    "CD56": Level(1_500, 0.25, share=0.07),
}
_OTHER_T = {**_T, "CD3": Level(17_000, 0.12), "CD127": Level(1_800, 0.25), "CD45RO": Level(4_500, 0.25, share=0.6)}

_B = {
    **_LYMPHOCYTE,
    "CD19": Level(6_500, 0.12),
    "CD20": Level(8_000, 0.14),
    _DUMP: Level(9_500, 0.14),
    "HLA-DR": Level(11_000, 0.15),
    "CXCR3": Level(900, 0.25, share=0.2),
    "CCR6": Level(2_200, 0.2, share=0.85),
    "CD25": Level(320, 0.28),
}
_B_NAIVE = {
    **_B,
    "CD24": Level(2_600, 0.19),
    "CD38": Level(1_100, 0.22),
    "IgD": Level(6_500, 0.2),
    "CD27": Level(75, 0.3),
}
_B_TRANSITIONAL = {**_B_NAIVE, "CD24": Level(10_500, 0.15), "CD38": Level(8_500, 0.15), "IgD": Level(5_500, 0.2)}
_B_UNSWITCHED = {
    **_B,
    "CD24": Level(4_200, 0.2),
    "CD38": Level(450, 0.25),
    "IgD": Level(3_000, 0.24),
    "CD27": Level(2_900, 0.18),
}
_B_SWITCHED = {
    **_B,
    "CD24": Level(3_800, 0.22),
    "CD38": Level(380, 0.28),
    "IgD": Level(75, 0.42),
    "CD27": Level(3_100, 0.18),
}
_B_DN = {**_B, "CD24": Level(1_600, 0.28), "CD38": Level(420, 0.3), "IgD": Level(85, 0.42), "CD27": Level(85, 0.3)}
_PLASMABLAST = {
    **_B,
    "CD19": Level(3_800, 0.13),
    "CD20": Level(260, 0.3),
    "CD24": Level(130, 0.3),
    "CD27": Level(14_000, 0.15),
    "CD38": Level(32_000, 0.14),
    "IgD": Level(50, 0.3),
}

_NK = {
    **_LYMPHOCYTE,
    "CD8": Level(1_500, 0.25, share=0.35),
    "CD38": Level(2_200, 0.25),
    "CD11c": Level(700, 0.3, share=0.6),
    "CD45RO": Level(300, 0.3),
    "CXCR3": Level(800, 0.25, share=0.3),
}
_NK_DIM = {**_NK, "CD56": Level(2_400, 0.2), "CD16": Level(11_500, 0.2)}
_NK_BRIGHT = {
    **_NK,
    "CD56": Level(18_000, 0.14),
    "CD16": Level(900, 0.25, share=0.2, otherwise=110, otherwise_spread=0.4),
    "CD127": Level(1_200, 0.25),
    "CD27": Level(1_500, 0.25),
    "HLA-DR": Level(1_200, 0.25, share=0.2),
}
_NK_DIM_CD16NEG = {**_NK, "CD56": Level(2_300, 0.2), "CD16": Level(130, 0.4)}
_CD56NEG_CD16POS = {**_NK, "CD56": Level(55, 0.3), "CD16": Level(8_000, 0.17)}
_ODD_LEVELS = {"CD127": Level(1_500, 0.3, share=0.4), "CD45RO": Level(900, 0.35), "HLA-DR": Level(150, 0.3)}
_OTHER_LYMPHOCYTE = {**_LYMPHOCYTE, **_ODD_LEVELS}

# Innate lymphoid cells of type 2, nearly: no lineage marker, CD127hi CD25+ CCR4+ CD45RO+.
_NOVEL = {
    **_LYMPHOCYTE,
    "CD25": Level(2_500, 0.2),
    "CD127": Level(6_500, 0.16),
    "CCR4": Level(3_200, 0.2),
    "CD45RO": Level(4_000, 0.2),
    "CCR6": Level(1_800, 0.22, share=0.6),
}

_MONOCYTE = {
    "viability": Level(150, 0.28),
    "CD45": Level(7_500, 0.12),
    "CD14": Level(14_000, 0.14),
    "CD16": Level(150, 0.3),
    "CD4": Level(1_100, 0.2),
    "HLA-DR": Level(7_000, 0.22),
    "CD11c": Level(9_000, 0.18),
    "CD38": Level(1_800, 0.25),
    "CD45RO": Level(900, 0.3),
    "CD123": Level(350, 0.3),
    "CXCR3": Level(140, 0.3),
    "CD24": Level(120, 0.3),
}
_MONOCYTE_CD16 = {**_MONOCYTE, "CD14": Level(900, 0.25), "CD16": Level(9_000, 0.18), "HLA-DR": Level(11_000, 0.2)}
_MONOCYTE_SMALL = {**_MONOCYTE_CD16, "CD14": Level(350, 0.35)}
_CDC = {
    **_LIVE,
    "CD45": Level(6_000, 0.14),
    "CD4": Level(900, 0.25),
    "HLA-DR": Level(26_000, 0.16),
    "CD11c": Level(14_000, 0.16),
    "CD123": Level(300, 0.3),
}
_PDC = {
    **_LIVE,
    "CD45": Level(7_000, 0.14),
    "CD4": Level(2_500, 0.2),
    "HLA-DR": Level(15_000, 0.16),
    "CD123": Level(15_000, 0.15),
    "CXCR3": Level(2_500, 0.2),
}
_BASOPHIL = {
    **_LIVE,
    "CD45": Level(4_000, 0.14),
    "CD123": Level(13_000, 0.15),
    "CD25": Level(700, 0.3),
    "CD38": Level(2_500, 0.25),
    "CD24": Level(300, 0.3),
}
_GRANULOCYTE = {
    "viability": Level(180, 0.3),
    "CD45": Level(2_800, 0.14),
    "CD16": Level(22_000, 0.2),
    "CD24": Level(7_000, 0.2),
    "CD11c": Level(2_500, 0.25),
}
_EOSINOPHIL = {
    "viability": Level(400, 0.3),
    "CD45": Level(4_500, 0.14),
    "CD24": Level(9_000, 0.2),
    "CD11c": Level(900, 0.3),
    "CD25": Level(160, 0.3),
}
_MONOCYTE_INTERMEDIATE = {
    **_MONOCYTE,
    "CD14": Level(10_000, 0.16),
    "CD16": Level(3_000, 0.25),
    "HLA-DR": Level(16_000, 0.2),
}


def _monocyte(name: str, levels: Mapping[str, Level]) -> CellKind:
    return CellKind(name, levels, fsc=(139_000, 0.045), ssc=(74_000, 0.075), light=2.2)


KINDS: dict[str, CellKind] = {
    kind.name: kind
    for kind in (
        CellKind("tconv_naive", _CD4),
        CellKind("tconv_memory", _CD4_MEMORY, fsc=(92_000, 0.047)),
        CellKind("tconv_activated", _CD4_ACTIVATED, fsc=(97_000, 0.05)),
        CellKind("treg_resting", {**_TREG, **_TREG_RESTING}),
        CellKind("treg_resting_dr", {**_TREG, **_TREG_RESTING, **_TREG_ACTIVATED}),
        CellKind("treg_memory", {**_TREG, **_TREG_MEMORY}),
        CellKind("treg_memory_dr", {**_TREG, **_TREG_MEMORY, **_TREG_ACTIVATED}, fsc=(95_000, 0.05)),
        CellKind("th1", {**_HELPER, **_CXCR3}),
        CellKind("th17", {**_HELPER, **_CCR6}),
        CellKind("th17_1", {**_HELPER, **_CXCR3, **_CCR6}),
        CellKind("th_dn", _HELPER),
        # Helper subsets among memory cells, for tubes that show both.
        CellKind("memory_th1", {**_CD4_MEMORY, **_CXCR3}, fsc=(92_000, 0.047)),
        CellKind("memory_th17", {**_CD4_MEMORY, **_CCR6}, fsc=(92_000, 0.047)),
        CellKind("memory_th17_1", {**_CD4_MEMORY, **_CXCR3, **_CCR6}, fsc=(92_000, 0.047)),
        CellKind("cd8", _CD8),
        CellKind("other_t", _OTHER_T),
        CellKind("b_naive", _B_NAIVE, fsc=(86_000, 0.045)),
        CellKind("b_transitional", _B_TRANSITIONAL, fsc=(88_000, 0.045)),
        CellKind("b_unswitched", _B_UNSWITCHED, fsc=(89_000, 0.048)),
        CellKind("b_switched", _B_SWITCHED, fsc=(90_000, 0.048)),
        CellKind("b_dn", _B_DN, fsc=(89_000, 0.048)),
        CellKind("plasmablast", _PLASMABLAST, fsc=(104_000, 0.05), ssc=(36_000, 0.07), light=1.3),
        CellKind("nk_dim", _NK_DIM, fsc=(92_000, 0.045), ssc=(33_000, 0.065)),
        CellKind("nk_bright", _NK_BRIGHT, fsc=(94_000, 0.045), ssc=(33_000, 0.065)),
        CellKind("nk_dim_cd16neg", _NK_DIM_CD16NEG, fsc=(92_000, 0.045), ssc=(33_000, 0.065)),
        CellKind("nk_cd56neg_cd16pos", _CD56NEG_CD16POS, fsc=(91_000, 0.045), ssc=(33_000, 0.065)),
        CellKind("other_lymphocyte", _OTHER_LYMPHOCYTE),
        CellKind("novel", _NOVEL),
        _monocyte("monocyte", _MONOCYTE),
        _monocyte("monocyte_cd16", _MONOCYTE_CD16),
        CellKind("cdc", _CDC, fsc=(124_000, 0.05), ssc=(52_000, 0.07), light=1.8),
        CellKind("pdc", _PDC, fsc=(106_000, 0.05), ssc=(41_000, 0.07), light=1.2),
        CellKind("basophil", _BASOPHIL, fsc=(82_000, 0.05), ssc=(40_000, 0.07), light=1.2),
        CellKind("granulocyte", _GRANULOCYTE, fsc=(122_000, 0.06), ssc=(148_000, 0.09), light=2.5),
        _monocyte("monocyte_intermediate", _MONOCYTE_INTERMEDIATE),
        # Non-classical monocytes are smaller and less granular than classical ones, and some have next to no CD14.
        CellKind("monocyte_small", _MONOCYTE_SMALL, fsc=(113_000, 0.055), ssc=(47_000, 0.085), light=1.6),
        CellKind("eosinophil", _EOSINOPHIL, fsc=(110_000, 0.06), ssc=(190_000, 0.08), light=6.0),
        CellKind("erythrocyte", {"viability": Level(60, 0.3)}, fsc=(31_000, 0.09), ssc=(11_000, 0.13), light=0.5),
        # A counting bead shines in every detector, as it is made to; what it carries is no marker.
        CellKind("bead", fsc=(60_000, 0.015), ssc=(95_000, 0.02), background=Level(40_000, 0.03)),
        CellKind("debris", {"viability": Level(120, 0.4)}, fsc=(14_000, 0.19), ssc=(9_000, 0.24), light=0.35),
    )
}
