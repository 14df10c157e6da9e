"""Change from baseline: the arithmetic, every status with its reason, and what never depends on the order of files."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pandas as pd
import pytest

from immunomon.cytometry.model.populations import CHANGES, FREQUENCIES, POPULATIONS, SAMPLES
from immunomon.cytometry.steps.compare import compare
from immunomon.errors import UnknownName
from immunomon.study.model.ratios import RatioQuantity, RatioTerm
from immunomon.study.model.study import DoseGroup, Study, Subject
from immunomon.study.model.uses import PanelUse
from immunomon.study.model.visits import Visit

FIRST = datetime.date(2025, 1, 13)
DAYS = {"D-1": -1, "W2": 15, "W4": 29}


def a_study(**changes):
    given = {
        "name": "T",
        "title": "t",
        "dose_groups": (DoseGroup("A", 5e5), DoseGroup("B", 1e6)),
        "cohorts": (),
        "subjects": (Subject("S02", "B", infusion_dates=(FIRST,)), Subject("S01", "A", infusion_dates=(FIRST,))),
        "visits": tuple(Visit(label, day, baseline=day < 0) for label, day in DAYS.items()),
        "panels": (PanelUse("treg", "treg"), PanelUse("thelper", "thelper")),
    }
    return Study(**{**given, **changes})


def date_of(visit):
    day = DAYS.get(visit, 200)
    return (FIRST + datetime.timedelta(days=day - (day > 0))).isoformat()


class Tubes:
    """Sample, population and frequency rows, as a run would write them."""

    def __init__(self):
        self.samples, self.populations, self.frequencies = [], [], []

    def tube(self, visit, counts, *, subject="S01", panel="treg", role="sample", name=None, per_ul=None, **about):
        """Add a tube; counts: population -> (count, denominator, denominator_count[, reason it is not reportable])."""
        sample_id = name or f"{subject}_{visit}_{panel}"
        whose = {"sample_id": sample_id, "subject": subject, "visit": visit, "panel": panel, "role": role, "batch": "1"}
        date = about.pop("date", date_of(visit))
        self.samples.append({**whose, "status": "gated", "collection_date": date, **about})
        for population, (count, denominator, total, *why) in counts.items():
            row = {**whose, "population": population, "label": population.title(), "count": count}
            row |= {"reportable": not why, "reason": why[0] if why else None}
            percent = 100 * count / total if total else None
            self.frequencies.append(row | {"denominator": denominator, "denominator_count": total, "percent": percent})
            absolute = None if per_ul is None else per_ul * count
            method = None if per_ul is None else about.get("method", "dual-platform")
            counted = {"cells_per_ul": absolute, "cells_per_ul_method": method}
            self.populations.append(row | {"parent": denominator, **counted})
        return self

    def failed(self, visit, **about):
        """Add a tube whose file could not be read."""
        return self.tube(visit, {}, status="failed", reason="x.fcs: truncated", **about)

    def tables(self):
        contracts = (POPULATIONS, FREQUENCIES, SAMPLES)
        rows = (self.populations, self.frequencies, self.samples)
        return tuple(
            pd.DataFrame(row, columns=contract.names).astype(contract.dtypes)
            for row, contract in zip(rows, contracts, strict=True)
        )

    def compared(self, study=None, **options):
        return compare(*self.tables(), study=study or a_study(), **options)


def treg(count, total=1000, *why):
    return {"treg": (count, "cd4", total, *why)}


def at(changes, visit, **wanted):
    """Return the one row of a visit."""
    wanted = {"subject": "S01", "quantity": "percent", "population": "treg"} | wanted
    rows = changes[changes["visit"] == visit]
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_the_table_keeps_its_contract():
    changes = Tubes().tube("D-1", treg(50)).compared()
    assert {name: str(dtype) for name, dtype in changes.dtypes.items()} == CHANGES.dtypes
    assert not changes.duplicated(list(CHANGES.key)).any()


def test_a_change_is_the_value_minus_the_baseline():
    row = at(Tubes().tube("D-1", treg(50)).tube("W4", treg(75)).compared(), "W4")
    assert (row["status"], row["reason"] is pd.NA) == ("ok", True)
    assert (row["value"], row["baseline"], row["change"], row["percent_change"]) == (7.5, 5.0, 2.5, 50.0)
    assert row["log_odds_change"] == pytest.approx(math.log(75.5 / 925.5) - math.log(50.5 / 950.5))
    assert (row["sample_id"], row["baseline_sample_id"]) == ("S01_W4_treg", "S01_D-1_treg")
    assert (row["count"], row["denominator_count"]) == (75, 1000)
    assert (row["dose_group"], row["planned_day"], row["study_day"]) == ("A", 29, 29)


def test_the_baseline_visit_is_its_own_baseline_with_no_change():
    row = at(Tubes().tube("D-1", treg(50)).compared(), "D-1")
    assert (row["value"], row["baseline"], row["change"], row["log_odds_change"]) == (5.0, 5.0, 0.0, 0.0)
    assert row["study_day"] == -1


def test_every_visit_planned_has_a_row_once_the_subject_has_a_sample():
    changes = Tubes().tube("W2", treg(50)).compared()
    assert list(changes["visit"]) == list(DAYS)
    assert set(changes["subject"]) == {"S01"}
    row = at(changes, "W4")
    assert (row["status"], row["reason"]) == ("missing", "no treg sample of S01 at W4")
    assert row[["value", "baseline", "change", "sample_id", "study_day"]].isna().all()


def test_without_a_baseline_sample_the_value_stays_and_the_change_is_missing():
    row = at(Tubes().tube("W4", treg(75)).compared(), "W4")
    assert (row["status"], row["value"]) == ("missing baseline", 7.5)
    assert row["reason"] == "at D-1: no treg sample of S01 at D-1"
    assert row[["baseline", "change", "percent_change", "log_odds_change"]].isna().all()


def test_a_value_that_may_not_be_reported_says_why_and_has_no_change():
    row = at(Tubes().tube("D-1", treg(50)).tube("W4", treg(3, 1000, "3 events are below 20")).compared(), "W4")
    assert (row["status"], row["reason"], row["value"]) == ("not reportable", "3 events are below 20", 0.3)
    assert row[["change", "percent_change", "log_odds_change"]].isna().all()


def test_a_baseline_that_may_not_be_reported_is_no_baseline():
    row = at(Tubes().tube("D-1", treg(3, 1000, "3 events are below 20")).tube("W4", treg(75)).compared(), "W4")
    assert (row["status"], row["value"]) == ("baseline not reportable", 7.5)
    assert row["reason"] == "at D-1: 3 events are below 20"
    assert row[["change", "percent_change", "log_odds_change"]].isna().all()


def test_of_two_samples_of_one_visit_none_is_chosen_and_both_are_named():
    tubes = Tubes().tube("D-1", treg(50)).tube("W4", treg(75), name="one").tube("W4", treg(76), name="two")
    row = at(tubes.compared(), "W4")
    assert row["status"] == "doubled"
    assert row["reason"] == "more than one treg sample of S01 at W4: one, two; leave one in the sample list"
    assert row[["value", "change", "sample_id", "count", "study_day"]].isna().all()


def test_a_doubled_baseline_is_a_missing_baseline_that_names_both_samples():
    tubes = Tubes().tube("W4", treg(75)).tube("D-1", treg(50), name="one").tube("D-1", treg(51), name="two")
    row = at(tubes.compared(), "W4")
    assert row["status"] == "missing baseline"
    assert "one, two" in row["reason"]
    assert pd.isna(row["baseline"])


def test_a_failed_sample_is_named_with_its_reason():
    changes = Tubes().tube("D-1", treg(50)).failed("W4").compared()
    row = at(changes, "W4")
    assert (row["status"], row["reason"]) == ("failed", "S01_W4_treg failed: x.fcs: truncated")
    assert row["sample_id"] == "S01_W4_treg"
    assert row[["value", "change"]].isna().all()


def test_a_failed_baseline_is_a_missing_baseline():
    row = at(Tubes().failed("D-1").tube("W4", treg(75)).compared(), "W4")
    assert (row["status"], row["reason"]) == (
        "missing baseline",
        "at D-1: S01_D-1_treg failed: x.fcs: truncated",
    )


def test_a_population_that_a_sample_lacks_is_not_reportable_there():
    row = at(Tubes().tube("D-1", treg(50)).tube("W4", {"other": (1, "cd4", 10)}).compared(), "W4")
    assert row["status"] == "not reportable"
    assert row["reason"].startswith("S01_W4_treg: no value")


def test_percent_change_is_missing_where_the_baseline_is_zero():
    row = at(Tubes().tube("D-1", treg(0)).tube("W4", treg(75)).compared(), "W4")
    assert (row["status"], row["change"]) == ("ok", 7.5)
    assert pd.isna(row["percent_change"])
    assert row["log_odds_change"] > 0


def test_a_not_a_number_counts_as_missing_even_in_a_nullable_column():
    populations, frequencies, samples = Tubes().tube("D-1", treg(50)).tube("W4", treg(75)).tables()
    at_w4 = (frequencies["visit"] == "W4").to_numpy()
    frequencies["percent"] = pd.array(np.where(at_w4, 0.0, 5.0), dtype="Float64") / pd.array(
        np.where(at_w4, 0.0, 1.0), dtype="Float64"
    )
    row = at(compare(populations, frequencies, samples, study=a_study()), "W4")
    assert (row["status"], row["value"] is pd.NA) == ("not reportable", True)


def test_controls_bridges_and_other_tubes_never_count():
    tubes = Tubes().tube("D-1", treg(50)).tube("W4", treg(75))
    expected = tubes.compared()
    tubes.tube("W4", treg(900), role="unstimulated", name="u").tube("W2", treg(900), role="bridge", name="b")
    pd.testing.assert_frame_equal(tubes.compared(), expected)


def test_absolute_counts_change_without_log_odds_and_without_a_denominator():
    changes = Tubes().tube("D-1", treg(50), per_ul=2.0).tube("W4", treg(75), per_ul=2.0).compared()
    row = at(changes, "W4", quantity="cells_per_ul")
    assert (row["value"], row["change"], row["percent_change"]) == (150.0, 50.0, 50.0)
    assert row[["denominator", "denominator_count", "log_odds_change"]].isna().all()


def test_a_sample_without_an_absolute_count_says_what_is_lacking():
    changes = Tubes().tube("D-1", treg(50), per_ul=2.0).tube("W4", treg(75)).compared()
    row = at(changes, "W4", quantity="cells_per_ul")
    assert row["status"] == "not reportable"
    figures = "neither lymphocytes/uL nor bead figures, or beads that may not be used"
    assert row["reason"] == f"{figures}, for S01_W4_treg, so no absolute count"


def test_counts_by_beads_are_not_compared_with_counts_by_haematology():
    changes = Tubes().tube("D-1", treg(50), per_ul=2.0).tube("W4", treg(75), per_ul=2.0, method="beads").compared()
    row = at(changes, "W4", quantity="cells_per_ul")
    assert (row["status"], row["reason"]) == ("missing baseline", "by beads, at D-1 by dual-platform")
    assert row["value"] == 150.0
    assert row[["change", "percent_change"]].isna().all()


def test_without_any_absolute_count_there_are_no_such_rows():
    assert set(Tubes().tube("D-1", treg(50)).compared()["quantity"]) == {"percent"}


def th17(count, total=1000, *why):
    return {"th17": (count, "cd4", total, *why)}


def ratio_row(tubes, visit="W4", **options):
    return at(tubes.compared(**options), visit, quantity="ratio", population="th17_treg")


def both_tubes(visit, upper, lower, **about):
    return (
        Tubes()
        .tube("D-1", th17(100), panel="thelper")
        .tube("D-1", treg(50))
        .tube(visit, upper, panel="thelper")
        .tube(visit, lower, **about)
    )


def test_the_ratio_of_th17_to_treg_comes_from_both_tubes_of_a_visit():
    row = ratio_row(both_tubes("W4", th17(90), treg(60)))
    assert (row["value"], row["baseline"], row["change"]) == (1.5, 2.0, -0.5)
    assert row["log_odds_change"] == pytest.approx(math.log(1.5 / 2.0))
    assert (row["panel"], row["denominator"], row["label"]) == ("thelper/treg", "treg", "Th17/Treg")
    assert (row["count"], row["denominator_count"]) == (90, 60)
    assert (row["sample_id"], row["study_day"]) == ("S01_W4_thelper/S01_W4_treg", 29)


@pytest.mark.parametrize(
    ("upper", "lower", "reason"),
    [
        (th17(9, 1000, "few th17"), treg(60), "th17: few th17"),
        (th17(90), treg(6, 1000, "few treg"), "treg: few treg"),
        (th17(9, 1000, "few th17"), treg(6, 1000, "few treg"), "th17: few th17; treg: few treg"),
        (th17(90), treg(0), "treg is 0 % of cd4 in S01_W4_treg"),
    ],
)
def test_a_ratio_needs_both_its_terms_to_be_reportable(upper, lower, reason):
    row = ratio_row(both_tubes("W4", upper, lower))
    assert (row["status"], row["reason"]) == ("not reportable", reason)
    assert pd.isna(row["change"])


def test_a_ratio_lacks_what_one_of_its_terms_lacks():
    tubes = Tubes().tube("D-1", th17(100), panel="thelper").tube("D-1", treg(50)).tube("W4", treg(60)).failed("W2")
    assert ratio_row(tubes)["reason"] == "th17: no thelper sample of S01 at W4"
    row = ratio_row(tubes, "W2")
    assert row["status"] == "missing"
    assert row["reason"] == "th17: no thelper sample of S01 at W2; treg: S01_W2_treg failed: x.fcs: truncated"


def test_tubes_of_different_days_leave_a_ratio_without_a_study_day():
    row = ratio_row(both_tubes("W4", th17(90), treg(60), date="2025-02-11"))
    assert (row["status"], row["study_day"] is pd.NA) == ("ok", True)


def test_a_ratio_with_nothing_above_has_no_log_ratio():
    row = ratio_row(both_tubes("W4", th17(0), treg(60)))
    assert (row["status"], row["percent_change"]) == ("ok", -100.0)
    assert pd.isna(row["log_odds_change"])


def test_a_ratio_is_absent_when_a_panel_of_it_is_not_used():
    assert "ratio" not in set(Tubes().tube("D-1", treg(50)).compared()["quantity"])


def test_other_ratios_can_be_declared():
    counts = {"nk_bright": (10, "nk", 100), "nk_dim": (80, "nk", 100)}
    term = {name: RatioTerm("nk", name, "nk") for name in counts}
    ratio = RatioQuantity("bright_dim", "bright/dim", term["nk_bright"], term["nk_dim"])
    changes = Tubes().tube("D-1", counts, panel="nk").compared(ratios=(ratio,))
    assert at(changes, "D-1", quantity="ratio", population="bright_dim")["value"] == 0.125


def test_a_declared_ratio_of_one_tube_is_that_of_the_counts_and_its_gates_errors_add_up():
    ratio = RatioQuantity("cd4_cd8", "", RatioTerm("tbnk", "cd4", "t_cells"), RatioTerm("tbnk", "cd8", "t_cells"))
    study = a_study(panels=(PanelUse("tbnk", "tbnk"),), ratios=(ratio,))
    tubes = Tubes()
    for visit, upper, lower in (("D-1", 600, 300), ("W2", 400, 400), ("W4", 400, 0)):
        tubes.tube(visit, {"cd4": (upper, "t_cells", 1000), "cd8": (lower, "t_cells", 1000)}, panel="tbnk")
    for row in tubes.frequencies:
        row["gate_se"] = 0.1
    changes = tubes.compared(study)
    row = at(changes, "W2", quantity="ratio", population="cd4_cd8")
    assert (row["value"], row["baseline"], row["label"], row["panel"]) == (1.0, 2.0, "Cd4/Cd8", "tbnk/tbnk")
    errors = [0.1 * (1 - 0.6) + 0.1 * (1 - 0.3), 2 * 0.1 * (1 - 0.4)]
    assert row["gate_se"] == pytest.approx(math.hypot(*errors))
    none = at(changes, "W4", quantity="ratio", population="cd4_cd8")
    assert (none["status"], none["reason"]) == ("not reportable", "cd8 is 0 % of t_cells in S01_W4_tbnk")


def test_a_denominator_that_is_no_ancestor_has_a_change_but_no_odds():
    tubes = Tubes().tube("D-1", {"treg": (50, "b_cells", 10)}).tube("W4", {"treg": (75, "b_cells", 10)})
    row = at(tubes.compared(), "W4")
    assert (row["status"], row["change"]) == ("ok", 250.0)
    assert pd.isna(row["log_odds_change"])


@pytest.mark.parametrize("lacking", ["date", "infusions"])
def test_the_study_day_is_missing_without_dates(lacking):
    tubes = Tubes().tube("D-1", treg(50), date=None if lacking == "date" else "2025-01-12")
    study = a_study() if lacking == "date" else a_study(subjects=(Subject("S01", "A"),))
    assert at(tubes.compared(study), "D-1")["study_day"] is pd.NA


def test_the_table_does_not_depend_on_the_order_of_the_rows():
    tubes = both_tubes("W4", th17(90), treg(60), per_ul=1.0).tube("W2", treg(10), subject="S02").failed("W2")
    rng = np.random.default_rng(7)
    shuffled = [table.sample(frac=1, random_state=rng) for table in tubes.tables()]
    pd.testing.assert_frame_equal(compare(*shuffled, study=a_study()), tubes.compared())


def test_subjects_panels_and_visits_stand_in_the_studys_order():
    changes = both_tubes("W4", th17(90), treg(60)).tube("W2", treg(10), subject="S02").compared()
    assert list(dict.fromkeys(changes["subject"])) == ["S02", "S01"]
    assert list(dict.fromkeys(changes["panel"])) == ["treg", "thelper", "thelper/treg"]
    assert list(changes["visit"][:3]) == list(DAYS)


def test_every_row_but_an_ok_one_has_a_reason():
    tubes = (
        both_tubes("W4", th17(9, 1000, "few"), treg(60), per_ul=1.0).failed("W2").tube("W2", treg(10), subject="S02")
    )
    changes = tubes.compared()
    assert ((changes["status"] == "ok") == changes["reason"].isna()).all()
    assert changes.loc[changes["status"] != "ok", "change"].isna().all()


def test_a_study_without_samples_gives_an_empty_table_of_the_contract():
    changes = Tubes().compared()
    assert len(changes) == 0
    assert {name: str(dtype) for name, dtype in changes.dtypes.items()} == CHANGES.dtypes


@pytest.mark.parametrize(("whose", "named"), [({"subject": "S1"}, "S01"), ({}, "W2")])
def test_a_subject_or_visit_the_study_lacks_is_named_with_the_nearest(whose, named):
    tubes = Tubes().tube("D-1" if whose else "W22", treg(50), date="2025-01-12", **whose)
    with pytest.raises(UnknownName, match=f"did you mean '{named}'"):
        tubes.compared()


def test_a_study_without_a_baseline_visit_has_values_and_no_changes():
    changes = Tubes().tube("D-1", treg(50)).compared(a_study(visits=(Visit("D-1", None),)))
    assert set(changes["status"]) == {"ok"}
    assert changes["value"].notna().all()
    assert changes[["baseline", "change", "log_odds_change", "gate_se", "planned_day"]].isna().all(axis=None)


def test_a_whole_trial_is_compared_row_for_row():
    subjects = tuple(Subject(f"S{i:02}", "A", infusion_dates=(FIRST,)) for i in range(21))
    tubes, rng = Tubes(), np.random.default_rng(1)
    for subject in subjects:
        for panel in ("treg", "thelper", "bcell", "nk"):
            for visit in DAYS:
                counts = {f"p{i}": (int(rng.integers(50, 500)), "cd4", 1000) for i in range(90)}
                tubes.tube(visit, counts, subject=subject.id, panel=panel, per_ul=1.0)
    tables = tubes.tables()
    assert len(compare(*tables, study=a_study(subjects=subjects))) == 21 * 4 * 3 * 180
