"""The tables of a normalisation: raw values and normalised ones beside each other, and how well the maps do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from immunomon.cytometry.kernels.quantiles import apply_map
from immunomon.cytometry.model.run_tables import JUDGEMENT, NORMALISED_FREQUENCIES, NORMALISED_MEDIANS
from immunomon.cytometry.model.scales import AnyScale, scale_to_dict
from immunomon.cytometry.steps.normalise import Learned
from immunomon.runs.gated import Gated, gate_again
from immunomon.runs.jobs import default_jobs
from immunomon.runs.plan import Task
from immunomon.study.model.steadiness import PanelNormalisation
from immunomon.study.model.strategy import GatingStrategy

__all__ = ["PanelLearned", "judgement", "normalised_frequencies", "normalised_medians"]

_WHOSE = ["sample_id", "subject", "visit", "panel", "role", "batch", "population", "label"]


@dataclass(frozen=True, eq=False)
class PanelLearned:
    """What was learned for a panel: what was wanted, its strategy, the markers' common scales, and the maps."""

    wanted: PanelNormalisation
    strategy: GatingStrategy
    scales: Mapping[str, AnyScale]
    learned: Learned

    def cell_type_of(self, population: str) -> str | None:
        """Return the cell type that a population is or lies in, or None."""
        way = (population, *self.strategy.ancestors(population)) if population in self.strategy.ids else ()
        return next((name for name in way if name in self.wanted.cell_types), None)

    def to_dict(self) -> dict[str, Any]:
        """Return scales and maps as plain data."""
        maps = [
            {
                "batch": batch,
                "population": cell_type,
                "marker": marker,
                "sources": there.sources.tolist(),
                "goals": there.goals.tolist(),
                "slopes": there.slopes.tolist(),
            }
            for (batch, cell_type, marker), there in self.learned.maps.items()
        ]
        scales = {marker: scale_to_dict(scale) for marker, scale in self.scales.items()}
        return {"panel": self.wanted.panel, "strategy": self.strategy.name, "scales": scales, "maps": maps}


def judgement(learned: PanelLearned) -> pd.DataFrame:
    """Return the table ``normalisation_judgement`` of a panel."""
    rows = [{**asdict(row), "status": row.status, "panel": learned.wanted.panel} for row in learned.learned.judged]
    return JUDGEMENT.frame(rows)


def normalised_medians(medians: pd.DataFrame, learned: PanelLearned) -> pd.DataFrame:
    """Return the table ``normalised_medians`` of a panel: its populations at and below the cell types.

    A map that never falls takes the median cell to the median cell, so that no events are needed: the median of
    normalised intensities is the normalised median (of an even number of cells to within the gap in their middle).
    """
    cell_types = {name: learned.cell_type_of(name) for name in learned.strategy.ids}
    rows = medians[(medians["panel"] == learned.wanted.panel) & medians["marker"].isin(learned.wanted.markers)]
    rows = rows.assign(cell_type=rows["population"].map(cell_types).astype("string")).dropna(subset=["cell_type"])
    reasons = {(row.batch, row.population, row.marker): row.reason for row in learned.learned.judged}
    normalised = []
    for row in rows[[*_WHOSE, "marker", "cell_type", "count", "median_intensity"]].to_dict("records"):
        plain: dict[str, Any] = {str(name): None if pd.isna(value) else value for name, value in row.items()}
        key = (plain["batch"], plain["cell_type"], plain["marker"])
        there, raw, value, reason = learned.learned.maps.get(key), plain["median_intensity"], None, None
        if there is None:
            reason = reasons.get(key) or ("the sample has no batch" if key[0] is None else "no map of this batch")
        elif raw is None:
            reason = "there is no median: the population is empty or was not placed"
        else:
            scale = learned.scales[plain["marker"]]
            value = float(scale.inverse(apply_map(there, scale.apply(np.array([raw], dtype=np.float64))))[0])
        status = "applied" if reason is None else "refused"
        normalised.append({**plain, "normalised_median_intensity": value, "status": status, "reason": reason})
    return NORMALISED_MEDIANS.frame(normalised)


def normalised_frequencies(
    frequencies: pd.DataFrame,
    learned: PanelLearned,
    *,
    read: Callable[[Task], Gated],
    tasks: Sequence[Task],
) -> pd.DataFrame:
    """Return the table ``normalised_frequencies`` of a panel: every file gated again on normalised events.

    read: makes a task's events and the run's memberships. Files of batches without any map are not in the table.
    """

    def again(task: Task) -> dict[str, int | None] | None:
        maps = {
            key[1:]: partial(apply_map, there)
            for key, there in learned.learned.maps.items()
            if key[0] == task.sample.batch
        }
        if not maps:
            return None
        tree = gate_again(read(task), learned.strategy, maps=maps, scales=learned.scales)
        return {name: tree.size(name) for name in ("root", *learned.strategy.ids)}

    with ThreadPoolExecutor(max_workers=default_jobs()) as pool:
        counts = dict(zip((task.sample.id for task in tasks), pool.map(again, tasks), strict=True))
    markers: dict[str, list[str]] = {}
    for batch, _, marker in learned.learned.maps:
        if marker not in markers.setdefault(batch, []):
            markers[batch].append(marker)
    normalised: list[dict[str, Any]] = []
    rows = frequencies[(frequencies["panel"] == learned.wanted.panel)]
    for row in rows.to_dict("records"):
        own = counts.get(str(row["sample_id"]))
        if own is None:
            continue
        count, whole = own.get(str(row["population"])), own.get(str(row["denominator"]))
        normalised.append(
            {
                **{str(name): value for name, value in row.items()},
                "normalised_count": count,
                "normalised_denominator_count": whole,
                "normalised_percent": 100.0 * count / whole if count is not None and whole else None,
                "markers": ", ".join(markers.get(str(row["batch"]), [])) or None,
            }
        )
    return NORMALISED_FREQUENCIES.frame(normalised)
