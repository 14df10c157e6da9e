import math

import pandas as pd
import pytest

from immunomon.assurance.validation.steadiness_measures import PairFound, _mean, alarms


def test_false_alarms_are_those_of_students_t_and_larger_shifts_are_seen_more_often():
    said = alarms(21, seed=1, series=500)
    # 20 others: |z| > 2 is |t| > 2 / sqrt(1 + 1/20) with 19 degrees of freedom, 6.6 %; |z| > 3 is 0.86 %.
    assert said.by_rule["1_2s"] == pytest.approx(6.6, abs=0.8)
    assert said.by_rule["1_3s"] == pytest.approx(0.86, abs=0.4)
    assert said.rejecting < 3
    assert said.shift[1.0] < said.shift[2.0] < said.shift[3.0]
    assert said.shift[3.0] > 85


def test_a_map_is_judged_on_tubes_it_was_not_learned_from():
    same = {"panel": "treg", "cell_type": "cd4", "marker": "CD25", "batches": 3, "cells": 500.0, "floor": 0.01}
    pair = {**same, "halves": (0.1, 0.02), "patients": (0.1, 0.1)}
    assert PairFound(**pair, tubes=(0.1, 0.05), reason=None).met
    assert not PairFound(**pair, tubes=(0.1, 0.11), reason=None).met
    assert not PairFound(**pair, tubes=(float("nan"), float("nan")), reason=None).met
    assert PairFound(**pair, tubes=(0.1, 0.11), reason="refused").met


def test_a_distance_that_no_batch_has_is_not_a_number():
    assert math.isnan(_mean(pd.Series([None, None], dtype="Float64")))
    assert _mean(pd.Series([None, 0.25, 0.75], dtype="Float64")) == 0.5
