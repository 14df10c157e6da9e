"""``--json``: what a command prints as a table, as JSON alone on standard output, with whole numbers."""

from __future__ import annotations

import json
import math
import shutil

import pandas as pd
import pytest
from support.small_run import shared_run
from typer.testing import CliRunner

from immunomon.cli.app import COMMANDS
from immunomon.cli.main import app

# What these print is where they wrote to, a page, or a question; none of it is a table.
_WITHOUT_TABLE = {
    "demo", "docs", "init", "propose-panel", "review", "lock", "report", "embed", "explore", "notebooks",
    "specify-transfer", "compensate", "export-events", "export-gates",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The run of a simulated study; not to be changed."""
    return shared_run(tmp_path_factory, events=1500)


def agrees(cell, stored) -> bool:
    if pd.isna(stored):
        return cell is None
    if isinstance(cell, float | int) and not isinstance(cell, bool):
        return cell == stored or math.isinf(stored)
    return str(cell) == str(stored)


def same_table(rows, stored: pd.DataFrame) -> bool:
    cells = [(row[name], value) for row, (_, line) in zip(rows, stored.iterrows(), strict=True)
             for name, value in line.items()]  # fmt: skip
    return all(agrees(cell, value) for cell, value in cells)


@pytest.mark.parametrize("name", [name for group in COMMANDS.values() for name in group])
def test_a_command_that_prints_a_table_prints_it_as_json_too(name):
    shown = CliRunner().invoke(app, [name, "--help"]).output
    assert ("--json" in shown) == (name not in _WITHOUT_TABLE)


@pytest.mark.parametrize(("name", "folder"), [("compare", "statistics"), ("mechanism", "mechanism")])
def test_an_answer_as_json_holds_every_table_that_was_written(made_up_run, command, name, folder):
    status, out, _ = command(name, made_up_run, "--json")
    printed = json.loads(out)
    assert (status, printed["format"], printed["command"]) == (0, "immunomon.printed/1", name)
    assert printed["folder"] == str(made_up_run / folder)
    written = {path.stem for path in (made_up_run / folder).glob("*.parquet")}
    assert set(printed["tables"]) == written
    for table, rows in printed["tables"].items():
        assert same_table(rows, pd.read_parquet(made_up_run / folder / f"{table}.parquet")), table
    assert printed["lines"]
    assert command(name, made_up_run)[1].startswith("\n".join(printed["lines"]))


def test_assessments_as_json_hold_every_table_that_was_written(run, tmp_path, command):
    study = shutil.copytree(run.parent, tmp_path / "trial", ignore=shutil.ignore_patterns("fcs", "run", "truth"))
    status, out, err = command("assess", study, "--out", tmp_path / "found", "--json")
    printed = json.loads(out)
    assert (status, printed["command"], printed["folder"]) == (0, "assess", str(tmp_path / "found"))
    assert printed["page"] == str(tmp_path / "found" / "assessments.md")
    written = {path.stem for path in (tmp_path / "found").glob("*.parquet")}
    assert set(printed["tables"]) == written >= {"platelet_response", "kinetics", "adverse_event_worst"}
    for table, rows in printed["tables"].items():
        assert same_table(rows, pd.read_parquet(tmp_path / "found" / f"{table}.parquet")), table
    assert "Next: " not in err
    assert command("assess", study, "--out", tmp_path / "found")[1].startswith("\n".join(printed["lines"]))


def test_conditions_as_json_are_those_that_are_printed(command):
    status, out, err = command("simulate", "--list-conditions", "--json")
    printed = json.loads(out)
    lines = [f"{row['name']} {row['meaning']}" for row in printed["conditions"]]
    status_of_text, text, _ = command("simulate", "--list-conditions")
    assert (status, status_of_text, err) == (0, 0, "")
    assert lines == [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0].startswith("ordinary ")


def test_a_simulated_trial_as_json_says_where_it_is_and_a_folder_must_be_named(tmp_path, command):
    words = ("--events", "500", "--panel", "nk", "--jobs", "2", "--json")
    status, out, _ = command("simulate", tmp_path / "t", *words)
    printed = json.loads(out)
    assert (status, printed["folder"], printed["events"], printed["seed"]) == (0, str(tmp_path / "t"), 500, 1)
    assert (tmp_path / "t" / "study.yaml").is_file()
    status, _, err = command("simulate", *words)
    assert status == 2
    assert "name the new folder" in " ".join(err.split())


def test_a_delivery_as_json_counts_the_records_of_its_files(run, tmp_path, command):
    own = shutil.copytree(run.parent, tmp_path / "trial") / "run"
    status, out, err = command("deliver", own, "--as", "csv", "--out", tmp_path / "delivery", "--json")
    printed = json.loads(out)
    assert (status, printed["kind"], printed["unchanged"], printed["broken"]) == (0, "csv", False, [])
    for name, records in printed["records"].items():
        (file,) = (tmp_path / "delivery").rglob(f"{name}.csv")
        assert len(pd.read_csv(file)) == records, name
    assert printed["check"]["errors"] == 0
    assert "Audit trail: " in err
    again = json.loads(command("deliver", own, "--as", "csv", "--out", tmp_path / "delivery", "--json")[1])
    assert (again["unchanged"], again["records"]) == (True, printed["records"])


def test_an_import_as_json_counts_its_values_and_keeps_its_notes(run, tmp_path, command):
    own = shutil.copytree(run.parent, tmp_path / "trial")
    table = pd.read_parquet(own / "run" / "tables" / "populations.parquet")
    columns = ["subject", "visit", "panel", "population", "count", "parent", "parent_count"]
    rows = table.dropna(subset=["subject", "count"])[columns]
    rows.to_csv(own / "counts.csv", index=False)
    words = ("import", own / "counts.csv", "--study", own, "--out", own / "again", "--json")
    status, out, _ = command(*words)
    printed = json.loads(out)
    assert (status, printed["values"], printed["proposed_map"]) == (0, len(rows), None)
    assert printed["samples"] == len(rows[["subject", "visit"]].drop_duplicates())
    assert json.loads(command(*words)[1])["unchanged"] is True


def test_what_an_override_would_move_as_json_has_every_row_and_json_alone_is_refused(run, tmp_path, command):
    sample = pd.read_parquet(run / "tables" / "samples.parquet").dropna(subset=["subject"])["sample_id"].iloc[0]
    asked = ("override", run, "--sample", sample, "--action", "drop-sample", "--reason", "clot", "--by", "A. Person")
    status, out, _ = command(*asked, "--preview", "--json")
    printed = json.loads(out)
    assert status == 0
    assert command(*asked, "--preview")[1].endswith(f"{len(printed['rows'])} values would move; nothing was written.\n")
    assert len(printed["rows"]) > 1
    assert {"table", "about", "value", "before", "after"} <= set(printed["rows"][0])
    status, _, err = command(*asked, "--json")
    assert status == 1
    assert "add --preview" in err
