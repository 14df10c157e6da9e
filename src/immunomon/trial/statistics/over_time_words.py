"""What the models over all visits say of the primary endpoints, in sentences: their estimates side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from immunomon.trial.statistics.measured import Measured

__all__ = ["over_time_words"]


def over_time_words(measured: Measured, table: pd.DataFrame) -> Iterator[str]:
    """Yield for each primary endpoint what each model says of its primary visits and of dose.

    table: the OVER_TIME contract. A model that did not converge has its reason in place of numbers.
    """
    for endpoint in measured.plan.primary.endpoints:
        rows = table[table["endpoint"] == endpoint]
        dose = rows["term"].str.startswith("dose")
        primary_rows = rows[rows["term"].isin(measured.plan.primary.visits) | dose]
        for term, of_term in primary_rows.groupby("term", sort=False):
            estimates = [_estimate(row) for _, row in of_term.iterrows()]
            first = of_term.iloc[0]
            size = f"{first['values']} values of {first['patients']} patients"
            yield f"{endpoint}, {str(term).replace('_', ' ')} ({size}): {'; '.join(estimates)}."


def _estimate(row: pd.Series[Any]) -> str:
    if pd.isna(row["estimate"]):
        return f"{row['model']}: {row['note']}"
    return f"{row['model']} {row['estimate']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
