"""Ratios of two populations' frequencies that are followed over time, and which of them every study has."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RATIOS", "RatioQuantity", "RatioTerm"]


@dataclass(frozen=True)
class RatioTerm:
    """One side of a ratio: a population's percent of a denominator, measured with a panel."""

    panel: str
    population: str
    denominator: str


@dataclass(frozen=True)
class RatioQuantity:
    """A ratio of two percents, which may come from two tubes of one visit; it needs both to be reportable.

    In the table its panel is ``NUMERATOR'S/DENOMINATOR'S``, and so is its sample_id; its denominator is the lower
    term's population.
    """

    population: str
    label: str
    upper: RatioTerm
    lower: RatioTerm


RATIOS = (
    RatioQuantity("th17_treg", "Th17/Treg", RatioTerm("thelper", "th17", "cd4"), RatioTerm("treg", "treg", "cd4")),
)
