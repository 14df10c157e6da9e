"""Acquisition table: what was checked in every sample's acquisition, and with what verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

import pandas as pd

from immunomon.cytometry.model.run_tables import QUALITY
from immunomon.study.model.quality import Quality
from immunomon.study.model.study import Sample

__all__ = ["tabulate_quality"]


def tabulate_quality(samples: Iterable[Sample], qualities: Mapping[str, Quality]) -> pd.DataFrame:
    """Return the QUALITY table: one row per sample and check, in the order of the samples.

    qualities: sample id -> the quality of its acquisition; samples without one have no row.

    >>> from pathlib import Path
    >>> from immunomon.study.model.quality import Check, Verdict
    >>> from immunomon.study.model.study import Role
    >>> sample = Sample(Path("a.fcs"), "a", "treg", Role.parse("sample"))
    >>> few = Quality(10, 0, (Check("events", None, Verdict.FAIL, 10.0, 500.0, 0, "too few"),))
    >>> tabulate_quality([sample], {"a": few})[["sample_id", "check", "verdict"]].to_numpy().tolist()
    [['a', 'events', 'fail']]
    """
    rows = [
        {
            "sample_id": sample.id,
            "subject": sample.subject or None,
            "visit": sample.visit or None,
            "panel": sample.panel,
            **asdict(check),
            "verdict": str(check.verdict),
        }
        for sample in samples
        if sample.id in qualities
        for check in qualities[sample.id].checks
    ]
    return QUALITY.frame(rows)
