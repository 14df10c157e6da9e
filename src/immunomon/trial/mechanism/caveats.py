"""What the data cannot say about a mechanism; none of it may be left out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from immunomon.trial.mechanism.joined import Joined
from immunomon.trial.mechanism.platelets import AFTER_DAYS, NEAR_DAYS

__all__ = ["cannot_say"]

_ALWAYS = (
    "Whether the treatment did it. There is no control arm: everyone was treated, so what came after may be the "
    "disease's own course, other therapy, or regression to the mean (patients enter when they are at their worst, and "
    "platelets and blood cells then move back by themselves, together).",
    "Whether the immune change caused the response. Comparing responders with the others conditions on the outcome: "
    "platelets that recover for any reason may change the blood cells, and both may follow from something third, such "
    "as the dose, a steroid stopped, or an infection.",
    "Which dose did it. Dose groups were treated one after the other, and an expansion last: dose is confounded with "
    "calendar time, reagent lots, instrument settings, and with who was enrolled when.",
    "What came first within weeks. Blood was drawn for immune cells two to twelve weeks apart: a change that leads "
    "platelets by days, or follows them by days, looks simultaneous. A correlation with a lag is no proof of an order "
    "either: both courses are smooth, so each one's past resembles its present.",
    "Whether the path from dose to platelets is one. Its steps are straight lines through very few patients; their "
    "product is an effect through the immune change only if nothing else joins dose and platelets, which nobody knows.",
    "Anything about single patients: an interval of a mean says where the mean is, not what the next patient does.",
    "Anything confirmed. No analysis on this page is in the plan: all are exploratory, and p-values here are not "
    "adjusted for their number. They raise questions for the next study and answer none.",
)


def cannot_say(joined: Joined) -> Iterator[str]:
    """Yield what these data cannot say: what always holds, and what this run adds."""
    n = len(joined.subjects)
    responders, non_responders = (int((joined.responder == value).sum()) for value in (1, 0))
    unknown = int(np.isnan(joined.responder).sum())
    yield (
        f"Anything that needs more than {n} patients. There are {responders} responders and {non_responders} others"
        + (f" ({unknown} not evaluable)" if unknown else "")
        + ": an interval that holds 0 is not evidence of no difference, and one patient can carry an estimate."
    )
    yield from _ALWAYS
    for cohort, group in joined.measured.facts.expansions:
        yield f"In this study cohort {cohort} expands dose group {group}: what was said of expansions holds of it."
    measured = int(np.isfinite(joined.exposure).sum())
    yield (
        f"Anything about the exposure of patients in whom it was not measured: it is known in {measured} of {n}, and "
        "only around the first of the infusions."
    )
    yield (
        f"Choices that are the program's and not the protocol's [M]: a count belongs to a visit if taken within "
        f"{NEAR_DAYS} days; the platelets that follow a visit are the geometric mean of {AFTER_DAYS} days after it; "
        "counts soon after rescue therapy are left out; reference changes rest on the plan's figures of variation."
    )
