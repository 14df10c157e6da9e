"""What a reader must know before believing a figure of the report."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["caveats"]

_ALWAYS = (
    "There is no control arm: a change from baseline may be regression to the mean, other therapy or the disease's own "
    "course, and is not by itself an effect of the treatment.",
    "Patients are the replicates, cells are not. With so few patients read each one's line; means and 95 % t intervals "
    "are shown as estimates and no p-values are given: with n = 3 the smallest p of a two-sided paired exact test "
    "is 0.25.",
    "An expansion cohort is treated after the others: its difference from earlier cohorts is confounded with calendar "
    "time, reagent lots and instrument settings.",
    "Comparing responders with non-responders conditions on the outcome; populations found on the data that test them "
    "are exploratory. Nothing here is adjusted for the number of populations looked at.",
    "The interval beside a percentage is a Wilson interval: it covers the counting of events only, not staining, "
    "gating or the patient's own variation. What has too few events is not reportable and is shown with its reason, "
    "never as 0.",
)
_SURFACE_HELPERS = (
    "Th1, Th17 and Th17.1 are defined by surface CXCR3 and CCR6: activated and regulatory T cells contaminate these "
    "gates, and the double-negative rest contains Th2 cells but is not a measure of them."
)


def caveats(populations: Collection[str]) -> tuple[str, ...]:
    """Return the sentences that stand at the head of every report, with those that these populations call for.

    >>> len(caveats({"th1"})) - len(caveats({"treg"}))
    1
    """
    return (*_ALWAYS, _SURFACE_HELPERS) if {"th1", "th17", "th_dn"} & set(populations) else _ALWAYS
