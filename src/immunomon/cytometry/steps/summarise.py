"""Summarise: each dose group's values and changes at each visit, with every subject's own value kept."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.cytometry.model.populations import CHANGES, SUMMARY
from immunomon.study.model.study import NO_GROUP, Study

__all__ = ["ALL_GROUPS", "MEASURES", "summarise"]

ALL_GROUPS = "all"
MEASURES = ("value", "change", "percent_change", "log_odds_change")
# The value of a visit counts although there is nothing to compare it with.
_HAS_VALUE = ("ok", "missing baseline", "baseline not reportable")
_KEY = list(SUMMARY.key)
_PLACE = [name for name in _KEY if name != "measure"]


def summarise(changes: pd.DataFrame, study: Study, confidence: float = 0.95) -> pd.DataFrame:
    """Return one row per dose group (and ``all``) x visit x quantity x measure, over the subjects that have a value.

    changes: the CHANGES contract. Result: the SUMMARY contract, ordered by dose group (as in the study, ``all`` last),
    panel, quantity, visit and measure. The measures are the value, and after baseline its change, percent change (both
    for everything) and change in log-odds (not for cells/uL, which have none). A row stays with ``n`` 0 when nobody
    has a value. Subjects are the sample, never their cells: the interval is Student's t over subjects. Where a number
    cannot be below 0 (or above 100), the interval is made on the log-odds, or the logarithm, of the mean (delta method)
    and transformed back, so that it never names an impossible value.
    """
    typed = changes.astype(CHANGES.dtypes)
    typed["denominator"] = typed["denominator"].fillna("")
    in_groups = typed[typed["dose_group"] != NO_GROUP]  # a study without groups has all its subjects together, once
    grouped = pd.concat([in_groups, typed.assign(dose_group=ALL_GROUPS)], ignore_index=True)
    table = _asked(grouped, study.baseline.label if study.baseline else None).merge(
        _described(_long(grouped), confidence), on=_KEY, how="left"
    )
    table["n"] = table["n"].fillna(0)
    table["subjects"] = table["subjects"].fillna("{}")
    return _contracted(table, study)


def _asked(grouped: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    """Return the rows the table has, whether or not anybody has a value there; without a baseline no change has."""
    places = grouped[[*_PLACE, "planned_day"]].drop_duplicates(_PLACE)
    labels = grouped.sort_values(["panel", "label"])[["panel", "population", "label"]]
    places = places.merge(labels.drop_duplicates(["panel", "population"]), on=["panel", "population"])
    rows = places.merge(pd.DataFrame({"measure": pd.array(MEASURES, dtype="string")}), how="cross")
    later = (rows["visit"] != baseline if baseline else rows["visit"].isna()) & (
        (rows["measure"] != "log_odds_change") | (rows["quantity"] != "cells_per_ul")
    )
    return rows[(rows["measure"] == "value") | later]


def _long(grouped: pd.DataFrame) -> pd.DataFrame:
    """Return one row per subject x place x measure that has a usable number, subjects in order."""
    parts = []
    for measure in MEASURES:
        usable = grouped["status"].isin(_HAS_VALUE if measure == "value" else ["ok"]) & grouped[measure].notna()
        part = grouped.loc[usable, [*_PLACE, "subject"]]
        parts.append(part.assign(measure=measure, number=grouped.loc[usable, measure].astype("float64")))
    return pd.concat(parts, ignore_index=True).sort_values("subject", kind="stable")


def _described(numbers: pd.DataFrame, confidence: float) -> pd.DataFrame:
    groups = numbers.groupby(_KEY, sort=True)
    table = groups["number"].agg(n="size", mean="mean", sd="std", median="median").reset_index()
    half = _half_width(table["n"].to_numpy(np.float64), table["sd"].to_numpy(np.float64), confidence)
    low, high = _interval(table["mean"].to_numpy(np.float64), half, _kinds(table))
    return table.assign(low=low, high=high, subjects=_as_json(numbers, groups.ngroup()))


def _kinds(table: pd.DataFrame) -> NDArray[np.str_]:
    """Return on which scale each row's interval is made: ``log-odds``, ``log``, ``fold`` or ``plain``."""
    measure, quantity = table["measure"].to_numpy(dtype=str), table["quantity"].to_numpy(dtype=str)
    positive = np.where(quantity == "percent", "log-odds", "log")
    return np.where(measure == "value", positive, np.where(measure == "percent_change", "fold", "plain"))


def _interval(mean: Floats, half: Floats, kinds: NDArray[np.str_]) -> tuple[Floats, Floats]:
    """Return the ends of the intervals: mean -+ half, on the scale on which the mean has no impossible neighbours."""
    low, high = mean - half, mean + half
    odds = (kinds == "log-odds") & (mean > 0) & (mean < 100)
    folds = ((kinds == "log") & (mean > 0)) | ((kinds == "fold") & (mean > -100))
    base = np.where(kinds == "fold", 100.0, 0.0)[folds]
    share, step = mean[odds] / 100, half[odds] / 100
    for end, sign in ((low, -1), (high, 1)):
        odds_of_end = share / (1 - share) * np.exp(np.clip(sign * step / (share * (1 - share)), -700, 700))
        end[odds] = 100 * odds_of_end / (1 + odds_of_end)
        end[folds] = (base + mean[folds]) * np.exp(sign * half[folds] / (base + mean[folds])) - base
    return low, high


def _half_width(n: Floats, sd: Floats, confidence: float) -> Floats:
    from scipy.special import stdtrit  # scipy is slow to import, and only needed here

    freedom = np.where(n > 1, n - 1, np.nan)
    return np.asarray(stdtrit(freedom, 0.5 + confidence / 2) * sd / np.sqrt(n), dtype=np.float64)


def _as_json(numbers: pd.DataFrame, group: pd.Series[int]) -> list[str]:
    """Return each group's subjects as a JSON object, keys sorted; numbers at full precision."""
    name = {subject: json.dumps(subject) for subject in numbers["subject"].unique()}
    objects: dict[int, list[str]] = {}
    for index, subject, number in zip(group, numbers["subject"], numbers["number"], strict=True):
        objects.setdefault(index, []).append(f"{name[subject]}: {number!r}")
    return ["{" + ", ".join(objects[index]) + "}" for index in sorted(objects)]


def _contracted(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    order = ["dose_group", "panel", "panel_name", "quantity", "population", "denominator", "visit", "measure"]
    places = {
        "dose_group": [*(group.name for group in study.dose_groups), ALL_GROUPS],
        "panel": [use.panel for use in study.panels],
        "quantity": ["percent", "cells_per_ul", "ratio"],
        "visit": [visit.label for visit in study.visits],
        "measure": list(MEASURES),
    }
    rank = table.assign(panel_name=table["panel"])[order]
    for name, known in places.items():
        rank[name] = rank[name].map({value: order for order, value in enumerate(known)})
    table["denominator"] = table["denominator"].mask(table["denominator"] == "")
    ordered = table.loc[rank.sort_values(order).index, list(SUMMARY.names)]
    return ordered.astype(SUMMARY.dtypes).reset_index(drop=True)
