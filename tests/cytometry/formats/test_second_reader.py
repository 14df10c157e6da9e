from __future__ import annotations

import shutil
from pathlib import Path

import flowio
import numpy as np
import pytest
from numpy.typing import NDArray

from immunomon.assurance.verify.recompute import read_with_fcsparser
from immunomon.cytometry.formats.fcs import read_events
from immunomon.errors import BadFcs

ORDERS = ("1,2,3,4", "4,3,2,1")


def fcs_of(path: Path, data: bytes, events: int, *, bits: list[int], datatype: str, order: str, **more: str) -> Path:
    """Write an FCS 3.0 file around a DATA segment, by the letter of the standard."""
    words = {
        "$BYTEORD": order,
        "$DATATYPE": datatype,
        "$MODE": "L",
        "$NEXTDATA": "0",
        "$PAR": str(len(bits)),
        "$TOT": str(events),
    }
    for number, width in enumerate(bits, start=1):
        words |= {f"$P{number}{key}": value for key, value in (("N", f"C{number}"), ("E", "0,0"), ("R", "1024"))}
        words[f"$P{number}B"] = str(width)
    words |= {f"${key}": value for key, value in more.items()}
    begin = 58
    end = data_begin = 0
    for _ in range(3):  # the text holds the offsets, whose length moves them
        words |= {"$BEGINDATA": str(data_begin), "$ENDDATA": str(data_begin + len(data) - 1)}
        text = ("/" + "/".join(f"{key}/{value}" for key, value in words.items()) + "/").encode()
        end = begin + len(text) - 1
        data_begin = end + 1
    offsets = (begin, end, data_begin, data_begin + len(data) - 1, 0, 0)
    path.write_bytes(b"FCS3.0    " + "".join(f"{offset:>8}" for offset in offsets).encode() + text + data)
    return path


def stored(values: NDArray[np.generic], order: str) -> bytes:
    return values.astype(values.dtype.newbyteorder("<" if order.startswith("1") else ">")).tobytes()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("datatype", "bits", "dtype"), [("F", 32, "f4"), ("D", 64, "f8")])
def test_floats_are_read_in_either_byte_order(tmp_path: Path, order: str, datatype: str, bits: int, dtype: str) -> None:
    values = np.random.default_rng(1).normal(0, 1e4, (50, 3)).astype(dtype)
    path = fcs_of(tmp_path / "a.fcs", stored(values, order), 50, bits=[bits] * 3, datatype=datatype, order=order)
    read, names = read_with_fcsparser(path)
    np.testing.assert_array_equal(read, values)
    assert read.dtype == values.dtype
    assert names == ("C1", "C2", "C3")


@pytest.mark.parametrize("order", ORDERS)
def test_integers_lose_the_bits_above_their_range(tmp_path: Path, order: str) -> None:
    values = np.array([[1, 1023], [1024 + 7, 65535]], dtype=np.uint16)
    path = fcs_of(tmp_path / "a.fcs", stored(values, order), 2, bits=[16, 16], datatype="I", order=order, P2R="65536")
    np.testing.assert_array_equal(read_with_fcsparser(path)[0], [[1, 1023], [7, 65535]])


@pytest.mark.parametrize("order", ORDERS)
def test_integers_of_different_widths_are_read_in_either_byte_order(tmp_path: Path, order: str) -> None:
    end = "<" if order.startswith("1") else ">"
    dtype = np.dtype([("a", f"{end}u1"), ("b", f"{end}u2"), ("c", f"{end}u4")])
    rows = np.array([(1, 2, 3), (200, 60000, 16_000_000)], dtype=dtype)
    ranges = {"P1R": "256", "P2R": "65536", "P3R": "16777216"}
    path = fcs_of(tmp_path / "a.fcs", rows.tobytes(), 2, bits=[8, 16, 32], datatype="I", order=order, **ranges)
    np.testing.assert_array_equal(read_with_fcsparser(path)[0], [[1, 2, 3], [200, 60000, 16_000_000]])


def test_log_amplifiers_are_undone_for_integers(tmp_path: Path) -> None:
    values = np.array([[0], [512], [1023]], dtype=np.uint16)
    path = fcs_of(tmp_path / "a.fcs", stored(values, "1,2,3,4"), 3, bits=[16], datatype="I", order="1,2,3,4", P1E="4,0")
    np.testing.assert_allclose(read_with_fcsparser(path)[0][:, 0], [1.0, 100.0, 10 ** (4 * 1023 / 1024)], rtol=1e-6)


def test_floats_are_linear_whatever_the_log_amplifier_keyword_says(tmp_path: Path) -> None:
    values = np.array([[9000.0]], dtype=np.float32)
    path = fcs_of(tmp_path / "a.fcs", stored(values, "1,2,3,4"), 1, bits=[32], datatype="F", order="1,2,3,4", P1E="4,0")
    assert read_with_fcsparser(path)[0][0, 0] == 9000.0


def test_gain_divides_and_the_time_step_multiplies(tmp_path: Path) -> None:
    values = np.array([[8.0, 8.0]], dtype=np.float32)
    more = {"P1G": "2.0", "P2N": "Time", "P2G": "0.5", "TIMESTEP": "0.25"}
    path = fcs_of(
        tmp_path / "a.fcs", stored(values, "1,2,3,4"), 1, bits=[32, 32], datatype="F", order="1,2,3,4", **more
    )
    np.testing.assert_array_equal(read_with_fcsparser(path)[0], [[4.0, 2.0]])


@pytest.mark.parametrize("order", ORDERS)
def test_both_readers_agree_on_made_up_files(tmp_path: Path, order: str) -> None:
    values = np.random.default_rng(2).integers(0, 1024, (40, 2)).astype(np.uint16)
    amplified = {"P1E": "4,1", "P2G": "4"}
    path = fcs_of(tmp_path / "a.fcs", stored(values, order), 40, bits=[16, 16], datatype="I", order=order, **amplified)
    np.testing.assert_array_equal(read_with_fcsparser(path)[0], read_events(path).values)


@pytest.mark.parametrize(
    ("bits", "top", "more"),
    [
        (32, 2**32 - 1, {}),  # float32 holds integers up to 2**24
        (32, 2**24, {}),
        (32, 2**32 - 1, {"P1N": "Time", "P2N": "TIME"}),  # the last bits of time do not decide
        (16, 1023, {"P1G": "3"}),
        (8, 255, {"P1E": "4,1"}),  # float64 would take more than four times the file's room
    ],
)
def test_both_readers_keep_as_many_digits(tmp_path: Path, bits: int, top: int, more: dict[str, str]) -> None:
    values = np.array([[top, 5], [top - 2, 6], [7, top]]).astype(f"u{bits // 8}")
    words = {"P1R": str(2**bits), "P2R": str(2**bits)} | more
    path = fcs_of(
        tmp_path / "a.fcs", stored(values, "1,2,3,4"), 3, bits=[bits] * 2, datatype="I", order="1,2,3,4", **words
    )
    mine, other = read_events(path).values, read_with_fcsparser(path)[0]
    assert other.dtype == mine.dtype
    np.testing.assert_array_equal(other, mine)


def test_a_file_written_by_flowio_is_read_back(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(100, 10, (30, 2)).astype(np.float32)
    with (tmp_path / "a.fcs").open("wb") as file:
        flowio.create_fcs(file, values.ravel().tolist(), ["FSC-A", "PE-A"], opt_channel_names=["", "CD25"])
    read, names = read_with_fcsparser(tmp_path / "a.fcs")
    np.testing.assert_array_equal(read, values)
    assert names == ("FSC-A", "PE-A")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bits": [24]}, "numbers of 3 bytes"),
        ({"order": "3,4,1,2"}, "3,4,1,2"),
        ({"NEXTDATA": "4096"}, "several data sets"),
        ({"datatype": "A"}, "KeyError"),
        ({"MODE": "C"}, "Mode not implemented"),
        ({"TOT": "1000"}, "ValueError"),
        ({"P1B": "xxx"}, "ValueError"),
    ],
)
def test_what_it_does_not_cover_is_refused_with_the_reason(tmp_path: Path, change: dict, reason: str) -> None:
    declared = {"bits": [32], "datatype": "I", "order": "4,3,2,1"} | change
    path = fcs_of(tmp_path / "a.fcs", bytes(24), 2, **declared)
    with pytest.raises(BadFcs, match=reason) as found:
        read_with_fcsparser(path)
    assert str(path) in str(found.value)


@pytest.mark.parametrize("content", [b"", b"FCS3.0", b"FCS3.0    " + b" " * 48, b"no FCS file at all" * 20])
def test_what_is_no_fcs_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.fcs"
    path.write_bytes(content)
    with pytest.raises(BadFcs):
        read_with_fcsparser(path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    values = np.ones((100, 2), dtype=np.float32)
    whole = fcs_of(tmp_path / "a.fcs", stored(values, "4,3,2,1"), 100, bits=[32, 32], datatype="F", order="4,3,2,1")
    cut = Path(shutil.copyfile(whole, tmp_path / "b.fcs"))
    cut.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(BadFcs):
        read_with_fcsparser(cut)
