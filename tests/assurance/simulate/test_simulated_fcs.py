import csv

import fcsparser
import flowio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immunomon.assurance.simulate.fcs import fcs_bytes
from immunomon.assurance.simulate.instrument import CHANNELS, DETECTORS, SPILLOVER
from immunomon.assurance.simulate.layouts import LAYOUTS


def channels(count: int) -> dict[str, str]:
    return {
        f"$P{n}{letter}": text
        for n in range(1, count + 1)
        for letter, text in (("N", f"D{n}"), ("R", "262144"), ("E", "0,0"))
    }


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 20), st.integers(1, 5)), elements=st.floats(-1e5, 3e5, width=32))
)
def test_flowio_and_fcsparser_read_back_what_was_written(tmp_path_factory, events):
    path = tmp_path_factory.getbasetemp() / "written.fcs"
    path.write_bytes(fcs_bytes(events, channels(events.shape[1])))
    assert np.array_equal(flowio.FlowData(str(path)).as_array(preprocess=False), events)
    _, table = fcsparser.parse(str(path), channel_naming="$PnN")
    assert np.array_equal(table.to_numpy(), events)


def test_the_delimiter_in_a_keyword_is_refused_by_name():
    with pytest.raises(ValueError, match="keyword TUBE NAME"):
        fcs_bytes(np.zeros((1, 1), dtype=np.float32), {**channels(1), "TUBE NAME": "a|b"})


def test_more_keywords_than_fit_before_the_data_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        fcs_bytes(np.zeros((1, 1), dtype=np.float32), {**channels(1), "$COM": "x" * 9000})


@pytest.mark.parametrize("panel", sorted(LAYOUTS))
def test_a_sample_names_its_channels_markers_subject_and_spillover(tiny_trial, panel):
    file = flowio.FlowData(str(tiny_trial / "fcs" / panel / f"S02_W4_{panel}.fcs"))
    assert tuple(file.pnn_labels) == CHANNELS
    assert tuple(file.pns_labels[3:-1]) == LAYOUTS[panel].markers
    assert (file.text["src"], file.text["timestep"], file.version) == ("S02", "0.01", "3.1")
    assert file.text["tube name"] == f"{panel} S02 W4"
    count, *rest = file.text["spillover"].split(",")
    assert (int(count), tuple(rest[:8])) == (8, DETECTORS)
    assert np.array_equal(np.array(rest[8:], dtype=float).reshape(8, 8), SPILLOVER)


def test_every_file_has_its_events_its_range_and_a_time_that_never_falls(tiny_trial):
    with (tiny_trial / "samples.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        events = flowio.FlowData(str(tiny_trial / row["file"])).as_array(preprocess=False)
        assert np.isfinite(events).all()
        assert events.max() <= 262143
        assert (np.diff(events[:, -1]) >= 0).all()
        if row["role"] == "sample":
            assert events.shape == (round(2000 * LAYOUTS[row["panel"]].run_length), 12)


def test_voltages_are_equal_within_a_panel(tiny_trial):
    for panel in LAYOUTS:
        texts = [flowio.FlowData(str(path), only_text=True).text for path in (tiny_trial / "fcs" / panel).glob("*.fcs")]
        assert len({tuple(text[f"p{n}v"] for n in range(1, 12)) for text in texts}) == 1
