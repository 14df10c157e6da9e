"""The column contracts of what ``immunomon compare`` and ``immunomon power`` write: names, types, meaning."""

from __future__ import annotations

from immunomon.cytometry.model.populations import Column, Table

__all__ = [
    "COURSES",
    "ESTIMATES",
    "FAMILIES",
    "MISSING",
    "OVER_TIME",
    "PATIENT_CHANGES",
    "POWER",
    "STATISTICS_TABLES",
    "TRENDS",
]


def _columns(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


_ENDPOINT = (
    ("endpoint", "string", "name in the plan; for what is not in it PANEL:POPULATION/DENOMINATOR"),
    ("role", "string", "primary, planned (another declared family) or exploratory: not in the plan"),
    ("label", "string", "population label for people"),
    ("scale", "string", "scale of the change: log-odds, log or clr (centred log-ratio within one parent)"),
)
_WHAT = (
    ("panel", "string", "panel it was measured with"),
    ("quantity", "string", "percent, cells_per_ul, ratio or median_intensity"),
    ("population", "string", "population id"),
    ("denominator", "string", "denominator's population id; missing where there is none"),
)
_GROUP = ("dose_group", "string", "dose group, or all")
_PLAN = ("plan_digest", "string", "SHA-256 of the plan that the row was made by")

PATIENT_CHANGES = Table(
    "patient_changes",
    "one endpoint x subject x visit after baseline",
    ("endpoint", "subject", "visit"),
    _columns(
        *_ENDPOINT,
        *_WHAT,
        ("subject", "string", "subject id"),
        ("dose_group", "string", "dose group of the subject"),
        ("visit", "string", "visit label"),
        ("day", "Int64", "actual study day, or the planned one if dates are missing"),
        ("baseline", "Float64", "value at baseline, in its own unit"),
        ("value", "Float64", "value at the visit, in its own unit"),
        ("fold", "Float64", "value / baseline"),
        ("change", "Float64", "change from baseline on the scale"),
        ("se_counting", "Float64", "standard error of the change from counting events; missing for intensities"),
        ("se_gate", "Float64", "from where the gate was put; missing if the run does not say"),
        ("se_assay", "Float64", "from the assay's variation, as the plan declares it"),
        ("low", "Float64", "lower end of the interval from these errors together, on the scale"),
        ("high", "Float64", "upper end"),
        ("covers", "string", "which errors the interval covers"),
        ("reference_low", "Float64", "fold below which the value is beyond the reference change value"),
        ("reference_high", "Float64", "fold above which it is"),
        ("beyond_reference", "string", "above, below or within; missing without a change"),
        ("reason", "string", "why there is no change; missing where there is one"),
        _PLAN,
    ),
)
COURSES = Table(
    "courses",
    "one endpoint x subject x window",
    ("endpoint", "subject", "window"),
    _columns(
        *_ENDPOINT,
        ("subject", "string", "subject id"),
        ("dose_group", "string", "dose group of the subject"),
        ("window", "string", "name of the window in the plan"),
        ("visits", "Int64", "visits with a value in it"),
        ("first_day", "Int64", "study day of the first of them"),
        ("last_day", "Int64", "study day of the last"),
        ("rate_per_week", "Float64", "slope of the least-squares line, scale units a week"),
        ("area_weeks", "Float64", "area under the change from baseline, scale units x weeks (trapezoids)"),
        ("mean_height", "Float64", "area / length: the mean change over that time"),
        ("days_above", "Float64", "days above the upper reference change, straight lines between visits"),
        ("days_below", "Float64", "days below the lower one"),
        ("percent_above", "Float64", "of the days between first and last visit"),
        ("percent_below", "Float64", "of the days between first and last visit"),
        ("reason", "string", "why something is missing"),
        _PLAN,
    ),
)
ESTIMATES = Table(
    "estimates",
    "one endpoint x dose group (and all together) x measure x visit or window",
    ("endpoint", "dose_group", "measure", "at"),
    _columns(
        *_ENDPOINT,
        *_WHAT,
        _GROUP,
        ("measure", "string", "change, rate_per_week or mean_height"),
        ("at", "string", "visit label of a change; window of the others"),
        ("n", "Int64", "patients with a value: the sample size"),
        ("subjects", "string", "every patient's own value: JSON object subject -> value"),
        ("mean", "Float64", "mean over patients, on the scale"),
        ("median", "Float64", "median over patients"),
        ("sd", "Float64", "standard deviation between patients"),
        ("t_low", "Float64", "lower end of Student's interval of the mean"),
        ("t_high", "Float64", "upper end"),
        ("hl_estimate", "Float64", "Hodges-Lehmann estimate: median of pairwise means"),
        ("hl_low", "Float64", "lower end of its exact interval; missing where so few patients cannot give one"),
        ("hl_high", "Float64", "upper end"),
        ("hl_confidence", "Float64", "confidence the interval has; without one, the most that n patients can give"),
        ("moderated_low", "Float64", "lower end of the moderated t interval of the mean"),
        ("moderated_high", "Float64", "upper end"),
        ("moderated_freedom", "Float64", "degrees of freedom, with those borrowed from the other populations"),
        ("p_floor", "Float64", "smallest p that a sign-flip test of n patients can give"),
        ("p_sign_flip", "Float64", "exact sign-flip test; missing where its floor is above alpha"),
        ("p_t", "Float64", "Student's t; missing with it"),
        ("p_moderated", "Float64", "moderated t; missing with it"),
        ("note", "string", "what stands in place of p, and other remarks"),
        _PLAN,
    ),
)
TRENDS = Table(
    "trends",
    "one endpoint x kind of trend x dose group x visit or window",
    ("endpoint", "kind", "dose_group", "at"),
    _columns(
        *_ENDPOINT,
        ("kind", "string", "dose: Jonckheere-Terpstra over dose groups; visits: Page's over visits within patients"),
        _GROUP,
        ("at", "string", "visit label of a trend over dose; window of a trend over visits"),
        ("n", "Int64", "patients in the test"),
        ("groups", "string", "dose groups in order with their patients, or the visits in order"),
        ("means", "string", "mean change of each dose group, on the scale; missing for a trend over visits"),
        ("statistic", "Float64", "Jonckheere-Terpstra's, or Page's L"),
        ("expected", "Float64", "its mean without a trend"),
        ("direction", "string", "rising or falling, as observed; none if neither, or if p (two-sided) is 1"),
        ("alternative", "string", "two-sided, rising or falling, as the plan declares"),
        ("p_floor", "Float64", "smallest p possible"),
        ("p", "Float64", "permutation p; missing where the floor is above alpha"),
        ("exact", "boolean", "whether every arrangement was counted"),
        ("note", "string", "who was left out, and what stands in place of p"),
        _PLAN,
    ),
)
FAMILIES = Table(
    "families",
    "one family x endpoint x visit, all dose groups together",
    ("family", "endpoint", "visit"),
    _columns(
        ("family", "string", "family in the plan; exploratory for all that is in none"),
        ("declared", "boolean", "whether the plan declares it"),
        ("endpoint", "string", "endpoint"),
        ("visit", "string", "visit label"),
        ("tests", "Int64", "tests in the family"),
        ("n", "Int64", "patients in the test"),
        ("mean", "Float64", "mean change on the endpoint's scale"),
        ("p_floor", "Float64", "smallest p possible"),
        ("p_sign_flip", "Float64", "exact sign-flip test, for itself"),
        ("p_bh", "Float64", "adjusted for the false-discovery rate in the family (Benjamini-Hochberg)"),
        ("p_max_t", "Float64", "adjusted for the family-wise error (step-down max-T over sign flips); declared ones"),
        ("note", "string", "what stands in place of p, and which other panels measure the same thing"),
        _PLAN,
    ),
)
OVER_TIME = Table(
    "over_time",
    "one endpoint x model x term",
    ("endpoint", "model", "term"),
    _columns(
        ("endpoint", "string", "endpoint of the plan"),
        ("model", "string", "MixedLM, beta-binomial (maximum likelihood) or (Bayesian), with other priors too"),
        ("term", "string", "visit against baseline, dose_doubling (after baseline), or a dose against the lowest"),
        ("patients", "Int64", "patients in the model"),
        ("values", "Int64", "values in the model"),
        ("estimate", "Float64", "log-odds (or scale units); posterior mean of a Bayesian model; none if not converged"),
        ("se", "Float64", "standard error, or posterior standard deviation"),
        ("low", "Float64", "lower end of the interval"),
        ("high", "Float64", "upper end"),
        ("p", "Float64", "Wald p; none of a Bayesian model"),
        ("converged", "boolean", "whether the fit converged: the optimiser, or r-hat, ESS and divergences"),
        ("note", "string", "how far it can be believed"),
        _PLAN,
    ),
)
MISSING = Table(
    "missing",
    "one planned endpoint x visit x dose group",
    ("endpoint", "visit", "dose_group"),
    _columns(
        *_ENDPOINT,
        ("visit", "string", "visit label"),
        _GROUP,
        ("patients", "Int64", "patients in the group"),
        ("n", "Int64", "of them with a change"),
        ("missing", "string", "who has none, and why"),
        ("mean", "Float64", "mean change of those who have one"),
        ("mean_if_none", "Float64", "mean of all, if the missing had not changed"),
        ("mean_if_lowest", "Float64", "if they had changed like the lowest observed"),
        ("mean_if_highest", "Float64", "if they had changed like the highest observed"),
        ("turns", "Float64", "change that the missing would need on average for the mean of all to be 0"),
        ("n_with_counts", "Int64", "patients if values below the limits of what is reported are used"),
        ("mean_with_counts", "Float64", "their mean change"),
        _PLAN,
    ),
)
POWER = Table(
    "power",
    "one endpoint x visit x number of patients x test",
    ("endpoint", "visit", "n", "test"),
    _columns(
        ("endpoint", "string", "endpoint of the plan"),
        ("visit", "string", "visit label"),
        ("scale", "string", "scale of the change"),
        ("patients_seen", "Int64", "patients that the variance is from"),
        ("sd", "Float64", "standard deviation of the change between them, within dose groups"),
        ("sd_high", "Float64", "upper 80 % confidence limit of it: the standard deviation is itself uncertain"),
        ("n", "Int64", "patients supposed"),
        ("test", "string", "t, moderated t or sign-flip"),
        ("power", "Float64", "power asked for"),
        ("detectable", "Float64", "smallest mean change found with that power, on the scale; missing: none is"),
        ("detectable_high", "Float64", "the same with sd_high"),
        ("detectable_fold", "Float64", "as an odds ratio or fold: exp of detectable"),
        ("note", "string", "why there is none"),
        _PLAN,
    ),
)
STATISTICS_TABLES = {
    table.name: table for table in (PATIENT_CHANGES, COURSES, ESTIMATES, TRENDS, FAMILIES, OVER_TIME, MISSING, POWER)
}
