"""How the report draws: pictures as SVG under their sentences, from what other commands and the study's files say."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup, escape

from immunomon.outputs.report.run_folder import ReportedRun
from immunomon.outputs.report.told import ToldPage, ToldSection
from immunomon.plots.figures import drawn_for_pages, svg_of
from immunomon.runs.folder import RunFolder
from immunomon.study.model.visits import study_day
from immunomon.trial.model.tables import ADVERSE_EVENT_WORST, PLATELET_VISITS
from immunomon.trial.specs.assessment_tables import read_assessment_files

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Source", "first_section", "picture", "svg"]

_WIDTH = 420.0  # points, and pixels on a page: what a telephone has
Row = Mapping[str, Any]
Draw = Callable[["Axes"], object]


def picture(draw: Draw, height: float, title: str, *, sentence: str) -> Markup:
    """Return a picture of a height in points under its title and sentence."""
    caption = Markup(f"<figcaption><b>{escape(title)}.</b> {escape(sentence)}</figcaption>")
    return caption + svg(draw, height, f"{title}. {sentence}".rstrip())


def svg(draw: Draw, height: float, words: str) -> Markup:
    """Return what a function draws into axes of a height in points as SVG; words: for those who cannot see it."""
    from matplotlib.figure import Figure

    try:
        with drawn_for_pages():
            figure = Figure(figsize=(_WIDTH / 72, height / 72), layout="constrained")
            draw(figure.subplots())
            # Only texts come from files, and both ``svg_of`` and the drawing escape them.
            return Markup(svg_of(figure, words))
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:  # one odd value costs no other page
        return Markup('<p class="notice">This picture cannot be drawn: {}</p>').format(error)


class Source:
    """What pictures are drawn from: the run, tables of other commands, and the study's files as these read them."""

    def __init__(self, run: ReportedRun) -> None:
        self.run = run
        self.subjects = [subject for subject in run.study.get("subjects") or () if isinstance(subject, dict)]

    def groups(self, *known: Iterable[Any]) -> list[str]:
        """Return the study's dose groups in its order, then others that rows have."""
        declared = [group for group in self.run.study.get("dose_groups") or () if isinstance(group, dict)]
        names = [str(group["name"]) for group in declared if "name" in group]
        unplanned = {str(name) for names_known in known for name in names_known} - {*names, "all"}
        return [*names, *sorted(unplanned)]

    @cached_property
    def infusions(self) -> dict[str, list[int]]:
        """The study days of each treated subject's infusions."""
        dates = {str(s.get("id")): sorted(map(str, s.get("infusion_dates") or ())) for s in self.subjects}
        parsed = {name: [datetime.date.fromisoformat(day) for day in days] for name, days in dates.items() if days}
        return {name: [study_day(day, days[0]) for day in days] for name, days in parsed.items()}

    @cached_property
    def visits(self) -> pd.DataFrame:
        """The platelet counts, empty without an assessment."""
        table = self.run.held_if_there(PLATELET_VISITS, "assessments")
        return PLATELET_VISITS.frame() if table is None else table

    @cached_property
    def events(self) -> pd.DataFrame:
        """Each subject's worst adverse events, empty without an assessment."""
        table = self.run.held_if_there(ADVERSE_EVENT_WORST, "assessments")
        return ADVERSE_EVENT_WORST.frame() if table is None else table

    @cached_property
    def files(self) -> Mapping[str, Sequence[Row]]:
        """The rows of the study's files that are still those which the assessments were made from."""
        record = RunFolder(self.run.folder).read_json(self.run.folder / "assessments" / "assessments.json") or {}
        if self.run.study_folder is None or not isinstance(record.get("inputs"), dict):
            return {}
        first = {str(s.get("id")): min(map(str, s.get("infusion_dates") or ()), default=None) for s in self.subjects}
        read = read_assessment_files(self.run.study_folder, first)
        return {
            name: rows
            for name, rows in read.tables.items()
            if record["inputs"].get(read.paths[name].name) == read.digests[name]
        }

    def treated(self, seen: Mapping[str, str]) -> dict[str, str]:
        """Return subject -> dose group of all who were infused or are seen in rows, by dose group and name."""
        group_of = {str(s.get("id")): str(s.get("dose_group")) for s in self.subjects}
        known = {**{name: group_of[name] for name in self.infusions if name in group_of}, **seen}
        groups = self.groups(known.values())
        return dict(sorted(known.items(), key=lambda item: (groups.index(item[1]), item[0])))

    def days(self, rows: Iterable[Row], column: str) -> dict[str, list[float]]:
        """Return the study days in a column of rows by subject; rows without one are left out."""
        days: dict[str, list[float]] = {}
        for row in rows:
            day: Any = row.get(column)
            if day is not None and not pd.isna(day):
                days.setdefault(str(row["subject"]), []).append(float(day))
        return days


def first_section(heading: str, pictures: Sequence[Markup], page: ToldPage) -> Iterator[ToldSection]:
    """Yield a section of pictures, if there are any, and then the page's own sections."""
    if pictures:
        yield ToldSection(heading, (), (), (), tuple(pictures))
    yield from page.sections
