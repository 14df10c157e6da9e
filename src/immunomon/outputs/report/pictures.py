"""The report's pictures: drawn by ``immunomon.plots``, set into the page as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from markupsafe import Markup

from immunomon.outputs.report.answer import primary_changes
from immunomon.outputs.report.run_folder import ReportedRun
from immunomon.plots.estimates import arrows, arrows_height
from immunomon.plots.figures import drawn_for_pages, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["primary_picture"]

_WIDTH = 420.0  # points, and pixels on a page: what a telephone has


def _dose_groups(run: ReportedRun) -> list[str]:
    groups = run.study.get("dose_groups") or ()
    return [str(group["name"]) for group in groups if isinstance(group, dict) and "name" in group]


class Drawing:
    """A picture being drawn: its axes, and then its SVG."""

    def __init__(self, axes: Axes) -> None:
        self.axes, self.svg = axes, Markup("")


@contextmanager
def drawing(height: float, words: str) -> Iterator[Drawing]:
    """Give axes of a height in points to draw into; afterwards the drawing holds its SVG."""
    from matplotlib.figure import Figure

    with drawn_for_pages():
        figure = Figure(figsize=(_WIDTH / 72, height / 72), layout="constrained")
        drawn = Drawing(figure.subplots())
        yield drawn
        drawn.svg = Markup(svg_of(figure, words))


def primary_picture(run: ReportedRun) -> Markup | None:
    """Return the primary endpoints with every patient's arrow, None if nothing was compared or nobody has a value."""
    estimates = primary_changes(run)
    if estimates is None or not estimates["n"].fillna(0).any():
        return None
    known = set(estimates["dose_group"].dropna()) - {"all"}
    groups = [*_dose_groups(run), *sorted(known - set(_dose_groups(run)))]
    with drawing(
        arrows_height(estimates) + 50, "Primary endpoints: every patient's change, mean and interval"
    ) as drawn:
        arrows(drawn.axes, estimates, dose_groups=groups)
    return drawn.svg
