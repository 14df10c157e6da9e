"""Which was first in each patient: an immune change beyond the reference change, or the platelet response."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from immunomon.trial.kernels.signflip import sign_flip_floor
from immunomon.trial.mechanism.balance import reference_folds
from immunomon.trial.mechanism.joined import Joined
from immunomon.trial.mechanism.rows import head
from immunomon.trial.model.mechanism import ORDER_COUNTS, TIME_ORDER
from immunomon.trial.statistics.measured import Series
from immunomon.trial.statistics.rows import contracted, no_p

__all__ = ["FIRST_IMMUNE", "FIRST_PLATELETS", "order_counts", "time_order"]

FIRST_IMMUNE, FIRST_PLATELETS, CANNOT_TELL = "immune change first", "platelets first", "cannot tell"
RESPONSE_ONLY, IMMUNE_ONLY, NEITHER = "response only", "immune change only", "neither"
NOT_EVALUABLE = "not evaluable"


def time_order(joined: Joined) -> pd.DataFrame:
    """Return, patient by patient, between which days either came, and which was first (the TIME_ORDER contract).

    Both are seen only when someone looks: a change came between two visits, a response between two counts. Where
    these stretches overlap, the order cannot be told.
    """
    rows = (row for series in joined.looked_at for row in _rows(joined, series))
    return contracted(rows, TIME_ORDER, joined.measured.plan.digest)


def _rows(joined: Joined, series: Series) -> Iterator[dict[str, Any]]:
    for i, (subject, group) in enumerate(joined.measured.facts.group_of.items()):
        crossing = _crossing(joined, series, i)
        response = joined.response[i]
        responder = joined.responder[i]
        row: dict[str, Any] = {**head(series), "subject": subject, "dose_group": group, **crossing}
        if np.isfinite(responder):
            row["responder"] = bool(responder)
        if np.isfinite(response).all():
            row |= {"response_after_day": int(response[0]), "response_day": int(response[1])}
        yield row | {"which_first": _order(row, series, i, joined)}


def _crossing(joined: Joined, series: Series, i: int) -> dict[str, Any]:
    """Return the first visit beyond the reference change, and between which days the change came."""
    base = joined.measured.baseline
    low, high = reference_folds(joined.measured, series)
    previous = base
    for j in range(base + 1, len(joined.measured.facts.labels)):
        with np.errstate(divide="ignore", invalid="ignore"):
            fold = series.value[i, j] / series.value[i, base]
        if not np.isfinite(fold):
            continue
        if fold > high or fold < low:
            return {
                "visit": joined.measured.facts.labels[j],
                "direction": "above" if fold > high else "below",
                "immune_after_day": round(float(series.day[i, previous])),
                "immune_day": round(float(series.day[i, j])),
            }
        previous = j
    return {}


def _order(row: dict[str, Any], series: Series, i: int, joined: Joined) -> str:
    base = joined.measured.baseline
    has_change = np.isfinite(series.change(base)[i, base + 1 :]).any()
    if "responder" not in row or not has_change:
        return NOT_EVALUABLE
    beyond, responded = "immune_day" in row, "response_day" in row
    if not (beyond and responded):
        return IMMUNE_ONLY if beyond else RESPONSE_ONLY if responded else NEITHER
    if row["immune_day"] <= row["response_after_day"]:
        return FIRST_IMMUNE
    return FIRST_PLATELETS if row["response_day"] <= row["immune_after_day"] else CANNOT_TELL


def order_counts(joined: Joined, orders: pd.DataFrame) -> pd.DataFrame:
    """Return how many patients had which first (the ORDER_COUNTS contract); orders: as ``time_order`` returns them.

    The sign test is over patients whose order can be told; Fisher 1935.
    """
    rows = (_counts(joined, series, orders) for series in joined.looked_at)
    return contracted(rows, ORDER_COUNTS, joined.measured.plan.digest)


def _counts(joined: Joined, series: Series, orders: pd.DataFrame) -> dict[str, Any]:
    from scipy.special import bdtr

    mine = orders[(orders["endpoint"] == series.endpoint.name) & (orders["which_first"] != NOT_EVALUABLE)]
    responded = mine["responder"].fillna(False).astype(bool)
    tally = mine.loc[responded, "which_first"].value_counts()
    immune, platelets = int(tally.get(FIRST_IMMUNE, 0)), int(tally.get(FIRST_PLATELETS, 0))
    decided = immune + platelets
    floor = sign_flip_floor(decided)
    note = no_p(floor, joined.measured.plan.alpha) if decided else "no p: no order can be told"
    return {
        **head(series),
        "responders": int(responded.sum()),
        "immune_first": immune,
        "platelets_first": platelets,
        "cannot_tell": int(tally.get(CANNOT_TELL, 0)),
        "response_only": int(tally.get(RESPONSE_ONLY, 0)),
        "others": int((~responded).sum()),
        "others_beyond": int((mine.loc[~responded, "which_first"] == IMMUNE_ONLY).sum()),
        "p_floor": floor if decided else float("nan"),
        "p": float("nan") if note else min(1.0, 2 * float(bdtr(min(immune, platelets), decided, 0.5))),
        "note": note,
    }
