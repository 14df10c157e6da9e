from dataclasses import replace
from pathlib import Path

import pytest

from immunomon.cytometry.model.measured import Measured, SampleResult
from immunomon.cytometry.model.populations import DOUBTS, FREQUENCIES, MEDIANS, POPULATIONS, SAMPLES
from immunomon.cytometry.steps.result_tables import cells_per_ul, tabulate_results
from immunomon.study.model.quality import Check, Quality, Verdict
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population
from immunomon.study.model.study import Role, Sample
from immunomon.study.model.trust import Doubt

GATE = GateDeclaration("interval", {"axis": "CD3"})


def population(name, parent):
    return Population(name, name, parent, GATE, "inside")


STRATEGY = GatingStrategy(
    "s",
    "S",
    1,
    None,
    (
        population("live", "root"),
        population("lymphocytes", "live"),
        population("cd4", "lymphocytes"),
        population("rare", "cd4"),
    ),
    denominators={"rare": ("cd4", "lymphocytes")},
)
SAMPLE = Sample(Path("fcs/a.fcs"), "fcs__a", "p", Role.parse("sample"), "S01", "W4", "b1", lymphocytes_per_ul=1000.0)
COUNTS = {"live": 9000, "lymphocytes": 5000, "cd4": 2000, "rare": 60}
MEASURED = Measured(10_000, COUNTS, {name: {"CD3": 5.0} for name in COUNTS}, {}, {}, {"CD3": "V450-A"})
GATED = SampleResult(SAMPLE, "gated", "ab" * 32, "s", None, MEASURED, 10_000)


def tables(*results, limits=Reportability()):  # noqa: B008
    return tabulate_results(results, {SAMPLE.panel: STRATEGY}, limits)


def row(table, **key):
    for name, value in key.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_every_table_has_exactly_the_columns_and_types_of_its_contract():
    found = tables(GATED)
    for name, contract in (
        ("samples", SAMPLES),
        ("populations", POPULATIONS),
        ("frequencies", FREQUENCIES),
        ("medians", MEDIANS),
    ):
        assert tuple(found[name].columns) == contract.names
        assert {column: str(dtype) for column, dtype in found[name].dtypes.items()} == contract.dtypes


def test_a_frequency_has_its_parent_and_each_named_denominator_once():
    found = tables(GATED)["frequencies"]
    rare = found[found["population"] == "rare"]
    assert list(rare["denominator"]) == ["cd4", "lymphocytes"]
    assert list(rare["is_parent"]) == [True, False]
    assert list(rare["percent"]) == [3.0, 1.2]


def test_the_interval_is_wilsons():
    found = row(tables(GATED)["populations"], population="rare")
    assert (found["percent_of_parent_low"], found["percent_of_parent_high"]) == pytest.approx((2.338, 3.842), abs=0.001)


@pytest.mark.parametrize(
    ("count", "parent", "reason"),
    [
        (60, 2000, None),
        (49, 2000, "below LLOQ: 49 events, 50 are needed"),
        (19, 2000, "below LOD: 19 events, 20 are needed"),
        (60, 99, "too few parent events: 99, 100 are needed"),
        (None, 2000, "not placed"),
    ],
)
def test_what_may_be_reported_and_why_not(count, parent, reason):
    assert Reportability().verdict(count, parent) == reason


def test_a_population_with_limits_of_its_own_keeps_them():
    limits = Reportability(populations={"rare": Reportability(lloq_events=100)})
    assert row(tables(GATED, limits=limits)["populations"], population="rare")["reason"].startswith("below LLOQ")


def test_absolute_counts_are_of_lymphocytes_and_what_lies_in_them():
    found = tables(GATED)["populations"].set_index("population")
    assert found.loc["rare", "cells_per_ul"] == pytest.approx(12.0)
    assert found.loc["lymphocytes", "cells_per_ul"] == pytest.approx(1000.0)
    assert found.loc["live"].isna()["cells_per_ul"]
    assert found.loc["rare", "cells_per_ul_method"] == "dual-platform"


def test_beads_are_preferred_and_nothing_gives_nothing():
    beads = replace(SAMPLE, beads_counted=500.0, beads_added=50_000.0, sample_volume_ul=100.0)
    assert cells_per_ul(beads, 60, 5000) == (60.0, "beads")
    assert cells_per_ul(replace(SAMPLE, lymphocytes_per_ul=None), 60, 5000) == (None, None)
    assert cells_per_ul(SAMPLE, None, 5000) == (None, None)


def test_a_failed_sample_has_all_its_rows_without_values_and_with_the_reason():
    failed = SampleResult(SAMPLE, "failed", None, "s", "a.fcs: cut short")
    found = tables(failed)
    assert len(found["populations"]) == 4
    assert found["populations"]["count"].isna().all()
    assert (found["populations"]["reason"] == "sample failed: a.fcs: cut short").all()
    assert not found["populations"]["reportable"].any()
    assert found["samples"]["reason"].iloc[0] == "a.fcs: cut short"


def test_a_gate_that_was_not_placed_is_said_for_what_needs_it():
    counts = {**COUNTS, "cd4": None, "rare": None}
    lost = replace(MEASURED, counts=counts, failures={"cd4": "no valley", "rare": "its parent cd4 was not placed"})
    found = tables(replace(GATED, measured=lost))
    assert row(found["populations"], population="cd4")["reason"] == "cd4 not placed: no valley"
    assert row(found["populations"], population="lymphocytes")["reportable"]


def test_an_empty_parent_gives_no_percent_and_no_interval():
    none = replace(MEASURED, counts={**COUNTS, "cd4": 0, "rare": 0})
    found = row(tables(replace(GATED, measured=none))["populations"], population="rare")
    assert found[["percent_of_parent", "percent_of_parent_low", "percent_of_parent_high"]].isna().all()


def test_a_control_is_listed_and_has_no_populations():
    control = SampleResult(replace(SAMPLE, role=Role.parse("fmo:CD25")), "control", "ab")
    found = tables(control)
    assert list(found["samples"]["role"]) == ["fmo:CD25"]
    assert found["populations"].empty


def quality(verdict, percent):
    return Quality(10_000, int(100 * percent), (Check("course", None, verdict, percent, 2.0, 0, "they are off"),))


def test_of_a_sample_whose_acquisition_failed_no_value_may_be_reported_and_each_says_why():
    failed = {"fcs__a": quality(Verdict.FAIL, 40.0)}
    found = tabulate_results([GATED], {SAMPLE.panel: STRATEGY}, Reportability(), qualities=failed)
    for name in ("populations", "frequencies", "medians"):
        assert not found[name]["reportable"].any()
        assert (found[name]["reason"] == "acquisition failed: they are off").all()
    sample = found["samples"].iloc[0]
    assert (sample["quality"], sample["flagged_percent"], sample["quality_reason"]) == ("fail", 40.0, "they are off")


def test_a_warning_about_the_acquisition_costs_no_value():
    warned = tabulate_results(
        [GATED], {SAMPLE.panel: STRATEGY}, Reportability(), qualities={"fcs__a": quality(Verdict.WARN, 4.0)}
    )
    plain = tables(GATED)
    assert warned["frequencies"].equals(plain["frequencies"])
    assert warned["samples"].iloc[0]["quality"] == "warn"
    assert plain["samples"]["quality"].isna().all()


def test_what_a_value_rests_on_stands_beside_it_and_withholds_it_and_all_below():
    doubted = replace(
        MEASURED,
        doubts={"lymphocytes": (Doubt("weak_stain", "CD3", "0.2 of the usual"),), "cd4": (Doubt("borrowed", "CD4"),)},
        placed_by=dict.fromkeys(COUNTS, "data") | {"cd4": "consensus"},
    )
    found = tables(replace(GATED, measured=doubted))
    for name in ("populations", "medians"):
        table = found[name].set_index("population")
        assert table["reportable"].tolist() == [True, False, False, False]
        assert table.loc["cd4", ["placed_by", "doubts", "rests_on"]].tolist() == [
            "consensus",
            "borrowed(CD4)",
            "lymphocytes: weak_stain(CD3)",
        ]
        assert "(0.2 of the usual)" in table.loc["rare", "reason"]
        assert table.loc["live", ["placed_by", "doubts", "rests_on"]].isna().tolist() == [False, True, True]
    assert not row(found["frequencies"], population="rare", denominator="cd4")["reportable"]
    doubts = found["doubts"]
    assert doubts["code"].tolist() == ["weak_stain", "borrowed"]
    assert doubts["withholds"].tolist() == [True, False]
    assert {column: str(dtype) for column, dtype in doubts.dtypes.items()} == DOUBTS.dtypes


def test_a_doubt_about_the_file_withholds_every_value_of_it():
    doubted = replace(MEASURED, doubts={"root": (Doubt("not_compensated"),)})
    found = tables(replace(GATED, measured=doubted))
    assert not found["populations"]["reportable"].any()
    assert set(found["frequencies"]["rests_on"]) == {"root: not_compensated"}


def test_measurements_of_before_there_were_doubts_are_still_read():
    plain = MEASURED.to_dict()
    del plain["doubts"], plain["placed_by"]
    old = tables(replace(GATED, measured=Measured.from_dict(plain)))["populations"]
    assert old["reportable"].all()
    assert old[["placed_by", "doubts", "rests_on"]].isna().all(axis=None)
