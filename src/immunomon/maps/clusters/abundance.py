"""Abundance: metaclusters as populations, in the tables and the comparison that gated populations have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from immunomon.cytometry.kernels.proportions import wilson
from immunomon.cytometry.model.absolute_counts import cells_per_ul
from immunomon.cytometry.model.measured import SampleResult
from immunomon.cytometry.model.populations import FREQUENCIES, MEDIANS, POPULATIONS
from immunomon.cytometry.steps.compare import compare
from immunomon.cytometry.steps.result_tables import columns_of_sample, tabulate_results
from immunomon.cytometry.steps.summarise import summarise
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import ROOT, GatingStrategy
from immunomon.study.model.study import Study

__all__ = ["MEDIAN_INTENSITY", "Counted", "tables_of"]

MEDIAN_INTENSITY = "median_intensity"
Row = dict[str, Any]


@dataclass(frozen=True)
class Counted:
    """What one sample has of each metacluster: counts, and the median intensity of each state marker (None: no cells).

    lymphocytes: those of the sample, for absolute counts; None where the strategy has none.
    """

    result: SampleResult
    cells: int
    counts: Mapping[str, int]
    medians: Mapping[str, Mapping[str, float | None]]
    lymphocytes: int | None


def tables_of(
    counted: Sequence[Counted],
    labels: Mapping[str, str],
    *,
    within: str,
    study: Study,
    strategy: GatingStrategy,
    panel: Panel,
    beads: Mapping[str, int],
) -> dict[str, pd.DataFrame]:
    """Return ``populations``, ``frequencies``, ``medians``, ``changes`` and ``summary``, each by contract.

    labels: metacluster -> phenotype; within: the population that was clustered, which is the parent and denominator;
    beads: sample id -> counting beads, where the run may use those that it gated.
    Percents and absolute counts are compared as gated populations are. Medians of state markers are compared in the
    same rows, as the quantity ``median_intensity`` with the marker in the place of the denominator.
    """
    limits = study.reportability
    detectors = {marker.name: marker.detector for marker in panel.markers}
    rows: dict[str, list[Row]] = {"populations": [], "frequencies": [], "medians": []}
    for sample_counts in counted:
        shares = _shares(sample_counts)
        beads_gated = beads.get(sample_counts.result.sample.id)
        for name, label in labels.items():
            own = _own(sample_counts, name, label)
            why = limits.of(name).verdict(sample_counts.counts[name], sample_counts.cells)
            judged = {"reportable": why is None, "reason": why}
            share = shares[name]
            rows["populations"].append(
                {**own, **_as_population(sample_counts, name, within, strategy, beads_gated), **share.parent, **judged}
            )
            rows["frequencies"].append(
                {
                    **own,
                    "denominator": within,
                    "is_parent": True,
                    "denominator_count": sample_counts.cells,
                    **share.plain,
                    **judged,
                }
            )
            rows["medians"].extend(
                {
                    **own,
                    "marker": marker,
                    "detector": detectors[marker],
                    "median_intensity": value,
                    **judged,
                }
                for marker, value in sample_counts.medians[name].items()
            )
    contracts = {"populations": POPULATIONS, "frequencies": FREQUENCIES, "medians": MEDIANS}
    tables = {name: contract.frame(rows[name]) for name, contract in contracts.items()}
    samples = tabulate_results([sample_counts.result for sample_counts in counted], {}, limits)["samples"]
    tables["changes"] = _compared(tables, samples, study)
    tables["summary"] = _summary(tables["changes"], study)
    return tables


def _own(counted: Counted, name: str, label: str) -> Row:
    about = {"population": name, "label": label, "count": counted.counts[name]}
    return columns_of_sample(counted.result.sample) | about


def _as_population(counted: Counted, name: str, within: str, strategy: GatingStrategy, beads: int | None) -> Row:
    way = "" if within == ROOT else strategy.path(within)
    among = within != ROOT and "lymphocytes" in (within, *strategy.ancestors(within))
    count = counted.counts[name] if among else None
    absolute, platform = cells_per_ul(counted.result.sample, count, counted.lymphocytes, beads)
    return {
        "parent": within,
        "path": f"{way}/{name}",
        "parent_count": counted.cells,
        "cells_per_ul": absolute,
        "cells_per_ul_method": platform,
        "gate_method": "cluster",
    }


@dataclass(frozen=True)
class _Share:
    percent: float | None
    low: float | None
    high: float | None

    @property
    def plain(self) -> Row:
        return {"percent": self.percent, "percent_low": self.low, "percent_high": self.high}

    @property
    def parent(self) -> Row:
        return {key.replace("percent", "percent_of_parent", 1): value for key, value in self.plain.items()}


def _shares(counted: Counted) -> dict[str, _Share]:
    if counted.cells == 0:
        return dict.fromkeys(counted.counts, _Share(None, None, None))
    counts = np.array(list(counted.counts.values()), dtype=np.float64)
    low, high = wilson(counts, np.full(counts.size, float(counted.cells)))
    ends = zip((100 * counts / counted.cells).tolist(), (100 * low).tolist(), (100 * high).tolist(), strict=True)
    return {name: _Share(*three) for name, three in zip(counted.counts, ends, strict=True)}


def _compared(tables: Mapping[str, pd.DataFrame], samples: pd.DataFrame, study: Study) -> pd.DataFrame:
    changes = [compare(tables["populations"], tables["frequencies"], samples, study=study, ratios=())]
    medians = tables["medians"]
    if len(medians):
        # A median goes the way of a percent, with its marker for a denominator; odds it has none.
        as_percent = medians.assign(denominator=medians["marker"], percent=medians["median_intensity"])
        shaped = FREQUENCIES.shaped(as_percent)
        nothing = POPULATIONS.frame()
        of_medians = compare(nothing, shaped, samples, study=study, ratios=())
        changes.append(of_medians.assign(quantity=MEDIAN_INTENSITY).astype(of_medians.dtypes))
    return pd.concat(changes, ignore_index=True)


def _summary(changes: pd.DataFrame, study: Study) -> pd.DataFrame:
    groups = summarise(changes, study)
    no_odds = (groups["quantity"] == MEDIAN_INTENSITY) & (groups["measure"] == "log_odds_change")
    return groups[~no_odds].reset_index(drop=True)
