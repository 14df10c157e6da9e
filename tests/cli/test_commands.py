import csv
import importlib
import io
import json
import pkgutil
import re
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import immunomon.cli
from immunomon.api.pipeline import STEPS, Job, do_step
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.cli.app import COMMANDS
from immunomon.cli.following import NEXT
from immunomon.cli.main import app
from immunomon.runs.run import run_study
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "trial"
    return simulate_trial(folder, events=2500, visits=["D-1", "W4"], subjects_per_group=1, panels=["treg"], seed=8)


def test_help_lists_the_commands_and_imports_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from immunomon.cli.main import app; "
        "out = CliRunner().invoke(app, ['--help']).output; assert 'simulate' in out and 'report' in out; "
        "heavy = {'numba', 'pandas', 'numpy', 'matplotlib', 'sklearn', 'umap', 'flowkit', 'sqlalchemy', 'pydantic'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("name", "sentence"), [pair for group in COMMANDS.values() for pair in group.items()])
def test_every_command_explains_itself(name, sentence):
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert len(result.output) > 100
    # The list of all commands says the same as the command, or the beginning of it.
    assert re.split(r"[:;,.(]", sentence)[0] in " ".join(result.output.split())


def test_every_module_that_declares_a_command_is_listed():
    known = {name for group in COMMANDS.values() for name in group}
    declared = {
        command.name or name.replace("_", "-")  # no function can be called import
        for module in pkgutil.iter_modules(immunomon.cli.__path__, "immunomon.cli.")
        for name, value in vars(importlib.import_module(module.name)).items()
        for command in app.registered_commands
        if command.callback is value
    }
    assert declared == known


def test_an_unknown_command_is_refused_with_the_nearest():
    result = CliRunner().invoke(app, ["gatte"])
    assert result.exit_code == 2
    assert "there is no command 'gatte'; did you mean 'gate'?" in result.output


def test_the_whole_job_from_files_to_report_is_one_command_and_is_not_done_twice(trial, tmp_path, command):
    run = tmp_path / "run"
    status, out, err = command("run", trial, "--out", run, "--dry-run", "--json")
    would = json.loads(out)
    assert (status, len(would["to_gate"]), would["as_before"], would["is_current"]) == (0, 12, [], False)
    assert not run.exists()
    status, out, err = command("all", trial, "--out", run, "--jobs", "2")
    assert status == 0, out + err
    assert "Files: 12 gated" in out
    assert f"Next: immunomon review {run}" in err
    assert (run / "immunomon.sqlite").stat().st_size > 0
    assert "<html" in (run / "report.html").read_text(encoding="utf-8")[:200].lower()
    status, out, err = command("-q", "all", trial, "--out", run, "--json")
    assert (status, err) == (0, "")
    states = {step["name"]: step["state"] for step in json.loads(out)["steps"]}
    assert states == dict.fromkeys(STEPS, "current") | {"check": "done"}
    assert command("run", trial, "--out", run, "--dry-run")[1].startswith("Nothing has changed since the run in")


def test_a_step_that_fails_ends_all_and_the_next_time_goes_on_from_there(trial, tmp_path, command):
    own = shutil.copytree(trial, tmp_path / "trial")
    (own / "fcs" / "treg" / "S01_W4_treg.fcs").unlink()
    status, out, err = command("all", own)
    assert status == 1
    assert "1/7 check: failed" in out
    assert "S01_W4_treg.fcs" in out
    assert "2/7" not in out
    assert "Next:" not in err


def test_a_study_without_other_assessments_skips_what_it_has_nothing_for(trial, tmp_path):
    job = Job.of(shutil.copytree(trial, tmp_path / "trial") / "study.yaml")
    for name in ASSESSMENT_INPUTS:
        (job.study / f"{name}.csv").unlink(missing_ok=True)
    run_study(job.study, jobs=2)
    outcomes = [do_step(name, job) for name in ("assess", "mechanism")]
    assert [outcome.state for outcome in outcomes] == ["skipped", "skipped"]
    assert "there is nothing to assess: no platelets.csv" in outcomes[0].lines[0]


@pytest.mark.parametrize("words", [(), *((name,) for group in COMMANDS.values() for name in group)])
def test_help_is_grouped_and_cuts_no_sentence(words):
    shown = CliRunner().invoke(app, [*words, "--help"]).output
    assert not re.search(r"\.\.\.$", shown.partition("\n")[2], re.MULTILINE)
    assert "-q, --quiet" in shown
    if not words:
        at = [shown.index(f"\n{group}:") for group in COMMANDS]
        assert at == sorted(at)


def test_every_next_command_is_a_command_with_these_options():
    for name, (words, _) in NEXT.items():
        following_name, *rest = words.split()
        given = CliRunner().invoke(app, [following_name, "--help"]).output
        assert name in {known for group in COMMANDS.values() for known in group}
        assert all(word in given for word in rest if word.startswith("--")), words


def test_a_failed_file_makes_the_exit_status_one_and_is_named(trial, tmp_path, command):
    own = shutil.copytree(trial, tmp_path / "trial")
    (own / "fcs" / "treg" / "S01_W4_treg.fcs").unlink()
    status, out, _ = command("run", own)
    assert status == 1
    assert "failed fcs__treg__S01_W4_treg" in out.replace("\n", " ").replace("  ", " ")


def test_problems_in_a_study_are_printed_each_with_its_line(trial, tmp_path, command):
    own = shutil.copytree(trial, tmp_path / "trial")
    study = own / "study.yaml"
    study.write_text(study.read_text(encoding="utf-8").replace("dose_group: A", "dose_group: Z"), encoding="utf-8")
    status, _, err = command("run", own)
    assert status == 1
    assert "study.yaml line" in err
    assert "nothing was done" in err


def test_files_are_gated_without_a_study(trial, tmp_path, command):
    file = trial / "fcs" / "treg" / "S01_W4_treg.fcs"
    status, out, _ = command("gate", "treg", file)
    assert status == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    columns = ["file", "population", "parent", "path", "count", "parent_count", "percent_of_parent"]
    assert list(rows[0]) == [*columns, "placed_by", "gate_note", "doubts"]
    assert rows[0]["path"] == "/singlets"
    assert {row["population"] for row in rows} >= {"treg", "cd4"}
    status, out, err = command("gate", "treg", file, "--out", tmp_path / "t.csv", "--memberships", tmp_path / "m")
    assert status == 0
    assert len(list(csv.DictReader((tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()))) == len(rows)
    assert (tmp_path / "m" / "S01_W4_treg.npz").is_file()
    assert "1 file gated, 0 failed" in err


def test_an_unreadable_file_is_named_and_the_others_are_gated(trial, tmp_path, command):
    bad = tmp_path / "bad.fcs"
    bad.write_bytes(b"nothing")
    status, out, err = command(
        "gate", "treg", trial / "fcs" / "treg" / "S01_W4_treg.fcs", bad, "--compensation", "none"
    )
    assert status == 1
    assert "bad.fcs" in err
    assert "S01_W4_treg.fcs" in out


def test_an_unknown_strategy_is_named_with_the_nearest(trial, command):
    status, _, err = command("gate", "tregs", trial / "fcs" / "treg" / "S01_W4_treg.fcs")
    assert status == 1
    assert "tregs" in err
    assert "treg" in err.replace("tregs", "")


def test_info_shows_what_a_file_says_of_itself(trial, command):
    file = trial / "fcs" / "treg" / "S01_W4_treg.fcs"
    status, out, _ = command("info", file)
    assert status == 0
    assert "2500 events" in out
    assert "CD25" in out
    facts = json.loads(command("info", file, "--json")[1])
    assert facts["events"] == 2500
    assert [c["marker"] for c in facts["channels"] if c["detector"] == "PE-A"] == ["CD25"]
    assert facts["spillover"]["detectors"][0] == "FITC-A"


def test_info_of_a_file_that_is_none_is_one_message(tmp_path, command):
    status, _, err = command("info", tmp_path / "no.fcs")
    assert status == 1
    assert err.count("\n") == 1
    assert "there is no such file" in err


def test_a_new_study_folder_can_be_checked(tmp_path, command):
    assert command("init", tmp_path / "new")[0] == 0
    assert command("check", tmp_path / "new")[0] == 0
    status, out, _ = command("run", tmp_path / "new")
    assert status == 1
    assert "names no files yet" in " ".join(out.split())
    status, _, err = command("init", tmp_path / "new")
    assert status == 1
    assert "nothing was written" in err


def test_simulate_makes_a_trial_and_will_not_write_over_other_things(tmp_path, command):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep", encoding="utf-8")
    status, _, err = command("simulate", tmp_path / "mine", "--events", "500")
    assert status == 1
    assert "mine" in err
    assert (tmp_path / "mine" / "notes.txt").read_text(encoding="utf-8") == "keep"


def test_simulate_does_not_replace_a_trial_unasked(trial, tmp_path, command):
    small = ("simulate", tmp_path / "t", "--events", "500", "--panel", "nk", "--jobs", "2")
    first = command(*small)
    status, _, err = command(*small)
    assert (first[0], status) == (0, 1)
    assert "--overwrite" in err
    assert command(*small, "--overwrite")[0] == 0


def test_a_run_says_what_a_check_finds(trial, tmp_path, command):
    own = shutil.copytree(trial, tmp_path / "trial")
    rows = (own / "samples.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [row for row in rows if "S01_W4_treg" not in row]
    (own / "samples.csv").write_text("".join(kept), encoding="utf-8", newline="")
    status, out, _ = command("run", own)
    assert status == 0
    assert "no file for visit W4" in out


def test_a_place_that_cannot_be_written_is_one_message(trial, tmp_path, command):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    status, _, err = command("run", trial, "--out", tmp_path / "file" / "run")
    assert status == 1
    assert "immunomon: " in err
    assert "Traceback" not in err


def test_the_version_is_the_packages(command):
    from immunomon import __version__

    assert command("--version")[1].strip() == f"immunomon {__version__}"


def test_a_misspelt_choice_is_refused_with_the_nearest_one():
    said = CliRunner().invoke(app, ["export", "run", "--as", "anndat"])
    assert said.exit_code == 2
    assert "there is no 'anndat'; did you mean 'anndata'?" in said.output


def test_the_package_itself_is_the_program():
    done = subprocess.run([sys.executable, "-m", "immunomon", "-V"], capture_output=True, text=True, check=True)
    assert done.stdout == f"immunomon {immunomon.__version__}\n"
