"""The column contract of the table of acquisition quality."""

from __future__ import annotations

from immunomon.cytometry.model.populations import Column, Table

__all__ = ["QUALITY"]

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
