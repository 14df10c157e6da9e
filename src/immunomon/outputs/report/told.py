"""Pages that other commands wrote, in the report: safety, efficacy, mechanism, and what must stand above everything."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from immunomon.errors import BadSpec, Problem
from immunomon.outputs.report.platelet_charts import platelet_charts
from immunomon.trial.model.tables import PLATELET_VISITS

__all__ = ["Told", "ToldPage", "ToldSection", "ToldSheet", "picture_of", "read_told"]

_COMMANDS = {"assessments": "assess", "mechanism": "mechanism"}
_PICTURES = {
    "Does the immune change go with the platelet response?": "by_response",
    "Within the same patients, visit by visit": "within_patients",
    "Which comes first?": "lags",
}
_MOST_BYTES = 5_000_000


@dataclass(frozen=True)
class ToldSheet:
    """A table of a page: caption, heads, rows of text."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ToldSection:
    """A heading with sentences, tables, drawn courses of platelets, and pictures."""

    heading: str
    paragraphs: tuple[str, ...]
    sheets: tuple[ToldSheet, ...]
    charts: tuple[Markup, ...] = ()
    pictures: tuple[Markup, ...] = ()


@dataclass(frozen=True)
class ToldPage:
    """A page of the report: its name in links, its title on the tab, its sections.

    earlier: the command that makes it anew if it is of an earlier run, else empty.
    """

    name: str
    title: str
    sections: tuple[ToldSection, ...]
    earlier: str = ""


@dataclass(frozen=True)
class Told:
    """What other commands say: alarms for the top of the report, and pages."""

    alarms: tuple[str, ...]
    pages: tuple[ToldPage, ...]


def read_told(run: Path, digest: str | None) -> Told | None:
    """Return what ``immunomon assess`` and ``immunomon mechanism`` wrote into a run folder; None if neither did.

    digest: of the run, to tell pages that are of an earlier one. Raises BadSpec if they cannot be read.
    """
    contributions = [
        contribution
        for name, command in _COMMANDS.items()
        if (contribution := _read(run, name, command, digest=digest))
    ]
    if not contributions:
        return None
    pages = tuple(_drawn(page, run) for contribution in contributions for page in contribution.pages)
    return Told(tuple(alarm for contribution in contributions for alarm in contribution.alarms), pages)


def _read(run: Path, folder: str, command: str, *, digest: str | None) -> Told | None:
    path = run / folder / "pages.json"
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        earlier = f"immunomon {command}" if digest and stored["run_digest"] != digest else ""
        pages = tuple(replace(_page(page), earlier=earlier) for page in stored["pages"])
        return Told(tuple(str(alarm) for alarm in stored["alarms"]), pages)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"cannot be read ({error})"
        raise BadSpec([Problem(str(path), None, "", problem, f"make it again: immunomon {command} {run}")]) from error


def _page(stored: Mapping[str, Any]) -> ToldPage:
    name = str(stored["name"])
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"{name[:40]!r} is no name of a page")
    return ToldPage(name, str(stored["title"]), tuple(_section(section) for section in stored["sections"]))


def _section(stored: Mapping[str, Any]) -> ToldSection:
    sheets = tuple(
        ToldSheet(str(sheet["caption"]), _texts(sheet["heads"]), tuple(_texts(row) for row in sheet["rows"]))
        for sheet in stored["sheets"]
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


def _drawn(page: ToldPage, run: Path) -> ToldPage:
    """Return a page with the platelets' courses, or the pictures of a mechanism, in their sections."""
    if page.name == "efficacy":
        charts = _charts(run / "assessments" / f"{PLATELET_VISITS.name}.parquet")
        sections = [
            replace(section, charts=charts) if section.heading == "Platelets" else section for section in page.sections
        ]
    elif page.name == "mechanism":
        sections = [
            replace(
                section,
                pictures=tuple(picture_of(run / "mechanism" / f"{_PICTURES[section.heading]}.png", section.heading)),
            )
            if section.heading in _PICTURES
            else section
            for section in page.sections
        ]
    else:
        return page
    return replace(page, sections=tuple(sections))


def picture_of(path: Path, words: str) -> Iterator[Markup]:
    """Yield a PNG file as part of the page; whatever else is there under its name, or is too large, is left out."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return
    data = path.read_bytes()
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        text = base64.b64encode(data).decode()
        yield Markup(f'<img class="picture" alt="{escape(words)}" src="data:image/png;base64,{text}">')
