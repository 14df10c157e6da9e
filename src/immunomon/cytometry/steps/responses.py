"""Responses: what a stimulus brought forth, from each stimulated tube and its unstimulated twin."""

from __future__ import annotations

import numpy as np
import pandas as pd

from immunomon.cytometry.kernels.proportions import difference_interval, fisher_greater
from immunomon.cytometry.model.run_tables import RESPONSES

__all__ = ["subtract_background"]

_PAIR = ["subject", "visit", "panel"]
_KEY = [*_PAIR, "population", "denominator"]
_COUNTED = ["count", "denominator_count"]
_ALPHA, _TIMES_BACKGROUND = 0.05, 2.0


def subtract_background(frequencies: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Return the table ``responses`` (see ``model.run_tables``) from the tables of a run.

    frequencies, samples: the run's tables. A stimulated tube has the role ``sample``, its twin ``unstimulated``, both
    of one subject, visit and panel. Panels without any unstimulated tube have no rows; a stimulated tube without its
    twin has rows that say so. Positive means a one-sided Fisher test with p < 0.05 and at least twice the background;
    the test is of one tube against another, and is not corrected for how many are made.
    """
    panels = samples.loc[samples["role"] == "unstimulated", "panel"].unique()
    if not len(panels):
        return RESPONSES.frame()
    twins = _twins(samples)
    mine = frequencies[(frequencies["role"] == "sample") & frequencies["panel"].isin(panels)]
    mine = mine[mine["subject"].notna()].merge(twins, on=_PAIR, how="left")
    theirs = frequencies[frequencies["role"] == "unstimulated"]
    theirs = theirs[["sample_id", "population", "denominator", *_COUNTED, "percent", "reason"]]
    theirs = theirs.rename(columns={name: f"unstimulated_{name}" for name in ("sample_id", *_COUNTED, "percent")})
    paired = mine.merge(
        theirs.rename(columns={"reason": "unstimulated_reason"}),
        on=["unstimulated_sample_id", "population", "denominator"],
        how="left",
    )
    paired = _compared(paired)
    paired["reason"] = _reasons(paired)
    paired["reportable"] = paired["reason"].isna()
    return (
        paired.sort_values(_KEY, kind="stable")[list(RESPONSES.names)].astype(RESPONSES.dtypes).reset_index(drop=True)
    )


def _twins(samples: pd.DataFrame) -> pd.DataFrame:
    """Return subject, visit, panel, the one unstimulated tube (missing where there are several), and their number."""
    rows = samples[(samples["role"] == "unstimulated") & samples["subject"].notna()]
    tubes = rows.groupby(_PAIR, sort=True)["sample_id"].agg(["first", "size"]).reset_index()
    tubes["unstimulated_sample_id"] = tubes["first"].where(tubes["size"] == 1)
    return tubes.rename(columns={"size": "twins"})[[*_PAIR, "unstimulated_sample_id", "twins"]]


def _compared(paired: pd.DataFrame) -> pd.DataFrame:
    counts = [paired[name].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan) for name in _columns()]
    known = np.isfinite(np.array(counts)).all(axis=0) & (counts[1] > 0) & (counts[3] > 0)
    whole = [np.where(known, values, 0).astype(np.int64) for values in counts]
    p_value = np.where(known, fisher_greater(*whole), np.nan)
    low, high = difference_interval(*(np.where(known, values, np.nan) for values in counts))
    stimulated, background = paired["percent"].astype("Float64"), paired["unstimulated_percent"].astype("Float64")
    net = (stimulated - background).where(known)
    fold = (stimulated / background.where(background > 0)).where(known)
    enough = stimulated >= _TIMES_BACKGROUND * background
    positive = (pd.Series(p_value, index=paired.index) < _ALPHA) & enough.fillna(False).astype(bool)
    return paired.assign(
        net_percent=net,
        net_low=100 * low,
        net_high=100 * high,
        fold=fold,
        p_value=p_value,
        positive=positive.astype("boolean").where(known),
    )


def _columns() -> list[str]:
    return [*_COUNTED, *(f"unstimulated_{name}" for name in _COUNTED)]


def _reasons(paired: pd.DataFrame) -> pd.Series:
    """Return why a net value may not be reported: little background is no reason, little else is."""
    theirs = paired["unstimulated_reason"].astype("string")
    theirs = ("unstimulated tube: " + theirs).mask(theirs.str.startswith("below").fillna(False))
    reason = paired["reason"].astype("string").fillna(theirs)
    reason = reason.mask(paired["twins"].isna(), "no unstimulated tube")
    return reason.mask(paired["twins"].fillna(0) > 1, "several unstimulated tubes")
