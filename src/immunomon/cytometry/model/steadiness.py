"""Steadiness over time: the column contract of the table of bridge samples."""

from __future__ import annotations

from immunomon.cytometry.model.populations import Column, Table

__all__ = ["STEADINESS"]


STEADINESS = Table(
    "steadiness",
    "one panel x donor of bridge samples x population x quantity (x marker) x bridge sample, in order of time",
    ("panel", "donor", "population", "quantity", "marker", "sample_id"),
    tuple(
        Column(*row)
        for row in (
            ("panel", "string", "panel name"),
            ("donor", "string", "subject that the bridge samples are from; missing where the sample list names none"),
            ("population", "string", "population id"),
            ("label", "string", "population label for people"),
            ("quantity", "string", "percent_of_parent or median_intensity"),
            ("marker", "string", "marker of a median; missing for a percentage"),
            ("sample_id", "string", "bridge sample"),
            ("batch", "string", "batch it was stained and run in"),
            ("collection_date", "string", "ISO date of the bridge sample, by which they are in order"),
            ("number", "Int64", "place in the series, from 1; missing if it is not in it"),
            ("measured", "Float64", "percent of parent, or median compensated intensity"),
            ("value", "Float64", "what is charted: the percent itself, or asinh(intensity / 150) / ln 10 (decades)"),
            ("unit", "string", "% or decades"),
            ("establishes", "boolean", "whether this bridge sample is one of those that set the limits"),
            ("mean", "Float64", "mean of the bridge samples that it is judged by (never of itself)"),
            ("sd", "Float64", "their standard deviation"),
            ("judged_by", "Int64", "how many bridge samples the mean and the SD are of"),
            ("z", "Float64", "(value - mean) / sd"),
            ("rules", "string", "Westgard rules broken at this sample, with spaces between; missing if none"),
            ("verdict", "string", "in control, warning (1_2s alone), out of control, or not judged"),
            ("reason", "string", "why it is not judged; missing otherwise"),
        )
    ),
)
