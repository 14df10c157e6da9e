"""``immunomon info``: what an FCS file says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from immunomon.cli.app import DataOffset as DataOffsetOption
from immunomon.cli.app import DataSet, app
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.spillover import differing_matrices, spillover_of
from immunomon.cytometry.formats.workspaces import is_workspace, open_workspace
from immunomon.cytometry.model.placed import HELPER, WorkspaceSample
from immunomon.errors import BadSpillover
from immunomon.study.model.fcs import DataOffset

__all__ = ["describe", "describe_workspace", "info", "info_workspace", "show_file"]

# ``immunomon info WORKSPACE``: what another program's workspace holds.


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


def describe(path: Path, *, data_set: int | None = None, data_offset: DataOffset | None = None) -> dict[str, Any]:
    """Return what an FCS file says of itself, and what was repaired to read it, as plain data.

    data_set, data_offset: as for ``read_header``. Raises BadFcs.
    """
    header, events = read_fcs(path, data_set=data_set, data_offset=data_offset)
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


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="An FCS file, or the workspace of another program.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_set: DataSet = None,
    data_offset: DataOffsetOption = None,
) -> int:
    """Show an FCS file's header, channels, matrix, number of events and repairs, or what a workspace holds."""
    if is_workspace(file):
        return info_workspace(file, as_json=as_json)

    return show_file(file, as_json=as_json, data_set=data_set, data_offset=data_offset)


def show_file(path: Path, *, as_json: bool, data_set: int | None = None, data_offset: DataOffset | None = None) -> int:
    """Print what an FCS file says of itself, and what was repaired to read it; return 0."""
    facts = describe(path, data_set=data_set, data_offset=data_offset)
    if as_json:
        print(json.dumps(facts, indent=1, ensure_ascii=False))  # noqa: T201  (plain, for a pipe)
        return 0
    console = Console()
    words = facts["keywords"]
    _print_line(console, f"{path}: FCS {facts['version']}, {facts['events']} events")
    for deviation in facts["deviations"]:
        _print_line(console, f"  deviates   {deviation}")
    for name in ("$CYT", "$DATE", "$BTIM", "$ETIM", "$SRC", "$FIL", "TUBE NAME"):
        if words.get(name, "").strip():
            _print_line(console, f"  {name:<10} {words[name].strip()}")
    table = Table("no.", "detector ($PnN)", "marker ($PnS)", "kind", "range", "voltage")
    for channel in facts["channels"]:
        table.add_row(
            *(str(channel[key]) for key in ("number", "detector", "marker", "kind")),
            f"{channel['range']:g}",
            "" if channel["voltage"] is None else f"{channel['voltage']:g}",
        )
    console.print(table)
    _print_spillover(console, facts)
    return 0


def _print_line(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _print_spillover(console: Console, facts: dict[str, Any]) -> None:
    if facts["spillover_note"]:
        _print_line(console, f"Spillover: {facts['spillover_note']}")
    if facts["spillover_problem"]:
        _print_line(console, f"Spillover: {facts['spillover_problem']}")
    elif facts["spillover"] is None:
        console.print("Spillover: the file carries no matrix", highlight=False)
    else:
        names = facts["spillover"]["detectors"]
        table = Table("% of row in", *names, title="Spillover")
        for name, row in zip(names, facts["spillover"]["values"], strict=True):
            table.add_row(name, *(f"{100 * value:.1f}" for value in row))
        console.print(table)
