"""Dataset-JSON 1.1 (CDISC), written and read, both checked against a schema of the published structure."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from immunomon import __version__
from immunomon.errors import DeliveryFailed, listed
from immunomon.files import read_input, whole_file
from immunomon.jsonfile import parse_json
from immunomon.outputs.delivery.dataset import Dataset, Value, Variable, VariableType
from immunomon.outputs.delivery.xpt import extra

__all__ = ["dataset_json", "dataset_json_schema", "read_dataset_json", "schema_errors", "write_dataset_json"]

# Dataset-JSON's datetime is one to the second; moments to the minute are text.
_TYPES: Mapping[VariableType, str] = {
    **{"text": "string", "integer": "integer", "float": "double", "date": "date", "datetime": "string"}
}
_BACK: Mapping[str, VariableType] = {
    **dict.fromkeys(("string", "URI", "boolean", "time", "datetime"), "text"),
    **{"integer": "integer", "double": "float", "float": "float", "decimal": "float", "date": "date"},
}
_LARGEST = 1_000_000_000
_SCALARS = (str, int, float, bool, type(None))


@functools.cache
def dataset_json_schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a Dataset-JSON 1.1 file, written by us from the published structure."""
    text = (files("immunomon.outputs.delivery") / "assets" / "dataset-json-1.1.schema.json").read_text(encoding="utf-8")
    return cast("Mapping[str, Any]", json.loads(text))


def dataset_json(dataset: Dataset, study: str, made: str) -> dict[str, Any]:
    """Return a dataset in the structure of Dataset-JSON 1.1.

    study: the study's name; made: when, ISO 8601.

    >>> cp = Dataset("CP", "Cells", (Variable("CPSEQ", "Sequence Number", "integer"),), ((1,),))
    >>> dataset_json(cp, "DEMO", "2025-01-13T10:00:00")["columns"]
    [{'itemOID': 'IT.CP.CPSEQ', 'name': 'CPSEQ', 'label': 'Sequence Number', 'dataType': 'integer'}]
    """
    return {
        "datasetJSONCreationDateTime": made,
        "datasetJSONVersion": "1.1.0",
        "fileOID": f"{study}.{dataset.name}",
        "dbLastModifiedDateTime": made,
        "originator": "immunomon",
        "sourceSystem": {"name": "immunomon", "version": __version__},
        "studyOID": study,
        "metaDataVersionOID": f"MDV.{study}",
        "metaDataRef": "define.xml",
        "itemGroupOID": f"IG.{dataset.name}",
        "isReferenceData": dataset.kind == "TRIAL DESIGN",
        "records": len(dataset),
        "name": dataset.name,
        "label": dataset.label,
        "columns": [_column(dataset, variable) for variable in dataset.variables],
        "rows": [list(row) for row in dataset.rows],
    }


def _column(dataset: Dataset, variable: Variable) -> dict[str, Any]:
    column: dict[str, Any] = {
        "itemOID": f"IT.{dataset.name}.{variable.name}",
        "name": variable.name,
        "label": variable.label,
        "dataType": _TYPES[variable.type],
    }
    if variable.length and not variable.is_number:
        column["length"] = variable.length
    if variable.display:
        column["displayFormat"] = variable.display
    if variable.name in dataset.keys:
        column["keySequence"] = dataset.keys.index(variable.name) + 1
    return column


def write_dataset_json(path: Path, dataset: Dataset, context: tuple[str, str]) -> None:
    """Write a dataset as Dataset-JSON 1.1, checked against the schema first.

    context: the study's name and the time it is dated with. Raises DeliveryFailed if it does not fit the schema.
    """
    data = dataset_json(dataset, *context)
    errors = sorted(schema_errors(data))
    if errors:
        raise DeliveryFailed(f"{path.name}: {listed(errors, 10, '; ')}; report this")
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as file:
        json.dump(data, file, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        file.write("\n")


def schema_errors(data: Mapping[str, Any]) -> list[str]:
    """Return where a structure departs from the schema, and where rows and columns do not fit each other."""
    validator = extra("jsonschema").Draft202012Validator(dataset_json_schema())
    rows = data.get("rows", [])
    # Rows are many and simple: they are looked at here, as the schema would.
    about = {**data, "rows": []} if isinstance(rows, list) else data
    problems = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(about)]
    if not problems:
        width = len(data["columns"])
        problems += [
            f"$.rows[{row_index}]: {problem}"
            for row_index, row in enumerate(rows)
            if (problem := _row_problem(row, width))
        ]
        if data["records"] != len(rows):
            problems.append(f"$.records: says {data['records']}, there are {len(rows)}")
    return problems


def _row_problem(row: object, width: int) -> str:
    if not isinstance(row, list):
        return "should be a list"
    if len(row) != width:
        return f"has {len(row)} values, not {width}"
    return "" if all(isinstance(value, _SCALARS) for value in row) else "holds more than texts and numbers"


def read_dataset_json(path: Path) -> Dataset:
    """Read a Dataset-JSON file; raises DeliveryFailed, naming what is wrong, if it is none."""
    if path.stat().st_size > _LARGEST:
        raise DeliveryFailed(f"{path}: is larger than {_LARGEST // 10**9} GB; this is not a file immunomon reads")
    try:
        data: Any = parse_json(read_input(path))
    except ValueError as error:
        raise DeliveryFailed(f"{path}: is no JSON ({error}); deliver it again") from None
    errors = schema_errors(data) if isinstance(data, dict) else ["$: should be an object"]
    if errors:
        raise DeliveryFailed(f"{path}: is no Dataset-JSON 1.1: {listed(errors, 5, '; ')}; deliver it again")
    variables = tuple(_variable(column) for column in data["columns"])
    keyed = sorted((c["keySequence"], c["name"]) for c in data["columns"] if "keySequence" in c)
    rows = tuple(
        tuple(_value(variable, value) for variable, value in zip(variables, row, strict=True)) for row in data["rows"]
    )
    return Dataset(data["name"], data["label"], variables, rows, keys=tuple(name for _, name in keyed))


def _variable(column: Mapping[str, Any]) -> Variable:
    kind = _BACK[column["dataType"]]
    length = 8 if kind in {"integer", "float"} else int(column.get("length", 0))
    return Variable(column["name"], column["label"], kind, length, display=column.get("displayFormat", ""))


def _value(variable: Variable, value: Value) -> Value:
    if value is None or value == "":
        return None
    if variable.type == "float" and isinstance(value, int | float | str):
        return float(value)
    return value
