import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fcs_files import DETECTORS, some_values, write_fcs

from immunomon.cytometry.formats.fcs import read_events, read_fcs, read_header
from immunomon.cytometry.model.events import Scale
from immunomon.errors import BadFcs


def test_what_is_written_is_read_to_the_last_bit(tmp_path):
    values = some_values()
    header, events = read_fcs(write_fcs(tmp_path / "a.fcs", values, markers=["", "", "", "CD3", "CD4", ""]))
    assert events.scale is Scale.RAW
    np.testing.assert_array_equal(events.values, values)
    assert [channel.detector for channel in header.channels] == list(DETECTORS)
    assert [channel.marker for channel in header.channels] == ["", "", "", "CD3", "CD4", ""]
    assert not events.values.flags.writeable


def test_the_header_alone_says_what_the_file_says(tmp_path):
    path = write_fcs(tmp_path / "a.fcs", some_values(7), date="13-JAN-2025", cyt="Canto", p4v="450")
    header = read_header(path)
    assert header.event_count == 7
    assert header.keyword("$date") == "13-JAN-2025"
    assert header.channels[3].voltage == 450
    assert header.keyword("no such keyword") == ""


def test_a_file_without_events_reads_as_none(tmp_path):
    assert read_events(write_fcs(tmp_path / "a.fcs", np.empty((0, 6)))).count == 0


def test_a_missing_file_is_named_with_a_remedy(tmp_path):
    with pytest.raises(BadFcs, match=r"b\.fcs: there is no such file; check its name and folder"):
        read_header(tmp_path / "b.fcs")


@pytest.mark.parametrize("keep", [0, 10, 57, 58, 200, 2000])
def test_a_file_cut_anywhere_is_refused_by_name(tmp_path, keep):
    whole = write_fcs(tmp_path / "a.fcs", some_values()).read_bytes()
    cut = tmp_path / "cut.fcs"
    cut.write_bytes(whole[:keep])
    with pytest.raises(BadFcs, match=r"cut\.fcs"):
        read_events(cut)


@given(st.binary(max_size=400))
def test_bytes_that_are_no_fcs_raise_our_own_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("odd") / "odd.fcs"
    path.write_bytes(data)
    with pytest.raises(BadFcs):
        read_events(path)


@given(st.integers(0, 1500), st.integers(0, 255))
def test_one_wrong_byte_in_the_header_raises_nothing_but_our_own_error(tmp_path_factory, place, value):
    path = write_fcs(tmp_path_factory.mktemp("odd") / "odd.fcs", some_values(10))
    data = bytearray(path.read_bytes())
    data[min(place, len(data) - 1)] = value
    path.write_bytes(bytes(data))
    with contextlib.suppress(BadFcs):
        events = read_events(path)
        assert events.values.shape[1] == len(events.channels)
