"""What ``immunomon audit`` says of a run's inputs, of what other commands wrote beside it, and of what nobody wrote."""

import json
import shutil

import pytest
from support.small_run import copied_run, shared_run
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.runs.run import run_study
from immunomon.study.specs.catalog import find_panel, find_strategy

WHO = "reason: seen, by: A. Analyst, when: 2026-01-31T14:05:00Z"
DECISION = f"{{action: accept-warning, sample: fcs__treg__S02_W4_treg, {WHO}}}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study with panel, strategy, matrix and decisions of its own, run, assessed and compared. Not to be changed."""
    study = copied_run(shared_run(tmp_path_factory, events=1500), tmp_path_factory.mktemp("inputs") / "study").parent
    shutil.rmtree(study / "run")
    for kind, found in (("panels", find_panel("treg")), ("gating", find_strategy("treg"))):
        (study / kind).mkdir()
        shutil.copyfile(found, study / kind / "treg.yaml")
    (study / "overrides.yaml").write_text(f"schema: immunomon.overrides/1\noverrides:\n  - {DECISION}\n", "utf-8")
    (study / "matrix.csv").write_text(_identity(study), encoding="utf-8")
    text = (study / "study.yaml").read_text(encoding="utf-8")
    assert "compensation: {source: file}" in text
    text = text.replace("compensation: {source: file}", "compensation: {source: matrix, path: matrix.csv}")
    (study / "study.yaml").write_text(text, encoding="utf-8")
    run_study(study, jobs=2)
    for command in ("assess", "compare", "mechanism"):
        assert CliRunner().invoke(app, [command, str(study / "run")]).exit_code == 0
    return study


def _identity(study):
    from immunomon.cytometry.formats.fcs import read_header
    from immunomon.cytometry.formats.spillover import spillover_of

    detectors = spillover_of(read_header(next(study.rglob("S01_W4_treg.fcs")))).detectors
    rows = [",".join(str(float(row == column)) for column in detectors) for row in detectors]
    return "\n".join([",".join(detectors), *rows]) + "\n"


@pytest.fixture
def study(made, tmp_path):
    return shutil.copytree(made, tmp_path / "trial")


def audited(study, *more, run="run"):
    result = CliRunner().invoke(app, ["audit", str(study / run), *more])
    return result.exit_code, result.output


def test_an_untouched_run_is_clean_and_says_what_it_looked_at(made):
    code, said = audited(made)
    assert code == 0, said
    assert "None changed; everything that was looked at is as recorded." in said
    for what in ("45 FCS files", "6 lists of the study", "10 files of other assessments"):
        assert what in said
    for record in ("statistics/analysis.json", "assessments/assessments.json", "mechanism/mechanism.json"):
        assert record in said
    assert "Not looked at" not in said


INPUTS = {
    "study.yaml": "run the study again",
    "samples.csv": "run the study again",
    "overrides.yaml": "run the study again",
    "matrix.csv": "run the study again",
    "panels/treg.yaml": "run the study again",
    "gating/treg.yaml": "run the study again",
    "fcs/treg/S01_W4_treg.fcs": "run the study again",
    "fcs/treg/A-W4_fmo-CD25_treg.fcs": "run the study again",
    "platelets.csv": "immunomon assess",
    "msc_concentration.csv": "immunomon assess",
    "antibodies.csv": "immunomon assess",
    "viruses.csv": "immunomon assess",
    "adverse_events.csv": "immunomon assess",
}


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_changed_or_missing_is_named_with_a_remedy_and_no_other_is(study, name):
    path = study / name
    before = path.read_bytes()
    for data, what in ((before[:-1] + bytes([before[-1] ^ 1]), "it was changed"), (None, "it is missing")):
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        code, said = audited(study)
        lines = [line for line in said.splitlines() if line.startswith(str(study))]
        assert code == 1
        assert len(lines) == 1
        assert lines[0].startswith(f"{path}: {what}")
        assert INPUTS[name] in lines[0]
        assert "1 problem: the run, or what it was made from, is not as recorded." in said
        path.write_bytes(before)
    assert audited(study)[0] == 0


def test_before_anybody_assesses_the_run_itself_knows_the_other_assessments(study):
    shutil.rmtree(study / "run" / "assessments")
    shutil.rmtree(study / "run" / "mechanism")
    assert audited(study)[0] == 0
    with (study / "platelets.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    code, said = audited(study)
    assert code == 1
    assert f"{study / 'platelets.csv'}: it was changed (SHA-256 " in said
    assert " in run.json, now " in said


@pytest.mark.parametrize("name", ["fcs/treg/S01_W4_treg.fcs", "platelets.csv"])
def test_a_file_that_was_not_there_and_is_now_is_named(study, name):
    data = (study / name).read_bytes()
    (study / name).unlink()
    run_study(study, jobs=2)
    shutil.rmtree(study / "run" / "assessments")
    code, said = audited(study)
    assert code == 0, said
    (study / name).write_bytes(data)
    code, said = audited(study)
    assert code == 1
    assert f"{study / name}: " in said
    assert ("now it can be read; run the study again" in said) or ("it was added since run.json" in said)


def test_decisions_and_panels_that_a_run_would_read_now_are_named(made, tmp_path):
    study = shutil.copytree(made, tmp_path / "trial")
    for name in ("overrides.yaml", "panels/treg.yaml", "gating/treg.yaml"):
        (study / name).rename(study / f"{name}.away")
    run_study(study, jobs=2)
    assert audited(study)[0] == 0
    for name in ("overrides.yaml", "panels/treg.yaml", "gating/treg.yaml"):
        (study / f"{name}.away").rename(study / name)
        code, said = audited(study)
        assert code == 1
        assert f"{study / name}: it was added after the run" in said
        (study / name).unlink()


def test_a_run_folder_that_was_copied_alone_says_that_its_inputs_were_not_looked_at(made, tmp_path):
    shutil.copytree(made / "run", tmp_path / "kept")
    code, said = audited(tmp_path, run="kept")
    assert code == 0
    assert "Not looked at: the FCS files, lists and decisions that the run was made from" in said
    assert "name it with --study" in said
    code, said = audited(tmp_path, "--study", str(made), run="kept")
    assert code == 0
    assert "45 FCS files" in said
    code, said = audited(tmp_path, "--study", str(tmp_path), run="kept")  # named: then its files must be there
    assert code == 1
    assert said.count("it is missing") == 45 + 6 + 10


def test_a_file_that_the_run_did_not_write_is_named(study):
    run = study / "run"
    for name in ("tables/more.txt", "samples/inner/a.json", "gates/.hidden", "estimates/a.csv", "moved/a.json"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(b"x")
        code, said = audited(study)
        assert code == 1
        assert f"{run / name}: it was added" in said
        (run / name).unlink()
    for name in ("notes.txt", "statistics/mine.csv", "a/b/c.bin", "aside.json"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(b"x")
    (run / "elsewhere").symlink_to(study / "fcs")
    code, said = audited(study)
    assert code == 0
    named = "a/b/c.bin, aside.json, elsewhere, notes.txt, statistics/mine.csv"
    assert f"written neither by the run nor by a command that keeps digests: {named}" in said


@pytest.mark.parametrize("name", ["statistics/estimates.parquet", "assessments/assessments.md", "mechanism/pages.json"])
def test_what_other_commands_wrote_is_held_against_their_record(study, name):
    path = study / "run" / name
    before = path.read_bytes()
    path.write_bytes(before + b" ")
    code, said = audited(study)
    assert code == 1
    assert f"{path}: it was changed since {name.partition('/')[0]}/" in said
    path.unlink()
    assert f"{path}: it is missing" in audited(study)[1]


def test_deliveries_are_looked_at_and_what_has_no_digests_is_said(study):
    run = study / "run"
    for command in (["report", str(run)], ["deliver", str(run), "--as", "csv", "--out", str(run / "delivery")]):
        assert CliRunner().invoke(app, command).exit_code == 0
    (run / "immunomon.sqlite").write_bytes(b"x")
    (run / "tables" / ".samples.csv.17.tmp").write_bytes(b"x")
    code, said = audited(study)
    assert code == 0, said
    assert "by delivery/manifest.json (immunomon deliver)" in said
    for what in (
        "the report (immunomon report)",
        "the database immunomon.sqlite: immunomon audit sqlite:///",
        "17.tmp",
    ):
        assert what in said.partition("Not looked at")[2]
    delivered = next(path for path in (run / "delivery").glob("*.csv"))
    delivered.write_bytes(delivered.read_bytes() + b"\n")
    assert f"{delivered}: it was changed since delivery/manifest.json" in audited(study)[1]
    delivered.unlink()
    assert f"{delivered}: it is missing" in audited(study)[1]


def test_normalised_tables_are_the_normalisations_not_strangers(study):
    run = study / "run"
    table = run / "tables" / "normalised_medians.parquet"
    table.write_bytes(b"values")
    record = {"run_digest": "", "files": {"tables/normalised_medians.parquet": _sha256(b"values")}}
    (run / "normalisation.json").write_text(json.dumps(record), encoding="utf-8")
    assert audited(study)[0] == 0
    table.write_bytes(b"others")
    code, said = audited(study)
    assert code == 1
    assert f"{table}: it was changed since normalisation.json (immunomon normalise) was written" in said


def _sha256(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()


def test_as_json_for_machines(study):
    code, said = audited(study, "--json")
    assert code == 0
    told = json.loads(said)
    assert set(told) == {"problems", "looked_at", "not_looked_at", "head"}
    assert told["problems"] == []
    (study / "samples.csv").unlink()
    code, said = audited(study, "--json")
    assert code == 1
    assert json.loads(said)["problems"] == [
        f"{study / 'samples.csv'}: it is missing, though run.json names it; put the recorded file back, or run the "
        "study again: immunomon run"
    ]


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"files": 7},
        {"files": [{}]},
        {"inputs": []},
        {"files": [{"file": "a\0b", "sha256": 3}], "inputs": {"\0": None}},
        {"beside": 4},
        [],
    ],
)
def test_a_record_that_is_none_is_a_problem_and_no_traceback(study, record):
    (study / "run" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (study / "run" / "statistics" / "analysis.json").write_text(json.dumps({"files": {"../../x": 3, "\0": []}}))
    result = CliRunner().invoke(app, ["audit", str(study / "run"), "--study", str(study)])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "run.json: it was changed after the run" in result.output
    assert "leads out of the run folder" in result.output
