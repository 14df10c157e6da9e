"""Batch normalisation: the column contracts of what it writes."""

from __future__ import annotations

from immunomon.cytometry.model.populations import contract

__all__ = ["JUDGEMENT", "NORMALISED_FREQUENCIES", "NORMALISED_MEDIANS"]


NORMALISED_MEDIANS = contract(
    "normalised_medians",
    "one gated sample x population x marker that was to be normalised",
    "sample_id",
    "population",
    "marker",
)
NORMALISED_FREQUENCIES = contract(
    "normalised_frequencies",
    "one gated sample x population x denominator, gated again on normalised events",
    "sample_id",
    "population",
    "denominator",
)
JUDGEMENT = contract(
    "normalisation_judgement", "one panel x batch x cell type x marker", "panel", "batch", "population", "marker"
)
