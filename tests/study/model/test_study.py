import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.errors import UnknownName
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.study import DoseGroup, Role, RoleKind, Study, Subject
from immunomon.study.model.uses import PanelUse
from immunomon.study.model.visits import Visit, study_day

STUDY = Study(
    "S",
    "a study",
    (DoseGroup("A", 5e5),),
    (),
    (Subject("S01", "A"),),
    (Visit("D-1", -1, baseline=True), Visit("W4", 29)),
    (PanelUse("treg", "treg"),),
)


@given(st.integers(-400, 400))
def test_there_is_no_study_day_zero_and_days_go_up_by_one(offset):
    first = datetime.date(2025, 1, 13)
    today = study_day(first + datetime.timedelta(days=offset), first)
    tomorrow = study_day(first + datetime.timedelta(days=offset + 1), first)
    assert today != 0
    assert tomorrow - today == (2 if today == -1 else 1)


@pytest.mark.parametrize(
    "text", ["sample", "fmo:CD25", "unstimulated", "isotype", "single-stain:PE", "unstained", "bridge"]
)
def test_a_role_written_and_read_is_the_same(text):
    assert str(Role.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sampel", "did you mean 'sample'"),
        ("fmo", "write fmo:MARKER"),
        ("single-stain:", "write single-stain:FLUOROCHROME"),
        ("sample:CD3", "write sample"),
    ],
)
def test_a_role_that_is_none_says_what_to_write(text, message):
    with pytest.raises(UnknownName, match=message):
        Role.parse(text)


def test_persons_cells_are_gated_and_controls_are_kept():
    gated = {kind for kind in RoleKind if Role(kind).is_gated}
    assert gated == {RoleKind.SAMPLE, RoleKind.UNSTIMULATED, RoleKind.BRIDGE}


@pytest.mark.parametrize(
    "ask", [lambda: STUDY.subject("S1"), lambda: STUDY.visit("W5"), lambda: STUDY.strategy_of("tregs")]
)
def test_what_the_study_lacks_is_named_with_the_nearest(ask):
    with pytest.raises(UnknownName, match=r"did you mean|known are"):
        ask()


def test_the_baseline_is_the_visit_that_is_marked():
    assert STUDY.baseline.label == "D-1"
    assert STUDY.visit("W4").planned_day == 29
    assert STUDY.subject("S01").dose_group == "A"
    assert STUDY.strategy_of("treg") == "treg"


def test_a_population_without_limits_of_its_own_has_the_studys():
    limits = Reportability(lloq_events=50, populations={"rare": Reportability(lloq_events=20)})
    assert (limits.of("rare").lloq_events, limits.of("cd4").lloq_events) == (20, 50)
