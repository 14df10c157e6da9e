"""The tables that a run fills beside its populations: steadiness over time, acquisition quality, responses."""

from __future__ import annotations

from immunomon.cytometry.model.populations import Column, Table

__all__ = ["QUALITY", "RESPONSES", "STEADINESS"]

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


# The column contract of the table of acquisition quality.

QUALITY = Table(
    "quality",
    "one gated sample x check (x channel)",
    ("sample_id", "check", "channel"),
    tuple(
        Column(*row)
        for row in (
            ("sample_id", "string", "sample that was checked"),
            ("subject", "string", "subject id; missing for controls that belong to nobody"),
            ("visit", "string", "visit label; missing for controls"),
            ("panel", "string", "panel name"),
            ("check", "string", "events, time, rate, course (rate and signals together), signal or margin"),
            ("channel", "string", "marker or detector that a signal or margin was checked in; missing for the others"),
            ("verdict", "string", "pass, warn, fail or cannot be judged"),
            (
                "value",
                "Float64",
                "events: their number; time: restarts; rate: times faster or slower than usual; course and margin: "
                "percent of the events; signal: change of the mean rank (0 to 1), 0 where none was found",
            ),
            ("threshold", "Float64", "what the value is held against; missing where nothing was judged"),
            ("flagged_events", "Int64", "events flagged by this check"),
            ("reason", "string", "why the verdict is not pass, or what was seen"),
        )
    ),
)


# The contract of the table of responses: what cells make with a stimulus, without it, and because of it.

RESPONSES = Table(
    "responses",
    "one subject x visit x population x denominator of a stimulated tube that has an unstimulated one",
    ("subject", "visit", "panel", "population", "denominator"),
    (
        Column("subject", "string", "subject id"),
        Column("visit", "string", "visit label"),
        Column("panel", "string", "panel name"),
        Column("population", "string", "population id"),
        Column("label", "string", "population label for people"),
        Column("denominator", "string", "population id of the denominator"),
        Column("sample_id", "string", "the stimulated tube"),
        Column("unstimulated_sample_id", "string", "the unstimulated tube; missing if there is none or several"),
        Column("count", "Int64", "events in the population, stimulated"),
        Column("denominator_count", "Int64", "events in the denominator, stimulated"),
        Column("percent", "Float64", "percent of the denominator, stimulated"),
        Column("unstimulated_count", "Int64", "events in the population, unstimulated"),
        Column("unstimulated_denominator_count", "Int64", "events in the denominator, unstimulated"),
        Column("unstimulated_percent", "Float64", "percent of the denominator, unstimulated"),
        Column("net_percent", "Float64", "stimulated - unstimulated, percentage points; negative ones are kept"),
        Column("net_low", "Float64", "lower end of its 95 % interval (Newcombe 1998, method 10)"),
        Column("net_high", "Float64", "upper end of its 95 % interval"),
        Column("fold", "Float64", "stimulated / unstimulated; missing where the unstimulated is 0"),
        Column("p_value", "Float64", "one-sided Fisher exact test: more with the stimulus than without"),
        Column(
            "positive", "boolean", "p_value < 0.05 and at least twice the background; missing if it cannot be judged"
        ),
        Column("reportable", "boolean", "whether the net value may be reported"),
        Column("reason", "string", "why it may not; missing when it may"),
    ),
)
