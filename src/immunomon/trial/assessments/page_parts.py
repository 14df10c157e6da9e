"""The pieces a page of assessments is made of, how numbers are read out, and a page as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["Page", "Section", "Sheet", "column_of", "number", "page_parts", "plain", "records", "share", "sheet"]


@dataclass(frozen=True)
class Sheet:
    """A table to read: caption, heads, and rows of text."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A heading with plain sentences and tables."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    sheets: tuple[Sheet, ...] = ()


@dataclass(frozen=True)
class Page:
    """A page: its name (safety, efficacy), its title, and its sections."""

    name: str
    title: str
    sections: tuple[Section, ...]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows with None where a value is missing."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict(orient="records")]


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as it is read: three significant digits, large ones whole; a dash where there is none.

    >>> [number(value) for value in (0.123456, 12.3456, 1234.56, None)]
    ['0.123', '12.3', '1235', '-']
    """
    if value is None or pd.isna(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def share(row: Mapping[str, Any]) -> str:
    """Return how many of how many, with the exact interval.

    >>> share({"subjects_with": 0, "n": 9, "low": 0.0, "high": 33.627})
    '0 of 9 (0 to 33.6 %)'
    """
    if not row["n"]:
        return "none evaluable"
    return f"{row['subjects_with']} of {row['n']} ({row['low']:.3g} to {row['high']:.3g} %)"


def column_of(row: Mapping[str, Any]) -> str:
    """Return what the column of a row of ``incidence`` is called: its dose group, or the cohort of it.

    >>> column_of({"dose_group": "C", "cohort": None}), column_of({"dose_group": "C", "cohort": "expansion"})
    ('C', 'C, cohort expansion')
    """
    return str(row["dose_group"]) + (f", cohort {row['cohort']}" if row.get("cohort") else "")


def sheet(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Sheet:
    """Return a table to read; None is a dash."""
    texts = tuple(tuple("-" if cell is None else str(cell) for cell in row) for row in rows)
    return Sheet(caption, tuple(heads), texts)


# A page as Markdown: headings, plain sentences and tables.


def page_parts(page: Page) -> Iterator[str]:
    """Yield the parts of a page, to be parted by empty lines; its title is a heading of the second level."""
    yield f"## {page.title}"
    for section in page.sections:
        yield f"### {section.heading}"
        yield from (plain(paragraph) for paragraph in section.paragraphs)
        yield from (_table(table) for table in section.sheets if table.rows)


def plain(text: object) -> str:
    r"""Return text that a table or a page of Markdown does not take for something else.

    >>> print(plain("a|b <i>"))
    a\|b &lt;i>
    """
    escaped = str(text)
    for letter in ("\\", "|", "<", "`", "[", "]"):
        escaped = escaped.replace(letter, {"<": "&lt;"}.get(letter, "\\" + letter))
    return escaped


def _table(table: Sheet) -> str:
    rows = [table.heads, tuple("---" for _ in table.heads), *table.rows]
    body = "\n".join("| " + " | ".join(plain(cell) for cell in row) + " |" for row in rows)
    return f"{table.caption}:\n\n{body}"
