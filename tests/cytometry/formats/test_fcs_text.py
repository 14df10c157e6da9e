"""TEXT segments as vendors write them."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.odd_fcs import segment, structure, write_odd, write_plain

from immunomon.cytometry.formats.fcs import read_fcs, read_header
from immunomon.cytometry.formats.fcs_text import parse_text
from immunomon.errors import BadFcs

HERE = Path("a.fcs")
DATA = bytes(8)
DELIMITERS = ["/", "|", "\\", "*", "\x0c", "\x1e", "#", "!", "^", "$"]
words_of_text = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=12)


@given(
    pairs=st.dictionaries(words_of_text.map(lambda key: "K" + key.strip().upper()), words_of_text, max_size=8),
    delimiter=st.sampled_from(DELIMITERS),
)
def test_what_is_written_by_the_letter_of_the_standard_is_read_back(pairs, delimiter):
    # Keywords may not hold the delimiter, values may not begin with it (FCS 3.1, 3.2.9).
    wanted = {
        key: value
        for key, value in pairs.items()
        if delimiter not in key and not value.startswith(delimiter) and key == key.strip().upper()
    }
    wanted = {key: value for key, value in wanted.items() if f"{delimiter}$" not in value}
    assert parse_text(segment(wanted, delimiter), HERE).values == wanted


@pytest.mark.parametrize("delimiter", DELIMITERS[:-1])
def test_any_delimiter_will_do(tmp_path, delimiter):
    words = structure(2, 1, 8) | {"FILTER": f"530{delimiter}30"}
    header = read_header(write_odd(tmp_path / "a.fcs", DATA, segment(words, delimiter)))
    assert header.keyword("FILTER") == f"530{delimiter}30"
    assert header.deviations == ()


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        (b"/A/1//B/2/", {"A": "1/B", "2": ""}, "does not end with its delimiter"),
        (b"/A/1//$BTIM/2/", {"A": "1", "$BTIM": "2"}, "1 values end with two delimiters"),
        (b"/A//B/2/", {"A": "", "B": "2"}, "1 empty values"),
        (b"/A//$B/2/C//", {"A": "", "$B": "2", "C": ""}, "2 empty values"),
        (b"/A///x/B/2/", {"A": "/x", "B": "2"}, None),
        (b"/A/x///B/2/", {"A": "x/", "B": "2"}, None),
        (b"/A/1/B/2", {"A": "1", "B": "2"}, "does not end with its delimiter"),
        (b"/A/1/   ", {"A": "1"}, None),
        (b"/A/1/rest", {"A": "1"}, "4 bytes at the end of the TEXT segment are no keyword"),
        (b"//A/1/", {"A": "1"}, "begins with more than one delimiter"),
        (b"/  $tot /7/", {"$TOT": "7"}, "blanks around keywords were taken off: $TOT"),
        (b"/A/caf\xe9/", {"A": "café"}, "not UTF-8, read as Latin-1: A"),
        ("/A/\u00e4/B/\u00b5m/".encode(), {"A": "ä", "B": "µm"}, None),
        (b"/A/\xc3\xa4/B/\xb5m/", {"A": "ä", "B": "µm"}, "not UTF-8, read as Latin-1: B"),
        (b"/A/1/A/1/", {"A": "1"}, None),
        (b"/A/1/A/2/", {"A": "1"}, "A stands twice, the first value holds: '1', not '2'"),
        (b"/", {}, None),
        (b"", {}, None),
    ],
)
def test_the_ways_vendors_bend_the_text_are_read_and_said(text, values, said):
    keywords = parse_text(text, HERE)
    assert keywords.values == values or said == "does not end with its delimiter"
    assert [said in note for note in keywords.deviations] == ([True] if said else [])


@pytest.mark.parametrize("key", ["$PAR", "$TOT", "$P1B", "$P12R", "$DATATYPE", "$BYTEORD"])
def test_two_values_for_what_the_data_are_built_of_are_refused(key):
    with pytest.raises(BadFcs, match=r"stands twice, as '1' and as '2'"):
        parse_text(f"/{key}/1/{key}/2/".encode(), HERE)


def test_a_text_of_nothing_but_keywords_is_refused_before_it_fills_the_memory():
    text = b"".join(b"/%d/v" % number for number in range(30_000)) + b"/"
    with pytest.raises(BadFcs, match="more than 20000 keywords"):
        parse_text(text, HERE)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(data):
    with contextlib.suppress(BadFcs):
        parse_text(data, HERE)


def test_padded_keywords_do_not_hide_the_type_of_the_data(tmp_path):
    words = structure(2, 1, 8)
    text = segment({(f"   {key}" if key == "$DATATYPE" else key): value for key, value in words.items()})
    header, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text))
    assert events.count == 1
    assert "$DATATYPE" in header.deviations[0]


def test_channels_of_one_name_are_told_apart_and_none_keeps_the_bare_name(tmp_path):
    header = read_header(write_plain(tmp_path / "a.fcs", DATA, 2, 1, P1N="FL1-A", P2N="fl1-a", P2S="CD4"))
    assert [channel.detector for channel in header.channels] == ["FL1-A (P1)", "fl1-a (P2)"]
    assert header.channels[1].marker == "CD4"
    assert "names several channels" in header.deviations[0]


def test_a_channel_without_a_name_has_its_number(tmp_path):
    header = read_header(write_plain(tmp_path / "a.fcs", DATA, 2, 1, P2N=None))
    assert header.channels[1].detector == "P2"
    assert header.deviations == ("$P2N is missing: the channel is named P2",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"MODE": "C"}, r"\$MODE is 'C', a histogram"),
        ({"PAR": "0"}, r"\$PAR is '0'"),
        ({"PAR": "999999999"}, r"\$P999999999B is missing"),
        ({"PAR": "9" * 300}, r"\$PAR is '999"),
        ({"DATATYPE": "X"}, r"\$DATATYPE of channel 1 is 'X', not I, F, D or A"),
        ({"DATATYPE": None}, r"\$DATATYPE of channel 1 is ''"),
        ({"BYTEORD": "1,2,2,4"}, r"\$BYTEORD is '1,2,2,4', not an order of bytes"),
        ({"BYTEORD": None}, r"\$BYTEORD is ''"),
        ({"P1R": "wide"}, r"\$P1R is 'wide', not a range"),
        ({"DATATYPE": "I", "P1R": None}, r"\$P1R is ''"),
        ({"DATATYPE": "I", "P1B": "4"}, r"\$P1B is '4', and integers of 8 to 64 bits are read"),
        ({"DATATYPE": "I", "P1E": "4;1"}, r"\$P1E is '4;1', not the two numbers of an amplifier"),
        ({"DATATYPE": "I", "P1E": "1e300,1"}, r"\$P1E is '1e300,1', which no amplifier has"),
        ({"DATATYPE": "I", "P1E": "4,1", "P1R": "0"}, r"\$P1R is '0', which a log amplifier needs"),
        ({"P1G": "-2"}, r"\$P1G is '-2', not a gain"),
        ({"DATATYPE": "A", "P1B": "*"}, r"some \$PnB are '\*'"),
        ({"DATATYPE": "A", "P1B": "x"}, r"\$P1B is 'x', neither"),
        ({"P1DATATYPE": "A"}, r"\$DATATYPE of channel 1 is 'A'"),
    ],
)
def test_a_keyword_that_cannot_be_right_is_named_with_a_remedy(tmp_path, words, message):
    with pytest.raises(BadFcs, match=r"a\.fcs: .*" + message + r".*; write the file again"):
        read_header(write_plain(tmp_path / "a.fcs", DATA, 2, 1, **words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"MODE": None}, "$MODE is missing: taken as L"),
        ({"P1R": None}, "$P1R is missing"),
        ({"P1B": "16"}, "$P1B is '16', but data of type F have 32 bits"),
        ({"P1G": "0"}, "$P1G is 0: taken as no gain"),
        ({"TIMESTEP": "xxxxxxxxx"}, "$TIMESTEP is 'xxxxxxxxx', not a number"),
        ({"TOT": None}, "$TOT is missing: 1 events by the length of DATA"),
    ],
)
def test_a_keyword_that_can_be_done_without_is_said(tmp_path, words, said):
    header, events = read_fcs(write_plain(tmp_path / "a.fcs", DATA, 2, 1, **words))
    assert events.count == 1
    assert [said in note for note in header.deviations] == [True]
