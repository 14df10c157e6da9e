"""One document of many measurements: each replaces its own section and leaves the others alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from immunomon.files import write_whole

__all__ = [
    "Section",
    "Settings",
    "markdown_table",
    "verdict_in_cell",
    "verdict_of_line",
    "with_section",
    "write_section",
]


@dataclass(frozen=True)
class Settings:
    """What a measurement is told: events a simulated file, first seed, folder to work in, workers, number of seeds.

    quick: a small part of it, for tests; conditions, panels: only these, none for all; json: a file for its figures.
    """

    events: int
    seed: int
    folder: Path
    jobs: int
    seeds: int = 5
    quick: bool = False
    conditions: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    json: Path | None = None


@dataclass(frozen=True)
class Section:
    """What one measurement found: its Markdown text, lines for the terminal, and whether every target is met."""

    text: str
    lines: tuple[str, ...]
    met: bool


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    >>> print(markdown_table(("panel", "F1"), [("treg", "0.99")]))
    | panel | F1 |
    | --- | --- |
    | treg | 0.99 |
    """
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))


def verdict_of_line(met: bool) -> str:
    """Return the word that a line for the terminal begins with, as wide either way."""
    return "met    " if met else "NOT met"


def verdict_in_cell(met: bool) -> str:
    """Return the word that a table of the document has, where what is not met stands out."""
    return "met" if met else "**NOT met**"


def with_section(document: str, name: str, text: str) -> str:
    """Return a Markdown document with the section of that name replaced, or added at its end.

    A section stands between two comments that name it, which a reader of the rendered page does not see.

    >>> once = with_section("# Validation", "gates", "## Gates")
    >>> with_section(once, "gates", "## Gates") == once
    True
    """
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    block = f"{begin}\n{text.strip()}\n{end}"
    match = re.search(re.escape(begin) + r".*?" + re.escape(end), document, flags=re.DOTALL)
    if match is None:
        return (document.rstrip() + "\n\n" + block + "\n").lstrip()
    return document[: match.start()] + block + document[match.end() :]


def write_section(path: Path, name: str, text: str) -> None:
    """Replace one section of a Markdown file, which is made if it is not there; raises OSError if it cannot be."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_whole(path, with_section(before, name, text))
