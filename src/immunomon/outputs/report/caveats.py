"""What a reader must know before believing a figure of the report."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["caveats"]

_ALWAYS = (
    "There is no control arm: a change from baseline may be regression to the mean, other therapy or the disease's own "
    "course, and is not by itself an effect of the treatment.",
    "Patients are the replicates, cells are not. With so few patients read each one's line; means and 95 % t intervals "
    "are estimates. With n = 3 the smallest p of a two-sided paired exact test is 0.25.",
    "An expansion cohort is treated after the others: its difference from earlier cohorts is confounded with calendar "
    "time, reagent lots and instrument settings.",
    "Comparing responders with non-responders conditions on the outcome; populations found on the data that test them "
    "are exploratory.",
    "The interval beside a percentage is a Wilson interval: it covers the counting of events only, not staining, "
    "gating or the patient's own variation. What has too few events is not reportable and is shown with its reason, "
    "never as 0.",
)
_SURFACE_HELPERS = (
    "Th1, Th17 and Th17.1 are defined by surface CXCR3 and CCR6: activated and regulatory T cells contaminate these "
    "gates, and the double-negative rest contains Th2 cells but is not a measure of them."
)


def caveats(populations: Collection[str], tested: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the sentences that stand at the head of every report, with those that its contents call for.

    populations: that are in it; tested: the titles of its pages on which p-values stand.

    >>> len(caveats({"th1"})) - len(caveats({"treg"}))
    1
    >>> caveats({"treg"})[-1]
    'No p-values are given, and nothing is adjusted for the number of populations looked at.'
    """
    helpers = (_SURFACE_HELPERS,) if {"th1", "th17", "th_dn"} & set(populations) else ()
    return (*_ALWAYS, *helpers, _tests(tested))


def _tests(tested: Sequence[str]) -> str:
    if not tested:
        return "No p-values are given, and nothing is adjusted for the number of populations looked at."
    pages = " and ".join(f'"{title}"' for title in tested)
    return (
        f"p-values stand on {pages} only: each is of a test over patients; an adjusted p holds within its family "
        "of tests. Nothing else here is tested, or adjusted for the number of populations looked at."
    )
