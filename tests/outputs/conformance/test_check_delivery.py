"""The checker on folders of strangers: what cannot be read is a finding, and nothing else happens."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.errors import DeliveryFailed
from immunomon.outputs.conformance.check import check_delivery, check_received
from immunomon.outputs.conformance.received import receive
from immunomon.outputs.conformance.registry import FAMILIES, RULES, rules_by_number

BOMB = '<?xml version="1.0"?><!DOCTYPE o [<!ENTITY a "xxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><ODM>&b;</ODM>'
KINDS = ["adam", "csv", "dataset-json", "excel", "immport", "miflowcyt", "redcap", "sdtm"]


@pytest.fixture
def copied(whole, tmp_path):
    """Return a copy of a delivery, to be spoiled."""
    return lambda kind: shutil.copytree(whole(kind), tmp_path / kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_delivery_keeps_every_rule(as_received, kind):
    report = check_received(as_received(kind))
    assert [(one.rule, one.where, one.record, one.message) for one in report.breaches] == []
    assert set(report.run) | set(report.not_applicable) == set(RULES)
    assert not set(report.run) & set(report.not_applicable)


def test_transport_files_and_dataset_json_hold_the_same_values(whole):
    report = check_delivery(whole("adam"), whole("dataset-json"))
    assert "XP003" in report.run
    assert report.breaches == ()


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("sdtm/cp.xpt", lambda data: data[:-81], "it was cut"),
        ("sdtm/cp.xpt", lambda data: data[:1000], "within its headers"),
        ("sdtm/cp.xpt", lambda data: data[:-800], "ends within a record"),
        ("sdtm/cp.xpt", lambda data: b"\0" * len(data), "does not begin with the library header"),
        ("sdtm/cp.xpt", lambda data: b"", "does not begin with the library header"),
        ("sdtm/define.xml", lambda _: BOMB.encode(), "document type"),
        ("sdtm/define.xml", lambda data: data[:500], "not well-formed"),
        ("sdtm/define.xml", lambda _: b"<ODM/>", "no Study"),
        ("manifest.json", lambda _: b"[" * 100_000, "too deep in each other"),
        ("manifest.json", lambda _: b"[]", "no JSON object"),
        ("links.csv", lambda _: b"a,b\n1\n", "line 2 has 1 fields"),
        ("links.csv", lambda _: b"\xff\xfe\x00", "codec"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding(whole, tmp_path, name, spoil, said):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(spoil((whole("sdtm") / name).read_bytes()))
    report = check_delivery(tmp_path)
    found = [one for one in report.breaches if (one.rule, one.where) == ("FL001", name)]
    assert [said in one.message for one in found] == [True], found


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"columns": [], "rows": []}',
        '{"columns": [{}], "rows": [[1, 2], [{}]], "name": 7}',
        '{"columns": [{"name": "STUDYID", "dataType": 3}], "rows": [[1e999], [NaN], ["x"]], "name": "DM"}',
        '{"columns": [{"name": "USUBJID"}, {"name": "USUBJID"}], "rows": [[true, null]], "name": "CP", "records": "1"}',
        '{"columns": [{"name": "X"}], "rows": 5}',
        f'{{"columns": [{{"name": "X"}}], "rows": [[{"9" * 5000}]]}}',
    ],
)
def test_whatever_a_json_file_holds_it_is_judged(tmp_path, text):
    (tmp_path / "dm.json").write_text(text, encoding="utf-8")
    report = check_delivery(tmp_path)
    assert report.of("error")
    assert "could not be judged" not in " ".join(one.message for one in report.breaches)


@pytest.mark.parametrize(
    "value", [None, "", "x", "1", -1.0, 0.0, 1e300, float("inf"), True, "2025-13-45", "a/b|c,d", 3]
)
def test_whatever_a_value_is_every_rule_can_judge_it(as_received, value):
    """Every value of every dataset is put in place of a reasonable one, all of a kind at once."""
    from dataclasses import replace

    received = as_received("adam")
    tables = tuple(
        replace(one, rows=tuple((*row[:3], *[value] * (len(row) - 3)) for row in one.rows[:5]))
        for one in received.tables
    )
    report = check_received(replace(received, tables=tables))
    assert report.of("error")
    assert "could not be judged" not in " ".join(one.message for one in report.breaches)


def test_links_are_not_followed_and_other_files_are_named(copied, tmp_path):
    folder = copied("csv")
    (tmp_path / "secret.csv").write_text("a\n1\n", encoding="utf-8")
    (folder / "more.csv").symlink_to(tmp_path / "secret.csv")
    report = check_delivery(folder)
    assert {(one.rule, one.where) for one in report.breaches} == {("FL001", "more.csv"), ("MF003", "more.csv")}


def test_the_values_of_persons_are_not_repeated(copied):
    folder = copied("csv")
    path = folder / "links.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("S01", "Anna Smith"), encoding="utf-8")
    report = check_delivery(folder)
    assert "ID003" in report.broken
    assert not any("Smith" in one.message for one in report.breaches if one.rule.startswith("ID"))


def test_a_folder_that_there_is_not_is_said(tmp_path):
    with pytest.raises(DeliveryFailed, match="no such folder"):
        check_delivery(tmp_path / "none")


def test_an_empty_folder_is_no_delivery_that_keeps_every_rule(tmp_path):
    with pytest.raises(DeliveryFailed, match="holds no files, so nothing was checked"):
        check_delivery(tmp_path)


def test_the_command_says_what_is_wrong_where_and_what_to_do(copied):
    folder = copied("immport")
    (folder / "notes.txt").write_text("[red]mine[/red]", encoding="utf-8")
    said = CliRunner().invoke(app, ["check-delivery", str(folder)])
    assert said.exit_code == 1
    for wanted in ("MF003", "error", "notes.txt", "is not in the manifest", "take the file away", "not applicable"):
        assert wanted in said.output, said.output
    found = json.loads(CliRunner().invoke(app, ["check-delivery", str(folder), "--json"]).output)
    assert [(one["rule"], one["dataset"]) for one in found["findings"]] == [("MF003", "notes.txt")]
    assert (found["errors"], found["warnings"]) == (1, 0)
    assert len(found["rules_run"]) + len(found["rules_not_applicable"]) == len(RULES)


def test_the_command_says_that_nothing_is_wrong(whole):
    said = CliRunner().invoke(app, ["check-delivery", str(whole("redcap"))])
    assert said.exit_code == 0
    assert "none is broken" in said.output


def test_what_breaks_a_rule_is_not_presented_as_done(assessed, tmp_path):
    """A study without site and country: SDTM requires both of every subject."""
    study = shutil.copytree(assessed.parent, tmp_path / "study")
    path = study / "run" / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["study"] |= {"site": None, "country": None}
    path.write_text(json.dumps(record), encoding="utf-8")
    said = CliRunner().invoke(app, ["deliver", str(study / "run"), "--as", "sdtm", "--out", str(tmp_path / "out")])
    assert said.exit_code == 1
    assert "This delivery is not ready to leave: it breaks SD003." in said.output
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_there_are_many_rules_and_each_says_what_and_why_and_what_to_do():
    assert len(RULES) >= 150
    for rule in RULES.values():
        assert rule.says.endswith(".") or rule.says.endswith("...")
        assert rule.source
        assert rule.remedy


def test_two_rules_of_one_number_are_refused():
    with pytest.raises(ValueError, match="there are two rules FL001"):
        rules_by_number([FAMILIES[0], FAMILIES[0]])


def test_the_document_is_that_of_the_rules():
    """If not: python -m immunomon.cli.docs."""
    from pathlib import Path

    from immunomon.outputs.conformance.registry import rules_document

    path = Path(__file__).resolve().parents[3] / "docs" / "delivery-rules.md"
    assert path.read_text(encoding="utf-8") == rules_document()


def test_the_bytes_of_a_transport_file_say_what_was_written(whole):
    received = receive(whole("sdtm"))
    transport = received.transports["sdtm/cp.xpt"]
    assert (transport.dataset, transport.label, len(transport.variables)) == ("CP", "Cell Phenotype Findings", 62)
    assert transport.record_bytes == sum(one.length for one in transport.variables)
