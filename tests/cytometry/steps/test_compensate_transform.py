import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.scales import logicle_width
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.scales import Identity, Logicle
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.steps.compensate import compensate
from immunomon.cytometry.steps.measure_noise import book_of
from immunomon.cytometry.steps.transform import resolve_scales, transform
from immunomon.errors import BadSpillover, SingularSpillover, UnknownChannel, WrongScale
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GatingStrategy, ScaleDeclaration

CHANNELS = (Channel("FSC-A"), Channel("A", "CD3"), Channel("B", "CD4"), Channel("Time"))
MATRIX = SpilloverMatrix(("A", "B"), ((1.0, 0.2), (0.1, 1.0)))


def raw(count=50, seed=1):
    return EventTable(np.random.default_rng(seed).uniform(0, 1e5, (count, 4)).astype(np.float32), CHANNELS)


def strategy(**scales):
    return GatingStrategy("s", "S", 1, None, (), scales)


@given(st.integers(0, 1000))
def test_compensation_undoes_the_mixing_and_leaves_scatter_and_time_alone(seed):
    true = raw(seed=seed)
    mixed = true.values.astype(np.float64)
    mixed[:, 1:3] = mixed[:, 1:3] @ MATRIX.array
    found = compensate(EventTable(mixed, CHANNELS), MATRIX)
    np.testing.assert_allclose(found.values, true.values, rtol=1e-9)
    assert found.scale is Scale.COMPENSATED


def test_only_the_wanted_channels_are_computed_and_they_equal_those_of_all():
    events = raw()
    some, every = compensate(events, MATRIX, ["CD4", "FSC-A"]), compensate(events, MATRIX)
    assert [c.detector for c in some.channels] == ["B", "FSC-A"]
    np.testing.assert_allclose(some.column("CD4"), every.column("CD4"), rtol=1e-12)


def test_a_channel_wanted_twice_comes_once():
    assert len(compensate(raw(), MATRIX, ["CD4", "B", "CD4"]).channels) == 1


def test_without_a_matrix_the_numbers_stay():
    events = raw()
    np.testing.assert_array_equal(compensate(events, None).values, events.values)


def test_compensated_events_are_not_compensated_again():
    done = compensate(raw(), MATRIX)
    with pytest.raises(WrongScale, match="compensate needs raw events, got compensated ones"):
        compensate(done, MATRIX)


def test_a_matrix_for_a_detector_that_the_file_lacks_is_refused():
    with pytest.raises(BadSpillover, match="the detector 'C', which the file lacks"):
        compensate(raw(), SpilloverMatrix(("A", "C"), ((1.0, 0.0), (0.0, 1.0))))


def test_a_matrix_without_inverse_names_the_file():
    events = EventTable(raw().values, CHANNELS, Scale.RAW, "a.fcs")
    with pytest.raises(SingularSpillover, match=r"a\.fcs: .*same spectrum"):
        compensate(events, SpilloverMatrix(("A", "B"), ((1.0, 1.0), (1.0, 1.0))))


def test_an_axis_has_the_scale_declared_for_it_or_its_detector_or_its_kind():
    events = compensate(raw(), MATRIX)
    declared = strategy(CD3=ScaleDeclaration("asinh"), B=ScaleDeclaration("linear"), scatter=ScaleDeclaration("linear"))
    scales = resolve_scales(declared, ["CD3", "CD4", "FSC-A", "Time"], events)
    assert [scale.kind for scale in scales.values()] == ["asinh", "linear", "linear", "identity"]


def test_an_automatic_width_comes_from_the_data():
    rng = np.random.default_rng(3)
    events = EventTable(rng.normal(0, 400, (5000, 4)), CHANNELS, Scale.COMPENSATED)
    auto = strategy(fluorescence=ScaleDeclaration("logicle", (("t", 262144.0), ("w", None))))
    found = resolve_scales(auto, ["CD3"], events, book_of(events, ["CD3"]))
    assert found["CD3"].w == logicle_width(400.0, t=262144.0, m=4.5)
    assert found.noise["CD3"].spread == pytest.approx(400.0, rel=0.2)


def test_what_is_transformed_is_the_scale_applied():
    events = compensate(raw(), MATRIX)
    display = transform(events, {"CD3": Logicle(w=0.7), "FSC-A": Identity()})
    np.testing.assert_array_equal(display.column("CD3"), Logicle(w=0.7).apply(events.column("CD3")))
    np.testing.assert_array_equal(display.column("FSC-A"), events.column("FSC-A"))
    assert display.scale is Scale.DISPLAY


def test_raw_events_are_not_transformed():
    with pytest.raises(WrongScale, match="transform needs compensated events"):
        transform(raw(), {"CD3": Logicle()})


def test_a_scale_for_a_channel_that_is_not_there_names_the_nearest():
    with pytest.raises(UnknownChannel, match="no channel 'CD33'"):
        resolve_scales(strategy(), ["CD33"], compensate(raw(), MATRIX))
