"""The column contracts of what ``immunomon assess`` writes: names, types, meaning."""

from __future__ import annotations

from immunomon.cytometry.model.populations import Column, Table

__all__ = [
    "ADVERSE_EVENT_WORST",
    "ANTIBODY_RESPONSE",
    "ASSESSMENT_TABLES",
    "CANDIDATES",
    "ESCALATION",
    "INCIDENCE",
    "KINETICS",
    "PLANNED",
    "PLATELET_RESPONSE",
    "PLATELET_VISITS",
    "PROPORTIONALITY",
    "VIRUS_CONVERSIONS",
    "VIRUS_SHIFTS",
]


def _columns(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


_SUBJECT = (
    ("subject", "string", "subject id"),
    ("dose_group", "string", "dose group of the subject"),
)
_GROUP = (
    ("dose_group", "string", "dose group; all: all together"),
    ("cells_per_kg", "Float64", "cells per kilogram, each infusion"),
)
_INTERVAL = (
    ("low", "Float64", "lower end of the 95 % interval (of shares: exact, Clopper-Pearson)"),
    ("high", "Float64", "upper end"),
)

PLATELET_VISITS = Table(
    "platelet_visits",
    "one platelet count",
    ("subject", "study_day", "visit"),
    _columns(
        *_SUBJECT,
        ("visit", "string", "visit label; missing if unscheduled"),
        ("study_day", "Int64", "study day (first infusion = Day 1, no Day 0)"),
        ("platelets_1e9_per_l", "Float64", "platelets, 10^9/L; missing if not counted"),
        ("baseline_1e9_per_l", "Float64", "the subject's baseline"),
        ("fold", "Float64", "count / baseline"),
        ("bleeding", "boolean", "whether there was bleeding; missing if not recorded"),
        ("rescue_therapy", "boolean", "whether rescue therapy was given"),
        ("after_rescue", "boolean", "whether the count is within the declared days of a rescue therapy"),
        ("level", "string", "what this count is by itself: CR, R, NR, NE (not evaluable) or baseline"),
        ("state", "string", "state under the confirmation rules: CR, R, NR, loss, NE or baseline"),
        ("note", "string", "such as: R not confirmed, loss of CR, one count below; missing if nothing"),
    ),
)
PLATELET_RESPONSE = Table(
    "platelet_response",
    "one subject with platelet counts",
    ("subject",),
    _columns(
        *_SUBJECT,
        ("baseline_1e9_per_l", "Float64", "baseline count, 10^9/L"),
        ("best_response", "string", "best confirmed response: CR, R, NR, or NE (not evaluable)"),
        ("responder", "boolean", "whether CR or R was confirmed; missing if not evaluable"),
        ("response_day", "Int64", "study day on which the first confirmed response was achieved"),
        ("days_to_response", "Int64", "days from the first infusion to it"),
        ("days_to_complete_response", "Int64", "days from the first infusion to the first confirmed CR"),
        ("loss_day", "Int64", "study day of the confirmed loss of the first response; missing if not lost"),
        ("duration_days", "Int64", "days from the first response to its loss, or to the last count if not lost"),
        ("duration_censored", "boolean", "whether the first response was not lost by the last count"),
        ("complete_response_day", "Int64", "study day on which the first confirmed CR was achieved"),
        ("complete_loss_day", "Int64", "study day of the confirmed loss of the first CR; missing if not lost"),
        ("complete_duration_days", "Int64", "days from the first CR to its loss, or to the last count if not lost"),
        ("complete_duration_censored", "boolean", "whether the first CR was not lost by the last count"),
        ("episodes", "Int64", "confirmed responses, one after another"),
        ("days_in_response", "Int64", "days in confirmed response, all episodes"),
        ("days_observed", "Int64", "days from the first infusion to the last evaluable count"),
        ("share_in_response", "Float64", "days_in_response / days_observed, 0 to 1"),
        ("counts", "Int64", "evaluable counts after the first infusion"),
        ("rescue_courses", "Int64", "counts at which rescue therapy is recorded"),
        ("first_rescue_day", "Int64", "study day of the first of them"),
        ("durable", "boolean", "whether the response is durable as declared; missing if not evaluable"),
        ("durable_counts", "Int64", "evaluable counts within the durable response's window"),
        ("durable_counts_in_response", "Int64", "those that are CR or R by themselves"),
        ("reason", "string", "why something is not evaluable; missing otherwise"),
    ),
)
KINETICS = Table(
    "kinetics",
    "one subject x kinetic parameter",
    ("subject", "parameter"),
    _columns(
        *_SUBJECT,
        ("cells_per_kg", "Float64", "cells per kilogram, each infusion"),
        ("parameter", "string", "CDISC's code: CMAX, TMAX, TLST, AUCLST, AUCIFO, AUCPEO, LAMZ, LAMZHL, R2ADJ ..."),
        ("name", "string", "CDISC's name of the parameter"),
        ("value", "Float64", "the value; missing if not estimable"),
        ("unit", "string", "unit of the value"),
        ("reason", "string", "why it is not estimable; missing if it is"),
    ),
)
PROPORTIONALITY = Table(
    "proportionality",
    "one kinetic parameter over the doses",
    ("parameter",),
    _columns(
        ("parameter", "string", "CMAX, AUCLST or AUCIFO"),
        ("n", "Int64", "subjects with a value above 0"),
        ("doses", "Int64", "different doses among them"),
        ("dose_ratio", "Float64", "highest dose / lowest dose"),
        ("slope", "Float64", "exponent of the power model value = a x dose^slope; 1 is proportional"),
        ("low", "Float64", "lower end of its interval, of the declared confidence (90 % unless study.yaml says else)"),
        ("high", "Float64", "upper end"),
        ("proportional_low", "Float64", "lower bound for proportionality over this range of doses (0.80 to 1.25)"),
        ("proportional_high", "Float64", "upper bound"),
        ("finding", "string", "proportional, not proportional, or inconclusive; missing if not estimable"),
        ("reason", "string", "why there is no slope; missing if there is"),
    ),
)
ANTIBODY_RESPONSE = Table(
    "antibody_response",
    "one subject tested for antibody to the cells",
    ("subject",),
    _columns(
        *_SUBJECT,
        ("before_result", "string", "result before the first infusion"),
        ("before_titre", "Float64", "titre before the first infusion"),
        ("after_result", "string", "positive if any result after it is, else the last one"),
        ("after_titre", "Float64", "highest titre after it"),
        ("fold", "Float64", "after_titre / before_titre; missing where either is missing or 0"),
        ("category", "string", "induced, boosted, unchanged (positive before and after), negative, or not evaluable"),
        ("best_response", "string", "platelet response: CR, R, NR or NE; missing without counts"),
        ("cmax_cells_per_ml", "Float64", "highest concentration of the cells in blood"),
        ("auclast_h_cells_per_ml", "Float64", "area under the concentration to the last quantifiable one"),
        ("reason", "string", "why it is not evaluable; missing otherwise"),
    ),
)
VIRUS_SHIFTS = Table(
    "virus_shifts",
    "one virus x visit x result before and then",
    ("virus", "visit", "baseline_result", "result"),
    _columns(
        ("virus", "string", "virus or other agent"),
        ("visit", "string", "visit label"),
        ("baseline_result", "string", "result before the first infusion, or no result"),
        ("result", "string", "result at the visit, or no result"),
        ("n", "Int64", "subjects"),
        ("subjects", "string", "their ids, sorted, joined by a space"),
    ),
)
VIRUS_CONVERSIONS = Table(
    "virus_conversions",
    "one subject x virus that was not positive before the first infusion and is after it",
    ("subject", "virus", "visit"),
    _columns(
        *_SUBJECT,
        ("virus", "string", "virus or other agent"),
        ("baseline_result", "string", "result before the first infusion: negative, indeterminate or no result"),
        ("visit", "string", "first visit at which it is positive"),
        ("study_day", "Int64", "its study day"),
        ("date", "string", "its date, ISO"),
    ),
)
ADVERSE_EVENT_WORST = Table(
    "adverse_event_worst",
    "one subject x term, or x system organ class, or altogether: treatment-emergent events at the worst grade",
    ("subject", "level", "system_organ_class", "term"),
    _columns(
        *_SUBJECT,
        ("level", "string", "term, class or any"),
        ("system_organ_class", "string", "system organ class; missing for any"),
        ("term", "string", "preferred term; missing for class and any"),
        ("worst_grade", "Int64", "highest grade; missing if none was recorded"),
        ("events", "Int64", "events"),
        ("first_day", "Int64", "study day of the first"),
        ("related", "boolean", "whether any is related to the treatment"),
        ("serious", "boolean", "whether any is serious"),
        ("dose_limiting", "boolean", "whether any is dose-limiting and began within the declared window"),
    ),
)
INCIDENCE = Table(
    "incidence",
    "one kind of event x dose group, or x cohort of a dose that was expanded: how many subjects of how many",
    ("topic", "measure", "system_organ_class", "term", "dose_group", "cohort"),
    _columns(
        ("topic", "string", "platelets, antibodies, viruses or adverse events"),
        ("measure", "string", "what is counted: response, induced, conversion, any, related, serious, grade >= 3 ..."),
        ("system_organ_class", "string", "of adverse events; missing otherwise"),
        ("term", "string", "of adverse events; missing otherwise"),
        *_GROUP,
        ("cohort", "string", "cohort, where the dose has an expansion beside others; missing: the whole dose group"),
        ("n", "Int64", "subjects who could have it: evaluable, or treated for adverse events"),
        ("subjects_with", "Int64", "subjects who have it"),
        ("percent", "Float64", "100 x subjects_with / n"),
        *_INTERVAL,
        ("who", "string", "their ids, sorted, joined by a space"),
        ("left_out", "string", "treated subjects of the group who are not counted in n, sorted, joined by a space"),
    ),
)
ESCALATION = Table(
    "escalation",
    "one step of the dose escalation: a cohort looked at",
    ("step",),
    _columns(
        ("step", "Int64", "number of the step, in the order of doses and entry"),
        ("dose_group", "string", "dose group"),
        ("cells_per_kg", "Float64", "cells per kilogram, each infusion"),
        ("subjects", "string", "subjects of this dose so far, in order of entry, joined by a space"),
        ("first_infusion", "string", "date of the first infusion of the first of them"),
        ("last_entry", "string", "date of the first infusion of the last of them"),
        ("window_complete", "string", "date on which the last one's toxicity window was over"),
        ("evaluable", "Int64", "subjects whose window is over by the data's last date, or who had a toxicity"),
        ("toxicities", "Int64", "subjects with a dose-limiting toxicity within the window, as known now"),
        ("who", "string", "these subjects, joined by a space"),
        ("rule", "string", "the rule applied"),
        ("rule_says", "string", "what the rule says of all that is known now"),
        ("next_entry", "string", "date of the first infusion that followed; missing if none did"),
        ("followed_by", "string", "what was done: next dose, more at this dose, expansion, or nothing yet"),
        ("evaluable_then", "Int64", "subjects whose window was over on that date, or who had a toxicity by then"),
        ("toxicities_then", "Int64", "toxicities that had begun by that date"),
        ("rule_said_then", "string", "what the rule said of what was known on that date"),
        ("note", "string", "where what was done departs from what the rule said; missing if nowhere"),
    ),
)
CANDIDATES = Table(
    "candidates",
    "one dose group x measure: what speaks for and against its expansion, side by side",
    ("dose_group", "aspect", "measure"),
    _columns(
        *_GROUP,
        ("aspect", "string", "safety, response, kinetics or immune change"),
        ("measure", "string", "what is measured"),
        ("n", "Int64", "subjects it rests on"),
        ("value", "Float64", "the value"),
        ("unit", "string", "its unit"),
        *_INTERVAL,
        ("text", "string", "the value as it is read out"),
    ),
)
PLANNED = Table(
    "planned",
    "one planned assessment of one treated subject",
    ("subject", "assessment", "planned", "test"),
    _columns(
        *_SUBJECT,
        ("assessment", "string", "infusions, or the file's name: platelets, msc_concentration, antibodies, viruses"),
        ("planned", "string", "planned visit, study day or hours"),
        ("test", "string", "virus looked for; missing otherwise"),
        ("planned_day", "Int64", "planned study day"),
        ("study_day", "Int64", "study day on which it was done; missing if it was not, or only hours are known"),
        ("status", "string", "done, outside the window, not done (a row without a result), missing, not due yet"),
    ),
)
ASSESSMENT_TABLES = {
    table.name: table
    for table in (
        *(PLATELET_VISITS, PLATELET_RESPONSE, KINETICS, PROPORTIONALITY, ANTIBODY_RESPONSE),
        *(VIRUS_SHIFTS, VIRUS_CONVERSIONS, ADVERSE_EVENT_WORST, INCIDENCE, ESCALATION, CANDIDATES, PLANNED),
    )
}
