"""Batch normalisation: the column contracts of what it writes."""

from __future__ import annotations

from immunomon.cytometry.model.populations import Column, Table

__all__ = ["JUDGEMENT", "NORMALISED_FREQUENCIES", "NORMALISED_MEDIANS"]

_WHOSE = (
    ("sample_id", "string", "FCS file, as in the table samples"),
    ("subject", "string", "subject id; missing for controls that belong to nobody"),
    ("visit", "string", "visit label; missing for controls"),
    ("panel", "string", "panel name"),
    ("role", "string", "role of the tube"),
    ("batch", "string", "batch the tube was stained and run in"),
    ("population", "string", "population id"),
    ("label", "string", "population label for people"),
)
_STATUS = (
    ("status", "string", "applied or refused"),
    ("reason", "string", "why it was refused; missing otherwise"),
)


def _columns(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


NORMALISED_MEDIANS = Table(
    "normalised_medians",
    "one gated sample x population x marker that was to be normalised",
    ("sample_id", "population", "marker"),
    _columns(
        *_WHOSE,
        ("marker", "string", "marker name"),
        ("cell_type", "string", "the cell type whose map was used: the population itself or one above it"),
        ("count", "Int64", "events in the population"),
        ("median_intensity", "Float64", "median of the compensated intensity, as in the table medians"),
        ("normalised_median_intensity", "Float64", "the same after normalisation; missing if refused"),
        *_STATUS,
    ),
)
NORMALISED_FREQUENCIES = Table(
    "normalised_frequencies",
    "one gated sample x population x denominator, gated again on normalised events",
    ("sample_id", "population", "denominator"),
    _columns(
        *_WHOSE,
        ("denominator", "string", "population id of the denominator, or root"),
        ("count", "Int64", "events in the population, as in the table frequencies"),
        ("denominator_count", "Int64", "events in the denominator, as in the table frequencies"),
        ("percent", "Float64", "100 x count / denominator_count"),
        ("normalised_count", "Int64", "events in the population, gated on normalised events"),
        ("normalised_denominator_count", "Int64", "events in the denominator, gated on normalised events"),
        ("normalised_percent", "Float64", "100 x normalised_count / normalised_denominator_count"),
        ("reportable", "boolean", "whether the raw value may be reported; the normalised one is not without it"),
        ("markers", "string", "markers whose map was used in this file's batch, joined by ', '; missing if none"),
    ),
)
JUDGEMENT = Table(
    "normalisation_judgement",
    "one panel x batch x cell type x marker",
    ("panel", "batch", "population", "marker"),
    _columns(
        ("panel", "string", "panel name"),
        ("batch", "string", "batch"),
        ("population", "string", "cell type: population id"),
        ("marker", "string", "marker name"),
        ("cells", "Int64", "bridge cells of the type in the batch"),
        ("levels", "Int64", "quantiles that the map goes through"),
        ("held_out", "string", "what was judged on: another tube, or every other event of the same tube"),
        ("emd_before", "Float64", "mean earth mover's distance of held-out cells to the other batches', display units"),
        ("emd_after", "Float64", "the same after maps learned on the other cells"),
        ("emd_floor", "Float64", "mean distance between the two halves of one tube: what counting alone leaves"),
        ("median_shift", "Float64", "how far the map moves this batch's median, in display units"),
        *_STATUS,
    ),
)
