"""What commands print of what they did: lines, and tables as JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from immunomon.csvfile import cell_of_text

if TYPE_CHECKING:
    from immunomon.api.answer import Answer

__all__ = ["JsonOption", "csv_text", "json_text", "say_answer", "say_json"]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def say_answer(command: str, answer: Answer, *, as_json: bool) -> None:
    """Print the most important of an answer, and where the whole of it is; as JSON every table of it, too."""
    if as_json:
        say_json(command, folder=answer.folder, page=answer.file, lines=answer.lines, tables=answer.tables)
        return
    for line in (*answer.lines, answer.written):
        typer.echo(line)


def say_json(command: str, **contents: object) -> None:
    """Print what a command found as JSON: plain data, dataclasses, tables as rows; what is missing is null."""
    typer.echo(json_text(command, **contents), nl=False)


def json_text(command: str, **contents: object) -> str:
    """Return what ``say_json`` prints."""
    printed = {"format": "immunomon.printed/1", "command": command, **contents}
    return json.dumps(_plain(printed), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return some columns of rows as CSV; texts that a spreadsheet would run begin with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(columns), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(
        {name: cell_of_text(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows
    )
    return buffer.getvalue()


def _plain(value: Any) -> Any:  # noqa: ANN401 - anything that is printed
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "to_dict") and hasattr(value, "columns"):  # a table, without importing pandas for it
        return [_plain(row) for row in value.to_dict("records")]
    if hasattr(value, "item") and not hasattr(value, "__len__"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    text = str(value)
    return None if text in ("<NA>", "NaT") else text
