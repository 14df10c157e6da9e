"""Describe: what an FCS file says of itself, and what another program's workspace holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.spillover import differing_matrices, spillover_of
from immunomon.cytometry.formats.workspaces import is_workspace, open_workspace
from immunomon.cytometry.model.placed import HELPER, WorkspaceSample
from immunomon.errors import BadSpillover
from immunomon.study.model.fcs import DataOffset

__all__ = ["describe_file", "describe_workspace", "is_workspace"]


def describe_workspace(path: str | Path) -> dict[str, Any]:
    """Return a workspace's program, samples with their populations and matrices, groups and own files, as plain data.

    Raises BadSpec for what is no workspace, or not well-formed.
    """
    with open_workspace(Path(path)) as (workspace, held):
        return {
            "file": str(path),
            "program": workspace.program,
            "remarks": list(workspace.remarks),
            "samples": [_sample(sample) for sample in workspace.samples],
            "groups": [group.name for group in workspace.groups],
            "files": [{"name": file.name, "bytes": file.stat().st_size} for file in held],
        }


def _sample(sample: WorkspaceSample) -> dict[str, Any]:
    listed = [population for population in sample.placed.populations if population.method != HELPER]
    return {
        "name": sample.name,
        "file": sample.file,
        "events": sample.event_count,
        "groups": list(sample.groups),
        "populations": [
            {"path": item.id, "method": item.method, "failure": item.failure, "note": item.note} for item in listed
        ],
        "matrices": {name: list(matrix.detectors) for name, matrix in sample.placed.matrices.items()},
        "failure": sample.failure,
        "notes": list(sample.notes),
    }


def describe_file(
    path: str | Path, *, data_set: int | None = None, data_offset: DataOffset | None = None
) -> dict[str, Any]:
    """Return what an FCS file says of itself, and what was repaired to read it, as plain data.

    data_set, data_offset: as for ``read_header``. Raises BadFcs.
    """
    header, events = read_fcs(Path(path), data_set=data_set, data_offset=data_offset)
    spillover: dict[str, Any] | None = None
    problem = None
    try:
        matrix = spillover_of(header)
        if matrix is not None:
            spillover = {"detectors": list(matrix.detectors), "values": matrix.array.tolist()}
    except BadSpillover as error:
        problem = str(error)
    channels = [
        {
            "number": number,
            "detector": channel.detector,
            "marker": channel.marker,
            "kind": channel.kind.value,
            "range": channel.range,
            "voltage": channel.voltage,
        }
        for number, channel in enumerate(header.channels, start=1)
    ]
    return {
        "file": str(path),
        "version": header.version,
        "events": events.count,
        "data_set": header.data_set,
        "data_sets": header.data_sets,
        "deviations": list(header.deviations),
        "channels": channels,
        "spillover": spillover,
        "spillover_problem": problem,
        "spillover_note": differing_matrices(header),
        "keywords": dict(header.keywords),
    }
