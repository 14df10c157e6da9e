"""Cells a microlitre of blood: from the haematology laboratory's lymphocyte count, or from counting beads."""

from __future__ import annotations

from immunomon.study.model.study import Sample

__all__ = ["cells_per_ul"]


def cells_per_ul(
    sample: Sample, count: int | None, lymphocytes: int | None, beads: int | None = None
) -> tuple[float | None, str | None]:
    """Return a population's absolute count and the platform it rests on.

    Dual platform: haematology lymphocytes/uL x fraction of lymphocytes. Beads: count / beads counted x beads added /
    sample volume. Beads are preferred where both are given: one instrument, one error. Neither: nothing.

    beads: as ``beads_of`` has them, used where the sample list does not say how many were counted; 0: nobody knows.

    >>> from pathlib import Path
    >>> from immunomon.study.model.study import Role
    >>> sample = Sample(Path("a.fcs"), "a", "treg", Role.parse("sample"), lymphocytes_per_ul=1500.0)
    >>> cells_per_ul(sample, 30, 1000)
    (45.0, 'dual-platform')
    """
    if count is None:
        return None, None
    if sample.beads_added and sample.sample_volume_ul and (sample.beads_counted or beads is not None):
        counted = sample.beads_counted or beads
        return (count / counted * sample.beads_added / sample.sample_volume_ul, "beads") if counted else (None, None)
    if sample.lymphocytes_per_ul is not None and lymphocytes:
        return sample.lymphocytes_per_ul * count / lymphocytes, "dual-platform"
    return None, None
