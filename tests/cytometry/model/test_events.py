import numpy as np
import pytest

from immunomon.cytometry.model.events import EventTable, RawTable, Scale
from immunomon.errors import AmbiguousChannel, UnknownChannel
from immunomon.study.model.channels import Channel, kind_of

CHANNELS = (Channel("FSC-A"), Channel("PE-A", "CD25"))


def test_nobody_can_write_through_the_array_that_was_given():
    given = np.ones((3, 2))
    events = EventTable(given, CHANNELS)
    given[0, 0] = 9.0
    assert events.values[0, 0] == 1.0


def test_a_read_only_view_is_copied_since_its_owner_can_still_write():
    owner = np.ones((3, 2))
    view = owner[:]
    view.setflags(write=False)
    events = EventTable(view, CHANNELS)
    owner[0, 0] = 9.0
    assert events.values[0, 0] == 1.0


def test_an_adopted_array_is_not_copied_and_cannot_be_written():
    values = np.ones((3, 2))
    events = EventTable.adopt(values, CHANNELS, Scale.RAW)
    assert events.values is values
    assert not values.flags.writeable


def test_a_channel_is_found_by_detector_or_marker_in_any_case():
    events = EventTable(np.ones((1, 2)), CHANNELS)
    assert [events.index(name) for name in ("pe-a", "cd25", "CD25", "FSC-A")] == [1, 1, 1, 0]


def test_an_unknown_channel_is_named_with_the_nearest():
    with pytest.raises(UnknownChannel, match=r"no channel 'CD52'; did you mean 'CD25'\?"):
        EventTable(np.ones((1, 2)), CHANNELS).index("CD52")


def test_a_marker_on_two_detectors_must_be_asked_for_by_detector():
    events = EventTable(np.ones((1, 2)), (Channel("PE-A", "CD3"), Channel("APC-A", "CD3")))
    with pytest.raises(AmbiguousChannel, match="'CD3' is on PE-A, APC-A; name the detector"):
        events.index("CD3")
    assert events.index("APC-A") == 1


def test_columns_and_channels_must_agree():
    with pytest.raises(ValueError, match="2 channels"):
        EventTable(np.ones((1, 3)), CHANNELS)


@pytest.mark.parametrize(
    ("detector", "kind"),
    [
        ("FSC-A", "scatter"),
        ("SSC", "scatter"),
        ("SS INT", "scatter"),
        ("Time", "time"),
        ("HDR-T", "time"),
        ("FL1-H", "fluorescence"),
    ],
)
def test_the_kind_of_a_channel_is_read_from_its_detector(detector, kind):
    assert kind_of(detector) == kind


def test_time_is_scaled_once_when_it_is_asked_for_and_other_columns_do_not_wait():
    stored = np.array([[1.0, 100.0], [2.0, 200.0]], dtype=np.float32)
    events = RawTable(stored, (Channel("PE-A"), Channel("Time")), factors={1: 0.01})
    other = events.labelled((Channel("PE-A", "CD25"), Channel("Time")))
    assert other.column("CD25").tolist() == [1.0, 2.0]
    assert stored[:, 1].tolist() == [100.0, 200.0], "nobody has asked yet"
    assert events.column("Time").tolist() == other.values[:, 1].tolist() == [1.0, 2.0]
    assert events.values[:, 1].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        other.values[0, 0] = 5.0
