"""Ratios of two populations' frequencies that are followed over time: every study's, and those that it declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from immunomon.study.model.uses import PanelUse, panels_meant, tube_of

__all__ = ["RATIOS", "RatioQuantity", "RatioTerm", "all_ratios", "ratios_in"]


@dataclass(frozen=True)
class RatioTerm:
    """One side of a ratio: a population's percent of a denominator, measured with a panel, or by a strategy."""

    panel: str
    population: str
    denominator: str


@dataclass(frozen=True)
class RatioQuantity:
    """A ratio of two percents, which may come from two tubes of one visit; it needs both to be reportable.

    In the table its panel is ``NUMERATOR'S/DENOMINATOR'S``, and so is its sample_id; its denominator is the lower
    term's population. population: its name; label: blank for the labels of both populations.
    """

    population: str
    label: str
    upper: RatioTerm
    lower: RatioTerm

    def on(self, uses: Sequence[PanelUse]) -> tuple[RatioQuantity, ...]:
        """Return the ratio of the panels in use that its terms mean; of both terms in one tube, if any tube has both.

        >>> uses = [PanelUse("blood20~treg", "treg"), PanelUse("blood20~thelper", "thelper")]
        >>> [(ratio.upper.panel, ratio.lower.panel) for ratio in RATIOS[0].on(uses)]
        [('blood20~thelper', 'blood20~treg')]
        """
        above, below = (panels_meant(term.panel, uses) or (term.panel,) for term in (self.upper, self.lower))
        pairs = [(upper, lower) for upper in above for lower in below]
        in_one_tube = [(upper, lower) for upper, lower in pairs if tube_of(upper) == tube_of(lower)]
        return tuple(
            replace(self, upper=replace(self.upper, panel=upper), lower=replace(self.lower, panel=lower))
            for upper, lower in in_one_tube or pairs
        )


RATIOS = (
    RatioQuantity("th17_treg", "Th17/Treg", RatioTerm("thelper", "th17", "cd4"), RatioTerm("treg", "treg", "cd4")),
)


def all_ratios(declared: Sequence[RatioQuantity]) -> tuple[RatioQuantity, ...]:
    """Return the ratios of a study: those that it declares, and those that every study has.

    >>> [ratio.population for ratio in all_ratios(RATIOS)]
    ['th17_treg']
    """
    names = {ratio.population for ratio in declared}
    return (*declared, *(ratio for ratio in RATIOS if ratio.population not in names))


def ratios_in(study: Mapping[str, Any]) -> tuple[RatioQuantity, ...]:
    """Return the ratios of a study as the record of its run has it.

    >>> ratios_in({}) == RATIOS
    True
    """
    declared = study.get("ratios") or ()
    return all_ratios(
        [
            RatioQuantity(**{**ratio, **{side: RatioTerm(**ratio[side]) for side in ("upper", "lower")}})
            for ratio in declared
        ]
    )
