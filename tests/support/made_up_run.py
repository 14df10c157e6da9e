"""Changes and frequencies of a made-up run: counts of each population, patient and visit, without files or events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from immunomon.cytometry.model.populations import CHANGES, FREQUENCIES


def counted_tables(
    populations: Sequence[tuple[str, str, str, float, float]],
    group_of: Mapping[str, str],
    visits: Sequence[tuple[str, int]],
    *,
    rng: np.random.Generator,
    events: int,
    spread: float,
    grown: Callable[[float, str, int], float],
    beside: Callable[[str, str, int, str], dict],
) -> dict[str, pd.DataFrame]:
    """Return the tables of percents of so many events, drawn population by population, patient by patient.

    populations: panel, population, denominator, fraction at the start, and effect; visits: label and planned day;
    spread: SD of the log-odds; grown: effect, subject, day -> change in log-odds; beside: subject, visit, day,
    population -> further columns of the change, its status among them.
    """
    changes, frequencies = [], []
    for panel, population, of, start, effect in populations:
        for subject, group in group_of.items():
            for label, day in visits:
                logit = np.log(start / (1 - start)) + grown(effect, subject, day) + rng.normal(0, spread)
                count = int(rng.binomial(events, 1 / (1 + np.exp(-logit))))
                percent = count / (events / 100)
                ident = {"panel": panel, "population": population, "denominator": of, "label": population.upper()}
                common = ident | {"subject": subject, "visit": label, "sample_id": f"{subject}_{label}_{panel}"}
                common |= {"count": count, "denominator_count": events}
                row = common | {"dose_group": group, "planned_day": day, "quantity": "percent", "value": percent}
                changes.append(row | beside(subject, label, day, population))
                frequencies.append(common | {"is_parent": True, "percent": percent, "gate_se": 0.05})
    return {
        "changes": pd.DataFrame(changes).reindex(columns=list(CHANGES.names)).astype(CHANGES.dtypes),
        "frequencies": pd.DataFrame(frequencies).reindex(columns=list(FREQUENCIES.names)).astype(FREQUENCIES.dtypes),
    }
