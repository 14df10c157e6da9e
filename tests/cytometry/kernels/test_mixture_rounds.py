"""Clouds are fitted the same, to the last bit, with compiled code and without it."""

import numpy as np
import pytest

from immunomon.cytometry.kernels import mixture_compiled, mixture_rounds


@pytest.mark.parametrize("seed", range(12))
def test_compiled_rounds_end_where_plain_ones_do(seed):
    """Weights, centers, covariances and background are equal to the bit, for any cells and starts."""
    rng = np.random.default_rng(seed)
    cells, clouds = int(rng.integers(20, 2000)), int(rng.integers(1, 7))
    x, y = rng.uniform(-0.5, 0.5, (2, cells)) * rng.choice([0.1, 1.0], cells)
    counts, starts = rng.integers(1, 500, cells).astype(np.float64), rng.uniform(-0.4, 0.4, (clouds, 2))
    plain, compiled = (
        (np.full(clouds, 0.95 / clouds), starts.copy(), np.tile(np.eye(2) * 0.01, (clouds, 1, 1))) for _ in range(2)
    )
    limits = (1e-5, 5e-5, 120)

    left = mixture_rounds._rounds(x, y, counts, plain, limits)

    assert left == mixture_compiled.cloud_rounds(x, y, counts, compiled, limits=limits)
    for one_way, other_way in zip(plain, compiled, strict=True):
        np.testing.assert_array_equal(one_way, other_way)


def test_exponentials_are_those_of_numpy_but_for_the_last_bit():
    """A relative error of one part in 2^52 at most, from 0 down to where nothing counts."""
    exponents = np.linspace(-700.0, 0.0, 10_001)

    np.testing.assert_allclose(mixture_rounds.exponentials(exponents), np.exp(exponents), rtol=2.3e-16, atol=0)
