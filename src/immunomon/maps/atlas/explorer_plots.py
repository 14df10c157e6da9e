"""The plots of an atlas' page: all cells, before and after and their difference. A script paints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from immunomon.plots.umap_density import DIFFERENCE_STOPS, Densities

__all__ = ["HELP", "Choices", "cells_plot", "choices_of", "difference_plot", "side_by_side"]

Model = Any  # Bokeh's models, whose properties mypy does not see
HELP = (
    '<div style="color:#667">Draw around cells with the lasso or the box: what they are and who they come from appears '
    "here. The arrow in a circle lets go of them. The wheel zooms; all plots move together.</div>"
)


@dataclass(frozen=True, eq=False)
class Choices:
    """What people choose by: the colour, the visits before and after, the dose group."""

    colour: Model
    before: Model
    after: Model
    dose: Model

    def by_name(self) -> dict[str, Model]:
        """Return them by name, as the script knows them."""
        return {"colour": self.colour, "before": self.before, "after": self.after, "dose": self.dose}


def choices_of(colours: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> Choices:
    """Return the drop-down lists; colours: column -> how it is coloured; titles: what columns are called."""
    from bokeh.models.widgets.inputs import Select

    visits, groups = list(colours["visit"]["words"]), colours["dose_group"]["words"]
    names: list[str | tuple[Model, str]] = [(name, titles.get(name, name)) for name in colours]
    doses: list[str | tuple[Model, str]] = [("", "all"), *((group, group) for group in groups)]
    return Choices(
        Select(title="Colour by", value="label", options=names, width=230, name="colour"),
        Select(title="Before", value=visits[0], options=visits, width=110, name="before"),
        Select(title="After", value=visits[len(visits) // 2], options=visits, width=110, name="after"),
        Select(title="Dose group", value="", options=doses, width=110, name="dose"),
    )


def side_by_side(*parts: Model) -> Model:
    """Return parts beside each other; on a page that is too narrow for all, the last ones are below."""
    from bokeh.layouts import row

    return row(*parts, sizing_mode="stretch_width", styles={"flex-wrap": "wrap"})


def _figure(title: str, side: int, ranges: Sequence[Model], *, width: int | None = None) -> Model:
    from bokeh.plotting import figure

    tools = "pan,wheel_zoom,box_select,lasso_select,reset"
    # As a dictionary: how much of bokeh's options a type checker knows depends on what else is installed.
    options: dict[str, Any] = {"tools": tools, "active_drag": "lasso_select", "active_scroll": "wheel_zoom"}
    options |= {"title": title, "width": width or side, "height": side, "toolbar_location": "above"}
    plot = figure(x_range=ranges[0], y_range=ranges[1], **options)
    plot.axis.visible, plot.grid.visible = False, False
    plot.outline_line_color = "#d5d8dc"
    plot.toolbar.logo = None
    return plot


def cells_plot(
    title: str, side: int, ranges: Sequence[Model], *, known: Densities | None = None
) -> tuple[Model, Model]:
    """Return a plot and the picture in it, which the browser paints; known: shade where cells of any visit lie."""
    from bokeh.models import ColumnDataSource

    plot = _figure(title, side, ranges)
    if known is not None:
        _ground(plot, known)
    nothing: dict[str, Any] = {
        "image": [np.zeros((1, 1), dtype=np.uint32)],
        "x": [0.0],
        "y": [0.0],
        "dw": [1.0],
        "dh": [1.0],
    }
    picture = ColumnDataSource(nothing)
    plot.image_rgba("image", x="x", y="y", dw="dw", dh="dh", source=picture)
    return plot, picture


def _ground(plot: Model, known: Densities) -> None:
    from bokeh.models import LinearColorMapper

    whole = np.sum(list(known.sums.values()), axis=0)
    lying = (whole > 0.01 * whole.max()).astype(np.uint8)
    left, right, bottom, top = known.extent
    mapper = LinearColorMapper(palette=["#ffffff", "#eceef0"], low=0, high=1)
    plot.image([lying], x=left, y=bottom, dw=right - left, dh=top - bottom, color_mapper=mapper)


def difference_plot(title: str, known: Densities, ranges: Sequence[Model]) -> tuple[Model, Model]:
    """Return the plot of the difference and its image, which the browser fills: -1 to 1 of the largest difference."""
    from bokeh.models import ColumnDataSource, FixedTicker, LinearColorMapper
    from bokeh.models.annotations.legends import ColorBar
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    stops = LinearSegmentedColormap.from_list("difference", list(DIFFERENCE_STOPS))
    scale = LinearColorMapper(palette=[to_hex(stops(level / 254)) for level in range(255)], low=-1, high=1)
    image = ColumnDataSource({"image": [np.zeros_like(next(iter(known.sums.values())))]})
    plot = _figure(title, 345, ranges, width=395)
    left, right, bottom, top = known.extent
    plot.image("image", source=image, x=left, y=bottom, dw=right - left, dh=top - bottom, color_mapper=scale)
    bar = ColorBar(color_mapper=scale, width=10, ticker=FixedTicker(ticks=[-0.97, 0, 0.97]), bar_line_color=None)
    bar.major_label_overrides = {-0.97: "fewer", 0: "same", 0.97: "more"}
    plot.add_layout(bar, "right")
    return plot, image
