"""The record of how a matrix was made from controls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from immunomon.cytometry.model.controls import ControlLabel, EstimatedSpillover
from immunomon.files import write_whole
from immunomon.runs.compensation import ControlsResult
from immunomon.runs.provenance import environment

__all__ = ["write_record"]


def write_record(path: Path, result: ControlsResult, matrix: str) -> None:
    """Write how a matrix was made, as JSON: controls with digests, refusals, residual slopes, iterations, software."""
    estimate = result.estimate
    record: dict[str, Any] = {"format": "immunomon.compensation/1", "matrix": matrix if estimate else None}
    record |= {"made_utc": datetime.now(UTC).isoformat(timespec="seconds"), **environment()}
    record["controls"] = [
        {
            **_label_record(control.label),
            "peak_detector": result.detectors[control.peak],
            "events": control.total,
            "in_main_cluster": control.gated,
            "positives": int(np.count_nonzero(control.positives)),
            "brightness": round(control.brightness, 3),
            "separation_sd": round(control.separation, 2),
        }
        for control in result.good
    ]
    record["refused"] = [
        {**_label_record(control.label), "fault": control.fault.value, "why": control.what}
        for control in result.refused
    ]
    record["unstained"] = None if result.unstained is None else _label_record(result.unstained)
    record["missing"] = list(result.missing)
    record["notes"] = list(result.notes)
    if estimate is not None:
        record["estimate"] = _estimate_record(estimate)
    write_whole(path, json.dumps(record, indent=1) + "\n")


def _label_record(label: ControlLabel) -> Mapping[str, str]:
    return {
        "file": label.file,
        "fluorochrome": label.fluorochrome,
        "told_by": label.told_by,
        "panel_detector": label.detector,
        "sha256": label.digest,
    }


def _estimate_record(estimate: EstimatedSpillover) -> Mapping[str, Any]:
    spreading = [[None if np.isnan(value) else round(value, 4) for value in row] for row in estimate.spreading.tolist()]
    return {
        "method": "spillover" if estimate.is_square else "unmixing",
        "fluorochromes": list(estimate.fluorochromes),
        "stains": list(estimate.stains),
        "own_detectors": list(estimate.own),
        "iterations": len(estimate.history),
        "converged": estimate.converged,
        "largest_residual_slope": estimate.largest_residual,
        "largest_residual_slope_by_iteration": list(estimate.history),
        "residual_slopes": estimate.residual.tolist(),
        "largest_unexplained_slope": float(np.abs(estimate.unexplained).max(initial=0.0)),
        "spillover_spreading": spreading,
        "warnings": list(estimate.warnings),
        "detectors_without_control": list(estimate.others),
        "spillover_into_detectors_without_control": estimate.into_others.tolist(),
    }
