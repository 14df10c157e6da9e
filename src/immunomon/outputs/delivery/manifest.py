"""The manifest of a delivery: what made it, what is in it, what is absent or blank, and the digests to check it by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from immunomon import __version__
from immunomon.outputs.delivery.content import Content
from immunomon.outputs.delivery.dataset import Dataset
from immunomon.outputs.delivery.headers import Headers
from immunomon.outputs.delivery.source import file_sha256
from immunomon.outputs.delivery.terminology import CP_TERMINOLOGY_DATE
from immunomon.study.model.identifiers import scrubbed_text

__all__ = ["manifest_of"]


_BY_THE_MAP = {"redcap", "sdtm", "adam", "dataset-json"}  # what the map has no test for is not in these


def manifest_of(
    content: Content, headers: Headers, made: tuple[str, Sequence[tuple[Dataset, str]], Mapping[str, str]]
) -> dict[str, Any]:
    """Return the manifest, but for the list of files.

    made: the format, the datasets with their files, and why others are absent. It holds no time of its own, so that the
    same run gives the same manifest; it says when the run was finished.
    """
    kind, datasets, absent = made
    source = content.source
    record = source.record
    return {
        "format": "immunomon.delivery/1",
        "kind": kind,
        "software": {"name": "immunomon", "version": __version__},
        "run": {
            "digest": source.digest,
            "version": record.get("version"),
            "code_digest": source.code_digest,
            "finished_utc": record.get("finished_utc"),
            "libraries": record.get("libraries"),
            "inputs": record.get("inputs"),
        },
        "audit": {"entries": len(source.audit), "last_hash": source.audit[-1].get("hash") if source.audit else None},
        "study": {"name": content.trial.name, "title": content.trial.title, "sha256": _digest(source.study)},
        "limits": (record.get("parameters") or {}).get("reportability"),
        "cp_map": {
            "file": "shipped" if "assets" in Path(content.cp_map.file).parts else "export/cp-map.yaml",
            "sha256": file_sha256(Path(content.cp_map.file)),
            "terminology": CP_TERMINOLOGY_DATE,
        },
        "assessments": dict(content.assessments.digests),
        "datasets": [
            {
                "name": dataset.name,
                "label": dataset.label,
                "file": file,
                "records": len(dataset),
                "keys": list(dataset.keys),
            }
            for dataset, file in datasets
        ],
        "absent": dict(absent),
        "left_out": _left_out(content) if kind in _BY_THE_MAP else [],
        "blanks": _blanks([dataset for dataset, _ in datasets]),
        "identifiers": {
            "keywords_removed": list(headers.keywords_removed),
            "values_removed": len(headers.removed),
            "note": headers.note,
        },
        "not_of_subjects": sum(1 for row in content.samples.values() if not row["subject"]),
        "samples": {scrubbed_text(name, headers.removed): dict(digests) for name, digests in content.links.items()},
    }


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode("utf-8")).hexdigest()


def _left_out(content: Content) -> list[dict[str, str]]:
    left_out = {
        measurement.quantity for measurement in content.measurements if measurement.quantity not in content.cp_map.tests
    }
    return [
        {"quantity": str(quantity), "reason": content.cp_map.reason_left_out(quantity)}
        for quantity in sorted(left_out)
        if quantity.statistic != "median_intensity"
    ]


def _blanks(datasets: Sequence[Dataset]) -> list[str]:
    """Return the required and expected variables that have no value at all."""
    return [
        f"{dataset.name}.{variable.name}"
        for dataset in datasets
        for variable in dataset.variables
        if variable.core in {"Req", "Exp"} and len(dataset)
        if all(value is None for value in dataset.column(variable.name))
    ]
