"""What is written reads back, here and in other programs."""

import flowio
import flowkit
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.odd_fcs import write_plain

from immunomon.assurance.verify.recompute import read_with_fcsparser
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.write_fcs import kept_keywords, linear_channels, write_fcs
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.errors import WrongScale
from immunomon.study.model.channels import Channel

CHANNELS = (Channel("FSC-A"), Channel("PE-A", "CD25", range=262144.0), Channel("Time", range=65536.0))


def some_events(count=50, seed=1):
    return EventTable(np.random.default_rng(seed).normal(100, 1e4, (count, 3)).astype(np.float32), CHANNELS)


def test_four_readers_find_the_same_float32_values(tmp_path):
    events = some_events()
    path = tmp_path / "a.fcs"
    write_fcs(path, events, {"$DATE": "13-JAN-2025", "TUBE NAME": "a|b/c"})
    np.testing.assert_array_equal(read_fcs(path)[1].values, events.values)
    np.testing.assert_array_equal(flowio.FlowData(path).as_array(), events.values)
    np.testing.assert_array_equal(read_with_fcsparser(path)[0], events.values)
    sample = flowkit.Sample(path)
    np.testing.assert_array_equal(sample.get_events(source="raw"), events.values)
    assert sample.pns_labels == ["", "CD25", ""]


def test_names_ranges_and_keywords_are_kept_and_nothing_deviates(tmp_path):
    write_fcs(tmp_path / "a.fcs", some_events(), {"OPERATOR": "Zoë µ", "EMPTY": "", "$TOT": "999", "$P1B": "16"})
    header, _ = read_fcs(tmp_path / "a.fcs")
    assert header.channels == CHANNELS
    assert header.deviations == ()
    assert header.event_count == 50
    assert header.keyword("OPERATOR") == "Zoë µ"
    assert header.keyword("EMPTY") == ""
    assert list(tmp_path.iterdir()) == [tmp_path / "a.fcs"]


def test_no_events_are_written_and_read(tmp_path):
    write_fcs(tmp_path / "a.fcs", some_events(0), {})
    assert read_fcs(tmp_path / "a.fcs")[1].values.shape == (0, 3)
    assert read_with_fcsparser(tmp_path / "a.fcs")[0].shape == (0, 3)


def test_only_raw_events_are_written(tmp_path):
    events = EventTable(np.ones((2, 3)), CHANNELS, Scale.COMPENSATED)
    with pytest.raises(WrongScale, match="needs raw events, got compensated"):
        write_fcs(tmp_path / "a.fcs", events, {})


@settings(max_examples=50)
@given(
    keywords=st.dictionaries(
        st.text(
            st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="$|/"), min_size=1, max_size=9
        ).map(lambda key: "K" + key.upper()),
        st.text(st.characters(min_codepoint=32, max_codepoint=0x24F), max_size=20),
        max_size=6,
    )
)
def test_any_keyword_reads_back(tmp_path_factory, keywords):
    path = tmp_path_factory.mktemp("words") / "a.fcs"
    write_fcs(path, some_events(2), keywords)
    header, _ = read_fcs(path)
    assert {key: header.keyword(key) for key in keywords} == {key: value.strip() for key, value in keywords.items()}


def test_amplified_integers_are_written_as_intensities_with_their_range(tmp_path):
    values = np.arange(0, 1000, 10, dtype="<u2")
    amplified = {"P1B": "16", "P2B": "16", "P1E": "4,1", "P2G": "4", "DATATYPE": "I", "DATE": "13-JAN-2025"}
    header, events = read_fcs(write_plain(tmp_path / "a.fcs", values.tobytes(), 2, 50, **amplified))
    picked = EventTable(events.values, linear_channels(header))
    write_fcs(tmp_path / "b.fcs", picked, kept_keywords(header))
    again, written = read_fcs(tmp_path / "b.fcs")
    np.testing.assert_array_equal(written.values, events.values.astype(np.float32))
    assert [channel.range for channel in again.channels] == [10000, 256]
    assert again.keyword("$DATE") == "13-JAN-2025"
    assert (again.keyword("$P1E"), again.keyword("$P2G")) == ("0,0", "1")
