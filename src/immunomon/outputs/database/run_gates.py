"""The gates as a run placed them: a row a sample and population."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.errors import ExportFailed
from immunomon.outputs.database.run_beside import Records, as_json

__all__ = ["read_gates"]

_AGAIN = "finish the run with: immunomon run"


def read_gates(folder: Path, samples: pd.DataFrame) -> Records:
    """Return the placed gates of a run's gated samples.

    Raises ExportFailed for a file that cannot be read, or is not the one that the run's audit trail sealed.
    """
    sealed = _sealed(folder)
    rows: list[dict[str, Any]] = []
    digests, missing = {}, []
    gated = samples.loc[samples["status"] == "gated", "sample_id"]
    for sample_id in sorted(gated) if (folder / "gates").is_dir() else ():
        name = f"gates/{Path(str(sample_id)).name}.json"
        path = folder / name
        if not path.is_file():
            missing.append(str(sample_id))
            continue
        data = path.read_bytes()
        digests[name] = hashlib.sha256(data).hexdigest()
        if sealed.get(name, digests[name]) != digests[name]:
            raise ExportFailed(f"{path}: was changed after the run; see what: immunomon audit RUN; then {_AGAIN}")
        try:
            rows += _rows(str(sample_id), json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ExportFailed(f"{path}: holds no placed gates ({error!r}); {_AGAIN}") from error
    problem = f"{len(missing)} gated samples have no file of placed gates, {missing[0]} among them" if missing else ""
    return Records(pd.DataFrame(rows, dtype=object), digests, (problem,) if problem else ())


def _sealed(folder: Path) -> dict[str, str]:
    """Return the digests that the run's audit trail sealed; empty if it has none."""
    path = folder / "audit-contents.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except (OSError, ValueError, TypeError) as error:
        raise ExportFailed(f"{path}: cannot be read ({error}); {_AGAIN}") from error


def _rows(sample_id: str, gates: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for population in gates["populations"]:
        gate = population["gate"]
        geometry = None if gate is None else as_json(gate)
        used = set(_words(gate))
        yield {
            "sample_id": sample_id,
            "population": population["population"],
            "strategy": gates["strategy"],
            "parent": population["parent"],
            "path": population["path"],
            "method": population["method"],
            "source": population.get("source", ""),
            "kind": None if gate is None else gate["kind"],
            "geometry": geometry,
            "geometry_sha256": None if geometry is None else hashlib.sha256(geometry.encode("utf-8")).hexdigest(),
            "axes": as_json({name: axis for name, axis in gates["axes"].items() if name in used}),
            "facts": as_json(population.get("facts", {})),
            "errors": as_json(population.get("errors", {})),
            "own_weight": population.get("own_weight"),
            "outlier": bool(population.get("outlier", False)),
            "note": population.get("note", ""),
            "reason": None if gate is not None else population.get("failure") or "the gate could not be placed",
        }


def _words(value: object) -> Iterator[str]:
    """Yield every text in a gate: the names of its axes are among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _words(part)
    elif isinstance(value, list):
        for part in value:
            yield from _words(part)
