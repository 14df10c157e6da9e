"""The column contracts of the result tables: names, types, meaning. What a table holds is what stands here."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CHANGES",
    "DOUBTS",
    "FREQUENCIES",
    "MEDIANS",
    "POPULATIONS",
    "SAMPLES",
    "SUMMARY",
    "TABLES",
    "TRUST_COLUMNS",
    "Column",
    "Table",
]


@dataclass(frozen=True)
class Column:
    """One column: its name, its pandas type, and what it means."""

    name: str
    dtype: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A result table: its name, what one row is, which columns identify a row, and the columns in order."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def dtypes(self) -> dict[str, str]:
        """The pandas type of each column."""
        return {column.name: column.dtype for column in self.columns}


def _columns(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


_WHOSE = (
    ("sample_id", "string", "FCS path relative to the sample list, without suffix, folders joined by two underscores"),
    ("subject", "string", "subject id; missing for controls that belong to nobody"),
    ("visit", "string", "visit label; missing for controls"),
    ("panel", "string", "panel name"),
    ("role", "string", "role of the tube: sample, bridge, unstimulated, fmo:MARKER ..."),
    ("batch", "string", "batch the tube was stained and run in"),
)
_POPULATION = (
    ("population", "string", "population id, stable across strategies and versions"),
    ("label", "string", "population label for people"),
)
_STATUS = (
    ("reportable", "boolean", "whether the value may be reported"),
    ("reason", "string", "why it may not; missing when it may"),
)

# Columns that run folders of before do not have.
TRUST_COLUMNS = ("placed_by", "doubts", "rests_on", "baseline_rests_on")
_TRUST = (
    ("placed_by", "string", "what set the least sure border: data, control, consensus, person, fallback or none"),
    ("doubts", "string", "codes of the doubts and remarks about the population's own gate and value, with their axis"),
    ("rests_on", "string", "the doubtful gates on and above the value and its denominator, as population: code"),
)

SAMPLES = Table(
    "samples",
    "one FCS file of the sample list",
    ("sample_id",),
    _columns(
        *_WHOSE,
        ("file", "string", "path of the FCS file, relative to the sample list"),
        ("sha256", "string", "SHA-256 of the file's bytes; missing if it could not be read"),
        ("collection_date", "string", "ISO date from the sample list"),
        ("strategy", "string", "strategy it was gated with; missing for controls that are not gated"),
        ("events", "Int64", "number of events in the file"),
        ("status", "string", "gated, control (kept, not gated), failed, or dropped by a person"),
        ("reason", "string", "why it failed or was dropped; missing otherwise"),
        ("lymphocytes_per_ul", "Float64", "haematology lymphocytes per microlitre of blood"),
        ("quality", "string", "acquisition: pass, warn, fail or cannot be judged; missing if it was not looked at"),
        ("flagged_percent", "Float64", "events flagged in the acquisition, in percent of all"),
        ("quality_reason", "string", "why the acquisition did not pass; missing if it did"),
    ),
)
POPULATIONS = Table(
    "populations",
    "one gated sample x population",
    ("sample_id", "population"),
    _columns(
        *_WHOSE,
        *_POPULATION,
        ("parent", "string", "parent population id, or root"),
        ("path", "string", "way from the root, such as /singlets/live/lymphocytes"),
        ("count", "Int64", "events in the population; missing if the sample failed"),
        ("parent_count", "Int64", "events in the parent"),
        ("percent_of_parent", "Float64", "100 x count / parent_count; missing if the parent is empty"),
        ("percent_of_parent_low", "Float64", "lower end of the 95 % Wilson interval"),
        ("percent_of_parent_high", "Float64", "upper end of the 95 % Wilson interval"),
        ("cells_per_ul", "Float64", "absolute count; missing if neither lymphocytes/uL nor bead figures are given"),
        ("cells_per_ul_method", "string", "dual-platform or beads; missing if there is no absolute count"),
        ("gate_method", "string", "the method that places the gate"),
        ("gate_source", "string", "what set the gate: the method, a control tube, a fallback, other samples, a person"),
        ("gate_note", "string", "what was done otherwise than declared, and why; missing if nothing"),
        ("gate_outlier", "boolean", "whether its own estimate was out of line with other samples', and not followed"),
        (
            "gate_se_percent",
            "Float64",
            "standard error of percent_of_parent from the places of all gates above; 0 if declared",
        ),
        *_STATUS,
        *_TRUST,
    ),
)
FREQUENCIES = Table(
    "frequencies",
    "one gated sample x population x denominator; the parent is always one of the denominators",
    ("sample_id", "population", "denominator"),
    _columns(
        *_WHOSE,
        *_POPULATION,
        ("denominator", "string", "population id of the denominator, or root"),
        ("is_parent", "boolean", "whether the denominator is the parent"),
        ("count", "Int64", "events in the population"),
        ("denominator_count", "Int64", "events in the denominator"),
        ("percent", "Float64", "100 x count / denominator_count; missing if the denominator is empty"),
        ("percent_low", "Float64", "lower end of the 95 % Wilson interval"),
        ("percent_high", "Float64", "upper end of the 95 % Wilson interval"),
        (
            "gate_se",
            "Float64",
            "standard error of the log-odds from the places of all gates that the fraction rests on",
        ),
        (
            "border_se",
            "Float64",
            "standard error of the log-odds from how finely it can be told where the borders ought to lie; "
            "the same way in every sample, so no part of a change",
        ),
        ("percent_total_low", "Float64", "lower end of the 95 % interval from counting, gate_se and border_se"),
        ("percent_total_high", "Float64", "upper end of the 95 % interval from counting, gate_se and border_se"),
        *_STATUS,
        *_TRUST,
    ),
)
MEDIANS = Table(
    "medians",
    "one gated sample x population x marker",
    ("sample_id", "population", "marker"),
    _columns(
        *_WHOSE,
        *_POPULATION,
        ("marker", "string", "marker name"),
        ("detector", "string", "detector it was measured on"),
        ("count", "Int64", "events in the population"),
        ("median_intensity", "Float64", "median of the compensated intensity; missing if the population is empty"),
        *_STATUS,
        *_TRUST,
    ),
)
DOUBTS = Table(
    "doubts",
    "one gated sample x population x doubt or remark",
    ("sample_id", "population", "code", "axis"),
    _columns(
        *_WHOSE,
        ("population", "string", "population whose gate or value it is about; root: the whole file"),
        ("code", "string", "code of the doubt"),
        ("axis", "string", "marker or channel it is about; missing if it is about the whole gate"),
        ("detail", "string", "what was seen; missing if the code says it all"),
        ("sentence", "string", "the doubt for people"),
        ("remedy", "string", "what to do about it"),
        ("withholds", "boolean", "whether values that rest on it are withheld in this study; a remark never is"),
    ),
)
_QUANTITY = (
    ("quantity", "string", "percent, cells_per_ul or ratio"),
    *_POPULATION,
    ("denominator", "string", "denominator's population id; missing for cells_per_ul"),
)
CHANGES = Table(
    "changes",
    "one subject x visit x quantity",
    ("subject", "visit", "panel", "quantity", "population", "denominator"),
    _columns(
        ("subject", "string", "subject id"),
        ("dose_group", "string", "dose group of the subject"),
        ("visit", "string", "visit label"),
        ("planned_day", "Int64", "planned study day of the visit (first infusion = Day 1, no Day 0)"),
        ("study_day", "Int64", "actual study day, from the collection date; missing if dates are missing"),
        ("panel", "string", "panel it was measured with"),
        *_QUANTITY,
        ("sample_id", "string", "sample the value is from"),
        ("baseline_sample_id", "string", "sample the baseline is from"),
        ("count", "Int64", "events in the population (numerator of a ratio)"),
        ("denominator_count", "Int64", "events in the denominator; missing for cells_per_ul"),
        ("value", "Float64", "the value at this visit"),
        ("baseline", "Float64", "the subject's value at the baseline visit"),
        ("change", "Float64", "value - baseline"),
        ("percent_change", "Float64", "100 x change / baseline; missing where the baseline is 0"),
        ("log_odds_change", "Float64", "change in log-odds of a percent, 0.5 added to counts; log ratio of a ratio"),
        ("counting_se", "Float64", "standard error of log_odds_change from counting; missing for a ratio"),
        ("gate_se", "Float64", "standard error of log_odds_change from the gates' places at both visits"),
        ("within_gate_noise", "boolean", "whether log_odds_change is smaller than 1.96 gate_se; missing without one"),
        (
            "status",
            "string",
            "ok, missing, missing baseline, not reportable, baseline not reportable, doubled or failed",
        ),
        ("reason", "string", "what is behind a status other than ok"),
        ("rests_on", "string", "the doubtful gates that the value rests on, as population: code"),
        ("baseline_rests_on", "string", "the doubtful gates that the baseline rests on"),
    ),
)
SUMMARY = Table(
    "summary",
    "one dose group (and all together) x visit x quantity x measure",
    ("dose_group", "visit", "panel", "quantity", "population", "denominator", "measure"),
    _columns(
        ("dose_group", "string", "dose group, or all"),
        ("visit", "string", "visit label"),
        ("planned_day", "Int64", "planned study day of the visit"),
        ("panel", "string", "panel it was measured with"),
        *_QUANTITY,
        ("measure", "string", "value, change, percent_change or log_odds_change"),
        ("n", "Int64", "subjects with a usable value"),
        ("mean", "Float64", "arithmetic mean over subjects"),
        ("sd", "Float64", "standard deviation over subjects; missing for n < 2"),
        ("median", "Float64", "median over subjects"),
        (
            "low",
            "Float64",
            "lower end of the 95 % t interval of the mean, missing for n < 2; made on the log-odds of a percent, the "
            "logarithm of another value and of a percent change, and transformed back",
        ),
        ("high", "Float64", "upper end of it"),
        ("subjects", "string", "every subject's value kept: JSON object subject -> value"),
    ),
)
TABLES = {table.name: table for table in (SAMPLES, POPULATIONS, FREQUENCIES, MEDIANS, CHANGES, SUMMARY)}
