"""``immunomon info``: what an FCS file says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from immunomon.api.describing import describe_file, describe_workspace, is_workspace
from immunomon.cli.app import DataOffset, DataSet, app
from immunomon.study.model.fcs import DataOffset as Offset

__all__ = ["info", "info_workspace", "show_file"]

# ``immunomon info WORKSPACE``: what another program's workspace holds.


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


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="An FCS file, or the workspace of another program.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_set: DataSet = None,
    data_offset: DataOffset = None,
) -> int:
    """Show an FCS file's header, channels, matrix, number of events and repairs, or what a workspace holds."""
    if is_workspace(file):
        return info_workspace(file, as_json=as_json)

    return show_file(file, as_json=as_json, data_set=data_set, data_offset=data_offset)


def show_file(path: Path, *, as_json: bool, data_set: int | None = None, data_offset: Offset | None = None) -> int:
    """Print what an FCS file says of itself, and what was repaired to read it; return 0."""
    facts = describe_file(path, data_set=data_set, data_offset=data_offset)
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
