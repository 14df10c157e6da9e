"""How far the cells of a sample look otherwise than described: background, Fc receptors, spread, viability dye."""

from __future__ import annotations

from dataclasses import dataclass, replace

from immunomon.assurance.simulate.cells import KINDS, Level
from immunomon.assurance.simulate.seeding import generator

__all__ = ["AS_DESCRIBED", "NOT_LYMPHOCYTES", "Appearance"]

NOT_LYMPHOCYTES: tuple[str, ...] = (
    *("monocyte", "monocyte_intermediate", "monocyte_cd16", "monocyte_small", "cdc", "pdc", "basophil"),
    *("granulocyte", "eosinophil", "erythrocyte", "bead", "debris"),
)
# Cells whose Fc receptors bind antibodies by the wrong end, where these were not blocked.
_WITH_FC_RECEPTORS = (
    *("monocyte", "monocyte_intermediate", "monocyte_cd16", "monocyte_small", "cdc", "granulocyte", "eosinophil"),
)


@dataclass(frozen=True)
class Appearance:
    """How far the cells look otherwise than ``KINDS`` describes them.

    background_spread: log10 SD, between kinds of cell, of what a marker leaves on cells that do not carry it;
    fc_binding: times that background on cells with Fc receptors; spread: times the log10 SD of every level;
    scatter_spread: times that of forward and side scatter; viability_background: times the dye that live cells take up.
    """

    background_spread: float = 0.0
    fc_binding: float = 1.0
    spread: float = 1.0
    scatter_spread: float = 1.0
    viability_background: float = 1.0

    def level(self, kind: str, marker: str) -> Level:
        """Return how much of a marker a kind of cell carries.

        >>> Appearance(fc_binding=3.0).level("monocyte", "CD3").median / KINDS["monocyte"].background.median
        3.0
        """
        level = KINDS[kind].level(marker)
        factor = self.viability_background if marker == "viability" else 1.0
        if marker not in KINDS[kind].levels:
            factor = self.fc_binding if kind in _WITH_FC_RECEPTORS else 1.0
            # The same in every trial: it belongs to the kind of cell and the antibody.
            factor *= 10 ** (self.background_spread * float(generator(0, "background", kind, marker).standard_normal()))
        return replace(
            level,
            median=level.median * factor,
            spread=level.spread * self.spread,
            otherwise_spread=level.otherwise_spread * self.spread,
        )


AS_DESCRIBED = Appearance()
