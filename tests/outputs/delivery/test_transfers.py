"""Test transfers say that they are tests; blinded ones tell neither dose, visit nor day; the specification."""

from __future__ import annotations

import csv
import json
import re

import pytest

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import DeliveryFailed
from immunomon.files import file_digest
from immunomon.outputs.conformance.check import check_delivery
from immunomon.outputs.delivery.blinding import BlindingKey, blinded
from immunomon.outputs.delivery.dataset import Dataset, Variable
from immunomon.outputs.delivery.deliver import FORMATS, deliver_run
from immunomon.outputs.delivery.specification import transfer_specification
from immunomon.study.specs.catalog import find_strategy
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_test_transfer_says_so_in_manifest_file_and_check(run, tmp_path):
    made = deliver_run(run, tmp_path / "out", kind="csv", test=True)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))["transfer"] == ["test"]
    assert "not data to be analysed" in (tmp_path / "out" / "TEST-TRANSFER.txt").read_text(encoding="utf-8")
    assert [(one.rule, one.severity) for one in made.checked.breaches] == [("MF009", "warning")]
    assert made.broken == ()


def test_a_blinded_transfer_tells_neither_subject_dose_visit_nor_day_and_keeps_its_values(run, tmp_path):
    key = tmp_path / "key.csv"
    deliver_run(run, tmp_path / "plain", kind="csv")
    made = deliver_run(run, tmp_path / "out", kind="csv", key=key)
    assert made.checked.breaches == ()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.json", "subset_frequencies.csv"]
    text = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir())
    study = load_study(run.parent)
    names = [*(one.id for one in study.subjects), *(one.label for one in study.visits), "cells/kg", "dose", "2025-"]
    assert [name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?!\w)", text)] == []
    for known in (run.parent / "study.yaml", run.parent / "samples.csv"):
        assert file_digest(known) not in text  # it could be held against files made up with other doses
    codes = {(row["what"], row["code"]): row["name"] for row in rows(key)}
    coded, telling = ("subject", "visit", "panel", "sample_id"), ("quantity", "population", "denominator", "marker")
    blind, plain = (rows(tmp_path / name / "subset_frequencies.csv") for name in ("out", "plain"))
    assert len({row["visit"] for row in blind}) == 6  # codes of visits are a subject's own: nobody shares a late one
    assert sorted(
        (*(codes.get((name, row[name]), "") for name in coded), *(row[name] for name in telling), row["value"])
        for row in blind
    ) == sorted(
        (
            *(row["subject"], f"{row['subject']} {row['visit']}", row["panel"], row["sample_id"]),
            *(row[name] for name in telling),
            row["value"],
        )
        for row in plain
    )


@pytest.mark.parametrize(
    ("part", "spoiled"),
    [
        ("run", lambda manifest: {**manifest, "run": {"inputs": {"study.yaml": "0" * 64}}}),
        ("audit", lambda manifest: {**manifest, "audit": {"entries": 3}}),
        ("visit", None),
    ],
)
def test_the_check_sees_what_would_undo_a_blind(run, tmp_path, part, spoiled):
    deliver_run(run, tmp_path / "out", kind="csv", key=tmp_path / "key.csv")
    manifest, table = tmp_path / "out" / "manifest.json", tmp_path / "out" / "subset_frequencies.csv"
    if spoiled is None:
        table.write_text(re.sub(r"\bV\d+\b", "W4", table.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        manifest.write_text(json.dumps(spoiled(json.loads(manifest.read_text(encoding="utf-8")))), encoding="utf-8")
    messages = [one.message for one in check_delivery(tmp_path / "out").breaches if one.rule == "MF010"]
    assert any(part in message for message in messages), messages


def test_a_later_transfer_with_the_same_key_has_the_same_codes_and_another_key_has_not(run, tmp_path):
    for name, key in (("a", "key.csv"), ("b", "key.csv"), ("c", "other.csv")):
        deliver_run(run, tmp_path / name, kind="csv", key=tmp_path / key)
    table = "subset_frequencies.csv"
    assert (tmp_path / "a" / table).read_bytes() == (tmp_path / "b" / table).read_bytes()
    assert (tmp_path / "key.csv").read_bytes() != (tmp_path / "other.csv").read_bytes()


def test_a_key_in_the_transfer_or_another_format_is_refused(run, tmp_path):
    with pytest.raises(DeliveryFailed, match="lies outside"):
        deliver_run(run, tmp_path / "out", kind="csv", key=tmp_path / "out" / "key.csv")
    for kind in FORMATS.keys() - {"csv"}:
        with pytest.raises(DeliveryFailed, match=f"{kind} cannot be blinded"):
            deliver_run(run, tmp_path / "out", kind=kind, key=tmp_path / "key.csv")
    (tmp_path / "key.csv").write_text("what,name\n", encoding="utf-8")
    with pytest.raises(DeliveryFailed, match="is no key of a blinded transfer"):
        deliver_run(run, tmp_path / "out", kind="csv", key=tmp_path / "key.csv")
    assert not (tmp_path / "out").exists()


def test_a_blinded_transfer_is_compared_with_none_that_is_not_nor_the_other_way_round(run, tmp_path):
    key = tmp_path / "key.csv"
    deliver_run(run, tmp_path / "plain", kind="csv")
    deliver_run(run, tmp_path / "blind", kind="csv", key=key)
    for previous, own in (("plain", key), ("blind", None)):
        with pytest.raises(DeliveryFailed, match="would tell what is blinded"):
            deliver_run(run, tmp_path / "next", kind="csv", key=own, previous=tmp_path / previous)
    assert not (tmp_path / "next").exists()
    made = deliver_run(run, tmp_path / "next", kind="csv", key=key, previous=tmp_path / "blind")
    assert made.differences == []
    assert made.checked.breaches == ()


def test_words_of_people_do_not_leave_in_the_reasons_of_a_blinded_transfer():
    variables = tuple(Variable(name, name, "text") for name in ("sample_id", "status", "reason"))
    reasons = (
        "withheld where it was gated: dose C, drawn 2025-03-01 before W4",
        "below LOD: 2 events, 20 are needed",
        "",
    )
    rows = tuple((f"s{number}", "not reportable", reason) for number, reason in enumerate(reasons))
    table = Dataset("t", "t", variables, rows, ("sample_id",), "")
    kept = blinded(table, BlindingKey({"sample_id": {f"s{number}": f"B{number}" for number in range(3)}}))
    assert kept.column("reason")[1:] == reasons[1:]
    assert str(kept.column("reason")[0]).startswith("not reportable")
    assert "W4" not in str(kept.column("reason")[0])


def test_the_specification_names_every_column_that_a_delivery_has(run, delivered, received):
    study = load_study(run.parent)
    samples = load_samples(run.parent / "samples.csv", study)
    strategy = load_strategy(find_strategy("treg", run.parent), methods=GATE_METHODS)
    text = transfer_specification(study, samples, {"treg": [population.id for population in strategy]})
    for row in rows(delivered("csv") / "subset_frequencies.csv")[:1]:
        assert all(f"`{name}`" in text for name in row)
    for dataset in received("adam").values():
        if dataset.name in {"links", "annotated_mapping"}:
            continue
        assert f"### {dataset.name.casefold()}: {dataset.label}" in text
        assert all(f"| {name} | " in text for name in dataset.names if dataset.name != "ADSL")
    assert "[names]" in text
    assert "annotated_mapping.csv" in text
    assert check_delivery(delivered("csv")).breaches == ()
