from __future__ import annotations

import pytest

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.steps.quality_control import check_quality
from immunomon.study.model.quality import QualityLimits, Verdict

pytestmark = pytest.mark.real_data


def quality(path):
    return check_quality(read_fcs(path)[1], QualityLimits()).quality


@pytest.mark.parametrize("name", ["flowCutData_1", "flowCutData_2", "flowCutData_3", "flowCutData_4", "peacoqc_111"])
def test_files_known_to_be_dirty_do_not_pass(real_data, name):
    found = quality(real_data / "time-quality" / f"{name}.fcs")
    assert found.verdict in (Verdict.WARN, Verdict.FAIL)
    assert found.flagged_percent > 5


def test_files_with_coarse_time_cannot_be_judged_and_lose_no_event(real_data):
    found = [quality(path) for path in sorted((real_data / "cohorts" / "itn").glob("*.fcs"))]
    assert len(found) == 15
    assert {one.verdict for one in found} == {Verdict.UNJUDGED}
    assert not any(one.stretches for one in found)


def test_of_ordinary_files_hardly_anything_is_flagged(real_data):
    found = [quality(path) for path in sorted((real_data / "activation").glob("*.fcs"))]
    assert sum(one.verdict is Verdict.PASS for one in found) >= len(found) - 1
    assert max(one.flagged_percent for one in found) < 4
