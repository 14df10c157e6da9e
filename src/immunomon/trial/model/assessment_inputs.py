"""What the study's CSV files of other assessments hold: columns, what fits them, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ASSESSMENT_INPUTS", "InputColumn", "InputTable"]


@dataclass(frozen=True)
class InputColumn:
    """A column: its name, what a cell holds, what it means, and whether it may be blank.

    optional: whether a file may lack the column; its values are then None.
    kind: ``text``, ``number``, ``whole``, ``day`` (a study day: no 0), ``date`` (ISO), ``time`` (hours and minutes),
    ``truth``, ``measured`` (a number, or ``<`` or ``>`` and a limit), or the words allowed.
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
_RACES = (
    *("american indian or alaska native", "asian", "black or african american", "multiple"),
    *("native hawaiian or other pacific islander", "not reported", "other", "unknown", "white"),
)
_ETHNICITIES = ("hispanic or latino", "not hispanic or latino", "not reported", "unknown")
_ENDS = (
    *("completed", "adverse event", "death", "lack of efficacy", "lost to follow-up", "other", "physician decision"),
    *("protocol deviation", "screen failure", "study terminated by sponsor", "withdrawal by subject"),
)
_ACTIONS = (
    *("dose increased", "dose not changed", "dose rate reduced", "dose reduced", "drug interrupted", "drug withdrawn"),
    *("not applicable", "unknown"),
)
_OUTCOMES = (
    *("fatal", "not recovered/not resolved", "recovered/resolved", "recovered/resolved with sequelae"),
    *("recovering/resolving", "unknown"),
)

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
            InputColumn("bleeding_grade", "whole", "WHO grade of the bleeding, 0 to 4", low=0, high=4, optional=True),
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
        "laboratory",
        "one result of one laboratory value",
        ("subject", "visit", "study_day", "date", "analyte"),
        (
            _SUBJECT,
            InputColumn("visit", "text", "visit label; blank if unscheduled, and then not compared with baseline"),
            *_WHEN,
            InputColumn("analyte", "text", "its id, as study.yaml declares it (assessments: laboratory:)", needed=True),
            InputColumn(
                "result", "measured", "the value; below quantification <LLOQ or <15.6; blank if not measured", low=0
            ),
            InputColumn("unit", "text", "its unit, as study.yaml declares it", needed=True),
            InputColumn("lloq", "number", "lower limit of quantification of this result", low=0, optional=True),
            InputColumn("uloq", "number", "upper limit of quantification of this result", low=0, optional=True),
            InputColumn("reason", "text", "why there is no result", optional=True),
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
            InputColumn("start_time", "time", "time of day at which it began, such as 09:30", optional=True),
            InputColumn("end_time", "time", "time of day at which it ended", optional=True),
            InputColumn("action_taken", _ACTIONS, "what was done with the treatment (AEACN)", optional=True),
            InputColumn("outcome", _OUTCOMES, "what became of it (AEOUT)", optional=True),
        ),
    ),
    InputTable(
        "demographics",
        "one subject",
        ("subject",),
        (
            _SUBJECT,
            InputColumn("consent_date", "date", "date of informed consent, year-month-day"),
            InputColumn("age_years", "whole", "age at consent, completed years", low=0, high=120),
            InputColumn("race", _RACES, "race, in CDISC's terms"),
            InputColumn("ethnicity", _ETHNICITIES, "ethnicity, in CDISC's terms", optional=True),
        ),
    ),
    InputTable(
        "infusions",
        "one infusion of the cells",
        ("subject", "infusion"),
        (
            _SUBJECT,
            InputColumn("infusion", "whole", "number of the subject's infusion, from 1", True, 1, 1000),
            InputColumn("date", "date", "date, year-month-day; as in study.yaml"),
            InputColumn("start_time", "time", "time of day at which it began, such as 09:30"),
            InputColumn("end_time", "time", "time of day at which it ended"),
            InputColumn("dose_1e6_per_kg", "number", "dose given, 10^6 cells per kg", low=0, high=1e5),
            InputColumn("cells_1e6", "number", "cells given, 10^6", low=0, high=1e7, optional=True),
            InputColumn("weight_kg", "number", "body weight that the dose is for, kg", low=1, high=400),
            InputColumn("lot", "text", "lot of the cells"),
            InputColumn("viability_percent", "number", "viable cells of the lot when given, %", low=0, high=100),
            InputColumn("interrupted", "truth", "whether the infusion was interrupted"),
            InputColumn("reason", "text", "why it was interrupted, or less was given", optional=True),
        ),
    ),
    InputTable(
        "medications",
        "one course of other medication",
        (),
        (
            _SUBJECT,
            InputColumn("medication", "text", "the medication, in the reporter's words", needed=True),
            InputColumn(
                "purpose", ("itp therapy", "rescue", "premedication", "other"), "what it was given for", needed=True
            ),
            InputColumn(
                "start_day", "day", "study day on which it began; blank if before the trial", low=-9999, high=9999
            ),
            InputColumn("end_day", "day", "study day on which it ended; blank if it goes on", low=-9999, high=9999),
            InputColumn("standard_name", "text", "name in a dictionary of drugs", optional=True),
            InputColumn("dose", "number", "dose each time", low=0, optional=True),
            InputColumn("dose_unit", "text", "unit of the dose, such as mg", optional=True),
            InputColumn("route", "text", "route, in CDISC's terms: ORAL, INTRAVENOUS", optional=True),
            InputColumn("indication", "text", "what it was given against, in the reporter's words", optional=True),
        ),
    ),
    InputTable(
        "disposition",
        "how a subject's treatment or trial ended",
        ("subject", "of"),
        (
            _SUBJECT,
            InputColumn("of", ("study", "treatment"), "what ended: study or treatment", needed=True),
            InputColumn("event", _ENDS, "completed, or why not", needed=True),
            *_WHEN,
            InputColumn("reason", "text", "in the reporter's words; blank: as the event", optional=True),
        ),
    ),
    InputTable(
        "queries",
        "one query between laboratory and sponsor",
        ("query",),
        (
            InputColumn("query", "text", "its number, such as Q001", needed=True),
            InputColumn("subject", "text", "subject id as in study.yaml; blank if it is of none"),
            InputColumn("visit", "text", "visit label; blank if it is of none"),
            InputColumn("about", "text", "the file, column or sample that is asked about", needed=True),
            InputColumn("question", "text", "what is asked", needed=True),
            InputColumn("opened", "date", "date of the question, year-month-day", needed=True),
            InputColumn("opened_by", "text", "who asks", needed=True),
            InputColumn("answer", "text", "what was answered; blank while the query is open"),
            InputColumn("answered", "date", "date of the answer"),
            InputColumn("answered_by", "text", "who answered"),
        ),
    ),
)
ASSESSMENT_INPUTS = {table.name: table for table in _TABLES}
