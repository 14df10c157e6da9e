"""Compare: each subject's values over the visits, and their change from the subject's own baseline.

Nothing is chosen or guessed: where a value or its baseline is missing, doubled, failed or not reportable, the row
stays, says so in ``status`` and ``reason``, and its change columns are missing.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np
import pandas as pd

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.proportions import counting_error, log_odds, log_odds_of_percent
from immunomon.cytometry.model.populations import CHANGES, FREQUENCIES, POPULATIONS, SAMPLES, Table
from immunomon.study.model.ratios import RatioQuantity, RatioTerm, all_ratios
from immunomon.study.model.study import RoleKind, Study
from immunomon.study.model.uses import tube_of
from immunomon.study.model.visits import study_day

__all__ = ["compare"]

_SLOT = ["subject", "visit", "panel"]
_QUANTITY = ["panel", "quantity", "population", "denominator"]
_VALUE = ["label", "sample_id", "study_day", "count", "denominator_count", "value", "gate_se"]
_WHY = ["status", "reason", "rests_on", "method"]
_MEASURED = ["subject", "visit", *_QUANTITY, *_VALUE, *_WHY]


def compare(
    populations: pd.DataFrame,
    frequencies: pd.DataFrame,
    samples: pd.DataFrame,
    *,
    study: Study,
    ratios: Sequence[RatioQuantity] | None = None,
) -> pd.DataFrame:
    """Return one row per subject x visit x quantity, with its change from the subject's baseline.

    populations, frequencies, samples: tables of those contracts; rows of tubes that are no ``sample`` are left out.
    Result: the CHANGES contract, for every subject with a sample and every visit planned, ordered by subject, panel,
    quantity and visit. A ratio is there if both its terms are; ratios: default the study's. Without a baseline visit
    the values are there and their changes missing; so is the change from an absolute count by haematology to one by
    beads. Raises UnknownName if a sample names a subject or visit that the study does not have.
    """
    tubes = _samples_only(samples, SAMPLES)
    percents = _samples_only(frequencies, FREQUENCIES)
    percents = percents.assign(quantity="percent", value=percents["percent"], method="")
    absolutes = _absolutes(_samples_only(populations, POPULATIONS))
    slots = _slots(tubes, study, sorted({*percents["panel"], *absolutes["panel"]}))
    percent = _placed(slots, percents)
    followed = all_ratios(study.ratios) if ratios is None else ratios
    in_use = (meant for ratio in followed for meant in ratio.on(study.panels))
    quantities = [percent, _placed(slots, absolutes), *(_ratio(percent, ratio) for ratio in in_use)]
    measured = pd.concat([quantity for quantity in quantities if len(quantity)] or quantities[:1], ignore_index=True)
    baseline = study.baseline.label if study.baseline else None
    return _contracted(_with_change(measured, baseline) if baseline else _without_change(measured), study)


def _samples_only(table: pd.DataFrame, contract: Table) -> pd.DataFrame:
    # By way of float64, because a nullable column can hold a not-a-number that does not count as missing.
    plain = table.astype({name: "float64" for name, dtype in contract.dtypes.items() if dtype == "Float64"})
    typed = plain.astype(contract.dtypes)
    return typed[typed["role"] == RoleKind.SAMPLE.value]


def _absolutes(populations: pd.DataFrame) -> pd.DataFrame:
    counted = populations.loc[populations["cells_per_ul"].notna(), ["panel", "population"]].drop_duplicates()
    rows = populations.merge(counted, on=["panel", "population"])
    none = rows["cells_per_ul"].isna()
    figures = "neither lymphocytes/uL nor bead figures, or beads that may not be used"
    reason = f"{figures}, for " + rows["sample_id"] + ", so no absolute count"
    return rows.assign(
        quantity="cells_per_ul",
        denominator="",
        denominator_count=pd.array([pd.NA] * len(rows), dtype="Int64"),
        value=rows["cells_per_ul"],
        gate_se=np.nan,
        method=rows["cells_per_ul_method"],
        reason=rows["reason"].mask(none & rows["reason"].isna(), reason),
    )


def _slots(tubes: pd.DataFrame, study: Study, panels: list[str]) -> pd.DataFrame:
    """Return subject x visit x panel with the one sample that counts, or the reason why none does."""
    for label in tubes["visit"].unique():
        study.visit(label)  # a visit nobody planned must not fall out unseen
    rows = zip(tubes["subject"], tubes["collection_date"], strict=True)
    days = pd.Series([_day(study, *row) for row in rows], index=tubes.index, dtype="Int64")
    counts = (
        tubes.assign(study_day=days)
        .sort_values("sample_id")
        .groupby(_SLOT)
        .agg(
            tubes=("sample_id", "size"),
            names=("sample_id", ", ".join),
            sample_id=("sample_id", "first"),
            study_day=("study_day", "first"),
            outcome=("status", "first"),
            why=("reason", "first"),
        )
        .reset_index()
    )
    subjects = [study.subject(subject).id for subject in sorted(tubes["subject"].unique())]
    expected = pd.MultiIndex.from_product([subjects, [visit.label for visit in study.visits], panels], names=_SLOT)
    slots = expected.to_frame(index=False).astype("string").merge(counts, on=_SLOT, how="left")
    return _judged_slots(slots)


def _day(study: Study, subject: str, collected: str) -> int | None:
    dates = study.subject(subject).infusion_dates
    if pd.isna(collected) or not dates:
        return None
    return study_day(datetime.date.fromisoformat(collected), min(dates))


def _judged_slots(slots: pd.DataFrame) -> pd.DataFrame:
    number = slots["tubes"].astype("Int64")
    none, doubled = number.isna(), (number > 1).fillna(False)
    failed = slots["outcome"].astype("string").isin(["failed", "dropped"]) & ~doubled
    slot = slots["panel"] + " sample of " + slots["subject"] + " at " + slots["visit"]
    cases = (
        (none, "missing", "no " + slot),
        (doubled, "doubled", "more than one " + slot + ": " + slots["names"] + "; leave one in the sample list"),
        (failed, "failed", slots["sample_id"] + " " + slots["outcome"] + ": " + slots["why"].fillna("no reason given")),
    )
    status = pd.Series(pd.NA, index=slots.index, dtype="string")
    reason = status.copy()
    for mask, word, why in cases:
        status, reason = status.mask(mask, word), reason.mask(mask, why)
    gone = slots[["sample_id", "study_day"]].mask(doubled)  # of two samples neither is the one
    return slots[_SLOT].assign(sample_id=gone["sample_id"], study_day=gone["study_day"], status=status, reason=reason)


def _placed(slots: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Return a row for every slot x quantity of its panel, with the value where there is one."""
    named = values.sort_values("sample_id").drop_duplicates(_QUANTITY)[[*_QUANTITY, "label"]]
    numbers = ["count", "denominator_count", "value", "gate_se"]
    own = ["sample_id", *_QUANTITY, *numbers, "reportable", "reason", "rests_on", "method"]
    rows = slots.merge(named, on="panel").merge(
        values[own].rename(columns={"reason": "own_reason"}), on=["sample_id", *_QUANTITY], how="left"
    )
    bad = rows["status"].isna() & (~rows["reportable"].fillna(False) | rows["value"].isna())
    fallback = rows["sample_id"] + ": no value, or not reportable without a reason"
    failed = rows["status"].notna()
    rows["reason"] = rows["reason"].mask(bad, rows["own_reason"].fillna(fallback))
    rows["status"] = rows["status"].mask(bad, "not reportable").fillna("ok")
    rows[numbers] = rows[numbers].mask(failed)
    return rows[_MEASURED]


def _ratio(percent: pd.DataFrame, ratio: RatioQuantity) -> pd.DataFrame:
    """Return a ratio's rows; none if one of its terms is nowhere measured."""
    upper, lower = (_term(percent, term) for term in (ratio.upper, ratio.lower))
    rows = upper.merge(lower, on=["subject", "visit"], suffixes=("", "_lower"))
    is_one_tube = tube_of(ratio.upper.panel) == tube_of(ratio.lower.panel)
    empty = (rows["value_lower"] == 0).fillna(False)
    both_ok = (rows["status"] == "ok") & (rows["status_lower"] == "ok")
    worse = rows["status"]
    for status in ("not reportable", "failed", "doubled", "missing"):  # the last one that holds is said
        worse = worse.mask((rows["status"] == status) | (rows["status_lower"] == status), status)
    same_day = (rows["study_day"] == rows["study_day_lower"]).fillna(False)
    reason = _joined(
        ratio.upper.population + ": " + rows["reason"], ratio.lower.population + ": " + rows["reason_lower"]
    )
    nothing = f"{ratio.lower.population} is 0 % of {ratio.lower.denominator} in " + rows["sample_id_lower"]
    return rows.assign(
        panel=f"{ratio.upper.panel}/{ratio.lower.panel}",
        quantity="ratio",
        population=ratio.population,
        denominator=ratio.lower.population,
        label=ratio.label or rows["label"] + "/" + rows["label_lower"],
        sample_id=rows["sample_id"] + "/" + rows["sample_id_lower"],
        study_day=rows["study_day"].where(same_day),
        denominator_count=rows["count_lower"],
        value=rows["value"] / rows["value_lower"].mask(empty),
        # In one tube a border may part the two: what it takes of one it gives to the other, and the errors add up.
        gate_se=(np.add if is_one_tube else np.hypot)(_relative(rows, ""), _relative(rows, "_lower")),
        status=worse.mask(both_ok & empty, "not reportable"),
        reason=reason.mask(both_ok & empty, nothing),
        rests_on=_joined(rows["rests_on"], rows["rests_on_lower"]),
    )[_MEASURED]


def _relative(rows: pd.DataFrame, side: str) -> Floats:
    """Return the relative error of a percent from its gates, from that of its log-odds."""
    error, percent = (
        rows[f"{name}{side}"].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("gate_se", "value")
    )
    return np.asarray(error * (1 - percent / 100), dtype=np.float64)


def _term(percent: pd.DataFrame, term: RatioTerm) -> pd.DataFrame:
    chosen = (
        (percent["panel"] == term.panel)
        & (percent["population"] == term.population)
        & (percent["denominator"] == term.denominator)
    )
    return percent[chosen]


def _joined(first: pd.Series[str], second: pd.Series[str]) -> pd.Series[str]:
    return (first + "; " + second).fillna(first).fillna(second)


def _with_change(measured: pd.DataFrame, baseline: str) -> pd.DataFrame:
    key = ["subject", *_QUANTITY]
    kept = ["value", "sample_id", "count", "denominator_count", "gate_se", *_WHY]
    base = measured.loc[measured["visit"] == baseline, [*key, *kept]]
    rows = measured.merge(base.rename(columns={name: f"base_{name}" for name in kept}), on=key, how="left")
    fine = rows["status"] == "ok"
    unreported = rows["base_status"] == "not reportable"
    rows["reason"] = rows["reason"].mask(fine & (rows["base_status"] != "ok"), f"at {baseline}: " + rows["base_reason"])
    rows["status"] = rows["status"].mask(fine & unreported, "baseline not reportable")
    rows["status"] = rows["status"].mask(fine & ~unreported & (rows["base_status"] != "ok"), "missing baseline")
    mixed = (rows["status"] == "ok") & (rows["method"] != rows["base_method"]).fillna(False)
    rows["reason"] = rows["reason"].mask(mixed, "by " + rows["method"] + f", at {baseline} by " + rows["base_method"])
    rows["status"] = rows["status"].mask(mixed, "missing baseline")
    ok = rows["status"] == "ok"
    change = rows["value"] - rows["base_value"]
    log_odds_change, counting_se, gate_se = (values.where(ok) for values in _log_odds_change(rows))
    known = log_odds_change.notna() & gate_se.notna()
    return rows.assign(
        baseline=rows["base_value"],
        baseline_sample_id=rows["base_sample_id"].where(rows["base_value"].notna()),
        baseline_rests_on=rows["base_rests_on"],
        change=change.where(ok),
        percent_change=(100 * change / rows["base_value"].mask(rows["base_value"] == 0)).where(ok),
        log_odds_change=log_odds_change,
        counting_se=counting_se,
        gate_se=gate_se,
        within_gate_noise=(log_odds_change.abs() < 1.96 * gate_se).astype("boolean").where(known),
    )


def _without_change(measured: pd.DataFrame) -> pd.DataFrame:
    """Return the values of a study that has no baseline: nothing is missing, and there is nothing to compare with."""
    own = {name for name in measured if name != "gate_se"}  # in this table an error of the change
    nothing = pd.array([pd.NA] * len(measured), dtype="Float64")
    return measured.assign(**dict.fromkeys((name for name in CHANGES.names if name not in own), nothing))


def _log_odds_change(rows: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float], pd.Series[float]]:
    """Return the change on the log-odds scale, and its standard errors from counting and from the gates' places."""
    number = {
        name: rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for stem in ("value", "count", "denominator_count", "gate_se")
        for name in (stem, f"base_{stem}")
    }
    now, before = _log_odds(number, ""), _log_odds(number, "base_")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(number["value"] / number["base_value"])
    quantity = rows["quantity"]
    change = np.where(quantity == "percent", now - before, np.where(quantity == "ratio", ratio, np.nan))
    counting = np.hypot(_counting_error(number, ""), _counting_error(number, "base_"))
    errors = np.where(quantity == "percent", counting, np.nan), np.hypot(number["gate_se"], number["base_gate_se"])
    first, second, third = (_series(values, rows) for values in (change, *errors))
    return first, second, third


def _series(values: Floats, rows: pd.DataFrame) -> pd.Series[float]:
    return pd.Series(np.where(np.isfinite(values), values, np.nan), index=rows.index).astype("Float64")


def _log_odds(number: dict[str, Floats], stem: str) -> Floats:
    # Odds need a part of a whole: the two sides of a ratio, or a denominator that is no ancestor, have none.
    count, total, percent = (number[f"{stem}{name}"] for name in ("count", "denominator_count", "value"))
    counted = log_odds(np.where(count <= total, count, np.nan), total)
    return np.where(np.isnan(count), log_odds_of_percent(percent), counted)


def _counting_error(number: dict[str, Floats], stem: str) -> Floats:
    count, total = number[f"{stem}count"], number[f"{stem}denominator_count"]
    return counting_error(np.where(count <= total, count, np.nan), total)


def _contracted(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    groups = {subject.id: subject.dose_group for subject in study.subjects}
    days = {visit.label: visit.planned_day for visit in study.visits}
    table = rows.assign(
        dose_group=rows["subject"].map(groups),
        planned_day=rows["visit"].map(days),
        denominator=rows["denominator"].mask(rows["denominator"] == ""),
    )
    # The order is the study's own, and does not depend on the order of the files.
    places = {
        "subject": list(groups),
        "panel": [use.panel for use in study.panels],
        "quantity": ["percent", "cells_per_ul", "ratio"],
        "visit": list(days),
    }
    order = ["subject", "panel", "panel_name", "quantity", "population", "denominator", "visit"]
    rank = table.assign(panel_name=table["panel"])[order].fillna({"denominator": ""})
    for name, known in places.items():
        rank[name] = rank[name].map({value: order for order, value in enumerate(known)})
    rows_in_order = rank.sort_values(order).index
    return table.loc[rows_in_order, list(CHANGES.names)].astype(CHANGES.dtypes).reset_index(drop=True)
