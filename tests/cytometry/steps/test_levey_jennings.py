import datetime

import numpy as np
import pandas as pd
import pytest

from immunomon.cytometry.model.populations import MEDIANS, POPULATIONS, SAMPLES
from immunomon.cytometry.model.run_tables import STEADINESS
from immunomon.cytometry.steps.levey_jennings import chart_levey_jennings, decades
from immunomon.study.model.steadiness import Steadiness


def tables(percents, *, dates=None, medians=None, reportable=None, donor=None, role="bridge"):
    """A run's tables with one bridge sample a percentage, of one population, a month apart unless dates are given."""
    start = datetime.date(2025, 1, 1)
    days = dates or [(start + datetime.timedelta(30 * n)).isoformat() for n in range(len(percents))]
    names = [f"bridge{n:02d}" for n in range(len(percents))]
    base = {"sample_id": names, "panel": "treg", "role": role, "batch": names, "subject": donor}
    samples = pd.DataFrame({**base, "collection_date": days})
    ok = reportable or [True] * len(percents)
    status = {"reportable": ok, "reason": [None if good else "below LLOQ" for good in ok]}
    population = {**base, "population": "cd4", "label": "CD4", "percent_of_parent": percents, **status}
    median = {**base, "population": "cd4", "label": "CD4", "marker": "CD25", "median_intensity": medians, **status}
    frames = (
        (samples, SAMPLES),
        (pd.DataFrame(population), POPULATIONS),
        (pd.DataFrame(median if medians else {}), MEDIANS),
    )
    return [frame.reindex(columns=list(table.names)).astype(table.dtypes) for frame, table in frames]


def charted(*args, settings=None, **kwargs):
    return chart_levey_jennings(*tables(*args, **kwargs), settings=settings or Steadiness())


STEADY = [40.0, 41.0, 39.5, 40.5, 39.0, 40.2, 40.8, 39.7]


def test_the_table_has_the_columns_and_types_of_its_contract():
    table = charted(STEADY)
    assert tuple(table.columns) == STEADINESS.names
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == STEADINESS.dtypes
    assert not table.duplicated(list(STEADINESS.key)).any()


def test_a_value_far_from_the_others_is_out_of_control_and_the_others_are_not():
    table = charted([*STEADY, 55.0])
    assert table["verdict"].tolist() == ["in control"] * 8 + ["out of control"]
    last = table.iloc[-1]
    assert last["rules"] == "1_2s 1_3s"
    assert last["mean"] == pytest.approx(np.mean(STEADY))
    assert last["sd"] == pytest.approx(np.std(STEADY, ddof=1))
    assert last["z"] == pytest.approx((55.0 - np.mean(STEADY)) / np.std(STEADY, ddof=1))
    assert last["judged_by"] == 8


def test_limits_set_by_the_first_samples_show_a_drift_that_follows():
    drift = [*STEADY, *(40.1 + 0.3 * n for n in range(1, 13))]
    settled = charted(drift, settings=Steadiness(establish=8))
    assert settled["establishes"].tolist() == [True] * 8 + [False] * 12
    assert settled["mean"].iloc[8:].to_numpy(float) == pytest.approx(np.mean(STEADY))
    assert "10_x" in settled["rules"].iloc[-1]
    assert "1_3s" in settled["rules"].iloc[-1]


def test_a_single_value_beyond_two_sd_is_a_warning():
    sd = np.std(STEADY, ddof=1)
    table = charted([*STEADY, np.mean(STEADY) + 2.5 * sd], settings=Steadiness(establish=8))
    assert (table["rules"].iloc[-1], table["verdict"].iloc[-1]) == ("1_2s", "warning")


def test_samples_are_in_order_of_their_dates_whatever_the_order_of_the_list():
    dates = [f"2025-0{n}-01" for n in (9, 1, 8, 2, 7, 3, 6, 4)]
    table = charted(STEADY, dates=dates)
    assert table["collection_date"].tolist() == sorted(dates)
    assert table["number"].tolist() == list(range(1, 9))


def test_too_few_samples_are_said_and_nothing_is_judged():
    table = charted(STEADY[:5])
    assert set(table["verdict"]) == {"not judged"}
    assert set(table["reason"]) == {"too few bridge samples to judge by: 5, 6 are needed"}
    assert table["z"].isna().all()


def test_what_may_not_be_reported_is_in_no_series_and_interrupts_no_run():
    values = [*STEADY, 55.0, 0.0, 55.0]
    table = charted(values, reportable=[*[True] * 9, False, True], settings=Steadiness(establish=8))
    assert table["verdict"].iloc[9] == "not judged"
    assert table["reason"].iloc[9] == "below LLOQ"
    assert pd.isna(table["number"].iloc[9])
    assert "2_2s" in table["rules"].iloc[10]


def test_a_sample_without_a_date_has_no_place_in_time():
    table = charted(STEADY, dates=[None, *(f"2025-0{n}-01" for n in range(1, 8))])
    undated = table[table["collection_date"].isna()]
    assert undated["reason"].tolist() == ["no collection date, so that it has no place in time"]
    assert table["number"].count() == 7


def test_samples_that_do_not_differ_cannot_judge():
    table = charted([40.0] * 8)
    assert set(table["reason"]) == {"the bridge samples do not differ: there is no SD to judge by"}


def test_bridge_samples_of_two_donors_are_two_series():
    table = charted([*STEADY, *(x + 20 for x in STEADY)], donor=["H1"] * 8 + ["H2"] * 8)
    assert table.groupby("donor")["number"].max().tolist() == [8, 8]
    assert table.groupby("donor")["z"].apply(lambda z: z.abs().max() < 3).all()


def test_only_bridge_samples_are_charted():
    assert charted(STEADY, role="sample").empty


def test_medians_are_charted_in_decades():
    medians = [1000.0, 1010, 990, 1005, 995, 1000, 1002, 100000]
    table = charted(STEADY, medians=medians)
    rows = table[table["quantity"] == "median_intensity"]
    assert rows["unit"].unique().tolist() == ["decades"]
    assert rows["value"].to_numpy(float) == pytest.approx(decades(np.array(medians)))
    assert rows["measured"].tolist() == medians
    assert rows["verdict"].iloc[-1] == "out of control"
