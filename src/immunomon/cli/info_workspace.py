"""``immunomon info WORKSPACE``: what another program's workspace holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from immunomon.cytometry.formats.workspaces import open_workspace
from immunomon.cytometry.model.workspace import HELPER, WorkspaceSample

__all__ = ["describe_workspace", "info_workspace"]


def describe_workspace(path: Path) -> dict[str, Any]:
    """Return a workspace's program, samples with their populations and matrices, groups and own files, as plain data.

    Raises BadSpec for what is no workspace, or not well-formed.
    """
    with open_workspace(path) as (workspace, held):
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


def info_workspace(path: Path, *, as_json: bool) -> int:
    """Print what a workspace holds; return 0."""
    facts = describe_workspace(path)
    if as_json:
        print(json.dumps(facts, indent=1, ensure_ascii=False))  # noqa: T201  (plain, for a pipe)
        return 0
    console = Console()

    def line(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    line(f"{path}: {facts['program']}, {len(facts['samples'])} samples, {len(facts['files'])} FCS files inside")
    for remark in facts["remarks"]:
        line(f"note: {remark}")
    for sample in facts["samples"]:
        events = "" if sample["events"] is None else f", {sample['events']} events"
        line(f"{sample['name']} ({sample['file'] or 'no file'}{events})")
        for name, detectors in sample["matrices"].items():
            line(f"  matrix {name}: {', '.join(detectors)}")
        for item in sample["populations"]:
            remark = (
                f": not read, {item['failure']}" if item["failure"] else f": {item['note']}" if item["note"] else ""
            )
            line(f"  {item['path']}{remark}")
        for remark in (*sample["notes"], sample["failure"]):
            if remark:
                line(f"  note: {remark}")
    if facts["groups"]:
        line(f"groups with gates: {', '.join(facts['groups'])}")
    return 0
