import numpy as np
import pandas as pd
import pytest

from immunomon.cytometry.model.populations import FREQUENCIES, SAMPLES
from immunomon.cytometry.model.run_tables import RESPONSES
from immunomon.cytometry.steps.responses import subtract_background


def tube(sample_id, role, subject="S1", visit="W4", panel="ics"):
    return {"sample_id": sample_id, "role": role, "subject": subject, "visit": visit, "panel": panel}


def row(of, count, total=10_000, reason=None):
    percent = 100 * count / total if total else np.nan
    return {
        **of,
        "population": "th1",
        "label": "Th1",
        "denominator": "helper",
        "count": count,
        "denominator_count": total,
        "percent": percent,
        "reason": reason,
        "reportable": reason is None,
    }


def responses(tubes, rows):
    samples = pd.DataFrame(tubes).reindex(columns=list(SAMPLES.names)).astype(SAMPLES.dtypes)
    frequencies = pd.DataFrame(rows).reindex(columns=list(FREQUENCIES.names)).astype(FREQUENCIES.dtypes)
    return subtract_background(frequencies, samples)


STIMULATED, TWIN = tube("s", "sample"), tube("u", "unstimulated")


def test_net_is_what_the_stimulus_adds():
    one = responses([STIMULATED, TWIN], [row(STIMULATED, 2000), row(TWIN, 50)]).iloc[0]
    assert one["net_percent"] == pytest.approx(19.5)
    assert one["net_low"] < 19.5 < one["net_high"]
    assert one["fold"] == pytest.approx(40)
    assert one["positive"]
    assert one["reportable"]


def test_a_negative_net_is_kept():
    one = responses([STIMULATED, TWIN], [row(STIMULATED, 60), row(TWIN, 90)]).iloc[0]
    assert one["net_percent"] == pytest.approx(-0.3)
    assert not one["positive"]
    assert one["p_value"] > 0.5


def test_much_less_than_twice_the_background_is_not_positive_however_sure():
    one = responses([STIMULATED, TWIN], [row(STIMULATED, 1500), row(TWIN, 1000)]).iloc[0]
    assert one["p_value"] < 1e-6
    assert not one["positive"]


def test_twice_a_background_of_few_cells_is_not_positive_either():
    one = responses([STIMULATED, TWIN], [row(STIMULATED, 4), row(TWIN, 2)]).iloc[0]
    assert one["fold"] == 2
    assert not one["positive"]


def test_little_background_is_no_reason_and_few_parents_are():
    little = responses([STIMULATED, TWIN], [row(STIMULATED, 900), row(TWIN, 3, reason="below LOD: 3 events")]).iloc[0]
    assert little["reportable"]
    few = row(TWIN, 3, 30, reason="too few parent events: 30")
    assert "unstimulated tube: too few" in responses([STIMULATED, TWIN], [row(STIMULATED, 900), few]).iloc[0]["reason"]


def test_no_background_at_all_has_no_fold_and_may_be_positive():
    one = responses([STIMULATED, TWIN], [row(STIMULATED, 900), row(TWIN, 0)]).iloc[0]
    assert pd.isna(one["fold"])
    assert one["positive"]


def test_a_tube_without_its_twin_or_with_two_says_so():
    other, twin = tube("s2", "sample", "S2"), tube("u2", "unstimulated")
    alone = responses([STIMULATED, TWIN, other], [row(STIMULATED, 900), row(TWIN, 9), row(other, 900)])
    assert alone.set_index("subject").loc["S2", "reason"] == "no unstimulated tube"
    two = responses([STIMULATED, TWIN, twin], [row(STIMULATED, 900), row(TWIN, 9), row(twin, 9)])
    assert two["reason"].tolist() == ["several unstimulated tubes"]
    assert pd.isna(two["net_percent"]).all()


def test_panels_without_unstimulated_tubes_have_no_rows_and_the_contract_stays():
    table = responses([STIMULATED], [row(STIMULATED, 900)])
    assert table.empty
    assert table.dtypes.astype(str).to_dict() == RESPONSES.dtypes
