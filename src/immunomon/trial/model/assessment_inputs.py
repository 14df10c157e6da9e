"""What the study's CSV files of other assessments hold: columns, what fits them, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ASSESSMENT_INPUTS", "InputColumn", "InputTable"]


@dataclass(frozen=True)
class InputColumn:
    """A column: its name, what a cell holds, what it means, and whether it may be blank.

    optional: whether a file may lack the column; its values are then None.
    kind: ``text``, ``number``, ``whole``, ``day`` (a study day: no 0), ``date`` (ISO), ``truth``, or the words allowed.
    low, high: limits of a number.
    """

    name: str
    kind: str | tuple[str, ...]
    meaning: str
    needed: bool = False
    low: float | None = None
    high: float | None = None
    optional: bool = False


@dataclass(frozen=True)
class InputTable:
    """A file: its name without suffix, what a row is, and the columns that no two rows may share."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[InputColumn, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def needed_names(self) -> tuple[str, ...]:
        """The names of the columns that no file may lack."""
        return tuple(column.name for column in self.columns if not column.optional)


_SUBJECT = InputColumn("subject", "text", "subject id as in study.yaml", needed=True)
_WHEN = (
    InputColumn("study_day", "day", "study day: the first infusion is Day 1, there is no Day 0", low=-9999, high=9999),
    InputColumn("date", "date", "date, year-month-day"),
)
_RESULTS = ("positive", "negative", "indeterminate")

_TABLES = (
    InputTable(
        "platelets",
        "one platelet count",
        ("subject", "visit", "study_day", "date"),
        (
            _SUBJECT,
            InputColumn("visit", "text", "visit label; blank if unscheduled"),
            *_WHEN,
            InputColumn("platelets_1e9_per_l", "number", "platelets, 10^9/L; blank if not counted", low=0),
            InputColumn("bleeding", "truth", "whether there was bleeding; blank if not recorded"),
            InputColumn("rescue_therapy", "truth", "whether rescue therapy was given"),
        ),
    ),
    InputTable(
        "msc_concentration",
        "one blood sample around the first infusion",
        ("subject", "planned_time_h"),
        (
            _SUBJECT,
            InputColumn("planned_time_h", "number", "planned hours from the first infusion", True, -1000, 100_000),
            InputColumn("actual_time_h", "number", "actual hours from the first infusion", low=-1000, high=100_000),
            InputColumn("concentration_cells_per_ml", "number", "cells per mL; blank if below quantification", low=0),
            InputColumn("below_quantification", "truth", "whether it is below the limit of quantification"),
            InputColumn("lloq", "number", "lower limit of quantification, cells per mL", low=0),
        ),
    ),
    InputTable(
        "antibodies",
        "one test for antibody to the cells",
        ("subject", "timepoint", "study_day", "date"),
        (
            _SUBJECT,
            InputColumn("timepoint", "text", "name of the time, such as pre-first-infusion", needed=True),
            *_WHEN,
            InputColumn("titre", "number", "titre; 0 or blank if negative", low=0),
            InputColumn("result", _RESULTS, "positive, negative or indeterminate; blank if not done"),
        ),
    ),
    InputTable(
        "viruses",
        "one test for one virus or other agent",
        ("subject", "visit", "study_day", "date", "virus"),
        (
            _SUBJECT,
            InputColumn("visit", "text", "visit label"),
            *_WHEN,
            InputColumn("virus", "text", "virus or other agent", needed=True),
            InputColumn("result", _RESULTS, "positive, negative or indeterminate; blank if not done"),
        ),
    ),
    InputTable(
        "adverse_events",
        "one adverse event",
        (),
        (
            _SUBJECT,
            InputColumn("term", "text", "preferred term", needed=True),
            InputColumn("system_organ_class", "text", "system organ class"),
            InputColumn("grade", "whole", "CTCAE grade, 1 to 5", low=1, high=5),
            InputColumn("start_day", "day", "study day on which it began", low=-9999, high=9999),
            InputColumn("end_day", "day", "study day on which it ended; blank if it goes on", low=-9999, high=9999),
            InputColumn("serious", "truth", "whether it is serious"),
            InputColumn("related", "truth", "whether it is related to the treatment"),
            InputColumn("dose_limiting", "truth", "whether it is dose-limiting, by the protocol"),
            InputColumn(
                "reported_term", "text", "the reporter's own words (AETERM); blank: as the term", optional=True
            ),
        ),
    ),
)
ASSESSMENT_INPUTS = {table.name: table for table in _TABLES}
