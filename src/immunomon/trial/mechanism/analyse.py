"""The whole search for a mechanism in a run: every table, from the same patients in the same order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from immunomon.trial.mechanism.balance import balance
from immunomon.trial.mechanism.by_response import by_response
from immunomon.trial.mechanism.headlines import leave_one_out
from immunomon.trial.mechanism.joined import Joined, join
from immunomon.trial.mechanism.order import order_counts, time_order
from immunomon.trial.mechanism.path import path
from immunomon.trial.mechanism.within import lags, within_patients
from immunomon.trial.model.analysis import AnalysisPlan
from immunomon.trial.statistics.facts import Facts

__all__ = ["NEEDED", "Mechanism", "mechanism"]

NEEDED = ("platelet_visits", "platelet_response", "kinetics")
"""The tables of ``immunomon assess`` that a mechanism is looked for in."""


@dataclass(frozen=True, eq=False)
class Mechanism:
    """What was joined, and the tables by name (the contracts of ``immunomon.trial.model.mechanism``)."""

    joined: Joined
    tables: Mapping[str, pd.DataFrame]


def mechanism(
    tables: Mapping[str, pd.DataFrame],
    facts: Facts,
    plan: AnalysisPlan,
    *,
    assessed: Mapping[str, pd.DataFrame],
    seed: int = 1,
) -> Mechanism:
    """Return everything ``immunomon mechanism`` writes.

    tables: of a run: changes, and where there are frequencies; assessed: the tables NEEDED; seed: for tests of so many
    patients that not every arrangement can be counted, and for the intervals of products.
    """
    joined = join(tables, facts, plan, assessed=assessed)
    rngs = [np.random.default_rng([seed, stream]) for stream in range(5)]
    orders = time_order(joined)
    return Mechanism(
        joined,
        {
            "by_response": by_response(joined, rngs[0]),
            "within_patients": within_patients(joined, rngs[1]),
            "lags": lags(joined, rngs[4]),
            "path": path(joined, rngs[2]),
            "balance": balance(joined.measured, joined.balance, rngs[3]),
            "leave_one_out": leave_one_out(joined, seed),
            "time_order": orders,
            "order_counts": order_counts(joined, orders),
        },
    )
