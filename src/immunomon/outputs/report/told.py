"""Pages that other commands wrote, in the report: safety, efficacy, mechanism, and what must stand above everything."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from immunomon.errors import BadSpec, Problem
from immunomon.files import read_input
from immunomon.outputs.report.run_folder import held_table
from immunomon.runs.folder import RunFolder
from immunomon.trial.model.tables import PLATELET_VISITS

__all__ = ["Told", "ToldPage", "ToldSection", "ToldSheet", "picture_of", "platelet_charts", "read_told"]

# Every patient's platelets as a small chart: counts on a logarithmic scale, the limits of R and CR, what each is.

_WIDTH, _HEIGHT, _MARGIN, _LEFT, _BELOW = 250.0, 126.0, 8.0, 26.0, 22.0
_LEVELS = (10, 30, 100, 300)
_STEPS = (7, 14, 28, 56, 84, 168, 336)  # days between ticks
_MOST_TICKS = 5
_MOST_CHARTS = 60
_CLASSES = {"CR": "complete", "R": "responding", "loss": "out", "NR": "steady", "baseline": "steady"}


def platelet_charts(visits: pd.DataFrame) -> Iterator[Markup]:
    """Yield a chart for each subject of the table ``platelet_visits``, all on the same axes, in the table's order."""
    counted = visits.dropna(subset=["study_day", "platelets_1e9_per_l"])
    if counted.empty:
        return
    days = (int(counted["study_day"].min()), max(int(counted["study_day"].max()), 2))
    highest = max(150.0, float(counted["platelets_1e9_per_l"].max()))
    groups = counted.groupby("subject", sort=False)
    for number, (_, rows) in enumerate(groups):
        if number < _MOST_CHARTS:
            yield _chart(rows.sort_values("study_day", kind="stable"), days=days, highest=highest)


def _chart(rows: pd.DataFrame, *, days: tuple[int, int], highest: float) -> Markup:
    lowest, floor = 3.0, _HEIGHT - _BELOW

    def x(day: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _MARGIN) * (day - days[0]) / (days[1] - days[0])

    def y(count: float) -> float:
        part = math.log(max(count, lowest) / lowest) / math.log(highest / lowest)
        return _MARGIN + (floor - _MARGIN) * (1 - part)

    shown = [level for level in _LEVELS if level <= highest]
    lines = [
        f'<line class="{"limit" if level in (30, 100) else "sd2"}" x1="{_LEFT:.0f}" x2="{_WIDTH:.0f}" '
        f'y1="{y(level):.1f}" y2="{y(level):.1f}"/>'
        f'<text class="ticklabel" text-anchor="end" x="{_LEFT - 4:.0f}" y="{y(level) + 3.5:.1f}">{level}</text>'
        for level in shown
    ]
    counts = rows.to_dict("records")
    points = [(x(float(row["study_day"])), y(float(row["platelets_1e9_per_l"])), row) for row in counts]
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top, _ in points)
    first = f'<line class="infusion" x1="{x(1):.1f}" x2="{x(1):.1f}" y1="{_MARGIN:.0f}" y2="{floor:.0f}"/>'
    axis = f'<text class="ticklabel" text-anchor="end" x="{_LEFT - 4:.0f}" y="{floor + 15:.0f}">day</text>'
    axis += "".join(_tick(x(day), floor, day) for day in _days(days))
    dots = "".join(_dot(left, top, row) for left, top, row in points)
    title = escape(f"{counts[0]['subject']}, dose group {counts[0]['dose_group']}")
    parts = "".join([*lines, axis, first, f'<polyline points="{path}"/>', dots])
    drawing = (
        f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="platelets of {title}">{parts}</svg>'
    )
    # Only the title and the dots' words come from files, and both are escaped.
    return Markup(f'<figure class="steadiness platelets"><figcaption>{title}</figcaption>{drawing}</figure>')


def _days(days: tuple[int, int]) -> list[int]:
    """Return the days of ticks, whole weeks after the first infusion on day 1.

    >>> _days((-1, 85))
    [1, 29, 57, 85]
    """
    step = next((step for step in _STEPS if (days[1] - 1) // step < _MOST_TICKS), _STEPS[-1])
    return list(range(1, days[1] + 1, step))


def _tick(left: float, floor: float, day: int) -> str:
    return (
        f'<line class="tick" x1="{left:.1f}" x2="{left:.1f}" y1="{floor:.0f}" y2="{floor + 4:.0f}"/>'
        f'<text class="ticklabel" text-anchor="middle" x="{left:.1f}" y="{floor + 15:.0f}">{day}</text>'
    )


def _dot(left: float, top: float, row: dict[Any, Any]) -> str:
    marks = [word for word, name in (("bleeding", "bleeding"), ("rescue therapy", "rescue_therapy")) if _is(row[name])]
    note = [] if pd.isna(row["note"]) else [str(row["note"])]
    tooltip = ", ".join([f"day {row['study_day']}: {row['platelets_1e9_per_l']:g}", str(row["state"]), *marks, *note])
    kind = _CLASSES.get(str(row["state"]), "unjudged")
    radius = 3.6 if row["state"] in {"CR", "loss"} else 2.6
    dot = (
        f'<circle class="{kind}" cx="{left:.1f}" cy="{top:.1f}" r="{radius}"><title>{escape(tooltip)}</title></circle>'
    )
    cross = (
        f'<path class="rescued" d="M{left - 4:.1f} {top - 4:.1f}l8 8m0 -8l-8 8"/>' if _is(row["rescue_therapy"]) else ""
    )
    return dot + cross


def _is(value: Any) -> bool:  # noqa: ANN401 - a nullable boolean
    return not pd.isna(value) and bool(value)


_COMMANDS = {"assessments": "assess", "mechanism": "mechanism"}
_PICTURES = {
    "Does the immune change go with the platelet response?": "by_response",
    "Within the same patients, visit by visit": "within_patients",
    "Which comes first?": "lags",
}
_MOST_BYTES = 5_000_000
_MOST_PIXELS = 20_000_000


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
        stored = json.loads(read_input(path))
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


def _charts(run: Path) -> tuple[Markup, ...]:
    if not (run / "assessments" / f"{PLATELET_VISITS.name}.parquet").is_file():
        return ()
    return tuple(platelet_charts(held_table(run, PLATELET_VISITS, "assessments")))


def _drawn(page: ToldPage, run: Path) -> ToldPage:
    """Return a page with the platelets' courses, or the pictures of a mechanism, in their sections."""
    if page.name == "efficacy":
        charts = _charts(run)
        sections = [
            replace(section, charts=charts) if section.heading == "Platelets" else section for section in page.sections
        ]
    elif page.name == "mechanism":
        sections = [
            replace(section, pictures=tuple(_pictures_of(run / "mechanism", section.heading)))
            if section.heading in _PICTURES
            else section
            for section in page.sections
        ]
    else:
        return page
    return replace(page, sections=tuple(sections))


def _pictures_of(folder: Path, heading: str) -> Iterator[Markup]:
    """Yield the pictures of a section of the mechanism: the file of its name, or those that the record counts up."""
    name = _PICTURES[heading]
    numbered = re.compile(rf"{name}_([0-9]{{1,3}})\.png")
    record = RunFolder(folder.parent).read_json(folder / "mechanism.json") or {}
    files = record["files"] if isinstance(record.get("files"), dict) else {}
    parts = sorted((int(match[1]), match[0]) for file in files if (match := numbered.fullmatch(file)))
    for file in [part for _, part in parts] or [f"{name}.png"]:
        yield from picture_of(folder / file, heading)


def picture_of(path: Path, words: str) -> Iterator[Markup]:
    """Yield a PNG file as part of the page; whatever else is there under its name, or is too large, is left out."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return
    data = read_input(path)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        data = _in_few_colours(data)
        text = base64.b64encode(data).decode()
        yield Markup(f'<img class="picture" alt="{escape(words)}" src="data:image/png;base64,{text}">')


def _in_few_colours(data: bytes) -> bytes:
    """Return a PNG in 256 colours, a quarter of its size; as it is if it cannot be read or is too large.

    They are chosen so that no pixel's colour moves far: by their number alone, a thin line would take that of another.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.width * image.height > _MOST_PIXELS:
                return data
            few = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    except (OSError, ValueError, SyntaxError):
        return data
    buffer = io.BytesIO()
    few.save(buffer, format="PNG", optimize=True)
    return min(data, buffer.getvalue(), key=len)
