"""Densities and their peaks are the same, to the last bit, with compiled code and without it."""

import numpy as np
import pytest

from immunomon.cytometry.kernels.density import _merge_peaks
from immunomon.cytometry.kernels.density_compiled import bin_counts, merged_peaks


@pytest.mark.parametrize("seed", range(40))
def test_bin_counts_are_those_of_numpy(seed):
    """Counts and edges are equal to the bit, also of values on an edge, or one part in 2^53 beside it."""
    rng = np.random.default_rng(seed)
    bins, low = int(rng.integers(1, 3000)), float(rng.normal(0, 10))
    high = low + float(rng.lognormal(0, 4))
    edges = np.linspace(low, high, bins + 1)
    values = np.concatenate([rng.uniform(low, high, 2000), edges, np.nextafter(edges, high), np.nextafter(edges, low)])
    values = np.clip(values, low, high)
    expected_counts, expected_edges = np.histogram(values, bins=bins, range=(low, high))

    counts, found_edges = bin_counts(values, low, high, bins)

    np.testing.assert_array_equal(found_edges, expected_edges)
    np.testing.assert_array_equal(counts, expected_counts)


@pytest.mark.parametrize("seed", range(60))
def test_peaks_are_merged_the_same_way(seed):
    """Peaks and descents come in one order, whatever heights are equal, and at either end."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 400))
    height = rng.integers(0, int(rng.integers(1, 12)) + 1, size).astype(np.float64)
    if seed % 3 == 0:
        height = np.abs(np.convolve(rng.normal(size=size), np.ones(5), mode="same"))
    peaks, drops = _merge_peaks(height, np.argsort(-height, kind="stable"))

    found_peaks, found_drops = merged_peaks(height)

    assert found_peaks.tolist() == peaks.tolist()
    assert found_drops.tolist() == drops.tolist()
