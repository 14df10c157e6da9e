import json
import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from immunomon.api.overriding import Asked
from immunomon.cli.main import app
from immunomon.cli.override import record_override
from immunomon.cytometry.model.geometry import gate_from_dict
from immunomon.cytometry.model.scales import scale_from_dict
from immunomon.errors import BadSpec, ImmunomonError, RunLocked
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder
from immunomon.runs.lock import Reason, lock_run
from immunomon.runs.moved_borders import declared
from immunomon.runs.previewing import moved_everywhere, preview_decisions
from immunomon.runs.run import run_study

SAMPLE, OTHER = "fcs__treg__S01_W4_treg", "fcs__treg__S02_W4_treg"
WHO = "    reason: the valley is in the shoulder\n    by: A. Analyst\n    when: 2026-01-31T14:05:00Z\n"
MOVED = (
    "  - action: move-gate\n    sample: fcs__treg__S01_W4_treg\n    population: cd4\n"
    "    gate: {method: interval, axis: CD4, low: 9000}\n" + WHO
)
DROPPED = "  - action: drop-sample\n    sample: fcs__treg__S02_W4_treg\n" + WHO


@pytest.fixture
def study(one_panel, finished_one_panel, tmp_path):
    """A trial of one's own with its run, which a test may change."""
    folder = shutil.copytree(one_panel, tmp_path / "trial")
    shutil.copytree(finished_one_panel, folder / "run")
    return folder


@pytest.fixture(scope="module")
def moved_once(one_panel, finished_one_panel, tmp_path_factory):
    """A trial whose run was gone on with after a gate was moved, and what that said. Not to be changed."""
    folder = shutil.copytree(one_panel, tmp_path_factory.mktemp("moved") / "trial")
    shutil.copytree(finished_one_panel, folder / "run")
    decide(folder, MOVED)
    return folder, run_study(folder, jobs=2)


@pytest.fixture
def moved(moved_once, tmp_path):
    """A copy of the trial whose gate was moved, which a test may change."""
    return shutil.copytree(moved_once[0], tmp_path / "trial")


def decide(study, *decisions):
    text = "schema: immunomon.overrides/1\noverrides:\n" + "".join(decisions)
    (study / "overrides.yaml").write_text(text, encoding="utf-8")


def rows(run, population, sample):
    table = RunFolder(run).read_table("populations")
    return table[(table["population"] == population) & (table["sample_id"] == sample)].iloc[0]


def test_a_moved_gate_changes_its_sample_and_says_who_moved_it(moved_once, finished_one_panel):
    before = RunFolder(finished_one_panel).read_table("populations")
    study, summary = moved_once
    assert (summary.gated, summary.failed) == (1, ())
    moved = rows(study / "run", "cd4", "fcs__treg__S01_W4_treg")
    assert moved["gate_source"] == "moved by A. Analyst"
    assert "the valley is in the shoulder" in moved["gate_note"]
    after = RunFolder(study / "run").read_table("populations")
    others = after["sample_id"] != "fcs__treg__S01_W4_treg"
    assert after[others].equals(before[others])
    assert not after[~others].equals(before[~others])


def test_taking_the_decision_back_brings_the_numbers_back(study):
    tables = {path.name: path.read_bytes() for path in (study / "run" / "tables").iterdir()}
    decide(study, MOVED, DROPPED)
    run_study(study, jobs=2)
    (study / "overrides.yaml").unlink()
    run_study(study, jobs=2)
    assert {path.name: path.read_bytes() for path in (study / "run" / "tables").iterdir()} == tables
    actions = [entry["action"] for entry in AuditTrail(study / "run").entries()]
    assert actions.count("override") == actions.count("override withdrawn") == 2


def test_a_dropped_sample_is_in_the_tables_with_who_and_why_and_fails_nothing(study):
    decide(study, DROPPED)
    summary = run_study(study, jobs=2)
    assert summary.complete
    samples = RunFolder(study / "run").read_table("samples")
    dropped = samples[samples["sample_id"] == "fcs__treg__S02_W4_treg"].iloc[0]
    assert dropped["status"] == "dropped"
    assert "A. Analyst on 2026-01-31" in dropped["reason"]
    changes = RunFolder(study / "run").read_table("changes")
    gone = changes[(changes["subject"] == "S02") & (changes["visit"] == "W4") & (changes["panel"] == "treg")]
    assert gone["value"].isna().all()
    assert gone["reason"].str.contains("dropped by A. Analyst").all()


def test_a_failed_acquisition_that_a_person_accepts_is_reportable_again(study):
    text = (study / "study.yaml").read_text(encoding="utf-8")
    text = text.replace("reportability:", "quality: {min_events: 100000}\nreportability:", 1)
    (study / "study.yaml").write_text(text, encoding="utf-8")
    run_study(study, jobs=2)
    assert not rows(study / "run", "cd4", "fcs__treg__S01_W4_treg")["reportable"]
    decide(study, "  - action: accept-warning\n    sample: fcs__treg__S01_W4_treg\n    check: events\n" + WHO)
    run_study(study, jobs=2)
    assert rows(study / "run", "cd4", "fcs__treg__S01_W4_treg")["reportable"]
    assert not rows(study / "run", "cd4", "fcs__treg__S03_W4_treg")["reportable"]
    samples = RunFolder(study / "run").read_table("samples").set_index("sample_id")
    assert "accepted by A. Analyst" in samples.loc["fcs__treg__S01_W4_treg", "quality_reason"]


def test_the_trail_says_what_was_before_and_after(moved_once):
    study, _ = moved_once
    entry = next(entry for entry in AuditTrail(study / "run").entries() if entry["action"] == "override")
    assert entry["by"] == "A. Analyst"
    assert entry["before"]["source"].startswith("consensus, own weight ")
    assert entry["after"]["source"] == "moved by A. Analyst"
    assert entry["before"]["count"] != entry["after"]["count"]
    assert entry["decision"]["gate"] == {"method": "interval", "axis": "CD4", "low": 9000}


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (MOVED.replace("S01_W4", "S91_W4"), "no sample in the sample list named"),
        (MOVED.replace("population: cd4", "population: cd5"), "did you mean 'cd4'?"),
        (MOVED.replace("method: interval", "method: valley").replace(", low: 9000", ""), "declared borders"),
        (MOVED.replace("low: 9000", "lower: 2500"), "lower"),
        (
            MOVED.replace("axis: CD4", "axis: CD19"),
            "line 6: overrides[0].gate: no axis of strategy 'treg' named 'CD19'",
        ),
        (MOVED.replace("    gate: {method: interval, axis: CD4, low: 9000}\n", ""), "add 'population:' and 'gate:'"),
        (MOVED.replace("2026-01-31T14:05:00Z", "2026-01-31T14:05:00"), "time"),
        (MOVED.replace("    by: A. Analyst\n", ""), "by"),
        (DROPPED + DROPPED, "the same decision is taken in overrides[0] already"),
        (DROPPED.replace("drop-sample", "drop-sampel"), "drop-sample"),
        (DROPPED + "    check: events\n", "accepts no warning"),
    ],
)
def test_a_decision_that_cannot_be_carried_out_is_refused_before_anything_is_done(study, decision, message):
    decide(study, decision)
    before = AuditTrail(study / "run").entries()
    with pytest.raises(BadSpec) as error:
        run_study(study, jobs=1)
    assert message in str(error.value)
    assert AuditTrail(study / "run").entries() == before


def test_a_locked_run_changes_only_with_a_reason_and_lists_what_moved(study):
    run = study / "run"
    run_study(study, jobs=2)
    lock_run(run, Reason("database lock", "QA"))
    assert run_study(study, jobs=2).complete  # nothing has changed
    decide(study, MOVED)
    before = {path: path.read_bytes() for path in run.rglob("[!.]*") if path.is_file()}
    with pytest.raises(RunLocked, match="give --reason and --by"):
        run_study(study, jobs=2)
    assert {path: path.read_bytes() for path in run.rglob("[!.]*") if path.is_file()} == before
    run_study(study, jobs=2, why=Reason("query 17", "A. Analyst"))
    entry = next(one for one in AuditTrail(run).entries() if one["action"] == "changed after lock")
    assert (entry["by"], entry["reason"]) == ("A. Analyst", "query 17")
    moved = (run / entry["list"]).read_text(encoding="utf-8").splitlines()
    assert len(moved) - 1 == entry["moved"] > 0
    assert all(line.startswith("fcs__treg__S01_W4_treg,") for line in moved[1:])
    assert run_study(study, jobs=2).complete  # locked anew, at what it is now


def test_a_run_that_was_tampered_with_is_not_locked(study):
    run_study(study, jobs=2)
    path = study / "run" / "tables" / "frequencies.csv"
    path.write_bytes(path.read_bytes().replace(b"S01", b"S02", 1))
    with pytest.raises(ImmunomonError, match=r"frequencies\.csv: it was changed after the run"):
        lock_run(study / "run", Reason("lock", "QA"))


def tampered(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def test_every_kind_of_tampering_is_found_and_named(moved):
    run = moved / "run"
    trail = AuditTrail(run)
    assert trail.problems() == []
    tries = 0
    for path in [*sorted((run / "tables").iterdir()), *sorted((run / "samples").iterdir())[:3], run / "run.json"]:
        data = path.read_bytes()
        path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
        assert [problem for problem in trail.problems() if path.name in problem], path
        path.write_bytes(data)
        tries += 1
    assert tries > 15
    gone = next(iter(sorted((run / "gates").iterdir())))
    data = gone.read_bytes()
    gone.unlink()
    assert f"{gone.name}: it is missing" in trail.problems()[0]
    gone.write_bytes(data)
    (run / "gates" / "more.json").write_text("{}")
    assert "more.json: it was added" in trail.problems()[0]
    (run / "gates" / "more.json").unlink()
    assert trail.problems() == []


def test_every_changed_removed_or_exchanged_entry_breaks_the_chain(moved):
    decide(moved, MOVED, DROPPED)
    run_study(moved, jobs=2)
    trail = AuditTrail(moved / "run")
    lines = trail.path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) >= 4
    for place in range(len(lines)):
        changed = json.loads(lines[place]) | {"by": "Somebody Else"}
        for spoiled in (
            [*lines[:place], json.dumps(changed) + "\n", *lines[place + 1 :]],
            [*lines[:place], *lines[place + 1 :]],
            [*lines[:place], "no entry\n", *lines[place + 1 :]],
        ):
            trail.path.write_text("".join(spoiled), encoding="utf-8", newline="")
            assert trail.problems(), place
    trail.path.write_text("".join(lines[:-1]), encoding="utf-8", newline="")
    assert "the end was cut off" in trail.problems()[0]


def test_a_line_that_a_stopped_program_left_unfinished_is_no_entry(study):
    run_study(study, jobs=2)
    trail = AuditTrail(study / "run")
    before = len(trail.entries())
    with trail.path.open("a", encoding="utf-8") as file:
        file.write('{"number": 99, "utc": "20')
    run_study(study, jobs=2)
    assert len(trail.entries()) == before + 1
    assert trail.problems() == []


def test_whoever_names_the_study_for_an_override_is_told_of_its_run_folder(own_trial):
    asked = Asked("drop-sample", [OTHER], "A. Analyst", "clotted")
    with pytest.raises(ImmunomonError, match=r"this is the study's folder; name the run folder instead, such as .*run"):
        record_override(own_trial, asked, study=None, run_now=False, jobs=None)
    assert not (own_trial / "overrides.yaml").exists()


CONSENSUS_MOVED = MOVED.replace("    reason", "    in_consensus: true\n    reason", 1)


def test_a_moved_border_is_heard_by_the_others_only_if_the_person_wants_it(study, finished_one_panel):
    before = finished_one_panel
    stored = RunFolder(study / "run").read_sample(SAMPLE)
    gate = next(gate["gate"] for gate in stored["gates"]["populations"] if gate["population"] == "cd4")
    scales = {axis: scale_from_dict(how["scale"]) for axis, how in stored["gates"]["axes"].items()}
    nearby = declared(gate_from_dict({**gate, "low": gate["low"] + 0.02}), scales)["low"]  # near enough to be followed
    decide(study, CONSENSUS_MOVED.replace("9000", str(nearby)))
    assert run_study(study, jobs=2).gated > 1
    assert "heard among the other samples" in rows(study / "run", "cd4", "fcs__treg__S01_W4_treg")["gate_note"]
    gates = [
        json.loads((run / "gates" / f"{OTHER}.json").read_text(encoding="utf-8")) for run in (before, study / "run")
    ]
    [was], [now] = ([gate["facts"] for gate in of["populations"] if gate["population"] == "cd4"] for of in gates)
    assert now != was


def test_a_border_that_nobody_shares_cannot_be_heard(study):
    polygon = "{method: polygon, x: CD4, y: CD3, vertices: [[9000, 0], [90000, 0], [90000, 90000]]}"
    decide(study, CONSENSUS_MOVED.replace("{method: interval, axis: CD4, low: 9000}", polygon))
    with pytest.raises(BadSpec, match=r"overrides\[0\]\.in_consensus: other samples have no say in this gate"):
        run_study(study, jobs=2)


def test_a_preview_is_what_the_run_writes_and_writes_nothing(study):
    gate = "{method: interval, axis: CD4, low: 9000}"
    request = Asked("move-gate", [SAMPLE], "A. Analyst", "the valley is in the shoulder", "cd4", gate)
    files = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    moved = preview_decisions(study, study / "run", request.entries(), jobs=2)
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == files
    before = shutil.copytree(study / "run", study.parent / "before")
    assert record_override(study / "run", request, study=None, run_now=True, jobs=2) == 0
    written = moved_everywhere(RunFolder(before), RunFolder(study / "run"))
    assert moved.equals(written)
    assert {"frequencies", "changes", "medians"} <= set(moved["table"])
    cd4 = moved[(moved["about"] == f"{SAMPLE} cd4 lymphocytes") & (moved["value"] == "count")]
    assert list(cd4["after"]) == [rows(study / "run", "cd4", SAMPLE)["count"]]


def test_a_preview_refuses_a_study_that_changed_since_the_run(study):
    path = study / "study.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "title: another one\n", encoding="utf-8")
    request = Asked("drop-sample", [SAMPLE], "A. Analyst", "clotted")
    with pytest.raises(ImmunomonError, match=r"study\.yaml: it was changed .* would mix that with the decision"):
        preview_decisions(study, study / "run", request.entries(), jobs=1)


def test_the_command_shows_what_would_move_for_several_samples(study):
    about = ["--population", "cd4", "--gate", "{method: interval, axis: CD4, low: 9000}", "--reason", "r", "--by", "b"]
    asked = ["override", str(study / "run"), "--sample", SAMPLE, "--sample", OTHER, *about, "--preview"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[-1].endswith("values would move; nothing was written.")
    assert {line.split()[1] for line in lines if line.startswith("frequencies")} == {SAMPLE, OTHER}
    assert not (study / "overrides.yaml").exists()


def test_a_decision_is_taken_back_with_who_and_why(study):
    tables = {path.name: path.read_bytes() for path in (study / "run" / "tables").iterdir()}
    drop = Asked("drop-sample", [SAMPLE, OTHER], "A. Analyst", "clotted")
    undo = replace(drop, by="B. Analyst", reason="they were not", undo=True)
    with pytest.raises(ImmunomonError, match=f"no decision 'drop-sample {SAMPLE}'; there is none on this sample"):
        record_override(study / "run", undo, study=None, run_now=True, jobs=2)
    assert record_override(study / "run", drop, study=None, run_now=True, jobs=2) == 0
    with pytest.raises(ImmunomonError, match="leave out --no-run"):
        record_override(study / "run", undo, study=None, run_now=False, jobs=2)
    assert record_override(study / "run", undo, study=None, run_now=True, jobs=2) == 0
    assert {path.name: path.read_bytes() for path in (study / "run" / "tables").iterdir()} == tables
    entries = [entry for entry in AuditTrail(study / "run").entries() if entry["action"].startswith("override")]
    assert [(entry["action"], entry["by"], entry["reason"]) for entry in entries] == [
        *[("override", "A. Analyst", "clotted")] * 2,
        *[("override withdrawn", "B. Analyst", "they were not")] * 2,
    ]
