"""Deliveries read back: the same datasets from each form."""

import re
import shutil

import pytest

from immunomon.errors import DeliveryFailed
from immunomon.outputs.delivery.manifest import write_csv
from immunomon.outputs.delivery.read import read_dataset, read_delivery


def test_transport_files_and_json_give_the_same_datasets(received):
    ours, theirs = received("adam"), received("dataset-json")
    assert set(ours) == set(theirs)
    for name, dataset in ours.items():
        other = theirs[name]
        assert dataset.rows == other.rows, name
        assert dataset.keys == other.keys
        for one, two in zip(dataset.variables, other.variables, strict=True):
            assert (one.name, one.label, one.type, one.role, one.codelist, one.origin) == (
                *(two.name, two.label, two.type, two.role, two.codelist, two.origin),
            )


def test_csv_gives_the_same_values(received, tmp_path):
    dataset = received("adam")["LB"]
    write_csv(tmp_path / "LB.csv", dataset)
    back = read_dataset(tmp_path / "LB.csv")
    texts = [
        tuple(None if v is None else f"{v:g}" if isinstance(v, float) else str(v) for v in row) for row in dataset.rows
    ]
    again = [
        tuple(None if v is None else f"{v:g}" if isinstance(v, float) else str(v) for v in row) for row in back.rows
    ]
    assert (back.name, back.names, again) == ("LB", dataset.names, texts)


def test_roles_and_types_come_from_the_define_xml_beside(received):
    variable = received("adam")["CP"].variable("CPSEQ")
    assert (variable.type, variable.role, variable.core) == ("integer", "Identifier", "Req")
    assert received("adam")["CP"].variable("CPTESTCD").codelist == "CPTESTCD"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "is no CSV with a header"),
        ("a.csv", "x,y\n1\n", "line 2: has not 2 fields"),
        ("a.txt", "x", "is no .xpt, .json or .csv file"),
    ],
)
def test_what_is_no_dataset_is_said(tmp_path, name, text, said):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DeliveryFailed, match=said):
        read_dataset(tmp_path / name)


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path):
    text = '{"format": "immunomon.delivery/1", "datasets": [{"name": "X", "file": "../x.csv"}]}'
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(DeliveryFailed, match="which is not in the delivery"):
        read_delivery(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "immunomon.delivery/1"}',
        '{"format": "immunomon.delivery/1", "datasets": [1]}',
        "[" * 90_000,
    ],
)
def test_what_is_no_manifest_is_said(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(DeliveryFailed, match="cannot be read"):
        read_delivery(tmp_path)


def test_a_define_xml_that_says_nonsense_changes_no_values(delivered, tmp_path):
    for name in ("dm.xpt", "define.xml"):
        shutil.copy(delivered("adam") / "sdtm" / name, tmp_path)
    path = tmp_path / "define.xml"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'(Length|KeySequence)="\d+"', r'\1="many"', text), encoding="utf-8")
    assert read_dataset(tmp_path / "dm.xpt").rows == read_dataset(delivered("adam") / "sdtm" / "dm.xpt").rows
