"""Delivering a run: whole or not at all, the same again, and what differs from the delivery before."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.errors import BadRun, BadSpec, DeliveryFailed, UnknownName
from immunomon.outputs.delivery.content import read_content
from immunomon.outputs.delivery.deliver import FORMATS, deliver_run
from immunomon.outputs.delivery.differences import Difference, differences, differences_text
from immunomon.outputs.delivery.read import read_delivery, read_manifest
from immunomon.runs.audit import AuditTrail
from immunomon.study.specs.catalog import find_strategy

SAMPLE = "fcs__treg__S01_W4_treg"


def rewritten(run, folder, change, *, gates=False):
    """Return a copy of a run and its study whose table of frequencies is another, as of another run."""
    study = folder / "study"
    shutil.copytree(run.parent, study, ignore=shutil.ignore_patterns("*.fcs", "truth"))
    path = study / "run" / "tables" / "frequencies.parquet"
    table = pd.read_parquet(path, dtype_backend="numpy_nullable")
    change(table)
    table.to_parquet(path, index=False)
    record = json.loads((study / "run" / "run.json").read_text(encoding="utf-8"))
    record["tables"]["frequencies"] = hashlib.sha256(path.read_bytes()).hexdigest()
    record["digest"] = "another"
    (study / "run" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    if gates:
        placed = study / "run" / "gates" / f"{SAMPLE}.json"
        placed.write_text(placed.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        AuditTrail(study / "run").seal(by="Ana", reason="")
    return study / "run"


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_every_file_is_in_the_manifest_with_its_digest(delivered, kind):
    folder = delivered(kind)
    named = {one["file"]: one["sha256"] for one in read_manifest(folder)["files"]}
    found = {
        p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json"
    }
    assert set(named) == set(found)
    assert named == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}


@pytest.mark.parametrize("kind", ["csv", "excel", "sdtm"])
def test_the_same_run_gives_the_same_bytes(run, delivered, tmp_path, kind):
    deliver_run(run, tmp_path / "again", kind=kind)
    manifests = [(folder / "manifest.json").read_bytes() for folder in (delivered(kind), tmp_path / "again")]
    assert manifests[0] == manifests[1]
    assert deliver_run(run, tmp_path / "again", kind=kind).unchanged


def test_no_path_of_this_machine_leaves(run, delivered):
    for kind in FORMATS:
        for path in delivered(kind).rglob("*"):
            if path.suffix in {".csv", ".json", ".xml", ".md", ".txt"}:
                assert str(run.parent.parent) not in path.read_text(encoding="utf-8"), path


def test_what_is_not_reported_is_blank_with_its_reason_in_every_table(delivered):
    with (delivered("csv") / "subset_frequencies.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    silent = [row for row in rows if row["status"] != "reported"]
    assert silent
    assert all(row["value"] == "" and row["unit"] == "" and row["reason"] for row in silent)
    records = pd.read_csv(delivered("redcap") / "redcap_import.csv", dtype=str)
    for name in [column.removesuffix("_why") for column in records if column.endswith("_why")]:
        assert (records[name].isna() ^ records[f"{name}_why"].isna()).all()
    shipped = pd.read_csv(delivered("immport") / "immport_fcm_derived.csv", dtype=str)
    missing = shipped["Population Statistic (count, percentile, etc)"].isna()
    assert missing.sum() == len([row for row in silent if row["sample_id"]])
    assert shipped.loc[missing, "Comments"].str.contains("events").all()


def test_a_baseline_below_quantification_is_not_shown_beside_later_values(delivered):
    table = pd.read_csv(delivered("csv") / "subset_frequencies.csv")
    key = ["subject", "panel", "quantity", "population", "denominator"]
    at_baseline = table[(table["visit"] == "D-1") & (table["role"] == "sample")].set_index(key)["value"]
    later = table[table["visit"] == "W4"].join(at_baseline.rename("first"), on=key)
    counted = later[later["quantity"] != "median_intensity"]
    assert (counted["baseline"].isna() == counted["first"].isna()).all()
    assert counted["first"].isna().any()


def test_a_workbook_holds_the_tables_and_no_formulas(delivered):
    import openpyxl

    book = openpyxl.load_workbook(delivered("excel") / "delivery.xlsx", read_only=True)
    assert book.sheetnames[:2] == ["subset_frequencies", "links"]
    table = pd.read_csv(delivered("csv") / "subset_frequencies.csv")
    rows = list(book["subset_frequencies"].iter_rows(values_only=True))
    assert list(rows[0]) == list(table.columns)
    assert len(rows) - 1 == len(table)
    values = [row[rows[0].index("value")] for row in rows[1:]]
    numbers = [value if value is not None else float("nan") for value in values]
    assert numbers == pytest.approx(list(table["value"]), rel=1e-14, nan_ok=True)
    book.close()


def test_the_checklist_is_filled_in_and_its_blanks_are_named(delivered):
    text = (delivered("miflowcyt") / "miflowcyt.md").read_text(encoding="utf-8")
    for wanted in ("CD25 on PE (detector PE-A)", "immunomon simulator", "1.5 Primary contact", "logicle"):
        assert wanted in text
    gates = pd.read_csv(delivered("miflowcyt") / "miflowcyt_gates.csv")
    assert {"polygon", "interval"} <= {json.loads(text)["kind"] for text in gates["boundary"]}


def test_a_number_that_changed_is_said_with_old_new_and_why(run, delivered, tmp_path):
    def change(table):
        here = (table["sample_id"] == SAMPLE) & (table["population"] == "t_cells")
        table.loc[here, "percent"] = 12.5
        there = (table["sample_id"] == "fcs__treg__S01_D-1_treg") & (table["population"] == "t_cells")
        table.loc[there, "reportable"] = False
        table.loc[there, "reason"] = "below LLOQ: made up"

    other = rewritten(run, tmp_path, change, gates=True)
    made = deliver_run(other, tmp_path / "next", kind="csv", previous=delivered("csv"))
    found = {(one.variable, one.new): one for one in made.differences if one.dataset == "subset_frequencies"}
    changed = found["value", "12.5"]
    assert (changed.kind, changed.why) == ("changed", "the gates were placed otherwise")
    assert SAMPLE in changed.key
    assert float(changed.old) > 20
    gone = found["status", "not reportable"]
    assert gone.old == "reported"
    with (tmp_path / "next" / "differences.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(made.differences)
    assert "12.5 (the gates were placed otherwise)" in (tmp_path / "next" / "differences.txt").read_text(
        encoding="utf-8"
    )


def test_what_is_new_and_what_is_withdrawn_is_said(delivered):
    manifest = read_manifest(delivered("csv"))
    whole = read_delivery(delivered("csv"))
    table = whole["subset_frequencies"]
    fewer = {**whole, "subset_frequencies": table.with_rows(table.rows[1:])}
    without = {**manifest, "samples": {}}
    kinds = [
        [one.kind for one in differences(*pair)]
        for pair in (
            ((whole, manifest), (fewer, manifest)),
            ((fewer, manifest), (whole, manifest)),
            ((whole, manifest), (whole, manifest)),
        )
    ]
    assert kinds == [["withdrawn"], ["new"], []]
    new = differences((fewer, without), (whole, manifest))[0]
    assert new.why == "the previous delivery did not have the FCS file"


def test_the_order_of_records_is_no_difference(received, delivered):
    whole = received("dataset-json")
    manifest = read_manifest(delivered("dataset-json"))
    shuffled = {name: one.with_rows(one.rows[::-1]) for name, one in whole.items() if not name.startswith("SUPP")}
    plain = {name: one for name, one in whole.items() if not name.startswith("SUPP")}
    assert differences((plain, manifest), (shuffled, manifest)) == []


def test_a_folder_that_holds_something_else_is_left_alone(run, delivered, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DeliveryFailed, match="holds other things than a delivery"):
        deliver_run(run, tmp_path, kind="csv")
    shutil.copytree(delivered("redcap"), tmp_path / "earlier")
    with pytest.raises(DeliveryFailed, match="holds another delivery, which is kept"):
        deliver_run(run, tmp_path / "earlier", kind="immport")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["earlier", "thesis.txt"]


def test_what_cannot_be_delivered_leaves_no_folder(run, tmp_path):
    def change(table):
        table["population"] = table["population"].replace("treg", "mystery")

    other = rewritten(run, tmp_path, change)
    with pytest.raises(BadSpec, match="no test for treg: percent mystery of cd4"):
        deliver_run(other, tmp_path / "out", kind="sdtm")
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_a_table_that_was_changed_after_the_run_is_refused(run, tmp_path):
    other = rewritten(run, tmp_path, lambda table: None)
    path = other / "tables" / "frequencies.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadRun, match="table 'frequencies' is not the one"):
        deliver_run(other, tmp_path / "out", kind="csv")


def test_a_format_that_there_is_not_is_named_with_the_nearest(run, tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'sdtm'"):
        deliver_run(run, tmp_path / "out", kind="stdm")


def test_the_command_says_what_was_delivered_and_what_is_absent(run, tmp_path):
    said = CliRunner().invoke(app, ["deliver", str(run), "--as", "sdtm", "--out", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output
    assert "PP" in said.output
    assert "absent: the run folder has no assessments/kinetics.csv" in said.output
    assert "DM.DTHDTC" in said.output


def test_a_delivery_names_the_entries_of_the_audit_trail_and_is_one_itself(run, tmp_path):
    alone = Path(shutil.copytree(run, tmp_path / "alone"))
    trail = AuditTrail(alone)
    trail.append("override", by="A. Analyst", reason="a bubble", target=f"replace-gate {SAMPLE} treg")
    seal = trail.seal(by="A. Analyst", reason="")
    for folder, kind in (("one", "csv"), ("two", "csv")):
        said = CliRunner().invoke(app, ["deliver", str(alone), "--as", kind, "--out", str(tmp_path / folder)])
        assert said.exit_code == 0, said.output
    assert (tmp_path / "one" / "links.csv").read_bytes() == (tmp_path / "two" / "links.csv").read_bytes()
    links = pd.read_csv(tmp_path / "one" / "links.csv", dtype=str).set_index("sample_id")["audit_entries"]
    last = len(trail.entries()) - 2
    assert links[SAMPLE] == f"{last - 1}, {last}"
    assert set(links.drop(SAMPLE)) == {str(last)}
    assert read_manifest(tmp_path / "one")["audit"] == {"entries": last, "last_hash": seal}
    assert [entry["action"] for entry in trail.entries()][-2:] == ["deliver", "deliver"]
    assert trail.problems() == []


def test_without_the_study_the_numbers_are_delivered_and_the_rest_is_said_to_be_absent(run, tmp_path):
    alone = Path(shutil.copytree(run, tmp_path / "alone"))
    made = deliver_run(alone, tmp_path / "out", kind="sdtm")
    assert made.records["CP"] > 50
    assert "PC" in made.absent
    assert "headers were not looked at" in read_manifest(tmp_path / "out")["identifiers"]["note"]


def test_a_value_that_changed_stands_before_words_that_changed_everywhere():
    words = [Difference("CP", f"S{i}", "changed", "CPREASND", "LLOQ 20", "LLOQ 30", "limits") for i in range(300)]
    values = [Difference("CP", "S7", "changed", "CPSTRESC", "12", "13", "gates")]
    gone = [Difference("CP", "S8", "withdrawn", why="limits")]
    assert differences_text([*words, *values, *gone], most=2).splitlines() == [
        "Changed: 300 records, 1 in a value or a status",
        "  CP [S7] CPSTRESC: 12 -> 13 (gates)",
        "  CP 300 records: CPREASND: LLOQ 20 -> LLOQ 30 (limits)",
        "Withdrawn: 1 record",
        "  CP [S8] (limits)",
        "New: 0 records",
    ]


def test_a_strategy_that_is_not_the_one_of_the_run_describes_none_of_its_populations(run, tmp_path):
    study = Path(shutil.copytree(run.parent, tmp_path / "study", ignore=shutil.ignore_patterns("*.fcs", "truth")))
    own = study / "gating" / "treg.yaml"
    own.parent.mkdir(exist_ok=True)
    own.write_bytes(find_strategy("treg").read_bytes() + b"# ours\n")
    record = json.loads((study / "run" / "run.json").read_text(encoding="utf-8"))
    with pytest.raises(DeliveryFailed, match=r"treg\.yaml: it is not the strategy that the run gated by"):
        read_content(study / "run")
    del record["inputs"]["shipped:gating/treg.yaml"]
    record["inputs"]["gating/treg.yaml"] = hashlib.sha256(own.read_bytes()).hexdigest()
    (study / "run" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert read_content(study / "run").cp_map.population("treg", "treg").step == "CD25hiCD127lo"
    own.write_bytes(own.read_bytes() + b"# again\n")
    with pytest.raises(DeliveryFailed, match="put that file back, or run the study again"):
        read_content(study / "run")


def test_a_long_reason_that_is_cut_at_a_blank_is_delivered(run, tmp_path):
    long = "in doubt: " + "x" * 189 + " and more of it"
    assert long[199] == " "

    def change(table):
        table.loc[~table["reportable"], "reason"] = long
        assert not table["reportable"].all()

    folder = deliver_run(rewritten(run, tmp_path, change), tmp_path / "delivery", kind="sdtm").folder
    reasons = {row["QVAL"] for row in read_delivery(folder)["SUPPCP"].records() if row["QNAM"] == "RESWHY"}
    assert long[:199] in reasons
