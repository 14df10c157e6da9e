import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.scales_log import STEPS, biex, biex_inverse, biex_table

SCALES = st.tuples(
    st.sampled_from([1e4, 262144.0, 4194304.0, 1e7]),
    st.floats(3.5, 6.5),
    st.floats(0.0, 1.0),
    st.sampled_from([-1.0, -10.0, -31.62, -100.0, -1000.0]),
)


@pytest.mark.real_data
def test_the_table_is_flowjos_to_its_single_precision(real_data):
    name = "tr_biex_l256_w-7.943282_n1.000000_m4.418540_r262144.000029.csv"
    with (real_data / "flowjo" / "flowjo_xforms" / name).open(encoding="utf-8", newline="") as file:
        theirs = np.array([float(row["lookup[i]"]) for row in csv.DictReader(file)])
    ours = biex_table(262144.000029, 4.418540, 1.0, -7.943282)[: theirs.size]
    assert theirs.size == STEPS
    # The file has six digits of numbers that FlowJo computed in float32.
    np.testing.assert_allclose(ours, theirs, rtol=5e-6, atol=7e-4)


@given(SCALES)
def test_the_table_rises_and_its_entries_map_to_even_steps(scale):
    table = biex_table(*scale)
    assert (np.diff(table) > 0).all()
    np.testing.assert_array_equal(biex(table, *scale), np.arange(STEPS + 1) / STEPS)


@given(SCALES, st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=20))
def test_biex_undoes_its_inverse_and_lies_flat_beyond_its_ends(scale, coordinates):
    wanted = np.clip(coordinates, 0.0, 1.0)
    np.testing.assert_allclose(biex(biex_inverse(np.array(coordinates), *scale), *scale), wanted, atol=1e-9)


def test_zero_lies_on_an_entry_of_the_table():
    assert 0.0 in biex_table(262144.0, 4.418539922, 0.0, -10.0)


@pytest.mark.parametrize("scale", [(0, 4.5, 0, -10), (1e5, 0, 0, -10), (1e5, 4.5, 0, 10), (1e5, 1.0, 0, -1000)])
def test_parameters_that_describe_no_scale_are_refused(scale):
    with pytest.raises(ValueError, match="biex"):
        biex_table(*scale)
