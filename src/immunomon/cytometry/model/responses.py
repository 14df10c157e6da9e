"""The contract of the table of responses: what cells make with a stimulus, without it, and because of it."""

from __future__ import annotations

from immunomon.cytometry.model.populations import Column, Table

__all__ = ["RESPONSES"]

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
