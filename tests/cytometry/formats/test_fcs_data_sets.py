"""Several data sets in a file, supplemental text, and keywords that lack their sign."""

import numpy as np
import pytest
from support.odd_fcs import (
    CHANNELS,
    DATA,
    DATA_BEGIN,
    FLOATS,
    LAST,
    ROWS,
    WHOLE,
    header,
    segment,
    structure,
    text_of,
    whole_words,
    write_odd,
    write_plain,
)

from immunomon.cytometry.formats.fcs import read_events, read_fcs, read_header
from immunomon.errors import BadFcs


def test_supplemental_text_adds_keywords_and_overrides_none(tmp_path):
    more = segment({"OPERATOR": "M", "$TOT": "7"})
    begin = LAST + 1
    text = text_of(BEGINSTEXT=str(begin), ENDSTEXT=str(begin + len(more) - 1))
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text, tail=more))
    assert read.keyword("OPERATOR") == "M"
    assert events.count == ROWS
    read, events = read_fcs(write_odd(tmp_path / "b.fcs", DATA, text, tail=b"PK" + more))
    assert "is left out: it begins with b'PK'" in read.deviations[0]
    read, events = read_fcs(write_odd(tmp_path / "c.fcs", DATA, text))
    assert "is left out: the file ends before it" in read.deviations[0]


def two_data_sets(tmp_path, first_events=ROWS, step=None):
    """Write a file of two data sets; the offsets of each count from where it begins."""
    first = DATA if first_events else b""
    size = DATA_BEGIN + len(first)
    text = segment(structure(CHANNELS, first_events, len(first), NEXTDATA=str(size if step is None else step)))
    path = write_odd(tmp_path / "a.lmd", first, text)
    whole = write_plain(tmp_path / "b.fcs", WHOLE.tobytes(), CHANNELS, ROWS, **whole_words())
    path.write_bytes(path.read_bytes() + whole.read_bytes())
    return path


def test_of_several_data_sets_the_first_with_events_is_read_and_the_others_are_named(tmp_path):
    read, events = read_fcs(two_data_sets(tmp_path))
    np.testing.assert_array_equal(events.values, FLOATS)
    told = "it holds 2 data sets, 1 (FCS 3.1, 200 events), 2 (FCS 3.1, 200 events): number 1 is read"
    assert (read.data_set, read.data_sets, read.deviations) == (1, 2, (told,))
    read, events = read_fcs(two_data_sets(tmp_path, first_events=0))
    np.testing.assert_array_equal(events.values, WHOLE)
    assert read.data_set == 2


def test_each_data_set_can_be_asked_for(tmp_path):
    path = two_data_sets(tmp_path)
    np.testing.assert_array_equal(read_events(path, data_set=1).values, FLOATS)
    np.testing.assert_array_equal(read_events(path, data_set=2).values, WHOLE)
    for wrong in (0, 3):
        with pytest.raises(
            BadFcs, match=f"it has no data set {wrong}, it holds 2 data sets, .*; choose one of 1 to 2, or auto"
        ):
            read_events(path, data_set=wrong)


@pytest.mark.parametrize("step", [1, 58, 5000, 10**9])
def test_a_next_data_set_that_is_none_is_said(tmp_path, step):
    read, events = read_fcs(two_data_sets(tmp_path, step=step))
    np.testing.assert_array_equal(events.values, FLOATS)
    assert f"$NEXTDATA points to byte {step}, where no data set begins" in read.deviations[0]


def test_data_sets_that_lie_in_each_other_end_the_chain(tmp_path):
    # Each TEXT reaches to the end of the file: read one after the other, they would take the square of its size.
    text = text_of(NEXTDATA="58")
    heads = b"".join(
        header("3.1", (58 * (8 - place), 58 * (8 - place) + len(text) - 1, 0, 0, 0, 0)) for place in range(8)
    )
    (tmp_path / "a.lmd").write_bytes(heads + text)
    with pytest.raises(BadFcs, match="cut off"):
        read_header(tmp_path / "a.lmd")
    one = text_of(NEXTDATA="58", BEGINDATA=None, ENDDATA=None, TOT="0")
    heads = b"".join(
        header("3.1", (58 * (8 - place), 58 * (8 - place) + len(one) - 1, 0, 0, 0, 0)) for place in range(8)
    )
    (tmp_path / "b.lmd").write_bytes(heads + one)
    read = read_header(tmp_path / "b.lmd")
    assert read.data_sets < 8
    assert "overlap each other" in read.deviations[0]


def test_required_keywords_without_their_dollar_are_understood_and_said(tmp_path):
    words = structure(CHANNELS, ROWS, len(DATA))
    text = segment({key.lstrip("$"): value for key, value in words.items()})
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text))
    np.testing.assert_array_equal(events.values, FLOATS)
    assert "keywords without their $: BYTEORD, DATATYPE, MODE, NEXTDATA ..." in read.deviations


def test_a_supplemental_text_that_contradicts_itself_is_left_out(tmp_path):
    more = b"/$PAR/3/$PAR/4/"
    text = text_of(BEGINSTEXT=str(LAST + 1), ENDSTEXT=str(LAST + len(more)))
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text, tail=more))
    assert events.count == ROWS
    assert "is left out (the keyword $PAR stands twice" in read.deviations[0]
