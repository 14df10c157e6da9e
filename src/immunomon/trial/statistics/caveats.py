"""What must be said with every figure of these statistics; none of it may be left out."""

from __future__ import annotations

from collections.abc import Iterator

from immunomon.trial.model.analysis import AssayVariation
from immunomon.trial.statistics.measured import Measured

__all__ = ["ALWAYS", "caveats"]

ALWAYS = (
    "There is no control arm: a change from baseline may be regression to the mean (patients are enrolled when they "
    "are at their worst), other therapy, or the disease's own course. It is not by itself an effect of the treatment.",
    "Patients are the replicates, cells are not: a test that pools cells finds an effect in about 78 of 100 trials "
    "without one. Everything here is over patients.",
    "With three patients read each one's line and the interval. The smallest p that an exact paired test can give is "
    "0.25 for 3 patients, 0.031 for 6, 0.0039 for 9; where that is above alpha it stands in place of p, and no p is "
    "given by any other test either.",
    "An expansion cohort is treated after the others: its difference from earlier cohorts, and with it part of the "
    "trend over dose, is confounded with calendar time, reagent lots and instrument settings. The same holds of dose "
    "groups treated one after the other.",
    "Comparing responders with non-responders conditions on the outcome: it is no comparison of treatments.",
    "Clusters tested on the data that made them are exploratory; so is everything here that the plan does not declare.",
    "An adjusted p holds within its own family only. What is labelled exploratory raises questions for the next study, "
    "it answers none.",
    "Parts of one parent move together: if one rises, the others fall. Only the centred log-ratio within one parent "
    "takes account of that, and parents and children are never mixed.",
    "MixedLM has no small-sample degrees of freedom, and maximum likelihood is approximate with few patients: models "
    "over time are a check of the estimates at single visits, not a verdict.",
    "A missing visit stays missing: nothing is imputed. Patients may be missing because of how they fare; the table "
    "'missing' says what that could change.",
)


def caveats(measured: Measured) -> Iterator[str]:
    """Yield what must be said with these results: what always holds, and what this run and plan add."""
    yield from ALWAYS
    for cohort, group in measured.facts.expansions:
        yield f"In this study cohort {cohort} expands dose group {group}: what was just said of expansions holds of it."
    figures = measured.plan.assay
    default = (figures.assay_cv_percent, figures.person_cv_percent) == (10.0, 15.0)
    origin = (
        "These are working figures that nobody has confirmed for your laboratory: put your own into the plan."
        if default and figures == AssayVariation()
        else "They are as good as the figures declared in the plan."
    )
    yield (
        f"Reference change values and the patients' intervals rest on an assay CV of {figures.assay_cv_percent:g} % "
        f"and a person's CV of {figures.person_cv_percent:g} %, unless the plan gives a population its own. {origin}"
    )
    yield (
        "Which values are below the limits of what is reported is decided by the limits of the run's panels. The "
        "shipped ones (20 events to detect, 50 to quantify) are working rules that nobody has confirmed for your assay."
    )
    if not any((series.gate_se > 0).any() for series in measured.planned):
        yield (
            "This run does not say how sure the position of each gate is: the patients' intervals do not cover that "
            "error, and are too narrow by it."
        )
    populations = {series.endpoint.population for series in measured.series}
    if populations & {"th1", "th17", "th_dn"}:
        yield (
            "Th1, Th17 and Th17.1 are defined by surface CXCR3 and CCR6: activated and regulatory T cells contaminate "
            "these gates, and the double-negative rest contains Th2 cells but is not a measure of them."
        )
