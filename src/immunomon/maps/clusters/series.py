"""Series: what the samples have of each metacluster, arranged by subject and visit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from immunomon.cytometry.model.measured import SampleResult
from immunomon.maps.clusters.abundance import Counted
from immunomon.maps.clusters.counting import Tally
from immunomon.maps.clusters.ranking import Series
from immunomon.maps.clusters.samples import Source
from immunomon.runs.scaling import panel_scales

__all__ = ["counted_of", "series_of"]


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
    baseline = source.study.baseline.label
    visits = [baseline, *(visit.label for visit in source.study.visits if visit.label != baseline)]
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
