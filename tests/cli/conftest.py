import json
import sys

import pandas as pd
import pytest
from support.made_up_trial import RECORD, assessed, run_tables

from immunomon.cli.main import main
from immunomon.files import file_digest


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line as a user does: return exit status, standard output and standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["immunomon", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return run


@pytest.fixture
def made_up_run(tmp_path):
    """Return the folder of a run of made-up tables, without files, with its assessments."""
    folder = tmp_path / "run"
    (folder / "tables").mkdir(parents=True)
    (folder / "assessments").mkdir()
    (tmp_path / "study.yaml").write_text("", encoding="utf-8")
    (tmp_path / "platelets.csv").write_text("subject\n", encoding="utf-8")
    (folder / "run.json").write_text(json.dumps(RECORD), encoding="utf-8")
    tables = run_tables(only=("treg", "th17"))
    for name in ("changes", "frequencies", "medians"):
        tables.get(name, pd.DataFrame()).to_parquet(folder / "tables" / f"{name}.parquet")
    pd.DataFrame({"collection_date": ["2025-01-02"]}).to_parquet(folder / "tables" / "samples.parquet")
    for name, table in assessed().items():
        table.to_parquet(folder / "assessments" / f"{name}.parquet")
    inputs = {"platelets.csv": file_digest(tmp_path / "platelets.csv")}
    (folder / "assessments" / "assessments.json").write_text(json.dumps({"inputs": inputs}), encoding="utf-8")
    return folder
