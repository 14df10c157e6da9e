"""Headers as the world's computers write them: ranges that are none, decimal commas, supplements, letters, months."""

import datetime

import numpy as np
import pytest
from support.odd_fcs import (
    CHANNELS,
    DATA,
    FLOATS,
    LAST,
    ROWS,
    WHOLE,
    text_of,
    whole_words,
    write_odd,
    write_plain,
)

from immunomon.cytometry.formats.fcs import read_fcs, read_header
from immunomon.cytometry.formats.fcs_header import fcs_date, names_a_month
from immunomon.cytometry.formats.spillover import spillover_of
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.errors import BadFcs, BadSpillover, UnknownChannel
from immunomon.study.model.channels import Channel
from immunomon.study.model.fcs import FcsHeader
from immunomon.study.model.panel import Marker, Panel

MANGLED = "TCR-γδ".encode().decode("latin-1")
MATRIX = SpilloverMatrix(("C2", "C3"), ((1.0, 0.2), (0.1, 1.0)))


def floats(tmp_path, **words):
    return read_fcs(write_plain(tmp_path / "a.fcs", DATA, CHANNELS, ROWS, **words))


def whole(tmp_path, **words):
    return read_fcs(write_plain(tmp_path / "a.fcs", WHOLE.tobytes(), CHANNELS, ROWS, **whole_words(**words)))


@pytest.mark.parametrize("text", ["NA", "NaN", "nan", "0", "-1", "inf", "262,144"])
def test_floats_are_read_whatever_their_range_says_and_what_is_taken_for_it_is_said(tmp_path, text):
    header, events = floats(tmp_path, P1R=text)
    np.testing.assert_array_equal(events.values, FLOATS)
    assert header.channels[0].range == 262144
    assert header.deviations == (f"$P1R is '{text}', not a range: 262144 is taken, for plots and linear axes",)


@pytest.mark.parametrize(("text", "limit"), [("1e7", 1e7), ("4294967296", 2.0**32), ("262144.0", 262144)])
def test_a_wide_range_is_a_range(tmp_path, text, limit):
    header, events = floats(tmp_path, P1R=text)
    np.testing.assert_array_equal(events.values, FLOATS)
    assert (header.channels[0].range, header.deviations) == (limit, ())


@pytest.mark.parametrize("text", ["NA", "NaN", "-1", "", "262,144", "inf"])
def test_integers_need_their_range_for_it_says_which_bits_mean_something(tmp_path, text):
    with pytest.raises(BadFcs, match=rf"\$P1R is '{text}', (not a range|which may have a decimal comma)"):
        whole(tmp_path, P1R=text)


@pytest.mark.parametrize(
    ("words", "factor", "told"),
    [
        ({"P1G": "2,0"}, 0.5, "$P1G is '2,0', with a decimal comma: read as 2"),
        ({"P1G": "0,500"}, 2.0, "$P1G is '0,500', with a decimal comma: read as 0.5"),
        ({"P1R": "1048576,00"}, 1.0, "$P1R is '1048576,00', with a decimal comma: read as 1.04858e+06"),
        ({"P1N": "Time", "TIMESTEP": "0,01"}, 0.01, "$TIMESTEP is '0,01', with a decimal comma: read as 0.01"),
        ({"P1E": "0,0,0,0"}, 1.0, "$P1E is '0,0,0,0', with decimal commas: read as 0 and 0"),
        ({"P1E": "NA"}, 1.0, "$P1E is 'NA': taken as linear"),
        ({"P1G": "NA"}, 1.0, "$P1G is 'NA': taken as no gain"),
    ],
)
def test_decimal_commas_and_values_that_are_not_available_are_understood_and_said(tmp_path, words, factor, told):
    header, events = whole(tmp_path, **words)
    np.testing.assert_allclose(events.values[:, 0], WHOLE[:, 0] * factor, rtol=1e-6)
    assert header.deviations == (told,)


def test_a_log_amplifier_with_decimal_commas_is_undone(tmp_path):
    header, events = whole(tmp_path, P1E="4,5,0,1")
    np.testing.assert_allclose(events.values[:, 0], 10 ** (4.5 * WHOLE[:, 0] / 2**20) * 0.1, rtol=1e-6)
    assert "read as 4.5 and 0.1" in header.deviations[0]


@pytest.mark.parametrize("text", ["4,0,1", "4;1", "4,1,", "4,0,1,0,0"])
def test_an_amplifier_that_could_be_two_is_refused(tmp_path, text):
    with pytest.raises(BadFcs, match=rf"\$P1E is '{text}', not the two numbers"):
        whole(tmp_path, P1E=text)


def test_a_voltage_with_a_decimal_comma_is_a_number(tmp_path):
    header, _ = floats(tmp_path, P1V="450,5")
    assert header.channels[0].voltage == 450.5


def test_a_number_of_events_with_blanks_around_it_is_one_and_a_word_is_said_to_be_none(tmp_path):
    header, _ = floats(tmp_path, TOT=f"  {ROWS}  ")
    assert (header.event_count, header.deviations) == (ROWS, ())
    header, _ = floats(tmp_path, TOT="2 00")
    assert header.deviations == (f"$TOT is '2 00', not a number: {ROWS} events by the length of DATA",)


@pytest.mark.parametrize("order", ["2,1,4,3", "3,4,1,2", "4,3,2,1"])
def test_an_odd_byte_order_gives_the_same_numbers(tmp_path, order):
    places = [int(place) - 1 for place in order.split(",")]
    stored = WHOLE.view(np.uint8).reshape(ROWS, CHANNELS, 4)[:, :, places].tobytes()
    _, events = read_fcs(write_plain(tmp_path / "a.fcs", stored, CHANNELS, ROWS, **whole_words(BYTEORD=order)))
    np.testing.assert_array_equal(events.values, WHOLE)


def with_supplement(tmp_path, supplement: bytes, begin: int = LAST + 1, **words: str):
    text = text_of(BEGINSTEXT=str(begin), ENDSTEXT=str(LAST + len(supplement)), **words)
    return read_header(write_odd(tmp_path / "a.fcs", DATA, text, tail=supplement))


@pytest.mark.parametrize(
    ("supplement", "told"),
    [
        (b"$SPILLOVER/2,C2,C3,1,0.2,0.1,1/SORTSTATS/x/", "lacks its first delimiter"),
        (b"SORTSTATS/x/$SPILLOVER/2,C2,C3,1,0.2,0.1,1/ ", "lacks its first delimiter"),
        (b"|$SPILLOVER|2,C2,C3,1,0.2,0.1,1|PATH|a/b|", "has a delimiter of its own, '|'"),
        (b"\x0c$SPILLOVER\x0c2,C2,C3,1,0.2,0.1,1\x0c", "has a delimiter of its own, '\x0c'"),
        (b"  /$SPILLOVER/2,C2,C3,1,0.2,0.1,1/", "begins with blanks before its delimiter"),
        (b"$SPILLOVER/2,C2,C3,100,20,10,100/", "lacks its first delimiter"),
    ],
)
def test_a_supplement_with_an_odd_delimiter_is_read_and_its_matrix_used(tmp_path, supplement, told):
    header = with_supplement(tmp_path, supplement)
    assert spillover_of(header) == MATRIX
    assert header.deviations == (f"the supplemental TEXT, bytes {LAST + 1} to {LAST + len(supplement)}, {told}",)


@pytest.mark.parametrize(
    "supplement",
    [b"PK/OPERATOR/M/$TOT/", b"no text at all", b"\x80\x81/A/\x00\x01", b"|A", b"KEY/x/y/"],
)
def test_a_supplement_whose_pairs_do_not_come_out_even_is_left_out_and_said(tmp_path, supplement):
    header = with_supplement(tmp_path, supplement)
    assert "is left out: it begins with" in header.deviations[0]
    assert not {"PK", "M", "R", "A", "KEY", "NO TEXT AT ALL"} & set(header.keywords)


@pytest.mark.parametrize(
    ("stored", "marker", "told"),
    [
        ("Integrin β7".encode(), "Integrin β7", None),
        ("TCR-\xe9".encode("latin-1"), "TCR-é", "not UTF-8, read as Latin-1: $P2S"),
        (b"CD4 \x96 PE", "CD4 – PE", "not UTF-8, read as Windows-1252: $P2S"),  # noqa: RUF001
        (
            MANGLED.encode(),
            MANGLED,
            f"$P2S is '{MANGLED}', which reads 'TCR-γδ' if its UTF-8 was once taken for Latin-1",
        ),
    ],
)
def test_names_beyond_ascii_are_read_and_mangled_ones_said(tmp_path, stored, marker, told):
    text = text_of(P2S="WHERE").replace(b"WHERE", stored)
    header = read_header(write_odd(tmp_path / "a.fcs", DATA, text))
    assert header.channels[1].marker == marker
    assert header.deviations == ((told,) if told else ())


@pytest.mark.parametrize(
    ("name", "carried"), [("TCR-γδ", MANGLED), ("β7", "β7"), ("TCR γδ", "TCR-γδ PE"), ("é", "e\u0301")]
)
def test_a_marker_is_recognised_however_its_letters_were_stored(name, carried):
    assert Marker(name, "PE-A", "PE").may_be_on(Channel("PE-A", carried))


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("02-Mär-2025", 3),
        ("02-MRZ-2025", 3),
        ("02-MÃ¤r-2025", 3),
        ("02-M\ufffdr-2025", 3),
        ("02-Mai-2025", 5),
        ("02-Okt-2025", 10),
        ("02-DEZ-2025", 12),
        ("02-janv.-2025", 1),
        ("02-févr.-2025", 2),
        ("02-fe\u0301v-2025", 2),
        ("02-avr.-2025", 4),
        ("02 juillet 2025", 7),
        ("02-août-2025", 8),
        ("02-déc.-2025", 12),
        ("02-ene-2025", 1),
        ("02-abr-2025", 4),
        ("02-dic-2025", 12),
        ("02-gen-2025", 1),
        ("02-mag-2025", 5),
        ("02-giu-2025", 6),
        ("02-lug-2025", 7),
        ("02-ago-2025", 8),
        ("02-set-2025", 9),
        ("02-ott-2025", 10),
        ("02-mrt-2025", 3),
        ("02-mei-2025", 5),
        ("02-fev-2025", 2),
        ("02-out-2025", 10),
        ("02.März.2025", 3),
        ("2025-oct-02", 10),
        ("02-Sept-25", 9),
    ],
)
def test_months_are_read_in_the_languages_cytometers_are_set_to(text, month):
    assert fcs_date(text) == datetime.date(2025, month, 2)


@pytest.mark.parametrize("text", ["02-jui-2025", "02-ma-2025", "02-m-2025", "02.03.2025", "02-abc-2025", "02-?-2025"])
def test_a_month_that_could_be_two_or_none_is_no_date(text):
    assert fcs_date(text) is None


def test_a_date_of_numbers_is_not_complained_of_for_its_month():
    assert not names_a_month("02.03.2025")
    assert names_a_month("02-jui-2025")


def exported(tmp_path, *detectors: str, spill="2,FITC-A,PE-A,1,0.2,0.1,1", markers=("", "", "")) -> FcsHeader:
    channels = tuple(map(Channel, ("FSC-A", *detectors), markers))
    return FcsHeader(tmp_path / "export.fcs", "3.1", {"SPILL": spill}, channels, 0)


@pytest.mark.parametrize("prefix", ["Comp-", "FJComp-", "comp-", "Comp_"])
@pytest.mark.parametrize(
    ("spill", "markers"),
    [
        ("2,FITC-A,PE-A,1,0.2,0.1,1", ("", "", "")),
        ("2,2,3,1,0.2,0.1,1", ("", "", "")),  # numbers find the compensated channels
        ("2,1,0.2,0.1,1", ("", "", "")),  # and so does their order
        ("2,FITC-A,PE-A,1,0.2,0.1,1", ("", "FITC-A", "PE-A")),  # and the raw names as markers
    ],
)
def test_an_export_of_compensated_channels_is_not_compensated_twice(tmp_path, prefix, spill, markers):
    header = exported(tmp_path, f"{prefix}FITC-A", f"{prefix}PE-A", spill=spill, markers=markers)
    with pytest.raises(BadSpillover, match=rf"compensated already \({prefix}FITC-A, {prefix}PE-A\).*source: none"):
        spillover_of(header)


def test_a_matrix_over_the_compensated_names_themselves_is_refused_unless_it_changes_nothing(tmp_path):
    channels = ("Comp-FITC-A", "Comp-PE-A")
    with pytest.raises(BadSpillover, match="compensated already"):
        spillover_of(exported(tmp_path, *channels, spill="2,Comp-FITC-A,Comp-PE-A,1,0.2,0.1,1"))
    matrix = spillover_of(exported(tmp_path, *channels, spill="2,Comp-FITC-A,Comp-PE-A,1,0,0,1"))
    assert matrix is not None
    assert matrix.is_identity


def test_raw_channels_beside_compensated_ones_are_compensated_alone(tmp_path):
    header = exported(tmp_path, "FITC-A", "PE-A", "Comp-FITC-A", "Comp-PE-A", markers=("",) * 5)
    matrix = spillover_of(header)
    assert matrix is not None
    assert matrix.detectors == ("FITC-A", "PE-A")


def test_a_panel_of_raw_detectors_is_told_that_the_file_s_are_compensated():
    panel = Panel("p", "P", (Marker("CD4", "PE-A", "PE"),))
    with pytest.raises(UnknownChannel, match=r"compensated already \(FJComp-PE-A\): gate with --compensation none"):
        panel.label_channels([Channel("FJComp-PE-A", "CD4")])
