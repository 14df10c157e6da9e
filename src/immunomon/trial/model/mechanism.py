"""The column contracts of what ``immunomon mechanism`` writes: names, types, meaning."""

from __future__ import annotations

from immunomon.cytometry.model.populations import Column, Table

__all__ = [
    "BALANCE",
    "BY_RESPONSE",
    "LAGS",
    "LEAVE_ONE_OUT",
    "MECHANISM_TABLES",
    "ORDER_COUNTS",
    "PATH",
    "TIME_ORDER",
    "WITHIN_PATIENTS",
]


def _columns(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


_ENDPOINT = (
    ("endpoint", "string", "name in the plan; th17_treg: the balance Th17/Treg"),
    ("role", "string", "exploratory: no plan declares an analysis of mechanism"),
    ("label", "string", "population label for people"),
    ("scale", "string", "scale of the change: log-odds, log or clr"),
)
_NOTE = ("note", "string", "what stands in place of a number, and other remarks")
_PLAN = ("plan_digest", "string", "SHA-256 of the plan that the row was made by")
_LEVEL = "1 - alpha of the plan: 95 % unless it says else"

BY_RESPONSE = Table(
    "by_response",
    "one primary endpoint x primary visit: patients with a platelet response against the others",
    ("endpoint", "visit"),
    _columns(
        *_ENDPOINT,
        ("visit", "string", "visit label"),
        ("responders", "Int64", "patients with a confirmed platelet response (CR or R) and a change"),
        ("others", "Int64", "evaluable patients without one and with a change"),
        ("not_evaluable", "Int64", "patients with a change whose platelet response is not evaluable: left out"),
        ("mean_responders", "Float64", "mean change of the responders, on the scale"),
        ("mean_others", "Float64", "mean change of the others"),
        ("difference", "Float64", "mean of the responders - mean of the others"),
        ("low", "Float64", f"lower end of Welch's interval ({_LEVEL})"),
        ("high", "Float64", "upper end"),
        ("exact_low", "Float64", "lower end of the exact permutation interval; missing where so few cannot give one"),
        ("exact_high", "Float64", "upper end"),
        ("exact_confidence", "Float64", "confidence it has; without one, the most that so many patients can give"),
        ("p_floor", "Float64", "smallest p that the permutation test of groups of these sizes can give"),
        ("p", "Float64", "two-sided permutation p; missing where its floor is above alpha"),
        ("subjects", "string", "every patient's own change: JSON object subject -> value"),
        ("who_responded", "string", "the responders' ids, sorted, joined by a space"),
        _NOTE,
        _PLAN,
    ),
)
WITHIN_PATIENTS = Table(
    "within_patients",
    "one primary endpoint: does it go with the platelets within the same patients, visit by visit?",
    ("endpoint",),
    _columns(
        *_ENDPOINT,
        ("patients", "Int64", "patients with two or more visits that have both"),
        ("points", "Int64", "visits of these patients"),
        ("freedom", "Int64", "degrees of freedom of the error: points - patients - 1"),
        ("r", "Float64", "repeated-measures correlation with the logarithm of the platelet count"),
        ("low", "Float64", "lower end of Bakdash & Marusich's interval: visits of a patient taken as independent"),
        ("high", "Float64", "upper end"),
        ("patient_low", "Float64", "lower end of the jackknife interval: patients are the replicates"),
        ("patient_high", "Float64", "upper end"),
        ("slope", "Float64", "doublings of the platelet count for one unit of the scale"),
        ("r_swapped", "Float64", "mean r with courses swapped between patients: what the common course alone gives"),
        ("p_floor", "Float64", "smallest p that swapping can give"),
        ("p_swapped", "Float64", "two-sided p of the own courses among swapped ones; missing where its floor is above"),
        ("p_adjusted", "Float64", "p_swapped adjusted for all rows (Benjamini-Hochberg)"),
        _NOTE,
        _PLAN,
    ),
)
LAGS = Table(
    "lags",
    "one primary endpoint x lag: r within patients with one visit between immune change and platelets",
    ("endpoint", "lag"),
    _columns(
        *_ENDPOINT,
        ("lag", "string", "same visit; immune change first; platelets first; or the difference of these two |r|"),
        ("patients", "Int64", "patients in it"),
        ("points", "Int64", "pairs of visits; both lags rest on the same ones"),
        ("fewest_weeks", "Float64", "shortest time between the two visits of a pair, weeks"),
        ("most_weeks", "Float64", "longest"),
        ("r", "Float64", "repeated-measures correlation, or |r| with the immune change first less |r| after it"),
        ("low", "Float64", "lower end of the jackknife interval over patients; a difference has none"),
        ("high", "Float64", "upper end"),
        ("p_floor", "Float64", "smallest p that swapping courses between patients can give the difference"),
        ("p_swapped", "Float64", "two-sided p of the difference among swapped courses; missing where floor is above"),
        _NOTE,
        _PLAN,
    ),
)
PATH = Table(
    "path",
    "one path x primary endpoint x primary visit x step",
    ("path", "endpoint", "visit", "step"),
    _columns(
        ("path", "string", "with exposure (only patients it was measured in) or without exposure"),
        *_ENDPOINT,
        ("visit", "string", "visit of the immune change"),
        ("step", "string", "such as: dose -> exposure; product: of all steps; whole: the line from dose to platelets"),
        ("n", "Int64", "patients with everything on the path"),
        ("subjects", "string", "their ids, sorted, joined by a space"),
        ("slope", "Float64", "least-squares slope; dose, exposure and platelets in doublings, the change on its scale"),
        ("low", "Float64", "lower end: Student's interval of a slope, Monte Carlo of the product"),
        ("high", "Float64", "upper end"),
        _NOTE,
        _PLAN,
    ),
)
BALANCE = Table(
    "balance",
    "one patient, or one dose group (and all together) x visit: change of the logarithm of Th17/Treg",
    ("dose_group", "subject", "visit"),
    _columns(
        ("dose_group", "string", "dose group, or all"),
        ("subject", "string", "subject id; missing for a group's mean"),
        ("visit", "string", "visit label, or whole: mean height of the change over all visits"),
        ("day", "Int64", "study day; missing for groups"),
        ("n", "Int64", "patients it rests on"),
        ("ratio", "Float64", "Th17/Treg at the visit; missing for groups"),
        ("change", "Float64", "change of the natural logarithm of the ratio from baseline"),
        ("low", "Float64", "lower end: of a patient from the errors named, of a mean Student's over patients"),
        ("high", "Float64", "upper end"),
        ("fold", "Float64", "exp of the change"),
        ("covers", "string", "which errors a patient's interval covers; missing for groups"),
        ("p_floor", "Float64", "smallest p that a sign-flip test of n patients can give"),
        ("p", "Float64", "sign-flip p of a group; missing where its floor is above alpha"),
        _NOTE,
        _PLAN,
    ),
)
LEAVE_ONE_OUT = Table(
    "leave_one_out",
    "one headline x endpoint x visit: what it is without each patient",
    ("headline", "endpoint", "at"),
    _columns(
        ("headline", "string", "mean change, difference by response, r within patients, difference of lags, product"),
        *_ENDPOINT,
        ("at", "string", "visit label, or all visits"),
        ("n", "Int64", "patients that the estimate rests on"),
        ("estimate", "Float64", "with all of them"),
        ("lowest", "Float64", "lowest estimate with one patient left out"),
        ("lowest_without", "string", "whose leaving gives it"),
        ("highest", "Float64", "highest estimate with one patient left out"),
        ("highest_without", "string", "whose leaving gives it"),
        ("moves_most", "string", "whose leaving moves the estimate most"),
        ("moved_by", "Float64", "by how much it then moves"),
        ("keeps_sign", "boolean", "whether the estimate keeps its sign whoever is left out"),
        ("excludes_0", "boolean", "whether the interval of the headline excludes 0 with all patients"),
        ("excludes_0_without", "Int64", "with how many of the patients left out, one at a time, it does"),
        ("without", "string", "every estimate: JSON object subject left out -> estimate"),
        _NOTE,
        _PLAN,
    ),
)
TIME_ORDER = Table(
    "time_order",
    "one primary endpoint x patient: which was first, the immune change or the platelet response?",
    ("endpoint", "subject"),
    _columns(
        *_ENDPOINT,
        ("subject", "string", "subject id"),
        ("dose_group", "string", "dose group of the subject"),
        ("responder", "boolean", "whether a platelet response was confirmed; missing if not evaluable"),
        ("visit", "string", "first visit after baseline whose change is beyond the reference change value"),
        ("direction", "string", "above or below the reference change"),
        ("immune_after_day", "Int64", "day of the visit with a value before: the change came after it"),
        ("immune_day", "Int64", "day of that visit: the change came until then"),
        ("response_after_day", "Int64", "day of the last count before the response; Day 1 if there is none"),
        ("response_day", "Int64", "study day of the first confirmed platelet response"),
        (
            "which_first",
            "string",
            "immune change first, platelets first, cannot tell, response only, immune change only, neither "
            "or not evaluable",
        ),
        _NOTE,
        _PLAN,
    ),
)
ORDER_COUNTS = Table(
    "order_counts",
    "one primary endpoint: how many patients had which first",
    ("endpoint",),
    _columns(
        *_ENDPOINT,
        ("responders", "Int64", "patients with a platelet response whose course can be judged"),
        ("immune_first", "Int64", "responders whose immune change was there before the platelets could have been"),
        ("platelets_first", "Int64", "responders the other way round"),
        ("cannot_tell", "Int64", "responders with both, between the same visits"),
        ("response_only", "Int64", "responders never beyond the reference change"),
        ("others", "Int64", "patients without a response whose course can be judged"),
        ("others_beyond", "Int64", "of them, those beyond the reference change at some visit"),
        ("p_floor", "Float64", "smallest p that a sign test of those with an order can give"),
        ("p", "Float64", "two-sided sign test; missing where its floor is above alpha"),
        _NOTE,
        _PLAN,
    ),
)
MECHANISM_TABLES = {
    table.name: table
    for table in (BY_RESPONSE, WITHIN_PATIENTS, LAGS, PATH, BALANCE, LEAVE_ONE_OUT, TIME_ORDER, ORDER_COUNTS)
}
