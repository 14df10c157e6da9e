from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from immunomon.cytometry.kernels.event_quality import at_ends


@given(arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.integers(-3, 12).map(float)))
def test_an_event_is_at_an_end_if_any_channel_is_and_a_top_that_is_passed_is_none(values):
    bottoms, tops = np.full(values.shape[1], 0.0), np.full(values.shape[1], 10.0)
    hits = (values <= 0) | ((values >= 10) & (values.max(axis=0) <= 11))
    mask, counts = at_ends(values, bottoms, tops)
    assert np.array_equal(mask, hits.any(axis=1))
    assert np.array_equal(counts, hits.sum(axis=0))
