"""A run written out and imported again: the same numbers, and every command that looks at a run looks at this one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.small_run import shared_run

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadRun
from immunomon.outputs.review import open_desk
from immunomon.runs.import_map import load_import_map, mapped_rows, proposed_map
from immunomon.runs.imported_forms import read_foreign
from immunomon.runs.importing import Source, import_rows
from immunomon.study.specs.catalog import find_strategy
from immunomon.study.specs.samples import read_samples
from immunomon.study.specs.study import load_study

_OF_TESTS = {"endpoint", "measure", "at", "n", "mean", "median", "sd", "p", "statistic", "tests", "visit"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """A simulated study with its run; not to be changed."""
    return shared_run(tmp_path_factory, events=1500).parent


def tidy_of(run: Path, path: Path) -> Path:
    """Write the demo run's counts as another laboratory would send them: one row a sample and population."""
    table = pd.read_parquet(run / "tables" / "populations.parquet")
    columns = ["sample_id", "subject", "visit", "panel", "role", "population", "count", "parent", "parent_count"]
    table[[*columns, "percent_of_parent", "reportable", "reason"]].round(4).to_csv(path, index=False)
    return path


def test_a_run_written_out_and_imported_again_gives_equal_values_changes_and_tests(demo, tmp_path, command):
    trial = Path(shutil.copytree(demo, tmp_path / "trial"))
    tidy = tidy_of(trial / "run", trial / "counts.csv")
    status, out, err = command("import", tidy, "--study", trial, "--out", trial / "again")
    assert status == 0, out + err
    assert "no gates, no pictures and no gate errors" in out
    keys = ["subject", "visit", "panel", "quantity", "population", "denominator"]
    exact = [
        "count",
        "denominator_count",
        "value",
        "baseline",
        "change",
        "percent_change",
        "log_odds_change",
        "counting_se",
        "status",
    ]
    own, again = (
        pd.read_parquet(trial / name / "tables/changes.parquet").sort_values(keys) for name in ("run", "again")
    )
    pd.testing.assert_frame_equal(own[keys + exact].reset_index(drop=True), again[keys + exact].reset_index(drop=True))
    keys = ["sample_id", "population", "denominator"]
    ends = ["percent", "percent_low", "percent_high", "reportable"]
    own, again = (pd.read_parquet(trial / n / "tables/frequencies.parquet").sort_values(keys) for n in ("run", "again"))
    pd.testing.assert_frame_equal(own[keys + ends].reset_index(drop=True), again[keys + ends].reset_index(drop=True))
    assert again["gate_se"].isna().all()
    for run in ("run", "again"):
        status, out, err = command("compare", trial / run)
        assert status == 0, out + err
    for name in ("estimates", "families", "trends"):
        own, again = (pd.read_parquet(trial / run / "statistics" / f"{name}.parquet") for run in ("run", "again"))
        tests = [column for column in own if column in _OF_TESTS or column.startswith(("p_", "t_", "hl_"))]
        assert len(own)
        pd.testing.assert_frame_equal(own[tests], again[tests])
    # What rests on gate errors is missing, not invented.
    changes = pd.read_parquet(trial / "again" / "statistics" / "patient_changes.parquet")
    assert changes["se_counting"].notna().any()
    assert changes["se_gate"].isna().all()


def _flowjo(table: pd.DataFrame) -> pd.DataFrame:
    wide = table.pivot_table(index="sample_id", columns="path", values="count", dropna=False).add_suffix(" | Count")
    of_root = table[table["parent"] == "root"]
    wide.insert(0, "Count", of_root.groupby("sample_id")["parent_count"].first())
    return wide.reset_index().rename(columns={"sample_id": ""})


def _cellengine(table: pd.DataFrame) -> pd.DataFrame:
    columns = {"filename": "sample_id", "populationId": "population", "population": "population"}
    made = pd.DataFrame({name: table[own] for name, own in columns.items()})
    made["parentPopulation"] = table["parent"].replace("root", "Ungated")
    made["parentPopulationId"] = table["parent"].replace("root", "")
    made["percentOf"], made["percent"] = made["parentPopulation"], table["percent_of_parent"]
    root = table.drop_duplicates("sample_id")[["sample_id", "parent_count"]]
    all_events = pd.DataFrame(
        {"filename": root["sample_id"], "population": "Ungated", "eventCount": root["parent_count"]}
    )
    return pd.concat([all_events, made.assign(eventCount=table["count"])], ignore_index=True)


def _flowworkspace(table: pd.DataFrame) -> pd.DataFrame:
    parent = ("/" + table["path"].str.rpartition("/")[0]).replace("/", "root")
    made = {"name": table["sample_id"], "Population": "/" + table["path"], "Parent": parent}
    return pd.DataFrame({**made, "Count": table["count"], "ParentCount": table["parent_count"]})


def _by_file_and_population(table: pd.DataFrame) -> pd.DataFrame:
    root = table.drop_duplicates("sample_id").assign(population="All Events", count=lambda t: t["parent_count"])
    both = pd.concat([root, table], ignore_index=True)
    return both[["sample_id", "population", "count"]].set_axis(["FCS Filename", "Population", "Event Count"], axis=1)


@pytest.mark.parametrize("form", [_flowjo, _cellengine, _flowworkspace, _by_file_and_population])
def test_each_form_of_other_programs_gives_equal_values_intervals_and_changes(demo, tmp_path, form):
    table = pd.read_parquet(demo / "run" / "tables" / "populations.parquet").dropna(subset=["subject"])
    files = pd.read_parquet(demo / "run" / "tables" / "samples.parquet").set_index("sample_id")["file"]
    table["sample_id"] = table["sample_id"].map(files.str.rpartition("/")[2])
    study = load_study(demo)
    strategy = load_strategy(find_strategy("treg", demo), methods=GATE_METHODS)
    table["path"] = table["population"].map(lambda name: strategy.path(name).strip("/"))
    form(table).to_csv(tmp_path / "table.csv", index=False)
    foreign = read_foreign(tmp_path / "table.csv")
    listed = read_samples(demo / "samples.csv", study)[0]
    (tmp_path / "map.yaml").write_text(proposed_map(foreign, "treg", strategy=strategy, listed=listed), "utf-8")
    gated = set(table["sample_id"])
    assert {sample.name for sample in foreign.samples} == gated
    assert '"?"' not in (tmp_path / "map.yaml").read_text(encoding="utf-8")
    rows = mapped_rows(foreign, load_import_map(tmp_path / "map.yaml"), study)
    summary = import_rows(study, rows, tmp_path / "run", sources=[Source(foreign.path, foreign.sha256, foreign.form)])
    assert summary.notes == ()
    for name, keys, values in (
        ("changes", ["subject", "visit", "quantity", "population", "denominator"],
         ["count", "denominator_count", "value", "change", "log_odds_change", "counting_se", "status"]),
        ("frequencies", ["subject", "visit", "population", "denominator"],
         ["count", "percent", "percent_low", "percent_high", "reportable"]),
    ):  # fmt: skip
        own, again = (
            pd.read_parquet(run / "tables" / f"{name}.parquet").dropna(subset=["subject"]).sort_values(keys)
            for run in (demo / "run", tmp_path / "run")
        )
        assert len(own) > 10
        pd.testing.assert_frame_equal(*(one[[*keys, *values]].reset_index(drop=True) for one in (own, again)))


def test_all_that_looks_at_a_run_looks_at_an_imported_one(demo, tmp_path, command, monkeypatch):
    trial = Path(shutil.copytree(demo, tmp_path / "trial"))
    tidy_of(trial / "run", trial / "counts.csv")
    monkeypatch.chdir(trial)
    assert command("import", "counts.csv", "--study", ".", "--out", "old", "--by", "A. Analyst")[0] == 0
    for words in ("audit old", "verify old", "report old", "status old", "export old --to sqlite:///old.sqlite"):
        status, out, err = command(*words.split())
        assert status == 0, (words, out + err)
        if words.startswith("verify"):
            assert "Not to be checked: gates and events" in out
            assert "no count stands there" not in out
        if words.startswith("report"):
            assert "Next: immunomon lock old" in out + err
    for kind in ("csv", "sdtm"):
        status, out, err = command("deliver", "old", "--as", kind, "--out", tmp_path / kind)
        assert status == 0, (kind, out + err)
    page = (trial / "old" / "report.html").read_text(encoding="utf-8")
    assert "counts.csv" in page
    status, out, err = command(
        "override", "old", "--sample", "a", "--action", "drop-sample", "--reason", "x", "--by", "y"
    )
    assert (status, "or correct the table and import it again" in err) == (1, True), out + err
    assert not (trial / "overrides.yaml").exists()
    with pytest.raises(BadRun, match="there are no gates to review"):
        open_desk(trial / "old")
    words = ("--subject", "S01", "--visit", "W4", "--population", "treg")
    status, out, err = command("trace", "old", *words)
    assert status == 0, out + err
    assert "File       counts.csv" in out
    assert "has these bytes still" in out
    assert "Matrix     not known: gated elsewhere" in out
    status, out, err = command("run", ".", "--out", "old")
    assert (status, "it holds values that were imported" in err) == (1, True), out + err


def test_a_person_sets_an_imported_count_and_takes_it_back(demo, tmp_path, command, monkeypatch):
    trial = Path(shutil.copytree(demo, tmp_path / "trial"))
    tidy_of(trial / "run", trial / "counts.csv")
    monkeypatch.chdir(trial)
    assert command("import", "counts.csv", "--study", ".", "--out", "old", "--by", "A. Analyst")[0] == 0

    def rows() -> pd.DataFrame:
        table = pd.read_parquet(trial / "old" / "tables" / "populations.parquet")
        return table[(table["subject"] == "S01") & (table["visit"] == "W4")].set_index("population")

    before = pd.read_parquet(trial / "old" / "tables" / "frequencies.parquet")
    treg = rows().loc["treg"]
    count, sample = int(treg["count"]), str(treg["sample_id"])
    asked = ("override", "old", "--sample", sample, "--population", "treg", "--by", "B. Boss", "--reason")
    status, out, err = command(*asked, "recounted by hand", "--count", count + 3)
    assert (status, f"{count} -> {count + 3} events" in out) == (0, True), out + err
    now = rows().loc["treg"]
    assert (now["count"], now["parent_count"]) == (count + 3, treg["parent_count"])
    assert now["gate_source"] == f"set by B. Boss: recounted by hand; the table has {count}"
    assert set(rows()["parent_count"][rows()["parent"] == "treg"]) <= {count + 3}
    changed = pd.read_parquet(trial / "old" / "tables" / "frequencies.parquet").compare(before)
    assert set(before.loc[changed.index, "sample_id"]) == {sample}
    for words, told in (
        ("audit old", "is as recorded"),
        ("verify old", f"is what B. Boss set, the table has {count}"),
        ("trace old --subject S01 --visit W4 --population treg", f"-> {count + 3}, by B. Boss: recounted by hand"),
    ):
        status, out, err = command(*words.split())
        assert (status, told in out) == (0, True), (words, out + err)
    trail = (trial / "old" / "audit.jsonl").read_text(encoding="utf-8")
    assert f'"old": {count}, ' in trail
    assert f'"target": "set-count {sample} treg: {count} -> {count + 3}"' in trail
    assert command("report", "old")[0] == 0
    assert "recounted by hand" in (trial / "old" / "report.html").read_text(encoding="utf-8")
    for more, told in (
        (("--count", 10**9), f"{10**9} events in a parent of"),
        (("--count", 1, "--preview"), "without --gate and --preview"),
    ):
        status, out, err = command(*asked, "x", *more)
        assert (status, told in err) == (1, True), out + err
    status, out, err = command(*asked, "it was right", "--undo")
    assert (status, f"{count + 3} -> {count} events" in out) == (0, True), out + err
    pd.testing.assert_frame_equal(pd.read_parquet(trial / "old" / "tables" / "frequencies.parquet"), before)
    status, out, err = command(*asked, "again", "--undo")
    assert (status, "there is no decision on treg" in err) == (1, True), out + err


def test_samples_of_a_map_that_no_table_has_are_named(tmp_path, command):
    study = "schema: immunomon.study/2\nname: OLD\nsubjects: [{id: S1}]\nvisits: [{label: V1, baseline: true}]\n"
    (tmp_path / "study.yaml").write_text(f"{study}panels: [{{panel: treg, strategy: treg}}]\n", encoding="utf-8")
    (tmp_path / "t.csv").write_text(",L | Count,Count\nS1_V1,500,1000\n", encoding="utf-8")
    text = 'schema: immunomon.import-map/1\npanel: treg\npattern: "{subject}_{visit}"\nsamples: {S1_V1.fcs: skip}\n'
    (tmp_path / "m.yaml").write_text(f"{text}populations: {{L: lymphocytes}}\n", encoding="utf-8")
    table, out = tmp_path / "t.csv", tmp_path / "old"
    status, out, err = command("import", table, "--study", tmp_path, "--out", out, "--map", tmp_path / "m.yaml")
    assert (status, "samples that no table has" in out, "S1_V1.fcs" in out) == (0, True, True), out + err


def test_verify_says_of_how_many_rows_it_read_no_count(demo, tmp_path, command):
    trial = Path(shutil.copytree(demo, tmp_path / "trial"))
    text = tidy_of(trial / "run", trial / "counts.csv").read_text(encoding="utf-8").replace(",", "\t")
    (trial / "counts.csv").write_text("sep=\t\n" + text, encoding="utf-8")
    status, out, err = command("import", trial / "counts.csv", "--study", trial, "--out", trial / "old", "--by", "A")
    assert status == 0, out + err
    _, out, err = command("verify", trial / "old")
    assert "of counts.csv: no count stands there in digits alone" in out, out + err
