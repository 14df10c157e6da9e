import re
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

import immunomon
from immunomon.cli.main import app
from immunomon.errors import BadRun, ImmunomonError, UnknownName
from immunomon.outputs.database.run_tables import read_run
from immunomon.outputs.delivery.source import read_source
from immunomon.outputs.report.page import write_report
from immunomon.outputs.trace.of_run import RunRecords
from immunomon.runs.lock import Reason, lock_run
from immunomon.runs.opened import open_run


@pytest.fixture
def run(finished, trial):
    return open_run(finished, trial)


def test_a_run_says_its_study_panels_and_visits(run):
    assert run.panels == ("treg", "thelper")
    assert run.visits == ("D-1", "W4")
    assert "treg, thelper" in repr(run)
    assert len(run.study["subjects"]) == 3


def test_tables_are_found_by_name(run):
    assert set(run.table("samples")["panel"]) == {"treg", "thelper"}
    with pytest.raises(UnknownName, match="no table named 'change'; did you mean 'changes'"):
        run.table("change")


def test_a_samples_plots_and_file_are_found_by_its_id(run):
    assert run.plots("fcs__treg__S01_W4_treg")[0]["gates"]
    assert run.fcs_file("fcs__treg__S01_W4_treg").is_file()
    with pytest.raises(UnknownName, match="did you mean 'fcs__treg__S01_W4_treg'"):
        run.plots("fcs__treg__S01_W4_tre")
    with pytest.raises(UnknownName, match="did you mean 'fcs__treg__S01_W4_treg'"):
        run.fcs_file("fcs__treg__S01_W4_tre")


def test_a_control_has_no_plots(run):
    samples = run.table("samples")
    control = samples[samples["status"] == "control"]["sample_id"].iloc[0]
    with pytest.raises(UnknownName, match="no gated sample"):
        run.plots(control)


def test_the_study_is_the_folder_above_unless_another_is_named(finished, trial, tmp_path):
    assert open_run(finished, trial / "study.yaml").study_folder == trial
    inside = shutil.copytree(finished, shutil.copytree(trial, tmp_path / "trial") / "run")
    assert open_run(inside).study_folder == tmp_path / "trial"
    with pytest.raises(ImmunomonError, match="its study is not in the folder above it"):
        open_run(finished).fcs_file("fcs__treg__S01_W4_treg")
    with pytest.raises(ImmunomonError, match=r"no study\.yaml here"):
        open_run(finished, tmp_path)


def test_an_atlas_that_was_not_made_says_how_to_make_it(run):
    assert not run.has_atlas("treg")
    for ask in (run.atlas, run.atlas_record):
        with pytest.raises(ImmunomonError, match=r"no atlas of the panel 'treg'; make one with: immunomon embed"):
            ask("treg")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"study": []}', encoding="utf-8")
    with pytest.raises(BadRun, match=r"run.json: lacks study; finish the run with: immunomon run"):
        open_run(tmp_path)


READERS = {
    "open_run": lambda run: open_run(run).table("changes"),
    "export": read_run,
    "delivery": read_source,
    "report": write_report,
    **{name: lambda run, name=name: command(name, run) for name in ("compare", "power")},
}


def command(name, run):
    done = CliRunner().invoke(app, [name, str(run)])
    raise done.exception


@pytest.mark.parametrize("reader", sorted({*READERS, "audit", "lock", "trace"}))
def test_a_folder_above_a_run_is_refused_with_the_run_in_it(reader, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    more = {
        "trace": RunRecords,
        "lock": lambda run: lock_run(run, Reason("", "")),
        "audit": lambda run: command("audit", run),
    }
    with pytest.raises(BadRun, match=rf"no finished run here; did you mean {re.escape(str(tmp_path / 'run'))}\?"):
        ({**READERS, **more})[reader](tmp_path)


@pytest.mark.parametrize("reader", sorted(READERS))
def test_a_changed_table_is_refused_with_one_sentence_by_all_that_read_it(reader, own_run):
    path = own_run / "tables" / "changes.parquet"
    pd.read_parquet(path).assign(change=1.0).to_parquet(path, index=False)
    sentence = "table 'changes' is not the one run.json was written for: it was changed since then; see what: immunomon"
    with pytest.raises(BadRun, match=re.escape(sentence)):
        READERS[reader](own_run)


@pytest.mark.parametrize("name", sorted(immunomon.__all__))
def test_what_the_package_offers_is_there(name):
    assert callable(getattr(immunomon, name))


def test_what_the_package_does_not_offer_is_said():
    with pytest.raises(AttributeError, match="has no attribute 'open_runs'"):
        immunomon.open_runs  # noqa: B018
