from dataclasses import replace

import numpy as np
import pytest

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.scales import Logicle
from immunomon.cytometry.model.settled import Belonging, Estimate, Settled
from immunomon.cytometry.steps.consensus import reach_consensus
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population
from immunomon.study.model.trust import Doubt

SCALES = {"CD3": Logicle()}


def strategy(**about):
    declared = GateDeclaration("valley", {"axis": "CD3", "fallback": 1000}, **about)
    return GatingStrategy(
        "s",
        "S",
        1,
        None,
        (
            Population("t_cells", "T", "root", declared, "high"),
            Population("others", "O", "root", declared, "low"),
        ),
    )


def said(thresholds, error=0.01, ground=None):
    return {
        name: [
            Estimate(
                "t_cells",
                {"threshold": at, "depth": 9.0},
                {} if name in "z" else {"threshold": error},
                ground=None if ground is None else ground[name],
            )
        ]
        for name, at in thresholds.items()
    }


def belong(names, batches=None, reference=""):
    return {name: Belonging("S1", batches[name] if batches else "B1", name in reference) for name in names}


def two_modes(low, high, size=400):
    rng = np.random.default_rng(int(1000 * low))
    values = np.concatenate([rng.normal(low, 0.03, size), rng.normal(high, 0.03, size)])[:, None]
    return EventTable(values, (Channel("V450-A", "CD3"),), Scale.DISPLAY)


def test_every_population_that_uses_a_shared_gate_gets_it():
    estimates = said({"a": 0.50, "b": 0.51, "c": 0.49})
    found = reach_consensus(
        strategy(consensus=True), estimates, belongings=belong("abc"), scales=dict.fromkeys("abc", SCALES)
    )
    assert set(found["a"]) == {"t_cells", "others"}
    assert found["a"]["t_cells"] == found["a"]["others"]


def test_a_fallback_is_no_evidence_and_is_replaced_by_what_the_others_say():
    estimates = said({"a": 0.50, "b": 0.51, "c": 0.49, "z": 0.80})
    found = reach_consensus(
        strategy(consensus=True), estimates, belongings=belong("abcz"), scales=dict.fromkeys("abcz", SCALES)
    )
    assert found["z"]["t_cells"].facts["threshold"] == pytest.approx(0.50, abs=0.005)
    assert "the other samples" in found["z"]["t_cells"].note
    assert not found["z"]["t_cells"].outlier


def test_an_outlier_is_named_with_both_positions():
    estimates = said({"a": 0.50, "b": 0.51, "c": 0.49, "d": 0.9})
    found = reach_consensus(
        strategy(consensus=True), estimates, belongings=belong("abcd"), scales=dict.fromkeys("abcd", SCALES)
    )
    assert found["d"]["t_cells"].outlier
    assert "not followed: threshold 0.900 -> 0.50" in found["d"]["t_cells"].note


def test_a_sample_that_could_not_be_placed_at_all_is_placed_by_the_others():
    estimates = said({"a": 0.50, "b": 0.51, "c": 0.49}) | {"d": [Estimate("t_cells", failure="one mode only")]}
    found = reach_consensus(
        strategy(consensus=True), estimates, belongings=belong("abcd"), scales=dict.fromkeys("abcd", SCALES)
    )
    assert found["d"]["t_cells"].facts["threshold"] == pytest.approx(0.50, abs=0.005)
    assert "one mode only" in found["d"]["t_cells"].note


def test_with_too_few_estimates_each_sample_keeps_its_own():
    found = reach_consensus(
        strategy(consensus=True),
        said({"a": 0.5, "b": 0.6}),
        belongings=belong("ab"),
        scales=dict.fromkeys("ab", SCALES),
    )
    assert found["a"] == {} or found["a"]["t_cells"].facts["threshold"] == pytest.approx(0.5)


def test_a_batch_shares_one_gate_placed_on_its_events_together():
    ground = {"a": two_modes(0.2, 0.6), "b": two_modes(0.3, 0.7), "c": two_modes(0.5, 0.9)}
    estimates = said(dict.fromkeys("abc", 0.1), ground=ground)
    belongings = belong("abc", {"a": "B1", "b": "B1", "c": "B2"})
    found = reach_consensus(
        strategy(fit="batch"), estimates, belongings=belongings, scales=dict.fromkeys("abc", SCALES)
    )
    assert found["a"] == found["b"]
    assert 0.35 < found["a"]["t_cells"].facts["threshold"] < 0.55
    assert 0.6 < found["c"]["t_cells"].facts["threshold"] < 0.8
    assert "batch" in found["a"]["t_cells"].source


def test_the_baselines_gate_is_every_visits_gate():
    ground = {"a": two_modes(0.2, 0.5), "b": two_modes(0.5, 0.9)}
    estimates = said(dict.fromkeys("ab", 0.1), ground=ground)
    found = reach_consensus(
        strategy(fit="baseline"), estimates, belongings=belong("ab", reference="a"), scales=dict.fromkeys("ab", SCALES)
    )
    assert 0.3 < found["b"]["t_cells"].facts["threshold"] < 0.4
    assert found["a"] == found["b"]


def test_a_group_that_cannot_be_placed_leaves_the_samples_their_own():
    one_mode = EventTable(np.full((5, 1), 0.3), (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    declared = GateDeclaration("valley", {"axis": "CD3"}, fit="batch")
    tree = GatingStrategy("s", "S", 1, None, (Population("t_cells", "T", "root", declared, "high"),))
    estimates = said({"a": 0.1}, ground={"a": one_mode})
    assert reach_consensus(tree, estimates, belongings=belong("a"), scales={"a": SCALES}) == {"a": {}}


def test_nothing_about_visits_or_doses_can_be_said_of_a_sample():
    import dataclasses

    assert {field.name for field in dataclasses.fields(Belonging)} == {"subject", "batch", "is_reference"}


def between_peaks(seen):
    """Estimates of a valley that goes with its peaks; name -> (low peak, valley, high peak)."""
    names = ("low_peak", "threshold", "high_peak")
    errors = {"low_peak": 0.001, "threshold": 0.03, "high_peak": 0.001}
    return {
        name: [Estimate("t_cells", {**dict(zip(names, at, strict=True)), "depth": 9.0}, errors, "valley")]
        for name, at in seen.items()
    }


def follows(**about):
    declared = GateDeclaration("valley", {"axis": "CD3", "follow": "peaks"}, **about)
    return GatingStrategy("s", "S", 1, None, (Population("t_cells", "T", "root", declared, "high"),))


def test_a_border_that_follows_peaks_goes_with_a_stain_that_drifts_and_not_with_a_valley_that_wanders():
    drift = {"a": 0.00, "b": 0.01, "c": 0.02, "d": 0.10, "e": 0.11, "f": 0.12}
    wander = {"a": 0.03, "b": -0.03, "c": 0.0, "d": 0.02, "e": -0.03, "f": 0.01}
    seen = {name: (0.2 + by, 0.47 + by + wander[name], 0.7 + by) for name, by in drift.items()}
    batches = {name: "B1" if by < 0.05 else "B2" for name, by in drift.items()}
    about = {"belongings": belong("abcdef", batches), "scales": dict.fromkeys("abcdef", SCALES)}
    found = reach_consensus(follows(consensus=True), between_peaks(seen), **about)
    at = {name: one["t_cells"].facts["threshold"] - drift[name] for name, one in found.items()}
    assert np.ptp(list(at.values())) < 0.005 < np.ptp(list(wander.values()))
    assert at["a"] == pytest.approx(0.47, abs=0.02)


def test_a_border_that_follows_peaks_is_drawn_as_any_other_where_one_sample_says_no_peaks():
    estimates = between_peaks({"a": (0.2, 0.50, 0.7), "b": (0.2, 0.44, 0.7), "c": (0.2, 0.47, 0.7)})
    estimates |= said({"d": 0.48}, error=0.03)
    about = {"belongings": belong("abcd"), "scales": dict.fromkeys("abcd", SCALES)}
    found = reach_consensus(follows(consensus=True), estimates, **about)
    assert found["d"]["t_cells"].facts["threshold"] == pytest.approx(0.47, abs=0.02)


def test_what_too_few_samples_have_seen_is_left_to_each_and_the_rest_is_agreed_on():
    declared = GateDeclaration("quadrants", {"x": "CD4", "y": "CD8"}, consensus=True)
    tree = GatingStrategy("s", "S", 1, None, (Population("cd4", "CD4", "root", declared, "x+ y-"),))
    x, y = (
        dict(zip("abcz", (0.50, 0.51, 0.49, 0.90), strict=True)),
        dict(zip("abcz", (0.4, 0.6, 0.5, 0.5), strict=True)),
    )
    estimates = {
        name: [
            Estimate(
                "cd4",
                {"x_threshold": x[name], "y_threshold": y[name]},
                {"x_threshold": 0.01} | ({"y_threshold": 0.02} if name in "ab" else {}),
            )
        ]
        for name in x
    }
    both = {"CD4": Logicle(), "CD8": Logicle()}
    scales = dict.fromkeys(x, both)
    found = reach_consensus(tree, estimates, belongings=belong(x), scales=scales)
    assert found["z"]["cd4"].facts["x_threshold"] == pytest.approx(0.50, abs=0.01)  # out of line, drawn to the others
    assert {name: one["cd4"].facts["y_threshold"] for name, one in found.items()} == y
    assert found["a"]["cd4"].errors["y_threshold"] == 0.02
    assert "y_threshold" not in found["c"]["cd4"].errors


def quadrants(estimates):
    gate = GateDeclaration(
        "quadrants", {"x": "CXCR3", "y": "CCR6", "x_fallback": 800, "y_fallback": 900}, consensus=True
    )
    tree = GatingStrategy("s", "S", 1, None, (Population("th1", "Th1", "root", gate, "x+ y-"),))
    scales = {"CXCR3": Logicle(), "CCR6": Logicle()}
    return reach_consensus(tree, estimates, belongings=belong(estimates), scales=dict.fromkeys(estimates, scales))


def both_seen(x, y):
    facts, errors = {"x_threshold": x, "y_threshold": y}, {"x_threshold": 0.01, "y_threshold": 0.01}
    return [Estimate("th1", facts, errors, placed_by={"x_threshold": "data", "y_threshold": "data"})]


def with_fallback(x, y):
    return [
        Estimate(
            "th1",
            {"x_threshold": x, "y_threshold": y},
            {"x_threshold": 0.01},
            "CXCR3 valley; CCR6 fallback",
            "CCR6: one mode only: there is no valley; fallback used",
            doubts=(Doubt("fallback_alone", "CCR6"),),
            placed_by={"x_threshold": "data", "y_threshold": "fallback"},
        )
    ]


@pytest.mark.parametrize(("fallback", "code"), [(0.61, "fallback_confirmed"), (0.80, "fallback_contradicted")])
def test_a_fallback_on_one_axis_is_held_against_the_other_samples_though_the_other_axis_had_a_valley(fallback, code):
    others = {
        name: both_seen(0.5 + shift, 0.6 + shift) for name, shift in zip("abcd", (0.01, -0.01, 0.005, 0), strict=True)
    }
    found = quadrants(others | {"z": with_fallback(0.5, fallback)})["z"]["th1"]
    assert [str(doubt) for doubt in found.doubts] == [f"{code}(CCR6)"]
    assert found.placed_by == {"x_threshold": "data", "y_threshold": "consensus"}
    assert found.facts["y_threshold"] == pytest.approx(0.6, abs=0.02)
    assert found.note.startswith(
        "CCR6: placed where the other samples of its subject and batch say: CCR6: one mode only"
    )


@pytest.mark.parametrize(("fallback", "code"), [(0.11, "fallback_confirmed"), (0.4, "fallback_contradicted")])
def test_a_diagonals_fallback_is_held_against_the_others_as_a_whole(fallback, code):
    gate = GateDeclaration("diagonal", {"x": "CD127", "y": "CD25", "fallback_offset": 0.1}, consensus=True)
    tree = GatingStrategy("s", "S", 1, None, (Population("treg", "Treg", "root", gate, "above"),))
    seen = {name: [Estimate("treg", {"offset": 0.1, "slope": 1.0}, {"offset": 0.01})] for name in "abcd"}
    alone = (Doubt("fallback_alone", "CD25", "one mode only"),)
    facts = {"offset": fallback, "slope": 1.0}
    seen["z"] = [Estimate("treg", facts, doubts=alone, placed_by={"offset": "fallback"})]
    scales = {name: {"CD127": Logicle(), "CD25": Logicle()} for name in seen}
    found = reach_consensus(tree, seen, belongings=belong(seen), scales=scales)
    assert [doubt.code for doubt in found["z"]["treg"].doubts] == [code]


def test_a_fallback_that_no_other_sample_can_judge_stays_and_stands_alone():
    others = {name: with_fallback(0.5, 0.8) for name in "abcd"}
    found = quadrants(others)["a"]["th1"]
    assert [str(doubt) for doubt in found.doubts] == ["fallback_alone(CCR6)"]
    assert (found.facts["y_threshold"], found.placed_by["y_threshold"]) == (0.8, "fallback")


def test_a_fallback_stands_alone_though_another_border_of_the_same_axis_was_confirmed():
    """CCR6 is placed apart on either side of CXCR3: where one part is seen by nobody, nobody has confirmed it."""
    gate = GateDeclaration(
        "quadrants",
        {"x": "CXCR3", "y": "CCR6", "x_fallback": 800, "y_fallback": 900, "first": "x"},
        consensus=True,
    )
    tree = GatingStrategy("s", "S", 1, None, (Population("th1", "Th1", "root", gate, "x+ y-"),))
    facts = {"x_threshold": 0.5, "y_threshold_low": 0.6, "y_threshold_high": 0.62}
    seen = {"x_threshold": 0.01, "y_threshold_high": 0.01}
    data = dict.fromkeys(facts, "data")
    alone = (Doubt("fallback_alone", "CCR6"),)
    estimates = {
        name: [Estimate("th1", facts, seen, doubts=alone, placed_by=data | {"y_threshold_low": "fallback"})]
        for name in "abcd"
    }
    both = data | {"y_threshold_low": "fallback", "y_threshold_high": "fallback"}
    estimates["z"] = [Estimate("th1", facts, {"x_threshold": 0.01}, doubts=alone, placed_by=both)]
    scales = {name: {"CXCR3": Logicle(), "CCR6": Logicle()} for name in estimates}
    found = reach_consensus(tree, estimates, belongings=belong(estimates), scales=scales)["z"]["th1"]
    assert [str(doubt) for doubt in found.doubts] == ["fallback_alone(CCR6)", "fallback_confirmed(CCR6)"]
    assert found.placed_by["y_threshold_low"] == "fallback"


def test_an_estimate_that_is_not_followed_is_remarked_on_and_what_is_settled_is_kept_whole():
    estimates = said({"a": 0.50, "b": 0.50, "c": 0.50, "d": 0.90})
    found = reach_consensus(
        strategy(consensus=True), estimates, belongings=belong("abcd"), scales=dict.fromkeys("abcd", SCALES)
    )
    odd = found["d"]["t_cells"]
    assert [str(doubt) for doubt in odd.doubts] == ["not_followed(CD3)"]
    assert odd.placed_by == {"threshold": "consensus"}
    assert Settled.from_dict(odd.to_dict()) == odd


def test_a_border_that_no_fallback_names_is_borrowed():
    estimates = said({"a": 0.50, "b": 0.51, "c": 0.49})
    estimates["z"] = [Estimate("t_cells", failure="one mode only: there is no valley")]
    found = reach_consensus(
        strategy(consensus=True), estimates, belongings=belong("abcz"), scales=dict.fromkeys("abcz", SCALES)
    )
    assert [(d.code, d.detail) for d in found["z"]["t_cells"].doubts] == [
        ("borrowed", "one mode only: there is no valley")
    ]


def test_a_dead_detector_gets_no_gate_from_the_other_samples():
    estimates = said({"a": 0.50, "b": 0.51, "c": 0.49})
    estimates["z"] = [Estimate("t_cells", failure="all 0", doubts=(Doubt("dead_detector", "CD3"),))]
    found = reach_consensus(
        strategy(consensus=True), estimates, belongings=belong("abcz"), scales=dict.fromkeys("abcz", SCALES)
    )
    assert found["z"] == {}


def test_what_was_settled_and_estimated_before_there_were_doubts_is_still_read():
    plain = {"facts": {"threshold": 0.5}, "errors": {}, "source": "consensus", "note": "", "own_weight": 0.8}
    old = Settled.from_dict({**plain, "outlier": False, "instead": None, "keep": ""})
    assert (old.doubts, dict(old.placed_by)) == ((), {})
    estimate = {"gate": "t", "facts": {}, "errors": {}, "source": "", "note": "", "failure": "no valley"}
    assert Estimate.from_dict(estimate).doubts == ()


def test_a_stain_that_reaches_less_far_than_the_other_files_is_weak_whatever_its_own_events_say():
    estimates = said({"a": 0.50, "b": 0.51, "c": 0.49, "d": 0.50, "e": 0.50})
    reach = {name: [0.1, 0.15, 0.6, 0.7] for name in "abcd"} | {"e": [0.1, 0.15, 0.25, 0.3]}
    estimates = {name: [replace(estimates[name][0], reach={"CD3": reach[name]})] for name in estimates}
    names = "abcde"
    found = reach_consensus(
        strategy(consensus=True), estimates, belongings=belong(names), scales=dict.fromkeys(names, SCALES)
    )
    assert [str(doubt) for doubt in found["e"]["t_cells"].doubts] == ["weak_stain(CD3)"]
    assert found["e"]["others"].doubts == found["e"]["t_cells"].doubts
    assert all(found[name]["t_cells"].doubts == () for name in "abcd")


def at_fallback(threshold):
    return [Estimate("t_cells", {"threshold": threshold}, placed_by={"threshold": "fallback"})]


def codes_of(estimates):
    names = "".join(estimates)
    settled = reach_consensus(
        strategy(consensus=True), estimates, belongings=belong(names), scales=dict.fromkeys(names, SCALES)
    )
    return {
        name: [doubt.code for doubt in by_population["t_cells"].doubts] if by_population else []
        for name, by_population in settled.items()
    }


def test_a_border_where_no_other_file_has_one_is_doubted_where_too_few_show_it_for_a_consensus():
    # A chance valley in a rare population: one file's own, against one other and the fallbacks of two more.
    estimates = said({"a": 0.34, "b": 0.68}) | {"c": at_fallback(0.36), "d": at_fallback(0.35)}
    assert codes_of(estimates) == {"a": [], "b": ["files_disagree"], "c": [], "d": []}
    settled = reach_consensus(
        strategy(consensus=True), estimates, belongings=belong("abcd"), scales=dict.fromkeys("abcd", SCALES)
    )
    # What is doubted stays where its own events put it.
    assert settled["b"]["t_cells"].facts["threshold"] == 0.68
    assert settled["b"]["t_cells"].placed_by == {}
    assert "others 0.340, 0.350, 0.360" in settled["b"]["others"].doubts[0].sentence


def test_of_two_files_that_contradict_each_other_both_are_doubted():
    assert codes_of(said({"a": 0.34, "b": 0.68})) == {"a": ["files_disagree"], "b": ["files_disagree"]}


def test_of_three_files_the_one_that_stands_alone_is_doubted_though_none_can_be_called_an_outlier():
    assert codes_of(said({"a": 0.34, "b": 0.36, "c": 0.68})) == {"a": [], "b": [], "c": ["files_disagree"]}


@pytest.mark.parametrize("other", [0.40, 0.48])
def test_files_that_differ_as_stains_do_are_not_doubted(other):
    assert codes_of(said({"a": 0.35, "b": other})) == {"a": [], "b": []}


def codes_by_subject(estimates):
    """Return the doubts of four files: a and b of one subject, c and d of another."""
    belongings = {name: Belonging("S1" if name in "ab" else "S2", "") for name in estimates}
    settled = reach_consensus(
        strategy(consensus=True), estimates, belongings=belongings, scales=dict.fromkeys(estimates, SCALES)
    )
    return {name: [doubt.code for doubt in of_file["t_cells"].doubts] for name, of_file in settled.items()}


def test_where_all_files_of_one_subject_show_another_border_than_the_others_both_groups_are_doubted():
    # Dim cells sank into the negatives, and the valley of one subject is another one: no file is out of line.
    codes = codes_by_subject(said({"a": 0.29, "b": 0.29, "c": 0.47, "d": 0.46}))
    assert codes == {name: ["files_disagree"] for name in "abcd"}


def test_subjects_whose_stains_differ_as_stains_do_are_not_doubted():
    assert codes_by_subject(said({"a": 0.31, "b": 0.32, "c": 0.36, "d": 0.37})) == {name: [] for name in "abcd"}


def test_a_negative_peak_far_from_the_other_subjects_is_none_though_the_border_above_it_is_near():
    facts = {"a": (0.220, 0.383), "b": (0.185, 0.282), "c": (0.213, 0.356), "d": (0.355, 0.484)}
    estimates = {
        name: [
            Estimate(
                "t_cells",
                {"threshold": border, "low_peak": low, "high_peak": 0.54},
                {"threshold": 0.004, "low_peak": 0.002, "high_peak": 0.002},
            )
        ]
        for name, (low, border) in facts.items()
    }
    gate = GateDeclaration("valley", {"axis": "CD3", "follow": "peaks"}, consensus=True)
    declared = GatingStrategy("s", "S", 1, None, (Population("t_cells", "T", "root", gate, "high"),))
    belongings = {name: Belonging("S1" if name in "ab" else "S2", "") for name in estimates}
    settled = reach_consensus(declared, estimates, belongings=belongings, scales=dict.fromkeys(estimates, SCALES))
    doubts = settled["d"]["t_cells"].doubts
    assert [doubt.code for doubt in doubts if doubt.code == "files_disagree"] == ["files_disagree"]
    assert "low_peak" in doubts[-1].detail
    assert all(doubt.code != "files_disagree" for doubt in settled["c"]["t_cells"].doubts)


def test_an_estimate_that_is_unsure_of_itself_contradicts_nobody():
    assert codes_of(said({"a": 0.34, "b": 0.68}, error=0.1)) == {"a": [], "b": []}


def test_a_border_that_one_file_alone_shows_is_held_against_the_fallbacks_of_the_others():
    assert codes_of(said({"a": 0.5}))["a"] == []
    assert codes_of(said({"a": 0.5}) | {"b": at_fallback(0.45), "c": at_fallback(0.47)})["a"] == []
    assert codes_of(said({"a": 0.9}) | {"b": at_fallback(0.45), "c": at_fallback(0.47)})["a"] == ["files_disagree"]


def test_a_weak_stain_is_said_though_too_few_files_show_the_border_for_a_consensus():
    reach = dict.fromkeys("abcd", (0.1, 0.12, 0.6, 0.7)) | {"e": (0.1, 0.12, 0.2, 0.25)}
    estimates = said({"a": 0.5, "e": 0.5}) | {name: at_fallback(0.5) for name in "bcd"}
    estimates = {name: [replace(own[0], reach={"CD3": reach[name]})] for name, own in estimates.items()}
    assert codes_of(estimates) == {"a": [], "b": [], "c": [], "d": [], "e": ["weak_stain"]}
