"""What each odd file gives: a table of events, channels and repairs, or why it is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import flowio
import numpy as np
import pytest

from immunomon.api.describing import describe_file
from immunomon.assurance.verify.recompute import read_with_fcsparser
from immunomon.cytometry.formats.fcs import read_events, read_fcs, read_header
from immunomon.errors import BadFcs

pytestmark = pytest.mark.real_data

LATIN = "not UTF-8, read as Latin-1: CREATOR"  # "CellQuest(TM)", in the Macintosh's own alphabet
MACSQUANT = "HEADER counts one byte too many"
MANGLED = "went through a text conversion: bytes above 127 were replaced by EF BF BD"
# file: events, channels, beginnings of the repairs
READS: dict[str, tuple[int, int, list[str]]] = {
    "fcsparser/Cytek_xP5/Cytek_xP5.fcs": (23126, 8, []),  # 24-bit big-endian: neither FlowIO nor fcsparser reads it
    "fcsparser/FACSCaliburHTS/Sample_Well_A02.fcs": (37395, 8, [LATIN]),
    "fcsparser/FACS_Diva/facs_diva_test.fcs": (83411, 12, []),
    "fcsparser/Fortessa/FCS_3.0_Fortessa_PBS_Specimen_001_A1_A01.fcs": (11585, 11, []),
    "fcsparser/HTS_BD_LSR-II/HTS_BD_LSR_II_Mixed_Specimen_001_D6_D06.fcs": (14945, 11, []),
    "fcsparser/MiltenyiBiotec/FCS2.0/EY_2013-07-19_PBS_FCS_2.0_Custom_Without_Add_Well_A1.001.fcs": (10000, 16, []),
    "fcsparser/MiltenyiBiotec/FCS3.0/FCS3.0_Custom_Compatible.fcs": (10000, 16, []),
    "fcsparser/MiltenyiBiotec/FCS3.1/EY_2013-07-19_PBS_FCS_3.1_Custom_Add_Well_A1.001.fcs": (10000, 19, [MACSQUANT]),
    "fcsparser/MiltenyiBiotec/FCS3.1/EY_2013-07-19_PBS_FCS_3.1_Custom_Without_Add_Well_A1.001.fcs": (
        10000,
        19,
        [MACSQUANT],
    ),
    "fcsparser/MiltenyiBiotec/FCS3.1/EY_2013-07-19_PBS_FCS_3.1_Well_A1.001.fcs": (10000, 19, [MACSQUANT]),
    "fcsparser/MiltenyiBiotec/FCS3.1/SG_2014-09-26_Duplicate_Names.fcs": (8129, 9, [MACSQUANT]),
    # Behind DATA lies a ZIP archive, which TEXT gives as its supplement.
    "fcsparser/cyflow_cube_8/cyflow_cube_8.fcs": (
        725,
        10,
        ["the supplemental TEXT, bytes 16681 to 58392, is left out"],
    ),
    "fcsparser/fake_bitmask_error/fcs1_cleaned.lmd": (50000, 7, []),
    "fcsparser/fake_large_fcs/fake_large_fcs.fcs": (11585, 11, ["HEADER does not say where DATA is: TEXT's offsets"]),
    "flowcal/Data001.fcs": (20949, 6, [LATIN]),
    "flowcal/Data002.fcs": (20000, 9, []),
    "flowcal/Data003.fcs": (25000, 8, []),  # 24-bit big-endian
    "flowcal/Data004.fcs": (50000, 14, []),
    "flowio/100715.fcs": (65016, 16, []),
    "flowio/3FITC_4PE_004.fcs": (94569, 4, [LATIN]),
    "flowio/B01 KC-A-W---91-US.fcs": (1589, 14, ["$BEGINSTEXT and $ENDSTEXT give the primary TEXT again"]),
    "flowio/G11.fcs": (5785, 12, []),
    "flowio/coulter.lmd": (18110, 8, ["it holds 2 data sets", "keywords that data set 2 lacks"]),
    "index_sorted/index_sorted_example.fcs": (384, 13, []),
}
NOT_FCS = "it is not an FCS file: it does not begin with 'FCS'"
REFUSED = {
    "fcsparser/corrupted.fcs": NOT_FCS,
    "fcsparser/corrupted/corrupted.fcs": NOT_FCS,
    "fcsparser/MiltenyiBiotec/FCS3.1/info.txt": NOT_FCS,
    "fcsparser/cytek-nl-2000/sample_header.fcs": "cut off: 20000 events need 2160000 bytes of data, it has 0",
    # 22 of 36 three-byte groups are U+FFFD: times above $PnR, values lost for good (see the test below).
    "flowio/data_start_offset_discrepancy_example.fcs": MANGLED,
    "flowio/data_stop_offset_discrepancy_example.fcs": MANGLED,
    "flowio/variable_int_example.fcs": MANGLED,
}


@pytest.fixture(scope="module")
def odd(real_data: Path) -> Path:
    return real_data / "odd-files"


def test_the_table_has_every_file(odd: Path) -> None:
    files = {path.relative_to(odd).as_posix() for path in odd.rglob("*") if path.is_file()}
    assert files == {*READS, *REFUSED}


@pytest.mark.parametrize("name", READS)
def test_an_odd_file_reads_as_the_table_says(odd: Path, name: str) -> None:
    events, channels, repairs = READS[name]
    header, table = read_fcs(odd / name)
    assert table.values.shape == (events, channels)
    assert header.event_count == events
    assert len(header.deviations) == len(repairs), header.deviations
    assert all(said.startswith(repair) for said, repair in zip(header.deviations, repairs, strict=True))
    assert describe_file(odd / name)["deviations"] == list(header.deviations)


@pytest.mark.parametrize("name", READS)
def test_the_values_of_an_odd_file_are_plausible(odd: Path, name: str) -> None:
    header, table = read_fcs(odd / name)
    assert np.isfinite(table.values).all()
    for place, channel in enumerate(header.channels):
        values = table.values[:, place]
        if header.keyword("$DATATYPE") == "I" and header.keyword(f"$P{place + 1}E").startswith("0"):
            step = float(header.keyword("$TIMESTEP") or 1) if channel.detector.casefold() == "time" else 1.0
            gain = float(header.keyword(f"$P{place + 1}G") or 1)
            assert values.min() >= 0
            assert values.max() < 2 ** np.ceil(np.log2(channel.range)) * step / min(gain, 1)
    times = [place for place, channel in enumerate(header.channels) if channel.detector.casefold() == "time"]
    subsampled = {"flowio/100715.fcs", "index_sorted/index_sorted_example.fcs"}
    for place in times if name not in subsampled else []:
        assert (np.diff(table.values[:, place]) >= 0).mean() > 0.95, "time goes back"


@pytest.mark.parametrize("name", REFUSED)
def test_an_odd_file_is_refused_with_reason_and_remedy(odd: Path, name: str) -> None:
    for reader in (read_header, read_events):
        with pytest.raises(BadFcs) as refused:
            reader(odd / name)
        assert str(refused.value).startswith(f"{odd / name}: ")
        assert REFUSED[name] in str(refused.value)
        assert "; " in str(refused.value)


@pytest.mark.parametrize("name", READS)
def test_flowio_and_fcsparser_agree_where_they_read(odd: Path, name: str) -> None:
    values = read_events(odd / name).values
    agreed = 0
    try:
        with warnings.catch_warnings(), (odd / name).open("rb") as file:  # FlowIO leaves it open when it fails
            warnings.simplefilter("ignore")
            theirs = flowio.FlowData(file, ignore_offset_discrepancy=True, ignore_offset_error=True)
            np.testing.assert_array_equal(values, theirs.as_array().astype(values.dtype))
        agreed += 1
    except (ValueError, flowio.exceptions.FCSParsingError, flowio.exceptions.MultipleDataSetsError):
        pass
    try:
        np.testing.assert_array_equal(values, read_with_fcsparser(odd / name)[0])
        agreed += 1
    except BadFcs:
        pass
    nobody_else = {
        "fcsparser/Cytek_xP5/Cytek_xP5.fcs",
        "fcsparser/fake_large_fcs/fake_large_fcs.fcs",
        "flowcal/Data003.fcs",
        "flowio/coulter.lmd",
    }
    assert agreed >= (name not in nobody_else)


@pytest.mark.parametrize("name", ["fcsparser/Cytek_xP5/Cytek_xP5.fcs", "flowcal/Data003.fcs"])
def test_integers_of_24_bits_are_those_of_plain_python(odd: Path, name: str) -> None:
    header, table = read_fcs(odd / name)
    content = (odd / name).read_bytes()
    begin, channels = int(header.keyword("$BEGINDATA")), len(header.channels)
    assert header.keyword("$BYTEORD") == "4,3,2,1"
    linear = [place for place in range(channels) if header.keyword(f"$P{place + 1}E").startswith("0")]
    for event in (0, 1, header.event_count - 1):
        for place in linear:
            at = begin + 3 * (event * channels + place)
            step = float(header.keyword("$TIMESTEP")) if header.channels[place].detector == "TIME" else 1.0
            assert table.values[event, place] == int.from_bytes(content[at : at + 3], "big") * step


def test_a_blank_header_gives_the_same_events_as_the_file_it_was_made_from(odd: Path) -> None:
    fake = read_events(odd / "fcsparser/fake_large_fcs/fake_large_fcs.fcs")
    whole = read_events(odd / "fcsparser/Fortessa/FCS_3.0_Fortessa_PBS_Specimen_001_A1_A01.fcs")
    np.testing.assert_array_equal(fake.values, whole.values)


def test_the_second_data_set_of_an_lmd_has_the_same_events_with_more_bits(odd: Path) -> None:
    path = odd / "flowio" / "coulter.lmd"
    coarse, fine = read_fcs(path, data_set=1), read_fcs(path)  # the finer one is read where none is asked for
    assert (fine[0].version, fine[0].data_set, fine[0].keyword("$DATE")) == ("3.0", 2, "11-Nov-09")
    assert fine[1].count == coarse[1].count == 18110
    # Forward scatter once in 10 bits, divided by its gain, and once in 20.
    high, low = fine[1].column("FS"), coarse[1].column("FS Lin")
    assert np.corrcoef(high, low)[0, 1] > 0.999


def test_the_mangled_files_cannot_be_right_at_any_offset(odd: Path) -> None:
    # FlowIO reads two events from them; their times are above $PnR, or stand in a run of EF BF BD.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = flowio.FlowData(odd / "flowio" / "variable_int_example.fcs")
    times = np.asarray(theirs.events).reshape(2, -1)[:, -1]
    assert times.max() > int(theirs.text["p26r"])
    content = (odd / "flowio" / "variable_int_example.fcs").read_bytes()[6081:]
    assert 3 * content.count(b"\xef\xbf\xbd") > len(content) / 2
