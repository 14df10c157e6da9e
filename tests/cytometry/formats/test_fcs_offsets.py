"""Where the segments are: offsets that disagree, are blank or lie, several data sets, files cut short."""

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


def test_a_file_by_the_standard_deviates_in_nothing(tmp_path):
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text_of()))
    np.testing.assert_array_equal(events.values, FLOATS)
    assert (read.deviations, read.data_set, read.data_sets) == ((), 1, 1)


@pytest.mark.parametrize("span", [(0, 0), ("", ""), (DATA_BEGIN, 0)])
def test_a_header_without_data_offsets_leaves_it_to_the_text(tmp_path, span):
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text_of(), data_span=span))
    np.testing.assert_array_equal(events.values, FLOATS)
    assert read.deviations == ("HEADER does not say where DATA is: TEXT's offsets are taken",)


@pytest.mark.parametrize("words", [{"BEGINDATA": None, "ENDDATA": None}, {"BEGINDATA": "0", "ENDDATA": "0"}])
def test_a_text_without_data_offsets_leaves_it_to_the_header(tmp_path, words):
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text_of(**words)))
    np.testing.assert_array_equal(events.values, FLOATS)
    assert read.deviations == ("TEXT does not say where DATA is ($BEGINDATA, $ENDDATA): HEADER's offsets are taken",)


def test_fcs_2_has_its_offsets_in_the_header_and_may_lack_the_number_of_events(tmp_path):
    text = text_of(BEGINDATA=None, ENDDATA=None, TOT=None)
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text, version="2.0"))
    np.testing.assert_array_equal(events.values, FLOATS)
    assert read.deviations == ()


def test_offsets_padded_with_zeros_are_numbers(tmp_path):
    span = (f"{DATA_BEGIN:08}", f"{LAST:08}")
    text = text_of(BEGINDATA=f"{DATA_BEGIN:012}", ENDDATA=f"{LAST:012}", TOT="000200", NEXTDATA="000000")
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text, data_span=span))
    assert events.count == ROWS
    assert read.deviations == ()


@pytest.mark.parametrize("data_of", ["TEXT", "HEADER"])
@pytest.mark.parametrize("shift", [-500, -17, -1, 1, 2, 3, 17, 501])
def test_where_the_offsets_disagree_the_values_decide(tmp_path, shift, data_of):
    # An Accuri C6 wrote TEXT offsets at which 32-bit integers look like numbers, and are none.
    data = WHOLE.tobytes()
    wrong = (DATA_BEGIN + shift, DATA_BEGIN + len(data) - 1 + shift)
    begin, end = map(str, wrong) if data_of == "HEADER" else (None, None)
    more = {"BEGINDATA": begin, "ENDDATA": end} if begin else {}
    path = write_odd(
        tmp_path / "a.fcs",
        data,
        text_of(data, **whole_words(**more)),
        data_span=None if begin else wrong,
        tail=bytes(600),
    )
    read, events = read_fcs(path)
    np.testing.assert_array_equal(events.values, WHOLE)
    assert f"that of {data_of} is taken" in read.deviations[0]


def test_where_the_offsets_disagree_by_whole_channels_time_decides(tmp_path):
    values = WHOLE.copy()
    values[:, 3] = np.arange(ROWS) // 3
    data = values.tobytes()
    words = whole_words(P4N="Time", BEGINDATA=str(DATA_BEGIN + 4), ENDDATA=str(DATA_BEGIN + len(data) + 3))
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", data, text_of(data, **words), tail=bytes(9)))
    np.testing.assert_array_equal(events.values, values)
    assert "that of HEADER is taken, only there time goes on" in read.deviations[0]


def test_where_the_offsets_disagree_by_whole_channels_the_end_of_the_file_decides(tmp_path):
    data = WHOLE.tobytes()
    words = whole_words(BEGINDATA=str(DATA_BEGIN - 4), ENDDATA=str(DATA_BEGIN + len(data) - 5))
    spaced = text_of(data, **words).ljust(DATA_BEGIN - 58, b"\0")
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", data, spaced, text_span=(58, 57 + len(spaced.rstrip(b"\0")))))
    np.testing.assert_array_equal(events.values, WHOLE)
    assert "that of HEADER is taken, it ends where the file does" in read.deviations[0]


def test_where_the_offsets_disagree_by_whole_channels_and_nothing_decides_nothing_is_guessed(tmp_path):
    data = WHOLE.tobytes()
    text = text_of(data, **whole_words(BEGINDATA=str(DATA_BEGIN + 4), ENDDATA=str(DATA_BEGIN + len(data) + 3)))
    path = write_odd(tmp_path / "a.fcs", data, text, tail=WHOLE[:1].tobytes() + bytes(16))
    with pytest.raises(
        BadFcs, match="HEADER says that DATA begins at byte 4096, TEXT at 4100, and nothing tells which"
    ):
        read_events(path)


def test_an_offset_that_leads_into_the_text_or_out_of_the_file_is_not_taken(tmp_path):
    for begin in (100, 10**7):
        words = {"BEGINDATA": str(begin), "ENDDATA": str(begin + len(DATA) - 1)}
        read, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text_of(**words)))
        np.testing.assert_array_equal(events.values, FLOATS)
        assert "that of HEADER is taken, only there $TOT, $PAR and $PnB fit" in read.deviations[0]


@pytest.mark.parametrize("end", [LAST + 756, LAST - 30])
def test_of_two_ends_the_one_that_fits_the_number_of_events_is_taken(tmp_path, end):
    path = write_odd(tmp_path / "a.fcs", DATA, text_of(), data_span=(DATA_BEGIN, end), tail=bytes(1000))
    read, events = read_fcs(path)
    np.testing.assert_array_equal(events.values, FLOATS)
    assert "that of TEXT is taken" in read.deviations[0]


def test_an_end_that_is_one_byte_too_far_is_said(tmp_path):
    path = write_odd(
        tmp_path / "a.fcs", DATA, text_of(ENDDATA=str(LAST + 1)), data_span=(DATA_BEGIN, LAST + 1), tail=bytes(8)
    )
    read, events = read_fcs(path)
    assert events.count == ROWS
    assert read.deviations == (f"HEADER counts one byte too many: DATA ends at {LAST}, not at {LAST + 1}",)


def test_offsets_given_nowhere_are_found_if_the_file_fits_to_the_byte(tmp_path):
    text = text_of(BEGINDATA="0", ENDDATA="0")
    spans = header("3.1", (58, 57 + len(text), 0, 0, 0, 0))
    (tmp_path / "a.fcs").write_bytes(spans + text + DATA)
    read, events = read_fcs(tmp_path / "a.fcs")
    np.testing.assert_array_equal(events.values, FLOATS)
    assert "taken from the end of TEXT" in read.deviations[0]
    (tmp_path / "a.fcs").write_bytes(spans + text + DATA + bytes(3))
    with pytest.raises(BadFcs, match=r"neither HEADER nor \$BEGINDATA and \$ENDDATA say where DATA is"):
        read_events(tmp_path / "a.fcs")


def test_more_events_than_promised_are_refused(tmp_path):
    with pytest.raises(BadFcs, match=r"holds 200 events of 128 bits, but \$TOT is 150"):
        read_events(write_odd(tmp_path / "a.fcs", DATA, text_of(TOT="150")))
    with pytest.raises(BadFcs, match=r"holds 200 events of 128 bits, but \$TOT is 0"):
        read_events(write_odd(tmp_path / "a.fcs", DATA, text_of(TOT="0")))


@pytest.mark.parametrize("lost", [1, 16, 1600, len(DATA)])
def test_a_file_cut_short_is_refused_even_where_whole_events_remain(tmp_path, lost):
    path = write_odd(tmp_path / "a.fcs", DATA[: len(DATA) - lost], text_of(), data_span=(DATA_BEGIN, LAST))
    wanted = f"cut off: 200 events need 3200 bytes of data, it has {3200 - lost}; copy it again from the cytometer"
    for reader in (read_header, read_events):
        with pytest.raises(BadFcs, match=wanted):
            reader(path)


def test_a_promise_of_more_events_than_any_memory_holds_is_refused_at_once(tmp_path):
    with pytest.raises(BadFcs, match="cut off: 999999999999999 events"):
        read_events(write_odd(tmp_path / "a.fcs", DATA, text_of(TOT="999999999999999")))


@pytest.mark.parametrize("span", [(0, 0), (DATA_BEGIN, DATA_BEGIN - 1), (DATA_BEGIN, DATA_BEGIN)])
def test_no_events_are_no_error(tmp_path, span):
    text = segment(structure(3, 0, 0, BEGINDATA=str(span[0]), ENDDATA=str(span[1])))
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", b"", text, data_span=span))
    assert events.values.shape == (0, 3)
    assert read.event_count == 0


def test_floats_in_another_byte_order_than_promised_are_refused(tmp_path):
    path = write_plain(tmp_path / "a.fcs", DATA, CHANNELS, ROWS, BYTEORD="4,3,2,1")
    with pytest.raises(
        BadFcs, match=r"DATA from byte 4096 holds values such as .* \$BYTEORD 4,3,2,1 is wrong; in the order 1,2,3,4"
    ):
        read_events(path)


def test_data_that_went_through_a_text_conversion_are_refused(tmp_path):
    spoiled = DATA.decode("utf-8", errors="replace").encode()[: len(DATA)]
    with pytest.raises(
        BadFcs, match=r"went through a text conversion.*; copy it again from the cytometer, as a binary"
    ):
        read_events(write_plain(tmp_path / "a.fcs", spoiled, CHANNELS, ROWS))


def test_a_text_that_begins_a_byte_beside_its_offset_is_found(tmp_path):
    for shift in (-1, 1):
        text = b" " + text_of() + b" "
        path = write_odd(tmp_path / "a.fcs", DATA, text, text_span=(59 + shift, 58 + len(text)))
        read, events = read_fcs(path)
        assert events.count == ROWS
        assert read.deviations[0] == f"TEXT begins at byte 59, not at {59 + shift} as HEADER says"


def test_a_text_without_an_end_is_read_up_to_the_data(tmp_path):
    read, events = read_fcs(write_odd(tmp_path / "a.fcs", DATA, text_of(), text_span=(58, 0)))
    assert events.count == ROWS
    assert read.deviations[0] == "HEADER does not say where TEXT ends: read up to DATA at 4096"


def test_files_of_many_megabytes_leave_the_header_blank_without_a_word(tmp_path):
    # Offsets of more than eight digits do not fit into HEADER; the file is sparse.
    begin = 120_000_000
    text = text_of(BEGINDATA=str(begin), ENDDATA=str(begin + len(DATA) - 1))
    path = write_odd(tmp_path / "a.fcs", b"", text, data_span=(0, 0))
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(DATA)
    read, events = read_fcs(path)
    np.testing.assert_array_equal(events.values, FLOATS)
    assert read.deviations == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"nothing", "does not begin with 'FCS'"),
        (b"FCS1.0" + b" " * 60, "FCS '1.0' is not among the versions read"),
        (b"FCS3.1    ", "cut off: its header has 10 of 58 bytes"),
        (header("3.1", (0, 0, 0, 0, 0, 0)), "HEADER bytes 10 to 17 say that TEXT begins at 0"),
        (header("3.1", (58, 0, 0, 0, 0, 0)), "HEADER bytes 18 to 25 say that TEXT ends at 0"),
        (header("3.1", (58, 900, 0, 0, 0, 0)), "cut off: TEXT ends at byte 900, the file has 58"),
        (header("3.1", (58, 69, 0, 0, 0, 0)) + b"/A/1/B/2/C/3/", r"no keywords \$PAR and \$DATATYPE in TEXT"),
    ],
)
def test_what_is_no_fcs_file_is_refused_with_the_reason(tmp_path, content, message):
    (tmp_path / "a.fcs").write_bytes(content)
    with pytest.raises(BadFcs, match=rf"a\.fcs: .*{message}.*; "):
        read_header(tmp_path / "a.fcs")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError("no"), "it may not be read; check the permissions"),
        (OSError("bad sector"), r"it cannot be read \(bad sector\); copy it to another disk"),
        (MemoryError(), "its events do not fit into memory; close other programs"),
    ],
)
def test_what_the_system_refuses_is_said_with_a_remedy(tmp_path, monkeypatch, error, said):
    path = write_odd(tmp_path / "a.fcs", DATA, text_of())

    def broken(*_args, **_options):
        raise error

    monkeypatch.setattr("immunomon.cytometry.formats.fcs.read_data_sets", broken)
    with pytest.raises(BadFcs, match=said):
        read_events(path)
