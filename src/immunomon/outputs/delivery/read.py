"""Reading deliveries back: datasets from SAS transport files, Dataset-JSON or CSV, with what their Define-XML says."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from immunomon.csvfile import text_of_cell
from immunomon.cytometry.formats.xmltree import XmlElement, read_xml
from immunomon.errors import DeliveryFailed
from immunomon.files import read_input
from immunomon.jsonfile import parse_json, refuse_cells
from immunomon.outputs.delivery.dataset import Dataset, Value, Variable, VariableType
from immunomon.outputs.delivery.dataset_json import read_dataset_json
from immunomon.outputs.delivery.xpt import read_xpt
from immunomon.yamlfile import read_text

__all__ = ["MANIFEST", "read_dataset", "read_delivery", "read_manifest", "read_text_of"]

MANIFEST = "manifest.json"
_MOST_BYTES = 500_000_000
_DEF = "http://www.cdisc.org/ns/def/v2.1"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a delivery's manifest; raises DeliveryFailed if the folder holds none."""
    path = folder / MANIFEST
    try:
        manifest = cast("dict[str, Any]", parse_json(read_text_of(path)))
        if not str(manifest["format"]).startswith("immunomon.delivery/"):
            raise ValueError("it is of another format")
        if not all(
            isinstance(dataset["name"], str) and isinstance(dataset["file"], str) for dataset in manifest["datasets"]
        ):
            raise ValueError("its datasets have no names or no files")
        return dict(manifest)
    except FileNotFoundError:
        raise DeliveryFailed(f"{folder}: no {MANIFEST}, so this is no delivery; name the folder of one") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DeliveryFailed(f"{path}: cannot be read ({error}); take the delivery from its archive again") from None


def read_text_of(path: Path) -> str:
    """Return a text file of a delivery, at most 500 MB."""
    if path.stat().st_size > _MOST_BYTES:
        raise DeliveryFailed(f"{path}: is larger than {_MOST_BYTES // 10**6} MB; this is not a file immunomon reads")
    return read_input(path).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def read_delivery(folder: Path) -> dict[str, Dataset]:
    """Read every dataset of a delivery, or of a folder of transport files, Dataset-JSON or CSV files; by name.

    Files of a folder without manifest are found by their endings, in it and in ``sdtm`` and ``adam`` beneath it. Raises
    DeliveryFailed if a file cannot be read, or two hold the same dataset.
    """
    datasets: dict[str, Dataset] = {}
    manifest = read_manifest(folder) if (folder / MANIFEST).is_file() else {"datasets": []}
    keys = {str(dataset["name"]): tuple(map(str, dataset.get("keys", ()))) for dataset in manifest["datasets"]}
    for path in _files(folder):
        dataset = read_dataset(path)
        if not dataset.keys and dataset.name in keys:
            dataset = replace(dataset, keys=keys[dataset.name])
        if dataset.name in datasets:
            raise DeliveryFailed(f"{path}: dataset {dataset.name} is in another file, too; keep one of them")
        datasets[dataset.name] = dataset
    return datasets


def _files(folder: Path) -> list[Path]:
    if (folder / MANIFEST).is_file():
        inside = folder.resolve()
        named = [folder / str(dataset["file"]) for dataset in read_manifest(folder)["datasets"] if dataset.get("file")]
        outside = [path for path in named if not path.resolve().is_relative_to(inside)]
        if outside:
            raise DeliveryFailed(f"{folder}: the manifest names {outside[0]}, which is not in the delivery")
        return named
    paths = [path for part in (folder, folder / "sdtm", folder / "adam") for path in sorted(part.glob("*.*"))]
    return [
        path for path in paths if path.suffix in {".xpt", ".csv"} or (path.suffix == ".json" and path.name != MANIFEST)
    ]


def read_dataset(path: Path) -> Dataset:
    """Read one dataset from a ``.xpt``, ``.json`` or ``.csv`` file, with what a ``define.xml`` beside it says of it."""
    readers = {".xpt": read_xpt, ".json": read_dataset_json, ".csv": _read_csv}
    if path.suffix not in readers:
        raise DeliveryFailed(f"{path}: is no .xpt, .json or .csv file; deliver in one of these formats")
    try:
        dataset = readers[path.suffix](path)
    except OSError as error:
        raise DeliveryFailed(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    define = path.with_name("define.xml")
    return _described(dataset, define) if define.is_file() else dataset


def _read_csv(path: Path) -> Dataset:
    if path.stat().st_size > _MOST_BYTES:
        raise DeliveryFailed(f"{path}: is larger than {_MOST_BYTES // 10**6} MB; this is not a file immunomon reads")
    text = read_text(path, _MOST_BYTES)
    try:
        refuse_cells(text.encode())
        header, *lines = list(csv.reader(io.StringIO(text), strict=True))
    except (ValueError, csv.Error) as error:
        raise DeliveryFailed(f"{path}: is no CSV with a header ({error}); deliver it again") from None
    uneven = next((number for number, line in enumerate(lines, start=2) if len(line) != len(header)), None)
    if uneven is not None:
        raise DeliveryFailed(f"{path} line {uneven}: has not {len(header)} fields, as the header has; deliver it again")
    columns = [[text_of_cell(line[index]) or None for line in lines] for index in range(len(header))]
    typed = [_typed(name, column) for name, column in zip(header, columns, strict=True)]
    variables = tuple(variable for variable, _ in typed)
    rows = tuple(zip(*(values for _, values in typed), strict=True)) if typed else ()
    return Dataset(path.stem, "", variables, rows)


def _typed(name: str, column: list[str | None]) -> tuple[Variable, list[Value]]:
    texts = [text for text in column if text is not None]
    for kind, read in (("integer", int), ("float", float)):
        try:
            numbers: list[Value] = [None if text is None else read(text) for text in column]
        except ValueError:
            continue
        if texts and all(text[0] not in "0+" or text == "0" or "." in text for text in texts):
            return Variable(name, "", cast("VariableType", kind), 8), numbers
    return Variable(name, "", "text", max(map(len, texts), default=1)), list(column)


def _described(dataset: Dataset, define: Path) -> Dataset:
    """Return a dataset with the types, roles, code lists and origins of its Define-XML, if that describes it."""
    version = _first(read_xml(define), ("Study", "MetaDataVersion"))
    group = None
    if version is not None:
        group = next((element for element in version.all("ItemGroupDef") if element.get("Name") == dataset.name), None)
    if version is None or group is None:
        return dataset
    items = {str(element.get("OID")): element for element in version.all("ItemDef")}
    methods = {str(element.get("OID")): _words(element) for element in version.all("MethodDef")}
    about = {}
    keys: list[tuple[int, str]] = []
    for reference in group.all("ItemRef"):
        item = items.get(str(reference.get("ItemOID")))
        if item is not None:
            about[str(item.get("Name"))] = (reference, item)
            if reference.get("KeySequence"):
                keys.append((_whole(reference.get("KeySequence"), 0), str(item.get("Name"))))
    variables = tuple(_as_described(variable, about.get(variable.name), methods) for variable in dataset.variables)
    kind = group.first("Class")
    rows = tuple(
        tuple(_as_type(variable, value) for variable, value in zip(variables, row, strict=True)) for row in dataset.rows
    )
    return replace(
        dataset,
        label=dataset.label or _words(group),
        variables=variables,
        rows=rows,
        keys=tuple(name for _, name in sorted(keys)),
        structure=group.get("Structure", _DEF) or "",
        kind=str(kind.get("Name")) if kind is not None else "",
    )


def _as_described(
    variable: Variable, about: tuple[XmlElement, XmlElement] | None, methods: Mapping[str, str]
) -> Variable:
    if about is None:
        return variable
    reference, item = about
    declared = str(item.get("DataType"))
    kind = declared if declared in {"integer", "float", "date"} else variable.type
    if declared == "text" and variable.is_number:
        kind = variable.type
    listed, origin = item.first("CodeListRef"), item.first("Origin")
    return replace(
        variable,
        label=variable.label or _words(item),
        type=cast("VariableType", kind),
        length=_whole(item.get("Length"), variable.length),
        role=reference.get("Role") or "",
        core="Req" if reference.get("Mandatory") == "Yes" else "",
        codelist=str(listed.get("CodeListOID")).removeprefix("CL.") if listed is not None else "",
        origin=str(origin.get("Type")) if origin is not None else "",
        source=(origin.get("Source") or "") if origin is not None else "",
        method=methods.get(str(reference.get("MethodOID")), ""),
        display=item.get("DisplayFormat", _DEF) or "",
    )


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def _as_type(variable: Variable, value: Value) -> Value:
    if variable.type == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if variable.type == "float" and isinstance(value, int):
        return float(value)
    return value


def _words(element: XmlElement) -> str:
    text = _first(element, ("Description", "TranslatedText"))
    return text.text.strip() if text is not None else ""


def _first(element: XmlElement, path: tuple[str, ...]) -> XmlElement | None:
    child: XmlElement | None = element
    for name in path:
        child = child.first(name) if child is not None else None
    return child
