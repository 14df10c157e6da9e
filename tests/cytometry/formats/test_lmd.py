"""Which of a file's data sets is read, and whose word on where DATA is: by the file, or as a person decided."""

import numpy as np
import pytest
from support.odd_fcs import (
    COARSE,
    DATA,
    DATA_BEGIN,
    FINE_NAMES,
    FLOATS,
    LAST,
    ROWS,
    WHOLE,
    text_of,
    whole_words,
    write_lmd,
    write_odd,
    write_part,
)

from immunomon.cytometry.formats.fcs import read_fcs, read_header
from immunomon.errors import BadFcs, UnknownChannel
from immunomon.study.model.panel import Marker, Panel


def test_of_an_lmd_the_finer_data_set_is_read_and_said(tmp_path):
    header, events = read_fcs(write_lmd(tmp_path))
    np.testing.assert_array_equal(events.values, WHOLE)
    assert (header.version, header.data_set, header.data_sets) == ("3.0", 2, 2)
    assert header.deviations == (
        "it holds 2 data sets, 1 (FCS 2.0, 200 events), 2 (FCS 3.0, 200 events): number 2 is read",
        "keywords that data set 2 lacks are those of data set 1, of the same events: $DATE, $FIL",
    )
    assert (header.keyword("$DATE"), header.channels[0].voltage) == ("02-MAR-2025", None)
    header, events = read_fcs(tmp_path / "a.lmd", data_set=1)
    np.testing.assert_array_equal(events.values, COARSE)
    assert (header.version, header.deviations) == ("2.0", ())


def test_a_finer_data_set_without_events_is_not_meant(tmp_path):
    empty = write_part(tmp_path, b"", "3.0", **whole_words(TOT="0", BEGINDATA="0", ENDDATA="0"))
    header, events = read_fcs(write_lmd(tmp_path, fine=empty))
    np.testing.assert_array_equal(events.values, COARSE)
    assert header.deviations[0].endswith("2 (FCS 3.0, 0 events): number 1 is read")


def test_where_the_finer_data_set_is_cut_off_the_other_is_read_and_both_is_said(tmp_path):
    whole = write_part(tmp_path, WHOLE.tobytes(), "3.0", **whole_words(**FINE_NAMES))
    path = write_lmd(tmp_path, fine=whole[:-100])
    header, events = read_fcs(path)
    np.testing.assert_array_equal(events.values, COARSE)
    assert "number 1 is read" in header.deviations[0]
    assert header.deviations[1].startswith("data set 2 cannot be read: cut off")
    with pytest.raises(BadFcs, match="cut off: 200 events need 3200 bytes"):
        read_fcs(path, data_set=2)


def test_where_none_can_be_read_the_first_choice_says_why(tmp_path):
    whole = write_part(tmp_path, WHOLE.tobytes(), "3.0", **whole_words(**FINE_NAMES))
    path = write_lmd(tmp_path, fine=whole[:-100], P1R="NA")
    with pytest.raises(BadFcs, match=r"data set 2 cannot be read: cut off.*copy it again"):
        read_fcs(path)


def test_of_data_sets_of_one_version_the_first_with_events_is_read(tmp_path):
    words = {"BEGINDATA": str(DATA_BEGIN), "ENDDATA": str(DATA_BEGIN + COARSE.nbytes - 1)}
    header, events = read_fcs(write_lmd(tmp_path, coarse_version="3.0", **words))
    np.testing.assert_array_equal(events.values, COARSE)
    assert header.data_set == 1


def test_a_panel_that_fits_another_data_set_than_the_one_read_says_so(tmp_path):
    panel = Panel("old", "Old", (Marker("CD4", "FL1 Log", "FITC"), Marker("CD8", "FL2 Log", "PE")))
    header = read_header(write_lmd(tmp_path))
    with pytest.raises(UnknownChannel, match=r"data set 2 is read, and data set 1 fits the panel: .*--data-set 1"):
        panel.label_file(header)
    assert panel.label_file(read_header(tmp_path / "a.lmd", data_set=1))[1].marker == "CD4"
    other = Panel("other", "Other", (Marker("CD4", "BV421-A", "BV421"),))
    with pytest.raises(UnknownChannel) as error:
        other.label_file(header)
    assert "data set" not in str(error.value)


def two_places(tmp_path, header_begin=DATA_BEGIN, text_begin=DATA_BEGIN + 16 * ROWS):
    """Write floats of which HEADER and TEXT name different ones, each as good as the other."""
    text = text_of(BEGINDATA=str(text_begin), ENDDATA=str(text_begin + len(DATA) - 1))
    span = (header_begin, header_begin + len(DATA) - 1)
    other = (FLOATS[::-1] + 1).astype("<f4").tobytes()
    return write_odd(tmp_path / "a.fcs", DATA, text, data_span=span, tail=other + bytes(64))


def test_where_nothing_tells_which_offset_is_right_a_person_decides(tmp_path):
    path = two_places(tmp_path)
    with pytest.raises(BadFcs, match=r"nothing tells which is right; say which with --data-offset header or text"):
        read_fcs(path)
    header, events = read_fcs(path, data_offset="header")
    np.testing.assert_array_equal(events.values, FLOATS)
    places = "bytes 4096 to 7295 by HEADER and 7296 to 10495 by TEXT"
    assert header.deviations == (f"DATA is at {places}: that of HEADER is taken, as was decided",)
    header, events = read_fcs(path, data_offset="text")
    np.testing.assert_array_equal(events.values, (FLOATS[::-1] + 1).astype("<f4"))
    assert header.deviations == (f"DATA is at {places}: that of TEXT is taken, as was decided",)


def test_a_decision_where_the_offsets_agree_changes_nothing(tmp_path):
    path = write_odd(tmp_path / "a.fcs", DATA, text_of())
    for offset in ("header", "text"):
        header, events = read_fcs(path, data_offset=offset)
        np.testing.assert_array_equal(events.values, FLOATS)
        assert header.deviations == ()


def test_a_decision_for_an_offset_that_is_not_there_is_refused(tmp_path):
    path = write_odd(tmp_path / "a.fcs", DATA, text_of(BEGINDATA=None, ENDDATA=None))
    with pytest.raises(BadFcs, match=r"TEXT does not say where DATA is .*leave out data_offset"):
        read_fcs(path, data_offset="text")
    assert read_fcs(path, data_offset="header")[1].count == ROWS


def test_a_decision_for_an_offset_that_cannot_be_right_is_refused(tmp_path):
    path = two_places(tmp_path, text_begin=LAST + 10**6)
    with pytest.raises(BadFcs, match="cut off"):
        read_fcs(path, data_offset="text")
    assert read_fcs(path)[1].count == ROWS
