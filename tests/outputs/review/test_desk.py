"""What a reviewer sees is the run's; what they decide is counted as the run will count it, and lost by nothing."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from immunomon.errors import ImmunomonError, UnknownName
from immunomon.outputs.review import open_desk
from immunomon.runs.audit import AuditTrail
from immunomon.runs.opened import open_run
from immunomon.runs.overriding import check_overrides

SAMPLE = "fcs__treg__S01_W4_treg"


def cd4_gate(desk, shift=0.0):
    gate = dict(desk.sample(SAMPLE)["gates"]["cd4"]["gate"])
    return {**gate, "low": gate["low"] + shift}


def test_the_gallery_shows_what_the_tables_say(desk):
    entries = {entry["sample_id"]: entry for entry in desk.gallery("treg", "treg")}
    table = desk.run.table("populations")
    rows = table[(table["population"] == "treg") & (table["role"].isin(["sample", "bridge"]))]
    assert set(entries) == set(rows["sample_id"])
    for row in rows.itertuples():
        entry = entries[row.sample_id]
        assert (entry["count"], entry["percent"]) == (row.count, row.percent_of_parent)
        assert entry["plot"]["gates"]


def test_what_needs_a_person_weighs_more_and_says_why(desk):
    entries = desk.gallery("treg", "treg_activated")
    reported = desk.run.table("populations").query("population == 'treg_activated'").set_index("sample_id")
    for entry in entries:
        withheld = reported.loc[entry["sample_id"], "reportable"] == False  # noqa: E712 - nullable
        assert bool(entry["reasons"]) == (entry["need"] > 0)
        assert not withheld or any("not reportable" in reason for reason in entry["reasons"])


def test_names_that_are_not_there_are_refused(desk):
    with pytest.raises(UnknownName, match="no panel 'tregs'"):
        desk.gallery("tregs", "treg")
    with pytest.raises(UnknownName, match="no population 'tregs'"):
        desk.gallery("treg", "tregs")
    with pytest.raises(UnknownName, match="no gated sample"):
        desk.sample("../../study")


def test_a_gate_that_stays_counts_what_the_run_counted(desk):
    shown = desk.sample(SAMPLE)
    for population in ("singlets", "live", "t_cells", "cd4", "treg", "treg_memory"):
        gate = shown["gates"][population]["gate"]
        answer = desk.move(SAMPLE, population, gate)
        # Rounding to six digits may carry an event over a border, not more.
        assert abs(answer["counts"][population][0] - shown["counts"][population]) <= 1, population


def test_a_dragged_gate_counts_itself_and_all_below(desk):
    answer = desk.move(SAMPLE, "cd4", cd4_gate(desk, 0.3))
    assert set(answer["counts"]) == {"cd4", "treg", "treg_memory", "treg_activated"}
    assert answer["counts"]["cd4"][0] < desk.sample(SAMPLE)["counts"]["cd4"]
    assert answer["counts"]["treg"][1] == answer["counts"]["cd4"][0]


def test_a_draft_outlives_the_desk_and_is_taken_back(desk, own_run):
    desk.draft(SAMPLE, "cd4", cd4_gate(desk, 0.25))
    desk.close()
    again = open_desk(own_run, reviewer="A. Nurse")
    assert [draft["population"] for draft in again.pending()] == ["cd4"]
    assert again.progress()["drafts"] == 1
    assert again.undo() == [SAMPLE]
    assert again.pending() == []
    again.close()


def test_a_gate_moved_twice_goes_back_one_move_at_a_time(desk):
    first, second = cd4_gate(desk, 0.25), cd4_gate(desk, 0.3)
    desk.draft(SAMPLE, "cd4", first)
    counted = desk.pending()[0]["after"]["cd4"]
    desk.draft(SAMPLE, "cd4", second)
    assert len(desk.pending()) == 1
    assert desk.pending()[0]["after"]["cd4"] != counted
    assert desk.undo() == [SAMPLE]
    assert [draft["after"]["cd4"] for draft in desk.pending()] == [counted]
    assert desk.undo() == [SAMPLE]
    assert desk.pending() == []


def test_a_dragged_gate_is_counted_within_the_drafts_above_it(desk):
    treg = desk.sample(SAMPLE)["gates"]["treg"]["gate"]
    desk.draft(SAMPLE, "cd4", cd4_gate(desk, 0.3))
    among = desk.pending()[0]["after"]["cd4"][0]
    assert desk.move(SAMPLE, "treg", treg)["counts"]["treg"][1] == among


def test_a_gate_for_samples_that_do_not_have_it_is_refused(desk):
    desk.draft(SAMPLE, "cd4", cd4_gate(desk, 0.1))
    with pytest.raises(UnknownName, match="no gated sample 'another'"):
        desk.draft(SAMPLE, "cd4", cd4_gate(desk, 0.3), ["another"])
    assert len(desk.pending()) == 1


def test_one_reviewer_has_one_desk(desk, own_run):
    with pytest.raises(ImmunomonError, match=r"'A\. Nurse' reviews this run already"):
        open_desk(own_run, reviewer="A. Nurse")
    open_desk(own_run, reviewer="B. Nurse").close()


def test_a_commit_is_what_the_draft_said_and_is_in_the_trail(desk, own_run):
    [changed] = desk.draft(SAMPLE, "cd4", cd4_gate(desk, 0.3))
    with pytest.raises(ImmunomonError, match="needs a reason"):
        desk.commit("  ")
    desk.judge({SAMPLE: desk.sample(SAMPLE)["seen"]}, "approved")
    assert desk.progress()["approved"] == 1
    foreseen = desk.foresee(SAMPLE)
    assert desk.commit("the border stood in the peak") == {"decisions": 1, "failed": ()}
    counts = json.loads((own_run / "samples" / f"{SAMPLE}.json").read_text(encoding="utf-8"))["measured"]["counts"]
    assert {name: count for name, (count, _) in changed["after"].items()} == {
        name: counts[name] for name in changed["after"]
    }
    assert_foreseen(desk, foreseen)
    decided = [entry for entry in AuditTrail(own_run).entries() if entry["action"] == "override"]
    assert [(entry["by"], entry["reason"]) for entry in decided] == [("A. Nurse", "the border stood in the peak")]
    assert AuditTrail(own_run).problems() == []
    assert (desk.pending(), desk.progress()["approved"]) == ([], 0)  # what was approved is another now
    entry = next(entry for entry in desk.gallery("treg", "cd4") if entry["sample_id"] == SAMPLE)
    assert (entry["moved"], entry["review"]["holds"]) == (True, False)


def assert_foreseen(desk, foreseen):
    """What was said of the drafts is what the run after them says."""
    rows = desk.run.table("populations").query("sample_id == @SAMPLE").set_index("population")
    assert {"cd4", "treg"} <= foreseen["reportable"].keys()
    for name, verdict in foreseen["reportable"].items():
        assert verdict["after"] == (None if rows.loc[name, "reportable"] else rows.loc[name, "reason"])
    key = ["visit", "quantity", "population", "denominator"]
    changes = desk.run.table("changes").query("subject == 'S01'").fillna({"denominator": ""}).set_index(key)
    assert {row["population"] for row in foreseen["changes"]} >= {"cd4", "treg"}
    for row in foreseen["changes"]:
        after = changes.loc[tuple(row[name] or "" for name in key)]
        names = ("value", "change", "status")
        assert [row[name] for name in names] == [None if pd.isna(after[name]) else after[name] for name in names]


def test_a_gate_that_leaves_too_few_cells_is_said_not_to_be_reportable_while_it_is_dragged(desk):
    moved = desk.foresee(SAMPLE, "cd4", cd4_gate(desk, 0.3))
    assert moved["reportable"]["cd4"]["before"] is None
    assert "LOD" in moved["reportable"]["cd4"]["after"] or "LLOQ" in moved["reportable"]["cd4"]["after"]
    [change] = [row for row in moved["changes"] if row["population"] == "cd4" and row["denominator"] == "t_cells"]
    assert (change["status_before"], change["status"], change["is_own"]) == ("ok", "not reportable", True)


def test_the_gallery_knows_how_far_a_gate_lies_from_its_own_estimate(desk, own_run):
    stored = desk.stored(SAMPLE)["gates"]["populations"]
    gate = next(gate for gate in stored if gate["population"] == "cd4")
    own = next(estimate for estimate in desk.estimates(SAMPLE) if estimate["gate"] == "cd4")
    error = math.hypot(gate["errors"]["threshold"], own["errors"]["threshold"])
    far = abs(gate["facts"]["threshold"] - own["facts"]["threshold"]) / error
    entry = next(entry for entry in desk.gallery("treg", "cd4", plots=False) if entry["sample_id"] == SAMPLE)
    assert entry["distance"] == pytest.approx(far, abs=0.01)
    assert all(entry["distance"] is None for entry in desk.gallery("treg", "singlets", plots=False))


def test_a_draft_on_a_sample_that_changed_since_is_not_committed(desk, own_run):
    desk.draft(SAMPLE, "cd4", cd4_gate(desk, 0.3))
    desk.drafts.add([replace(draft, seen="another") for draft in desk.drafts.all])
    with pytest.raises(ImmunomonError, match="changed since their gates were moved"):
        desk.commit("late")
    assert len(desk.pending()) == 1
    assert desk.pending()[0]["outdated"]
    assert not (own_run.parent / "overrides.yaml").exists()


def test_a_study_that_changed_since_the_run_is_said(desk, own_run):
    study = own_run.parent / "study.yaml"
    study.write_text(study.read_text(encoding="utf-8").replace("min_parent_events: 100", "min_parent_events: 90"))
    with pytest.raises(ImmunomonError, match="bring it up to date first"):
        desk.draft(SAMPLE, "cd4", cd4_gate(desk, 0.3))


def test_a_move_for_several_samples_is_one_step(desk):
    others = [sample for sample in open_run(desk.run.folder).gated if sample != SAMPLE and "W4" in sample]
    changed = desk.draft(SAMPLE, "cd4", cd4_gate(desk, 0.3), others)
    assert {row["sample"] for row in changed} == {SAMPLE, *others}
    assert set(desk.undo()) == {SAMPLE, *others}
    assert desk.pending() == []


def test_a_sample_is_dropped_as_a_draft_and_then_as_a_decision(desk, own_run):
    desk.decide([SAMPLE], "drop-sample")
    assert [(draft["action"], draft["sample"]) for draft in desk.pending()] == [("drop-sample", SAMPLE)]
    assert desk.undo() == [SAMPLE]
    desk.decide([SAMPLE], "drop-sample")
    moved = {(row["table"], row["about"], row["value"]): row for row in desk.effects()}
    assert moved["samples", SAMPLE, "status"]["after"] == "dropped"
    assert not (own_run.parent / "overrides.yaml").exists()
    assert desk.commit("clotted")["decisions"] == 1
    assert SAMPLE not in desk.run.gated
    [decision] = desk.decisions()
    assert "A. Nurse" in decision["reason"]
    with pytest.raises(ImmunomonError, match="needs a reason"):
        desk.withdraw(decision["target"], decision["seen"], " ")
    with pytest.raises(ImmunomonError, match="look at the list again"):
        desk.withdraw(decision["target"], "of another", "not clotted")
    assert desk.withdraw(decision["target"], decision["seen"], "not clotted") == {"failed": ()}
    assert SAMPLE in desk.run.gated
    assert desk.decisions() == []
    [entry] = [entry for entry in AuditTrail(own_run).entries() if entry["action"] == "override withdrawn"]
    assert (entry["by"], entry["reason"]) == ("A. Nurse", "not clotted")


def test_a_warning_that_there_is_none_of_is_not_accepted(desk):
    with pytest.raises(ImmunomonError, match="did not fail: there is nothing to accept"):
        desk.decide([SAMPLE], "accept-warning")
    assert desk.pending() == []


def test_a_moved_border_is_heard_by_the_others_if_the_person_says_so(desk, own_run):
    desk.draft(SAMPLE, "cd4", cd4_gate(desk, 0.02))
    assert {row["about"].split()[0] for row in desk.effects() if row["table"] == "medians"} <= {SAMPLE}
    desk.hear(SAMPLE, "cd4", wanted=True)
    assert [draft["in_consensus"] for draft in desk.pending()] == [True]
    other = own_run / "gates" / f"{SAMPLE.replace('S01', 'S02')}.json"
    before = other.read_bytes()
    desk.commit("a little low")
    [decision] = check_overrides(own_run.parent)
    assert decision.in_consensus
    assert other.read_bytes() != before


def test_a_gate_is_seen_closely_with_other_events_over_it(desk):
    stored = desk.sample(SAMPLE)
    whole = desk.closer(SAMPLE, "treg", {"dots": True, "over": "treg_memory"})
    assert len(whole["dots"]) <= stored["counts"]["cd4"]
    assert whole["over"]["events"] == stored["counts"]["treg_memory"]
    (low, high) = whole["plot"]["frame"]["x"]["range"]
    near = desk.closer(SAMPLE, "treg", {"dots": True, "ranges": {"x": [low, (low + high) / 2]}})
    assert 0 < len(near["dots"]) < len(whole["dots"])
    assert near["plot"]["frame"]["x"]["range"] == [low, (low + high) / 2]
    with pytest.raises(ImmunomonError, match="cannot be shown"):
        desk.closer(SAMPLE, "treg", {"ranges": {"x": [1, 0]}})
    with pytest.raises(UnknownName, match="no population 'tregs'"):
        desk.closer(SAMPLE, "treg", {"over": "tregs"})


def test_the_tube_without_the_antibody_is_laid_over_the_gate(desk):
    roles = desk.run.table("samples")["role"]
    control = desk.closer(SAMPLE, "treg", {"control": True})["control"]
    if any(role.startswith("fmo:") for role in roles):
        assert control["tube"]
        assert control["dots"]
    else:
        assert control == {"tube": "", "marker": "", "near": "", "dots": []}


def test_where_a_gate_lay_before_it_was_moved_is_shown(desk):
    before = desk.sample(SAMPLE)["gates"]["cd4"]["gate"]["low"]
    desk.draft(SAMPLE, "cd4", cd4_gate(desk, 0.2))
    desk.commit("the border stood in the peak")
    plot = next(plot for plot in desk.sample(SAMPLE)["plots"] if "cd4" in plot["populations"])
    ghost = next(ghost for ghost in desk.ghosts(SAMPLE, "cd4") if ghost["name"] == "before A. Nurse moved it")
    (low, high) = next(axis["range"] for axis in plot["frame"].values() if axis["axis"] == "CD4")
    places = {round(value, 3) for line in ghost["lines"] for point in line for value in point}
    assert round((before - low) / (high - low), 3) in places
