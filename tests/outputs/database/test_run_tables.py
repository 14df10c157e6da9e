"""Reading a run for export: whatever is not a finished run is refused, by name."""

from __future__ import annotations

import hashlib
import json

import pandas as pd
import pytest

from immunomon.cytometry.model.populations import TABLES
from immunomon.errors import BadRun, ExportFailed
from immunomon.outputs.database.run_tables import read_run


def changed_manifest(run, **changes):
    manifest = json.loads((run / "run.json").read_text(encoding="utf-8")) | changes
    (run / "run.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_run_holds_every_table_with_the_types_of_its_contract(make_run):
    run = read_run(make_run())
    assert run.name == "DEMO"
    for name, contract in TABLES.items():
        assert {column: str(dtype) for column, dtype in run.tables[name].dtypes.items()} == contract.dtypes


def test_equal_runs_have_equal_digests_and_others_have_others(make_run):
    one, same, other = make_run("one"), make_run("same"), make_run("other", shift=1)
    assert read_run(one).tables_digest == read_run(same).tables_digest != read_run(other).tables_digest
    study = json.loads((one / "run.json").read_text(encoding="utf-8"))["study"]
    changed_manifest(one, study=study | {"title": "another"})
    assert read_run(one).tables_digest != read_run(same).tables_digest


def test_a_study_folder_is_told_apart_from_its_run(make_run, tmp_path):
    make_run("study/run")
    with pytest.raises(BadRun, match="did you mean"):
        read_run(tmp_path / "study")


def test_a_manifest_that_is_no_json_is_named(make_run):
    run = make_run()
    (run / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(BadRun, match=r"run.json: cannot be read"):
        read_run(run)


@pytest.mark.parametrize("key", ["digest", "version", "study"])
def test_a_manifest_that_lacks_something_says_what(make_run, key):
    run = make_run()
    changed_manifest(run, **{key: None})
    with pytest.raises(BadRun, match=f"lacks {key}"):
        read_run(run)


def test_a_missing_table_is_named(make_run):
    run = make_run()
    (run / "tables" / "medians.parquet").unlink()
    with pytest.raises(BadRun, match=r"medians.parquet: is missing; finish the run"):
        read_run(run)


def test_a_table_that_is_no_parquet_is_named(make_run):
    run = make_run()
    (run / "tables" / "medians.parquet").write_bytes(b"half")
    with pytest.raises(ExportFailed, match="'medians' is not as this version writes it"):
        read_run(run)


def test_a_table_with_other_columns_is_refused(make_run):
    run = make_run()
    path = run / "tables" / "medians.parquet"
    pd.read_parquet(path).drop(columns="count").to_parquet(path, index=False)
    with pytest.raises(ExportFailed, match="run the study again"):
        read_run(run)


def test_a_table_that_is_not_the_manifests_own_is_refused(make_run):
    run = make_run()
    digests = {name: hashlib.sha256((run / "tables" / f"{name}.parquet").read_bytes()).hexdigest() for name in TABLES}
    changed_manifest(run, tables=digests)
    assert read_run(run).name == "DEMO"
    changed_manifest(run, tables=digests | {"changes": "0" * 64})
    with pytest.raises(BadRun, match=r"'changes' is not the one run.json was written for"):
        read_run(run)
    with pytest.raises(BadRun, match=r"it was changed since then; see what: immunomon audit "):
        read_run(run)
