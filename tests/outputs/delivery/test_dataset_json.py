"""Dataset-JSON: what is written is read, what does not fit the structure is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.errors import DeliveryFailed
from immunomon.outputs.delivery.dataset import Dataset, Variable, dataset_of
from immunomon.outputs.delivery.dataset_json import (
    dataset_json,
    read_dataset_json,
    schema_errors,
    write_dataset_json,
)

CONTEXT = ("DEMO", "2025-01-13T10:11:12+00:00")
FRAME = Dataset(
    "LB", "Laboratory", (Variable("LBTESTCD", "Test"), Variable("LBSTRESN", "Result", "float")), (), ("LBTESTCD",)
)
ROWS = st.lists(
    st.fixed_dictionaries({"LBTESTCD": st.text(min_size=1, max_size=20), "LBSTRESN": st.none() | st.floats(-1e9, 1e9)}),
    max_size=5,
)


@settings(max_examples=25, deadline=None)
@given(records=ROWS)
def test_what_is_written_is_read(records, tmp_path_factory):
    path = tmp_path_factory.mktemp("json") / "lb.json"
    dataset = dataset_of(FRAME, records)
    write_dataset_json(path, dataset, CONTEXT)
    back = read_dataset_json(path)
    assert (back.rows, back.names, back.keys) == (dataset.rows, dataset.names, dataset.keys)


def spoiled(**changes):
    data = json.loads(json.dumps(dataset_json(dataset_of(FRAME, [{"LBTESTCD": "PLAT"}]), *CONTEXT)))
    data |= changes
    return {key: value for key, value in data.items() if value is not ...}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": ...}, "'columns' is a required property"),
        ({"records": 2}, "$.records: says 2, there are 1"),
        ({"rows": [["PLAT"]]}, "$.rows[0]: has 1 values, not 2"),
        ({"rows": [["PLAT", {}]]}, "holds more than texts and numbers"),
        ({"rows": ["PLAT"]}, "should be a list"),
        ({"datasetJSONVersion": "1.0.0"}, "does not match"),
        ({"datasetJSONCreationDateTime": "yesterday"}, "does not match"),
        ({"columns": [{"itemOID": "IT", "name": "X", "label": "X", "dataType": "number"}]}, "is not one of"),
        ({"more": 1}, "Additional properties"),
    ],
)
def test_what_departs_from_the_published_structure_is_refused(tmp_path, changes, said):
    data = spoiled(**changes)
    assert any(said in error for error in schema_errors(data))
    path = tmp_path / "lb.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DeliveryFailed, match=r"is no Dataset-JSON 1\.1"):
        read_dataset_json(path)


@pytest.mark.parametrize("text", ["", "[]", "nothing", "[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path, text):
    (tmp_path / "lb.json").write_text(text, encoding="utf-8")
    with pytest.raises(DeliveryFailed):
        read_dataset_json(tmp_path / "lb.json")


def test_every_file_of_a_delivery_fits_the_schema(delivered):
    from jsonschema import Draft202012Validator

    from immunomon.outputs.delivery.dataset_json import dataset_json_schema

    validator = Draft202012Validator(dataset_json_schema())
    paths = sorted(delivered("dataset-json").glob("*/*.json"))
    assert len(paths) >= 15
    for path in paths:
        data = json.loads(path.read_text(encoding="utf-8"))
        assert not list(validator.iter_errors({**data, "rows": data["rows"][:100]})), path.name
