"""Ranking: metaclusters whose abundance or state left its own range in some subjects, the strongest first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.kernels.proportions import log_odds
from immunomon.cytometry.model.measured import SampleResult
from immunomon.maps.clusters.abundance import MEDIAN_INTENSITY, Counted
from immunomon.maps.clusters.counting import Tally
from immunomon.maps.clusters.samples import Source
from immunomon.maps.kernels.screen import Screened, screen, stabilised
from immunomon.maps.model.tables import EXPLORATORY
from immunomon.runs.scaling import panel_scales
from immunomon.trial.kernels.multiplicity import benjamini_hochberg

__all__ = ["LISTED_AT", "Series", "counted_of", "rank", "series_of"]

LISTED_AT = 0.05
_FAR = 3.0  # standard deviations at which a subject's own change is counted
_FEWEST_CELLS = 20.0  # a median of fewer cells says nothing of a state
_DIVIDED = 0.2  # of the display scale, nearly a decade: an interquartile range above it spans two kinds of cells
# The standard error of a median of normal values, and their quartile range, in standard deviations.
_OF_MEDIAN, _OF_QUARTILES = 1.2533, 1.349


@dataclass(frozen=True, eq=False)
class Series:
    """One study's metaclusters over time, the baseline visit first; not-a-number where there is no sample.

    counts: (subjects, visits, metaclusters); totals: (subjects, visits); medians, widths: marker -> (subjects, visits,
    metaclusters), median and interquartile range on the display scale; batches: (subjects, visits).
    """

    subjects: Sequence[str]
    visits: Sequence[str]
    counts: Floats
    totals: Floats
    medians: Mapping[str, Floats]
    widths: Mapping[str, Floats]
    batches: Ints


def rank(series: Series, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return the EXPLORATORY contract: every metacluster x visit after baseline x quantity, the strongest first.

    labels: metacluster -> phenotype, in the order of the series. All rows are one family for the false discovery rate.
    """
    values, level = stabilised(series.counts, series.totals)
    screened = screen(values, np.where(np.isfinite(values), 1.0, np.nan), level, series.batches)
    odds = log_odds(series.counts, np.broadcast_to(series.totals[:, :, None], series.counts.shape))
    rows = _rows(series, labels, screened, odds, marker=None)
    for marker in series.medians:
        shown, errors = _steady_medians(series, marker)
        screened = screen(shown, errors**2, np.ones_like(shown), series.batches)
        rows += _rows(series, labels, screened, shown, marker=marker)
    p = np.array([np.nan if row["p"] is None else row["p"] for row in rows], dtype=np.float64)
    for row, rate in zip(rows, benjamini_hochberg(p).tolist(), strict=True):
        row["fdr"] = None if np.isnan(rate) else rate
        row["listed"] = bool(rate <= LISTED_AT)
    rows.sort(key=lambda row: (row["fdr"] if row["fdr"] is not None else 2.0, -(row["score"] or 0.0)))
    return EXPLORATORY.frame([{**row, "rank": number} for number, row in enumerate(rows, start=1)])


def _steady_medians(series: Series, marker: str) -> tuple[Floats, Floats]:
    """Return the medians that can be compared and their standard errors; not-a-number where they cannot.

    A median of few cells says little. Where the marker divides the metacluster in two, in all samples or in one, the
    median jumps between the halves when their shares shift by a little.
    """
    width = series.widths[marker]
    divided = (_typical(width) > _DIVIDED)[None, None, :] | (width > _DIVIDED)
    out = divided | ~(series.counts >= _FEWEST_CELLS)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = _OF_MEDIAN * width / _OF_QUARTILES / np.sqrt(series.counts)
    return np.where(out, np.nan, series.medians[marker]), np.where(out, np.nan, errors)


def _typical(width: Floats) -> Floats:
    flat = width.reshape(-1, width.shape[2])
    return np.array([np.median(own[np.isfinite(own)]) if np.isfinite(own).any() else 0.0 for own in flat.T])


def _rows(
    series: Series, labels: Mapping[str, str], screened: Screened, values: Floats, *, marker: str | None
) -> list[dict[str, Any]]:
    rows = []
    change = values[:, 1:] - values[:, :1]
    for index, visit in enumerate(series.visits[1:]):
        for cluster, (name, label) in enumerate(labels.items()):
            own = screened.changes[:, index, cluster]
            there = np.isfinite(own)
            moved = change[there, index, cluster]
            by_subject = {s: round(float(z), 3) for s, z in zip(series.subjects, own, strict=True) if np.isfinite(z)}
            rows.append(
                {
                    "metacluster": name,
                    "phenotype": label,
                    "visit": visit,
                    "quantity": "percent" if marker is None else MEDIAN_INTENSITY,
                    "marker": marker,
                    "subjects": int(there.sum()),
                    "changed_up": int((own[there] > _FAR).sum()),
                    "changed_down": int((own[there] < -_FAR).sum()),
                    "median_change": float(np.median(moved)) if moved.size else None,
                    "largest_change": float(moved[np.abs(moved).argmax()]) if moved.size else None,
                    "score": float(screened.scores[index, cluster]) if moved.size else None,
                    "p": float(screened.p[index, cluster]) if moved.size else None,
                    "subjects_changes": json.dumps(by_subject),
                    "status": "exploratory",
                }
            )
    return rows


# Series: what the samples have of each metacluster, arranged by subject and visit.


def counted_of(tally: Tally, names: Sequence[str], state: Sequence[str]) -> Counted:
    """Return a sample's counts and medians by metacluster, as plain data."""
    gathered = tally.gathered
    medians: dict[str, dict[str, float | None]] = {
        name: {
            marker: float(tally.quartiles[k, column, 1]) if tally.counts[k] else None
            for column, marker in enumerate(state)
        }
        for k, name in enumerate(names)
    }
    counts = dict(zip(names, tally.counts.tolist(), strict=True))
    result = SampleResult(gathered.sample, "gated", events=gathered.events)
    return Counted(result, gathered.cells, counts, medians, gathered.lymphocytes)


def series_of(source: Source, tallies: Sequence[Tally]) -> Series:
    """Return counts, totals and medians of patients' samples by subject and visit; of two samples neither counts."""
    subjects = sorted({tally.gathered.sample.subject for tally in tallies if tally.gathered.sample.subject})
    # Changes are counted from the first.
    visits = [visit.label for visit in sorted(source.study.visits, key=lambda visit: not visit.baseline)]
    clusters = tallies[0].counts.size
    counts = np.full((len(subjects), len(visits), clusters), np.nan)
    quartiles = np.full((*counts.shape, len(source.state), 3), np.nan)
    totals = np.full(counts.shape[:2], np.nan)
    batches = np.arange(totals.size).reshape(totals.shape)  # without a name, a batch of its own
    named = {name: -1 - k for k, name in enumerate(sorted({tally.gathered.sample.batch for tally in tallies} - {""}))}
    filled: set[tuple[int, int]] = set()
    for tally in tallies:
        sample = tally.gathered.sample
        if sample.subject not in subjects or sample.visit not in visits:
            continue
        cell = (subjects.index(sample.subject), visits.index(sample.visit))
        doubled = cell in filled
        filled.add(cell)
        counts[cell] = np.nan if doubled else tally.counts
        totals[cell] = np.nan if doubled else tally.gathered.cells
        quartiles[cell] = np.nan if doubled else tally.quartiles
        batches[cell] = named.get(sample.batch, batches[cell])
    scales = panel_scales(source.strategy, source.panel, source.book)
    shown = {marker: scales[marker].apply(quartiles[..., k, :]) for k, marker in enumerate(source.state)}
    medians = {marker: quartiles_shown[..., 1] for marker, quartiles_shown in shown.items()}
    widths = {marker: quartiles_shown[..., 2] - quartiles_shown[..., 0] for marker, quartiles_shown in shown.items()}
    return Series(subjects, visits, counts, totals, medians, widths, batches)
