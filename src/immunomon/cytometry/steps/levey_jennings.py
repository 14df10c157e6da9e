"""Levey-Jennings charts: the bridge samples in order of time, judged by control limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.kernels.outliers import RULES, broken_rules, control_limits
from immunomon.cytometry.model.run_tables import STEADINESS
from immunomon.study.model.steadiness import Steadiness

__all__ = ["chart_levey_jennings", "decades"]


_SERIES = ["panel", "donor", "population", "quantity", "marker"]
_ASKED = ("reportable", "reason", "collection_date", "value")
_JUDGED = ("number", "establishes", "mean", "sd", "judged_by", "z", "reason", "rules", "verdict")
_COFACTOR = 150.0
# Relative to the mean: an SD below this is rounding, not spread.
_NO_SPREAD = 1e-12


def decades(intensity: Floats) -> Floats:
    """Return intensities on a scale that is even for dim cells and counts decades for bright ones.

    ``asinh(intensity / 150) / ln 10``: a change of a bright population by 0.1 is a factor of 1.26.

    >>> (decades(np.array([20000.0])) - decades(np.array([2000.0]))).round(2)
    array([1.])
    """
    return np.asarray(np.arcsinh(intensity / _COFACTOR) / np.log(10), dtype=np.float64)


def chart_levey_jennings(
    samples: pd.DataFrame, populations: pd.DataFrame, medians: pd.DataFrame, *, settings: Steadiness
) -> pd.DataFrame:
    """Return the table ``steadiness``: every quantity of every bridge sample, with its limits and the rules it breaks.

    samples, populations, medians: tables of a run. Bridge samples of one donor make a series for each panel,
    population, quantity and marker, in order of their collection date. What is not reportable or not dated is in the
    table with its reason and in no series. Levey and Jennings 1950, Am J Clin Pathol 20:1059; rules: ``broken_rules``.

    >>> from immunomon.cytometry.model.populations import MEDIANS, POPULATIONS, SAMPLES
    >>> empty = [pd.DataFrame(columns=list(table.names)) for table in (SAMPLES, POPULATIONS, MEDIANS)]
    >>> len(chart_levey_jennings(*empty, settings=Steadiness()))
    0
    """
    rows = _rows(samples, populations, medians)
    if rows.empty:
        return STEADINESS.frame()
    rows = rows.sort_values([*_SERIES, "collection_date", "sample_id"], kind="stable", ignore_index=True)
    reasons = [_why_not(*row) for row in zip(*(rows[name] for name in _ASKED), strict=True)]
    values = _floats(rows["value"])
    inside = np.array([reason is None for reason in reasons])
    columns: dict[str, list[Any]] = {name: [] for name in _JUDGED}
    sizes = rows.groupby(_SERIES, sort=True, dropna=False).size()
    ends = np.cumsum(sizes.to_numpy())
    for start, end in zip(ends - sizes.to_numpy(), ends, strict=True):
        for name, column in _judged(values[start:end], inside[start:end], settings).items():
            columns[name] += column
    columns["reason"] = [first or second for first, second in zip(reasons, columns["reason"], strict=True)]
    return rows.assign(**columns)[list(STEADINESS.names)].astype(STEADINESS.dtypes)


def _rows(samples: pd.DataFrame, populations: pd.DataFrame, medians: pd.DataFrame) -> pd.DataFrame:
    """Return what the bridge samples gave, one row a value, unjudged."""
    percents = _bridges(populations).assign(quantity="percent_of_parent", marker=None, unit="%")
    percents = percents.assign(measured=percents["percent_of_parent"], value=percents["percent_of_parent"])
    bright = _bridges(medians).assign(quantity="median_intensity", unit="decades")
    measured = bright["median_intensity"].astype("Float64")
    bright = bright.assign(measured=measured, value=decades(_floats(measured)))
    columns = [*_SERIES, "label", "sample_id", "batch", "unit", "measured", "value", "reportable", "reason"]
    parts = [part.rename(columns={"subject": "donor"}) for part in (percents, bright)]
    kept = [part[columns].astype({"measured": "Float64", "value": "Float64"}) for part in parts if len(part)]
    if not kept:
        return pd.DataFrame(columns=columns)
    rows = pd.concat([part.astype({"donor": "string", "marker": "string"}) for part in kept], ignore_index=True)
    dates = samples.set_index("sample_id")["collection_date"]
    return rows.assign(collection_date=rows["sample_id"].map(dates).astype("string"))


def _floats(column: pd.Series[float]) -> Floats:
    return np.array(column.to_numpy(dtype=np.float64, na_value=np.nan))


def _bridges(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["role"] == "bridge").fillna(False).astype(bool)]


def _judged(values: Floats, inside: Mask, settings: Steadiness) -> dict[str, list[Any]]:
    """Return the columns ``_JUDGED`` of one series; its values outside have nothing but a verdict."""
    size = int(inside.sum())
    first = min(settings.establish or size, size)
    number = np.where(inside, np.cumsum(inside), 0)
    establishes = inside & (number <= first)
    judged_by = np.where(inside, first - establishes, 0)
    mean, sd, z = (np.full(values.size, np.nan) for _ in range(3))
    mean[inside], sd[inside] = control_limits(values[inside], establish=settings.establish)
    with np.errstate(invalid="ignore"):
        able = inside & (first >= settings.fewest) & (sd > _NO_SPREAD * np.maximum(np.abs(mean), 1.0))
    z[able] = (values[able] - mean[able]) / sd[able]
    too_few = f"too few bridge samples to judge by: {first}, {settings.fewest} are needed"
    lacking = too_few if first < settings.fewest else "the bridge samples do not differ: there is no SD to judge by"
    return {
        "number": [int(value) or None for value in number],
        "establishes": establishes.tolist(),
        "mean": _known(mean),
        "sd": _known(sd),
        "judged_by": judged_by.tolist(),
        "z": _known(z),
        "reason": [None if good else lacking for good in able],
        **_verdicts(z, inside),
    }


def _known(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _why_not(reportable: object, reason: object, date: object, value: object) -> str | None:
    if pd.isna(reportable) or not reportable:  # type: ignore[call-overload]
        return "not reportable" if pd.isna(reason) else str(reason)  # type: ignore[call-overload]
    if pd.isna(date):  # type: ignore[call-overload]
        return "no collection date, so that it has no place in time"
    return "no value" if pd.isna(value) else None  # type: ignore[call-overload]


def _verdicts(z: Floats, inside: Mask) -> dict[str, list[str | None]]:
    """Return the broken rules and the verdict of each value; values outside the series interrupt no run."""
    broken = {name: np.zeros(z.size, dtype=np.bool_) for name in RULES}
    for name, breaks in broken_rules(z[inside]).items():
        broken[name][inside] = breaks
    rules: list[str | None] = []
    verdicts: list[str | None] = []
    for row in range(z.size):
        names = [name for name in RULES if broken[name][row]]
        rules.append(" ".join(names) or None)
        if np.isnan(z[row]):
            verdicts.append("not judged")
        else:
            verdicts.append(("warning" if names == ["1_2s"] else "out of control") if names else "in control")
    return {"rules": rules, "verdict": verdicts}
