"""What is stored is what is read: every type, width and byte order of the DATA segment."""

import itertools

import flowio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.odd_fcs import write_plain

from immunomon.cytometry.formats.fcs import read_events, read_fcs
from immunomon.errors import BadFcs

ORDERS = ["1,2,3,4", "4,3,2,1", "1,2", "2,1", "1,2,3,4,5,6,7,8", "8,7,6,5,4,3,2,1"]


def of_all(count, **words):
    """Return the same keywords for each channel."""
    return {f"P{number}{key}": value for number in range(1, count + 1) for key, value in words.items()}


def in_order(number: int, width: int, order: str) -> bytes:
    return number.to_bytes(width, "little" if order.startswith("1") else "big")


def as_bits(rows, widths, order: str) -> bytes:
    """Pack integers bit by bit, in plain Python."""
    if order.startswith("1"):
        total = position = 0
        for value, width in ((v, w) for row in rows for v, w in zip(row, widths, strict=True)):
            total |= value << position
            position += width
        return total.to_bytes(-(-position // 8), "little")
    text = "".join(f"{v:0{w}b}" for row in rows for v, w in zip(row, widths, strict=True))
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("datatype", "dtype"), [("F", "f4"), ("D", "f8"), ("f", "f4")])
def test_floats_are_read_in_any_byte_order(tmp_path, order, datatype, dtype):
    values = np.random.default_rng(1).normal(0, 1e4, (50, 3)).astype(dtype)
    data = values.astype(("<" if order.startswith("1") else ">") + dtype).tobytes()
    bits = of_all(3, B=str(8 * values.itemsize))
    events = read_events(write_plain(tmp_path / "a.fcs", data, 3, 50, DATATYPE=datatype, BYTEORD=order, **bits))
    np.testing.assert_array_equal(events.values, values)
    assert events.values.dtype == values.dtype
    assert not events.values.flags.writeable


def test_doubles_that_float32_holds_are_float32(tmp_path):
    values = np.arange(12.0).reshape(4, 3)
    path = write_plain(tmp_path / "a.fcs", values.tobytes(), 3, 4, DATATYPE="D", **of_all(3, B="64"))
    assert read_events(path).values.dtype == np.float32


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("bits", [8, 16, 24, 32, 40, 64])
def test_integers_of_whole_bytes_are_read_in_any_byte_order(tmp_path, order, bits):
    rows = np.random.default_rng(bits).integers(0, 2 ** min(bits, 53), (40, 2)).tolist()
    data = b"".join(in_order(value, bits // 8, order) for value in itertools.chain(*rows))
    words = of_all(2, B=str(bits), R=str(2**bits))
    events = read_events(write_plain(tmp_path / "a.fcs", data, 2, 40, DATATYPE="I", BYTEORD=order, **words))
    np.testing.assert_array_equal(events.values, rows)
    assert events.values.dtype == (np.float32 if bits <= 24 else np.float64)


@settings(max_examples=40)
@given(
    widths=st.lists(st.sampled_from([8, 10, 12, 16, 20, 24, 32, 33, 48, 53]), min_size=1, max_size=6),
    count=st.integers(1, 30),
    order=st.sampled_from(["1,2,3,4", "4,3,2,1"]),
    seed=st.integers(0, 99),
)
def test_integers_of_any_mixed_widths_are_read_bit_by_bit(tmp_path_factory, widths, count, order, seed):
    rng = np.random.default_rng(seed)
    rows = [[int(rng.integers(0, 2**width)) for width in widths] for _ in range(count)]
    if all(width % 8 == 0 for width in widths):
        data = b"".join(in_order(v, w // 8, order) for row in rows for v, w in zip(row, widths, strict=True))
    else:
        data = as_bits(rows, widths, order)
    words = {f"P{n}B": str(width) for n, width in enumerate(widths, start=1)}
    words |= {f"P{n}R": str(2**width) for n, width in enumerate(widths, start=1)}
    path = tmp_path_factory.mktemp("bits") / "a.fcs"
    write_plain(path, data, len(widths), count, DATATYPE="I", BYTEORD=order, **words)
    np.testing.assert_array_equal(read_events(path).values, rows)


def test_ten_bits_kept_in_two_bytes_are_read_as_such(tmp_path):
    values = np.random.default_rng(1).integers(0, 1024, (30, 3)).astype("<u2")
    words = of_all(3, B="10", R="1024")
    np.testing.assert_array_equal(
        read_events(write_plain(tmp_path / "a.fcs", values.tobytes(), 3, 30, DATATYPE="I", **words)).values, values
    )


@pytest.mark.parametrize(("order", "place"), [("3,4,1,2", (2, 3, 0, 1)), ("2,1,4,3", (1, 0, 3, 2))])
def test_odd_byte_orders_put_each_byte_where_it_says(tmp_path, order, place):
    # $BYTEORD gives each byte's significance: 3,4,1,2 is the PDP-11's, high word first, low byte first within.
    numbers = [0x01020304, 0x00A1B2C3]
    data = b"".join(bytes(number.to_bytes(4, "little")[significance] for significance in place) for number in numbers)
    words = of_all(1, R=str(2**32))
    events = read_events(write_plain(tmp_path / "a.fcs", data, 1, 2, DATATYPE="I", BYTEORD=order, **words))
    np.testing.assert_array_equal(events.values[:, 0], numbers)


@pytest.mark.parametrize(("stated", "stored", "right"), [("2,1,4,3", "<f4", "1,2,3,4"), ("3,4,1,2", ">f4", "4,3,2,1")])
def test_floats_in_another_order_than_stated_name_the_right_one(tmp_path, stated, stored, right):
    values = np.random.default_rng(2).uniform(1, 2e5, (100, 2)).astype(stored)
    words = of_all(2, B="32", R="262144") | {"DATATYPE": "F", "BYTEORD": stated}
    with pytest.raises(BadFcs, match=rf"\$BYTEORD {stated} is wrong; in the order {right} they are numbers"):
        read_events(write_plain(tmp_path / "a.fcs", values.tobytes(), 2, 100, **words))


def test_an_odd_byte_order_of_four_says_nothing_of_two_bytes(tmp_path):
    words = of_all(1, B="16") | {"BYTEORD": "3,4,1,2", "DATATYPE": "I"}
    with pytest.raises(BadFcs, match=r"\$BYTEORD is '3,4,1,2', which says nothing of numbers of 2 bytes"):
        read_events(write_plain(tmp_path / "a.fcs", bytes(20), 1, 10, **words))


def test_bits_above_the_range_are_masked_up_to_the_next_power_of_two(tmp_path):
    values = np.array([[0x4210, 0x0FFF]], dtype="<u2")
    words = {"P1B": "16", "P2B": "16", "P1R": "1024", "P2R": "1000", "DATATYPE": "I"}
    events = read_events(write_plain(tmp_path / "a.fcs", values.tobytes(), 2, 1, **words))
    np.testing.assert_array_equal(events.values, [[0x210, 0x3FF]])


def test_a_range_of_zero_masks_nothing_and_is_said(tmp_path):
    values = np.array([[700]], dtype="<u2")
    header, events = read_fcs(write_plain(tmp_path / "a.fcs", values.tobytes(), 1, 1, P1B="16", P1R="0", DATATYPE="I"))
    assert events.values[0, 0] == 700
    assert header.deviations == ("$P1R is 0: no bits are masked",)


def test_log_amplifiers_are_undone_for_integers_and_for_nothing_else(tmp_path):
    whole = np.array([[0], [512], [1023]], dtype="<u2")
    amplified = {"P1B": "16", "DATATYPE": "I", "P1E": "4,0", "P1R": "1024"}
    read = read_events(write_plain(tmp_path / "a.fcs", whole.tobytes(), 1, 3, **amplified)).values[:, 0]
    np.testing.assert_allclose(read, [1.0, 100.0, 10 ** (4 * 1023 / 1024)])
    floats = whole.astype("<f4")
    read = read_events(write_plain(tmp_path / "b.fcs", floats.tobytes(), 1, 3, P1E="4,0")).values
    np.testing.assert_array_equal(read, floats)


def test_gain_divides_the_time_step_multiplies_and_time_has_no_gain(tmp_path):
    values = np.array([[8.0, 8.0]], dtype="<f4")
    words = {"P1G": "2.0", "P2N": "Time", "P2G": "0.5", "TIMESTEP": "0.25"}
    events = read_events(write_plain(tmp_path / "a.fcs", values.tobytes(), 2, 1, **words))
    np.testing.assert_array_equal(events.values, [[4.0, 2.0]])


def test_a_gain_on_a_log_amplifier_is_not_applied_and_said(tmp_path):
    values = np.array([[512]], dtype="<u2")
    words = {"P1B": "16", "DATATYPE": "I", "P1E": "4,1", "P1G": "4"}
    header, events = read_fcs(write_plain(tmp_path / "a.fcs", values.tobytes(), 1, 1, **words))
    assert events.values[0, 0] == 100
    assert "$P1G is 4 on a log amplifier" in header.deviations[0]


def test_types_of_channels_may_be_mixed_as_in_fcs_3_2(tmp_path):
    row = np.dtype([("a", "<f4"), ("b", "<u2"), ("c", "<f8"), ("d", "<u4")])
    rows = np.array([(1.5, 7, 0.1, 70000), (2.5, 65535, 1e-3, 4_000_000_000)], dtype=row)
    words = {"P2DATATYPE": "I", "P2B": "16", "P2R": "65536", "P3DATATYPE": "D", "P3B": "64"}
    words |= {"P4DATATYPE": "I", "P4R": "4294967296", "P4E": None}
    header, events = read_fcs(write_plain(tmp_path / "a.fcs", rows.tobytes(), 4, 2, **words))
    np.testing.assert_array_equal(events.values, [list(one) for one in rows.tolist()])
    assert header.deviations == ("$P4E is missing: taken as linear",)


def test_numbers_in_fixed_characters_are_read(tmp_path):
    words = {"P1B": "4", "P2B": "6", "DATATYPE": "A"}
    events = read_events(write_plain(tmp_path / "a.fcs", b"  12 345.5" + b"0007-1.0e1", 2, 2, **words))
    np.testing.assert_array_equal(events.values, [[12, 345.5], [7, -10]])


@settings(max_examples=25)
@given(count=st.integers(1, 40), parting=st.sampled_from([" ", "\t", ",", "\r\n", " ,  "]), seed=st.integers(0, 9))
def test_numbers_in_free_format_are_read_whatever_parts_them(tmp_path_factory, count, parting, seed):
    values = np.random.default_rng(seed).integers(0, 1000, (count, 3))
    data = parting.join(map(str, values.ravel().tolist())).encode()
    path = tmp_path_factory.mktemp("free") / "a.fcs"
    write_plain(path, data, 3, count, DATATYPE="A", **of_all(3, B="*"))
    np.testing.assert_array_equal(read_events(path).values, values)


def test_long_free_format_text_is_read_over_the_borders_of_its_pieces(tmp_path):
    values = np.random.default_rng(1).integers(0, 10**6, (30_000, 2))
    data = " ".join(map(str, values.ravel().tolist())).encode()
    assert len(data) > 3 * 65536
    path = write_plain(tmp_path / "a.fcs", data, 2, 30_000, DATATYPE="A", **of_all(2, B="*"))
    np.testing.assert_array_equal(read_events(path).values, values)


@pytest.mark.parametrize("data", [b"12 x 3 4", b"1 2 3   ", b"--------"])
def test_free_format_text_that_is_no_numbers_is_refused(tmp_path, data):
    with pytest.raises(BadFcs, match=r"a\.fcs: (DATA, text from byte|cut off: DATA from byte) 4096"):
        read_events(write_plain(tmp_path / "a.fcs", data, 2, 2, DATATYPE="A", **of_all(2, B="*")))


def test_fixed_characters_that_are_no_number_are_refused(tmp_path):
    with pytest.raises(BadFcs, match="DATA, text from byte 4096"):
        read_events(write_plain(tmp_path / "a.fcs", b"1 x4" * 2, 2, 1, DATATYPE="A", **of_all(2, B="4")))


def test_eight_bits_behind_a_log_amplifier_stay_within_four_times_the_file(tmp_path):
    values = np.arange(200, dtype=np.uint8)
    words = {"P1B": "8", "P1R": "256", "P1E": "4,1", "DATATYPE": "I"}
    events = read_events(write_plain(tmp_path / "a.fcs", values.tobytes(), 1, 200, **words))
    assert events.values.nbytes == 4 * values.nbytes
    np.testing.assert_allclose(events.values[:, 0], 10 ** (4 * np.arange(200) / 256), rtol=1e-6)


@pytest.mark.parametrize("order", ["1,2,3,4", "4,3,2,1"])
def test_flowio_reads_the_same_values(tmp_path, order):
    values = np.random.default_rng(2).integers(0, 1024, (400, 3)).astype(("<" if order[0] == "1" else ">") + "u2")
    words = of_all(3, B="16") | {"P1E": "4,1", "P2G": "4", "P3N": "Time", "TIMESTEP": "0.1"}
    path = write_plain(tmp_path / "a.fcs", values.tobytes(), 3, 400, DATATYPE="I", BYTEORD=order, **words)
    np.testing.assert_array_equal(read_events(path).values, flowio.FlowData(path).as_array())
