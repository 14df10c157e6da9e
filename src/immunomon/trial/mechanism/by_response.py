"""The change of patients whose platelets responded, against the others: estimates, and an exact test with its floor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from immunomon.trial.kernels.two_groups import difference_of_means
from immunomon.trial.mechanism.joined import Joined
from immunomon.trial.mechanism.rows import head
from immunomon.trial.model.mechanism import BY_RESPONSE
from immunomon.trial.statistics.measured import Series
from immunomon.trial.statistics.rows import as_json, contracted, no_p

__all__ = ["by_response"]


def by_response(joined: Joined, rng: np.random.Generator) -> pd.DataFrame:
    """Return the change of responders against that of the others at the primary visits (the BY_RESPONSE contract).

    Patients whose response is not evaluable are left out and counted. This conditions on the outcome.
    """
    rows = (_row(joined, series, visit, rng) for series, visit in _places(joined))
    return contracted(rows, BY_RESPONSE, joined.measured.plan.digest)


def _places(joined: Joined) -> Iterator[tuple[Series, str]]:
    for series in joined.looked_at:
        for visit in joined.visits:
            yield series, visit


def _row(joined: Joined, series: Series, visit: str, rng: np.random.Generator) -> dict[str, Any]:
    change = joined.change(series, visit)
    known = np.isfinite(change)
    yes, no = known & (joined.responder == 1), known & (joined.responder == 0)
    difference = difference_of_means(change[yes], change[no], rng, joined.confidence)
    names = np.array(joined.subjects, dtype=object)
    floor_note = "" if np.isnan(difference.floor) else no_p(difference.floor, joined.measured.plan.alpha)
    few = "not estimable: nobody on one side" if np.isnan(difference.difference) else ""
    alone = "no Welch interval: fewer than two patients on one side" if not few and np.isnan(difference.low) else ""
    note = "; ".join(part for part in (few, alone, floor_note) if part)
    return {
        **head(series),
        "visit": visit,
        "responders": int(yes.sum()),
        "others": int(no.sum()),
        "not_evaluable": int((known & np.isnan(joined.responder)).sum()),
        "mean_responders": float(change[yes].mean()) if yes.any() else float("nan"),
        "mean_others": float(change[no].mean()) if no.any() else float("nan"),
        "difference": difference.difference,
        "low": difference.low,
        "high": difference.high,
        "exact_low": difference.exact_low,
        "exact_high": difference.exact_high,
        "exact_confidence": difference.exact_confidence,
        "p_floor": difference.floor,
        "p": float("nan") if floor_note else difference.p,
        "subjects": as_json(names[known], change[known]),
        "who_responded": " ".join(sorted(names[yes])),
        "note": note,
    }
