"""The tables that a run fills beside its populations: steadiness, acquisition quality, responses, normalisation."""

from __future__ import annotations

from immunomon.cytometry.model.populations import contract

__all__ = ["JUDGEMENT", "NORMALISED_FREQUENCIES", "NORMALISED_MEDIANS", "QUALITY", "RESPONSES", "STEADINESS"]

STEADINESS = contract(
    "steadiness",
    "one panel x donor of bridge samples x population x quantity (x marker) x bridge sample, in order of time",
    "panel",
    "donor",
    "population",
    "quantity",
    "marker",
    "sample_id",
)


# The column contract of the table of acquisition quality.

QUALITY = contract("quality", "one gated sample x check (x channel)", "sample_id", "check", "channel")


# The contract of the table of responses: what cells make with a stimulus, without it, and because of it.

RESPONSES = contract(
    "responses",
    "one subject x visit x population x denominator of a stimulated tube that has an unstimulated one",
    "subject",
    "visit",
    "panel",
    "population",
    "denominator",
)


# Batch normalisation: the column contracts of what it writes.

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
