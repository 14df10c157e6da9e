import time

import pytest

from immunomon.cli.check import check
from immunomon.cli.init import init
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.errors import ImmunomonError
from immunomon.runs.checks.paths import check_paths
from immunomon.study.specs.catalog import shipped_panels, shipped_strategies


@pytest.mark.parametrize("shipped", [shipped_panels(), shipped_strategies()], ids=["panels", "gating"])
def test_every_shipped_file_is_without_problems(shipped):
    folder = next(iter(shipped.values())).parent
    report = check_paths([folder], methods=GATE_METHODS)
    assert report.problems == ()
    assert report.specs >= len(shipped)


def test_a_name_that_is_not_the_file_s_is_told_where_files_are_found_by_name(study):
    text = shipped_panels()["treg"].read_text(encoding="utf-8")
    study.write("panels/mine.yaml", text)
    assert any(
        "name: 'treg' is not the name of the file; write 'name: mine', or rename" in one for one in study.problems()
    )


def test_the_study_s_own_files_are_checked_whether_in_use_or_not(study):
    study.write("gating/spare.yaml", "schema: immunomon.strategy/1\nnme: spare\n")
    assert any("nme: no such key here; did you mean 'name'?" in one for one in study.problems())


def test_a_strategy_is_checked_against_the_panel_it_names(study):
    text = shipped_strategies()["treg"].read_text(encoding="utf-8")
    path = study.write("treg.yaml", text.replace("axis: CD3", "axis: CD33"))
    assert any(
        "panel 'treg' has no CD33, which all that is reported rests on" in one and "did you mean 'CD3'?" in one
        for one in study.problems(path)
    )
    path = study.write("treg.yaml", text.replace("x: CCR4", "x: CCR44"))
    report = check_paths([path], methods=GATE_METHODS)
    assert not report.problems
    saying = "panel 'treg' has no CCR44: strategy 'treg' leaves out treg_memory; did you mean 'CCR4'?"
    assert any(one.endswith(saying) for one in report.warnings)
    path = study.write("treg.yaml", text.replace("x: CCR4", "x: CD33"))
    (saying,) = (one for one in check_paths([path], methods=GATE_METHODS).warnings if "CD33" in one)
    assert saying.endswith("leaves out treg_memory"), "a marker of its own is absent, not misspelt"
    path = study.write("treg.yaml", text.replace("panel: treg", "panel: trge"))
    assert any("panel: no panel named 'trge'; did you mean 'treg'?" in one for one in study.problems(path))


def test_a_strategy_is_checked_against_the_panel_that_lies_beside_it(tmp_path, write):
    panel = shipped_panels()["treg"].read_text(encoding="utf-8")
    strategy = shipped_strategies()["treg"].read_text(encoding="utf-8").replace("panel: treg", "panel: ours")
    path = write(strategy, "strategy.yaml")
    missing = check_paths([path], methods=GATE_METHODS).problems
    assert any("no panel named 'ours'" in problem.what for problem in missing)
    write(panel.replace("name: treg", "name: ours"), "our-panel.yaml")
    assert check_paths([path], methods=GATE_METHODS).problems == ()
    write(panel.replace("name: treg", "name: ours").replace("marker: CD3,", "marker: CD33,"), "our-panel.yaml")
    assert any("CD3" in str(problem) for problem in check_paths([path], methods=GATE_METHODS).problems)


def test_a_yaml_file_of_no_known_kind_is_told(study):
    assert study.problems(study.write("a.yaml", "schema: immunomon.pannel/1\n")) == [
        "a.yaml line 1: schema: no schema named 'immunomon.pannel/1'; did you mean 'immunomon.panel/1'?"
    ]
    assert "schema: is missing" in study.problems(study.write("a.yaml", "a: 1\n"))[0]


def test_an_fcs_file_by_itself_is_read(study, tmp_path):
    assert study.problems(study.folder / "fcs" / "base.fcs") == []
    assert study.problems(study.folder / "fcs") == []
    assert study.problems(study.write("no.fcs", "nothing")) != []


def test_a_folder_with_nothing_to_check_is_told(study):
    (study.folder / "empty").mkdir()
    assert study.problems(study.folder / "empty")[0].startswith("empty: nothing to check here")


def test_progress_is_told_for_every_header(study):
    told = []
    check_paths([study.folder], methods=GATE_METHODS, progress=lambda done, of: told.append((done, of)))
    assert told == [(number, 5) for number in range(1, 6)]


def test_the_command_returns_0_for_a_clean_study_and_says_what_was_read(study, capsys):
    assert check([study.folder]) == 0
    *notes, last = capsys.readouterr().out.splitlines()
    assert all("deliver --as" in note for note in notes)  # what a delivery would need, of any study
    assert last == "No problems in 4 specs (YAML and CSV) and 5 FCS files."


def test_the_command_returns_1_prints_each_problem_and_counts_them(study, rows, capsys):
    study.rows(rows | {name: rows[name].replace("S01", "S0") for name in ("w2", "w4")})
    assert check([study.folder]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "samples.csv line 3: subject: no subject named 'S0'; did you mean 'S02'?" in lines[0]
    assert "samples.csv line 4: subject: no subject named 'S0'" in lines[1]
    assert lines[-1] == f"{len(lines) - 1} problems in 4 specs (YAML and CSV) and 5 FCS files."


def test_the_command_returns_2_for_a_path_that_is_not_there(study, capsys):
    assert check([study.folder, study.folder / "nowhere"]) == 2
    assert "nowhere: no such file or folder; check the path" in capsys.readouterr().err


@pytest.mark.parametrize("copy_panels", [False, True])
def test_a_fresh_study_is_without_problems_and_says_that_no_file_is_listed(tmp_path, capsys, copy_panels):
    assert init(tmp_path / "new", copy_panels=copy_panels) == 0
    assert check([tmp_path / "new"]) == 0
    assert "samples.csv: no files are listed yet" in capsys.readouterr().out


def test_init_never_overwrites(tmp_path):
    init(tmp_path)
    (tmp_path / "study.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(ImmunomonError, match=r"study.yaml, samples.csv, README.txt is there already; nothing was writ"):
        init(tmp_path)
    assert (tmp_path / "study.yaml").read_text(encoding="utf-8") == "mine"
    with pytest.raises(ImmunomonError, match="this is a file; name a folder"):
        init(tmp_path / "study.yaml")


def test_the_example_rows_of_a_fresh_sample_list_are_right_once_their_files_are_there(tmp_path, study):
    init(tmp_path / "new")
    path = tmp_path / "new" / "samples.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("# fcs/", "fcs/"), encoding="utf-8")
    for name in ("S01_D-1_treg", "S01_D-1_treg_FMO-CD25", "single_PE_treg"):
        study.fcs(name).rename(tmp_path / "new" / "fcs" / f"{name}.fcs")
    told = [str(problem) for problem in check_paths([tmp_path / "new"], methods=GATE_METHODS).problems]
    assert told
    assert all("no file" in one and "samples.csv: subject S01" in one for one in told)


def test_six_hundred_headers_take_a_few_seconds(study):
    for number in range(600):
        (study.folder / "fcs" / f"{number}.fcs").write_bytes((study.folder / "fcs" / "base.fcs").read_bytes())
    start = time.process_time()
    assert check_paths([study.folder / "fcs"], methods=GATE_METHODS).fcs_files == 605
    assert time.process_time() - start < 10
