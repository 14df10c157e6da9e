from dataclasses import replace
from pathlib import Path

import pytest

from immunomon.cytometry.model.measured import Measured, SampleResult
from immunomon.cytometry.steps.cross_check import cross_check
from immunomon.cytometry.steps.result_tables import tabulate_results
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.strategy import Expectation, GateDeclaration, GatingStrategy, Population
from immunomon.study.model.study import Role, Sample
from immunomon.study.model.trust import Doubt

GATE = GateDeclaration("interval", {"axis": "CD3"})


def strategy(name, *tree, **expected):
    populations = tuple(Population(one, one, parent, GATE, "inside") for one, parent in tree)
    return GatingStrategy(name, name, 1, None, populations, expected=expected)


TOP = (("lymphocytes", "root"),)
STRATEGIES = {
    "t": strategy("t", *TOP, ("t_cells", "lymphocytes"), ("cd4", "t_cells"), ("cd8", "t_cells")),
    "b": strategy("b", *TOP, ("t_cells", "lymphocytes"), ("b_cells", "lymphocytes")),
    "nk": strategy("nk", *TOP, ("t_cells", "lymphocytes"), ("nk", "lymphocytes")),
}
USUAL = {
    "t": {"t_cells": 7000, "cd4": 4500, "cd8": 2300},
    "b": {"t_cells": 7000, "b_cells": 1500},
    "nk": {"t_cells": 7000, "nk": 1200},
}


def result(panel, subject="S01", visit="W4", role="sample", **counts):
    sample = Sample(Path(f"{panel}.fcs"), f"{subject}_{visit}_{panel}", panel, Role.parse(role), subject, visit)
    measured = Measured(20_000, {"lymphocytes": 10_000, **USUAL[panel], **counts}, {}, {})
    return SampleResult(sample, "gated", f"content of {sample.id}", panel, None, measured)


def doubts(results, strategies=STRATEGIES, **limits):
    found = cross_check(results, strategies, Reportability(**limits))
    return {
        (one.sample.id, population): [doubt.code for doubt in said]
        for one in found
        for population, said in one.measured.doubts.items()
    }


def test_what_agrees_says_nothing():
    assert doubts([result(panel, visit=visit) for panel in STRATEGIES for visit in ("D-1", "W4", "W12")]) == {}


def test_the_tube_that_stands_alone_is_in_doubt_and_no_other():
    found = doubts([result("t", t_cells=3500, cd4=2250, cd8=1150), result("b"), result("nk")])
    assert found == {("S01_W4_t", "t_cells"): ["tubes_disagree"]}


def test_of_two_tubes_that_contradict_each_other_both_are_in_doubt():
    found = doubts([result("b", t_cells=3000), result("nk")], parts_percent=(0.0, 200.0))
    assert found == {("S01_W4_b", "t_cells"): ["tubes_disagree"], ("S01_W4_nk", "t_cells"): ["tubes_disagree"]}


def test_a_visit_far_from_the_subjects_others_is_in_doubt_with_three_visits_or_more():
    results = [result("nk", visit=visit, nk=900) for visit in ("D-1", "W4")]
    odd = result("nk", visit="W12", nk=100)
    assert doubts([*results[:1], odd]) == {}
    assert doubts([*results, odd]) == {("S01_W12_nk", "nk"): ["visit_outlier"]}


@pytest.mark.parametrize(("share", "is_doubted"), [(9700, False), (8900, True)])
def test_a_share_that_is_nearly_all_is_no_outlier_where_it_is_a_little_less(share, is_doubted):
    shares = {"D-1": 9990, "W2": 9980, "W4": 9990, "W12": share}  # of 10,000: 3.4 and 4.8 in log-odds
    results = [result("nk", visit=visit, t_cells=count, nk=5) for visit, count in shares.items()]
    assert doubts(results) == ({("S01_W12_nk", "t_cells"): ["visit_outlier"]} if is_doubted else {})


def test_parts_that_do_not_add_up_are_remarked_on_in_every_tube_that_gave_one():
    results = [result("t"), result("b", b_cells=200), result("nk", nk=400)]
    found = doubts(results)
    assert set(found) == {(f"S01_W4_{panel}", "lymphocytes") for panel in STRATEGIES}
    assert {code for codes in found.values() for code in codes} == {"lineages_incomplete"}
    assert doubts(results, parts_percent=(70.0, 105.0)) == {}


def test_cd4_and_cd8_cells_are_held_against_t_cells():
    assert doubts([result("t", cd8=1300)]) == {("S01_W4_t", "t_cells"): ["lineages_incomplete"]}


def test_parts_that_cannot_make_up_the_whole_are_withheld():
    lost = doubts([result("t", cd4=2700)])  # 40 % of the CD4 cells did not take the stain
    assert lost["S01_W4_t", "cd4"] == lost["S01_W4_t", "cd8"] == ["implausible"]
    assert "implausible" not in lost["S01_W4_t", "t_cells"]
    lost = doubts(
        [result("t", t_cells=4200, cd4=2700, cd8=1380), result("b", t_cells=4200), result("nk", t_cells=4200)]
    )
    assert {name for (_, name), codes in lost.items() if "implausible" in codes} == {"t_cells", "b_cells", "nk"}


@pytest.mark.parametrize(("cd4", "codes"), [(4500, []), (700, ["unexpected"])])
def test_what_the_strategy_does_not_expect_is_remarked_on_and_no_number_is_changed(cd4, codes):
    expecting = {"t": replace(STRATEGIES["t"], expected={"cd4": Expectation(15, 90, "our blood donors")})}
    before = result("t", cd4=cd4, cd8=6900 - cd4)
    found = cross_check([before], expecting, Reportability())
    said = found[0].measured.doubts.get("cd4", ())
    assert [doubt.code for doubt in said] == codes
    assert found[0].measured.counts == before.measured.counts
    assert all(doubt.detail == "10 %; 15 to 90 % of t_cells are expected (our blood donors)" for doubt in said)


@pytest.mark.parametrize(("cd4", "is_withheld"), [(450, True), (1500, False), (4500, False)])
def test_what_cannot_be_in_a_patient_is_withheld_with_all_regions_of_its_gate(cd4, is_withheld):
    expecting = {"t": replace(STRATEGIES["t"], expected={"cd4": Expectation(25, 90, "blood donors", (10, 95))})}
    codes = doubts([result("t", cd4=cd4, cd8=6900 - cd4)], expecting)
    assert ("implausible" in codes.get(("S01_W4_t", "cd4"), ())) == is_withheld
    assert codes.get(("S01_W4_t", "cd8"), []) == (["implausible"] if is_withheld else [])  # of the same gate


def test_chance_in_few_events_is_not_implausible_and_a_person_who_moved_the_gate_has_answered():
    expecting = {"t": replace(STRATEGIES["t"], expected={"cd4": Expectation(25, 90, "", (10, 95))})}
    few = {"lymphocytes": 150, "t_cells": 110, "cd4": 9, "cd8": 101}
    assert doubts([result("t", **few)], expecting)["S01_W4_t", "cd4"] == ["unexpected"]
    odd = result("t", cd4=450, cd8=6450)
    odd = replace(odd, measured=replace(odd.measured, sources={"cd4": "moved by A. Analyst"}))
    assert doubts([odd], expecting) == {("S01_W4_t", "cd4"): ["unexpected"]}


def test_an_unexpected_value_by_a_border_that_may_lie_in_the_noise_is_withheld():
    expecting = {"t": replace(STRATEGIES["t"], expected={"cd4": Expectation(25, 60)})}
    high = result("t")  # 64 %
    assert doubts([high], expecting) == {("S01_W4_t", "cd4"): ["unexpected"]}
    unjudged = of_tube(high, doubts={"cd4": (Doubt("noise_not_judged", "CD4"),)})
    assert doubts([unjudged], expecting)["S01_W4_t", "cd4"] == ["noise_not_judged", "unexpected", "implausible"]


def of_tube(original, **measured):
    return replace(original, measured=replace(original.measured, **measured))


def test_one_tube_under_two_visits_is_doubted_whatever_its_header_says():
    first, second = result("nk", visit="D-1"), result("nk", visit="W4")
    assert doubts([first, second]) == {}
    both = {("S01_D-1_nk", "root"): ["same_tube"], ("S01_W4_nk", "root"): ["same_tube"]}
    assert doubts([first, replace(second, sha256=first.sha256)]) == both
    assert doubts([of_tube(first, fingerprint="f"), of_tube(second, fingerprint="f")]) == both
    assert doubts([of_tube(first, fingerprint="f"), of_tube(second, fingerprint="g")]) == {}


def test_one_tube_of_one_blood_may_be_listed_for_several_panels():
    first, again = (replace(result(panel), sha256="the same") for panel in ("b", "nk"))
    assert doubts([first, again]) == {}
    other = replace(result("nk", subject="S02"), sha256="the same")
    assert ("S02_W4_nk", "root") in doubts([first, again, other])


@pytest.mark.parametrize(
    ("listed", "gated", "said"),
    [(1500, 1450, []), (5000, 1450, ["beads_disagree"]), (1450, 5000, ["beads_disagree"]), (100, 90, ["few_beads"])],
)
def test_beads_that_list_and_gate_count_differently_count_nothing(listed, gated, said):
    whole = result("t", beads=gated)
    bead_figures = {"beads_counted": float(listed), "beads_added": 50_000.0, "sample_volume_ul": 100.0}
    whole = replace(whole, sample=replace(whole.sample, lymphocytes_per_ul=1500.0, **bead_figures))
    tree = strategy("t", *TOP, ("t_cells", "lymphocytes"), ("cd4", "t_cells"), ("cd8", "t_cells"), ("beads", "root"))
    strategies = {"t": replace(tree, beads="beads")}
    assert doubts([whole], strategies).get(("S01_W4_t", "beads"), []) == said
    checked = cross_check([whole], strategies, Reportability())
    absolute = tabulate_results(checked, strategies, Reportability())["populations"]["cells_per_ul"]
    assert absolute.isna().all() == ("beads_disagree" in said)


def test_few_events_and_tubes_that_are_no_samples_are_no_evidence():
    bridge = result("t", t_cells=3500, cd4=2250, cd8=1150, role="bridge")
    assert doubts([bridge, result("b"), result("nk")]) == {}
    few = {"lymphocytes": 50, "t_cells": 20, "cd4": 14, "cd8": 6}
    assert doubts([result("t", **few), result("b"), result("nk")]) == {}


@pytest.mark.parametrize(
    "suspect",
    [{"doubts": {"t_cells": (Doubt("weak_stain", "CD3"),)}}, {"sources": {"t_cells": "moved by A. Analyst"}}],
)
def test_what_rests_on_a_doubt_or_a_moved_gate_is_no_evidence_against_what_does_not(suspect):
    odd, other = result("b", t_cells=3000), result("nk")
    odd = replace(odd, measured=replace(odd.measured, **suspect))
    found = doubts([odd, other], parts_percent=(0.0, 200.0))
    assert ("S01_W4_nk", "t_cells") not in found
    assert "tubes_disagree" in found["S01_W4_b", "t_cells"]


def test_two_strategies_of_one_tube_are_one_witness_and_share_its_doubts():
    strategies = {"b": STRATEGIES["b"], "nk": STRATEGIES["nk"], "all~t": STRATEGIES["t"], "all~b": STRATEGIES["b"]}

    def seen_by(name, **counts):
        whole = result(name, **counts)
        sample = replace(whole.sample, id=f"S01_W4_all~{name}", panel=f"all~{name}")
        return replace(whole, sample=sample)

    # Counted twice, the tube that is wrong would outvote one of the two that are right.
    found = doubts(
        [seen_by("t", t_cells=3500, cd4=2250, cd8=1150), seen_by("b", t_cells=3500), result("b"), result("nk")],
        strategies,
    )
    assert {key: codes for key, codes in found.items() if "tubes_disagree" in codes} == {
        ("S01_W4_all~t", "t_cells"): ["tubes_disagree"],
        ("S01_W4_all~b", "t_cells"): ["tubes_disagree"],
    }
