from __future__ import annotations

from pathlib import Path

import pytest

from immunomon.errors import BadSpec
from immunomon.study.model.quality import QualityLimits
from immunomon.study.specs.study import load_study

STUDY = """schema: immunomon.study/1
name: small
dose_groups: [{name: A, cells_per_kg: 1.0e+6, infusion_days: [1]}]
visits: [{label: D-1, planned_day: -1, baseline: true}]
panels: [{panel: treg, strategy: treg}]
"""


def study(folder: Path, quality: str = "") -> Path:
    path = folder / "study.yaml"
    path.write_text(STUDY + quality, encoding="utf-8")
    return path


def test_a_study_that_says_nothing_of_quality_has_the_default_limits(tmp_path: Path) -> None:
    assert load_study(study(tmp_path)).quality == QualityLimits()


def test_a_study_sets_single_limits_and_keeps_the_others(tmp_path: Path) -> None:
    found = load_study(study(tmp_path, "quality: {rate_factor: 4, exclude_flagged: true}\n")).quality
    assert found == QualityLimits(rate_factor=4.0, exclude_flagged=True)


def test_a_failure_that_comes_before_its_warning_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(
        BadSpec, match=r"study\.yaml line 7: quality\.fail_percent: 1 is below warn_percent 2"
    ) as caught:
        load_study(study(tmp_path, "quality:\n  fail_percent: 1\n"))
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("wrong", ["rate_factor: 1", "signal_shift: 0.5", "warn_percent: 101", "exclude: true"])
def test_limits_that_mean_nothing_are_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(BadSpec, match=wrong.split(":")[0]):
        load_study(study(tmp_path, f"quality: {{{wrong}}}\n"))
