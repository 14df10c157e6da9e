"""The records of a delivery that a number went into, and whether the delivery is the one that the trail knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from immunomon.files import file_digest
from immunomon.outputs.delivery.dataset import Dataset
from immunomon.outputs.delivery.mapping import Quantity, load_cp_map
from immunomon.outputs.delivery.read import MANIFEST, read_delivery, read_manifest
from immunomon.study.model.uses import PanelUse

__all__ = ["delivered"]

_KEYS = ("sample_id", "population", "denominator")
_WORDS = ("CPSBMRKS", "CPCELSTA", "CPCSMRKS")


def delivered(folder: Path, traced: Mapping[str, Any], study: Path | None = None) -> dict[str, Any]:
    """Return what a delivery says of the numbers that were traced: its manifest, its entry in the trail, the records.

    study: its folder, for a map of populations to tests of its own. Raises DeliveryFailed for a folder that is none.
    """
    manifest, digest = read_manifest(folder), file_digest(folder / MANIFEST)
    entry = next((entry for entry in traced["deliveries"] if entry.get("manifest") == digest), None)
    datasets = read_delivery(folder)
    changed = [file["file"] for file in manifest.get("files", ()) if not _is_whole(folder, file)]
    return {
        "folder": str(folder),
        "kind": manifest.get("kind"),
        "manifest_sha256": digest,
        "of_this_run": (manifest.get("run") or {}).get("digest") == traced["run"]["digest"],
        "trail_entry": None if entry is None else {name: entry.get(name) for name in ("number", "utc", "by", "hash")},
        "changed_files": changed,
        "records": [dataset for number in traced["numbers"] for dataset in _records(datasets, number, study)],
    }


def _is_whole(folder: Path, listed: Mapping[str, Any]) -> bool:
    path = folder / str(listed["file"])
    inside = path.resolve().is_relative_to(folder.resolve())
    return inside and path.is_file() and file_digest(path) == listed["sha256"]


def _records(
    datasets: Mapping[str, Dataset], number: Mapping[str, Any], study: Path | None
) -> Iterator[dict[str, Any]]:
    row, sample = number["frequency"], number["sample"]
    for name, dataset in datasets.items():
        if set(_KEYS) <= set(dataset.names):
            key = {name: row[name] for name in _KEYS}
            yield from _without_blanks(
                name, [row for row in _rows(dataset) if all(row[name] == key[name] for name in _KEYS)]
            )
    quantity = Quantity(str(sample["panel"]), str(row["population"]), "percent", str(row["denominator"]))
    has_own = study is not None and (study / "export" / "cp-map.yaml").is_file()
    uses = [PanelUse(str(sample["panel"]), str(sample.get("strategy") or ""))]
    test = load_cp_map(study if has_own else None, uses).tests.get(quantity)
    if test is None or "CP" not in datasets:
        return
    terms = {"CPTESTCD": test.cptestcd, **{word: getattr(test, word.casefold()) for word in _WORDS}}
    of_sample = [row for row in _rows(datasets["CP"]) if row.get("CPSPID") == sample["sample_id"]]
    records = [
        record for record in of_sample if all((record.get(name) or None) == value for name, value in terms.items())
    ]
    same = [record for record in records if _is_value(record.get("CPSTRESN"), row["percent"])]
    records = same if len(records) > 1 and same else records
    yield from _without_blanks("CP", records)
    sources = {(record["USUBJID"], record["CPSEQ"]) for record in records}
    if "ADCP" in datasets:
        adcp = _rows(datasets["ADCP"])
        of_it = [
            record
            for record in adcp
            if record.get("SRCDOM") == "CP" and (record["USUBJID"], record["SRCSEQ"]) in sources
        ]
        yield from _without_blanks("ADCP", of_it)


def _is_value(stated: object, value: float | None) -> bool:
    return isinstance(stated, int | float) and value is not None and abs(stated - value) <= 1e-8 * max(abs(value), 1.0)


def _rows(dataset: Dataset) -> list[dict[str, Any]]:
    return [dict(zip(dataset.names, row, strict=True)) for row in dataset.rows]


def _without_blanks(dataset: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {"dataset": dataset, **{name: value for name, value in row.items() if value not in {None, ""}}}
