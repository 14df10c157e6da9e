import json
import shutil

import pandas as pd
import pytest
from support.untraced import untraced

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.assurance.verify import exported
from immunomon.assurance.verify.run import verify_run
from immunomon.cli.verify import verify
from immunomon.cytometry.formats.gatingml_writing import write_gatingml
from immunomon.errors import ImmunomonError
from immunomon.runs.run import run_study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    study = tmp_path_factory.mktemp("verified") / "study"
    with untraced():
        simulate_trial(study, events=2000, visits=["D-1"], subjects_per_group=1, panels=["nk", "treg"], seed=5)
        assert run_study(study, jobs=2).complete
    return study


@pytest.fixture
def study(made, tmp_path):
    """A copy of the study with its run, to be spoiled."""
    return shutil.copytree(made, tmp_path / "study")


def spoil(run, table, column, change):
    path = run / "tables" / f"{table}.parquet"
    frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
    place = frame.index[(frame["role"] == "sample") & frame[column].notna()][0]
    frame.loc[place, column] = change(frame.loc[place, column])
    frame.to_parquet(path, index=False)
    return frame.loc[place, "sample_id"]


def test_a_run_comes_out_the_same_a_second_time(made):
    found = verify_run(made / "run")
    assert found.equal
    assert len(found.samples) == found.gated == 12
    assert {sample.reader for sample in found.samples} == {"fcsparser"}
    assert {sample.gates_from for sample in found.samples} == {"exported Gating-ML"}
    assert {sample.matrix for sample in found.samples} == {"equal to the file's own"}
    compared = [sample.comparison for sample in found.samples]
    assert all(c.counts > 20 and c.medians > 60 and c.largest_relative_difference < 1e-9 for c in compared)


def test_the_verdict_is_written_into_the_run_folder(made):
    verify_run(made / "run")
    written = json.loads((made / "run" / "verification.json").read_text(encoding="utf-8"))
    assert written["equal"] is True
    assert written["verified_samples"] == 12
    assert written["run_digest"] == json.loads((made / "run" / "run.json").read_text(encoding="utf-8"))["digest"]
    assert not list((made / "run").glob("*.tmp"))


def test_some_samples_are_spread_over_the_panels(made):
    found = verify_run(made / "run", samples=4)
    assert [sample.panel for sample in found.samples] == ["nk", "nk", "treg", "treg"]
    assert found.gated == 12


@pytest.mark.parametrize("table", ["populations", "frequencies"])
def test_one_event_more_is_found(study, table):
    column = "count" if table == "populations" else "denominator_count"
    name = spoil(study / "run", table, column, lambda count: count + 1)
    found = verify_run(study / "run")
    different = [sample for sample in found.samples if not sample.equal]
    assert [sample.sample_id for sample in different] == [name]
    assert all(difference.table == table for difference in different[0].comparison.differences)


def test_a_median_that_is_a_little_off_is_found(study):
    spoil(study / "run", "medians", "median_intensity", lambda value: value * (1 + 1e-5))
    found = verify_run(study / "run")
    (difference,) = [d for sample in found.samples for d in sample.comparison.differences]
    assert difference.table == "medians"
    assert not found.equal


def move_a_gate(gates):
    live = next(p for p in gates["populations"] if p["population"] == "live")
    live["gate"]["high"] += 0.05


def test_a_gate_moved_afterwards_is_found(study):
    path = sorted((study / "run" / "gates").glob("*S01*treg.json"))[0]
    kept = study / "run" / "samples" / path.name
    sample = json.loads(kept.read_text(encoding="utf-8"))
    move_a_gate(sample["gates"])
    kept.write_text(json.dumps(sample), encoding="utf-8")
    path.write_text(json.dumps(sample["gates"]), encoding="utf-8")
    (different,) = [sample for sample in verify_run(study / "run").samples if not sample.equal]
    assert different.sample_id == path.stem
    assert different.comparison.differences


def test_gates_that_are_not_those_of_the_sample_are_a_problem(study):
    path = sorted((study / "run" / "gates").glob("*S01*treg.json"))[0]
    gates = json.loads(path.read_text(encoding="utf-8"))
    move_a_gate(gates)
    path.write_text(json.dumps(gates), encoding="utf-8")
    (problem,) = [sample.problem for sample in verify_run(study / "run").samples if sample.problem]
    assert "not the gates that the run placed" in problem


def test_the_gates_go_through_the_exported_document(made, monkeypatch):
    monkeypatch.setattr(
        exported, "write_gatingml", lambda placed: write_gatingml(placed).replace(b"gating:max=", b"gating:min=")
    )
    assert not any(sample.equal for sample in verify_run(made / "run", samples=2).samples)


def test_a_file_that_has_changed_since_the_run_is_a_problem(study):
    file = sorted((study / "fcs" / "treg").glob("S01*"))[0]
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    problems = [sample.problem for sample in verify_run(study / "run").samples if sample.problem]
    assert len(problems) == 1
    assert "its bytes are not those of the run" in problems[0]


def test_another_matrix_than_the_files_own_is_a_problem(study):
    path = sorted((study / "run" / "samples").glob("*S01*treg.json"))[0]
    kept = json.loads(path.read_text(encoding="utf-8"))
    kept["spillover"]["values"][0][1] += 0.01
    path.write_text(json.dumps(kept), encoding="utf-8")
    problems = [sample.problem for sample in verify_run(study / "run").samples if sample.problem]
    assert len(problems) == 1
    assert "another spillover matrix" in problems[0]


def test_one_missing_file_is_a_problem_of_that_sample_alone(study, capsys):
    next((study / "fcs" / "treg").glob("S01*")).unlink()
    assert verify(study / "run", sample=None, study=None) == 1
    shown = capsys.readouterr().out
    assert shown.count("PROBLEM") == 1
    assert "there is no such file" in shown
    assert sum(line.startswith("equal ") for line in shown.splitlines()) == 11


def test_a_run_folder_elsewhere_needs_the_studys_folder(study, tmp_path):
    run = shutil.move(study / "run", tmp_path / "elsewhere")
    with pytest.raises(ImmunomonError, match="name the study's folder with --study"):
        verify_run(run)
    assert verify_run(run, study=study, samples=1).equal
    assert verify_run(run, study=study / "study.yaml", samples=1).equal


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ImmunomonError, match="name the folder that 'immunomon run' wrote"):
        verify_run(tmp_path)


def test_the_command_prints_a_line_for_each_sample_and_succeeds(made, capsys):
    assert verify(made / "run", sample=3, study=None) == 0
    shown = capsys.readouterr().out
    assert shown.count("equal ") == 3
    assert "0 samples different" in shown


def test_the_command_prints_what_differs_and_fails(study, capsys):
    name = spoil(study / "run", "populations", "count", lambda count: count + 1)
    assert verify(study / "run", sample=None, study=study) == 1
    shown = capsys.readouterr().out
    assert f"DIFFERENT  {name}" in shown
    assert "run " in shown
