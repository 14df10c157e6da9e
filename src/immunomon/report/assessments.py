"""Safety and efficacy in the report: what ``immunomon assess`` wrote, and what must stand above everything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from immunomon.errors import BadSpec, Problem
from immunomon.model.assessments import PLATELET_VISITS
from immunomon.report.platelet_charts import platelet_charts

__all__ = ["Told", "ToldPage", "ToldSection", "ToldSheet", "read_assessments"]


@dataclass(frozen=True)
class ToldSheet:
    """A table of a page: caption, heads, rows of text."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ToldSection:
    """A heading with sentences, tables and drawings."""

    heading: str
    paragraphs: tuple[str, ...]
    sheets: tuple[ToldSheet, ...]
    charts: tuple[Markup, ...] = ()


@dataclass(frozen=True)
class ToldPage:
    """A page of the report: its name in links, its title on the tab, its sections."""

    name: str
    title: str
    sections: tuple[ToldSection, ...]


@dataclass(frozen=True)
class Told:
    """What the assessments say: alarms for the top of the report, pages, and whether they are of an earlier run."""

    alarms: tuple[str, ...]
    pages: tuple[ToldPage, ...]
    earlier: bool


def read_assessments(run: Path, digest: str | None) -> Told | None:
    """Return what ``immunomon assess`` wrote into a run folder, or None if it wrote nothing.

    digest: of the run, to tell pages that are of an earlier one. Raises BadSpec if they cannot be read.
    """
    path = run / "assessments" / "pages.json"
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        pages = tuple(_page(page) for page in stored["pages"])
        made_of = stored["run_digest"]
        alarms = tuple(str(one) for one in stored["alarms"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"cannot be read ({error})"
        raise BadSpec([Problem(str(path), None, "", what, f"make it again: immunomon assess {run}")]) from error
    charts = _charts(run / "assessments" / f"{PLATELET_VISITS.name}.parquet")
    return Told(alarms, tuple(_drawn(page, charts) for page in pages), bool(digest) and made_of != digest)


def _page(stored: Mapping[str, Any]) -> ToldPage:
    name = str(stored["name"])
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"{name[:40]!r} is no name of a page")
    return ToldPage(name, str(stored["title"]), tuple(_section(one) for one in stored["sections"]))


def _section(stored: Mapping[str, Any]) -> ToldSection:
    sheets = tuple(
        ToldSheet(str(one["caption"]), _texts(one["heads"]), tuple(_texts(row) for row in one["rows"]))
        for one in stored["sheets"]
    )
    return ToldSection(str(stored["heading"]), _texts(stored["paragraphs"]), sheets)


def _texts(stored: Sequence[Any]) -> tuple[str, ...]:
    if isinstance(stored, str):
        raise TypeError("a list of texts is wanted")
    return tuple(str(text) for text in stored)


def _charts(path: Path) -> tuple[Markup, ...]:
    if not path.is_file():
        return ()
    table = pd.read_parquet(path).reindex(columns=list(PLATELET_VISITS.names)).astype(PLATELET_VISITS.dtypes)
    return tuple(platelet_charts(table))


def _drawn(page: ToldPage, charts: tuple[Markup, ...]) -> ToldPage:
    """Return a page with the platelets' courses drawn in their section."""
    if page.name != "efficacy" or not charts:
        return page
    sections = tuple(
        ToldSection(one.heading, one.paragraphs, one.sheets, charts if one.heading == "Platelets" else ())
        for one in page.sections
    )
    return ToldPage(page.name, page.title, sections)
