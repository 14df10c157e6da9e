"""What pictures share: a figure as PNG, the same bytes for the same figure, and how scales and planes are drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

__all__ = ["as_plane", "png_of", "scale_bar"]


def png_of(figure: Figure, *, dpi: int = 110) -> bytes:
    """Return a figure as PNG, without the name and version of what drew it.

    >>> import matplotlib.figure
    >>> png_of(matplotlib.figure.Figure(figsize=(1, 1)))[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def scale_bar(ax: Axes, drawn: ScalarMappable, words: Mapping[float, str], *, fraction: float = 0.046) -> None:
    """Put a colour bar beside a plot, with words in place of numbers at some of its values.

    drawn: what ``imshow`` or ``scatter`` returned; words: value -> word; fraction: of the axes that the bar takes.
    """
    bar = ax.figure.colorbar(drawn, ax=ax, fraction=fraction, pad=0.02, ticks=list(words))
    bar.ax.set_yticklabels(list(words.values()), fontsize="x-small")
    bar.outline.set_visible(False)


def as_plane(ax: Axes) -> None:
    """Show axes as a square without ticks: the axes of a map mean nothing by themselves."""
    ax.set(xticks=[], yticks=[])
    ax.set_box_aspect(1)
    for side in ax.spines.values():
        side.set_color("#d5d8dc")
