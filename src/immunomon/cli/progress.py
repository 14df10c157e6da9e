"""Progress on the terminal: what is being done, how many files of how many, how many failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from immunomon.cli.app import is_quiet

__all__ = ["WORDS", "stages"]

WORDS = {
    "simulating": "Simulating",
    "reading": "Reading files",
    "measuring": "Measuring noise",
    "looking": "Looking first",
    "gating": "Gating",
    "tables": "Writing tables",
    "layout": "Laying out",
    "projecting": "Projecting",
    "cells": "Writing cells",
    "gates": "Reading gates",
}


@contextmanager
def stages() -> Iterator[Callable[[str, int, int, int], None]]:
    """Yield a function to call with the stage, files done, all files and files failed; it draws a bar a stage.

    Nothing is drawn if the program is to be quiet.
    """
    if is_quiet():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}", style="red"),
    )
    bars = Progress(*columns, console=Console(stderr=True))
    tasks: dict[str, TaskID] = {}

    def report(stage: str, done: int, total: int, failed: int) -> None:
        if not tasks:
            bars.start()  # not before: what is refused at once is refused without an empty line
        if stage not in tasks:
            tasks[stage] = bars.add_task(WORDS.get(stage, stage), total=total, failed="")
        bars.update(tasks[stage], completed=done, total=total, failed=f"{failed} failed" if failed else "")

    try:
        yield report
    finally:
        if tasks:
            bars.stop()
