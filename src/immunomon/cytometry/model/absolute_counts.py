"""Cells a microlitre of blood: from the haematology laboratory's lymphocyte count, or from counting beads."""

from __future__ import annotations

from collections.abc import Sequence

from immunomon.cytometry.model.measured import Measured
from immunomon.cytometry.model.weighed import weigh
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.study import Sample

__all__ = ["beads_agree", "beads_of", "cells_per_ul"]

_MOST_APART = 1.25  # times: clumps, which a cytometer counts and gates on single events leave out, are fewer


def cells_per_ul(
    sample: Sample, count: int | None, lymphocytes: int | None, beads: int | None = None
) -> tuple[float | None, str | None]:
    """Return a population's absolute count and the platform it rests on.

    Dual platform: haematology lymphocytes/uL x fraction of lymphocytes. Beads: count / beads counted x beads added /
    sample volume. Beads are preferred where both are given: one instrument, one error. Neither: nothing.

    beads: as ``beads_of`` has them, used where the sample list does not say how many were counted; None: nobody knows.
    Where beads were added, no other figure takes their place, and where list and gate disagree neither is used.

    >>> from dataclasses import replace
    >>> from pathlib import Path
    >>> from immunomon.study.model.study import Role
    >>> sample = Sample(Path("a.fcs"), "a", "treg", Role.parse("sample"), lymphocytes_per_ul=1500.0)
    >>> cells_per_ul(sample, 30, 1000)
    (45.0, 'dual-platform')
    >>> with_beads = replace(sample, beads_added=50_000.0, sample_volume_ul=100.0)
    >>> cells_per_ul(with_beads, 30, 1000), cells_per_ul(with_beads, 30, 1000, beads=250)
    ((None, None), (60.0, 'beads'))
    """
    if count is None:
        return None, None
    if sample.beads_added and sample.sample_volume_ul:
        counted = (sample.beads_counted or beads) if beads_agree(sample, beads) else None
        return (count / counted * sample.beads_added / sample.sample_volume_ul, "beads") if counted else (None, None)
    if sample.lymphocytes_per_ul is not None and lymphocytes:
        return sample.lymphocytes_per_ul * count / lymphocytes, "dual-platform"
    return None, None


def beads_of(measured: Measured | None, population: str, limits: Reportability, *, gates: Sequence[str]) -> int | None:
    """Return how many counting beads were gated in a file; None if that may not be reported.

    population: of the beads; gates: those that it rests on (``gates_under``).
    """
    if measured is None or population in measured.failures:
        return None
    beads = measured.counts.get(population)
    is_fine = limits.of(population).verdict(beads, measured.events) is None
    return beads if is_fine and weigh(measured, population, limits, gates=gates).reason is None else None


def beads_agree(sample: Sample, beads: int | None) -> bool:
    """Say whether the sample list and the gate count about the same number of beads, as far as both count them.

    >>> from pathlib import Path
    >>> from immunomon.study.model.study import Role
    >>> sample = Sample(Path("a.fcs"), "a", "tbnk", Role.parse("sample"), beads_counted=1500.0)
    >>> beads_agree(sample, 1420), beads_agree(sample, 300), beads_agree(sample, None)
    (True, False, True)
    """
    listed = sample.beads_counted
    return not (listed and beads) or max(listed / beads, beads / listed) <= _MOST_APART
