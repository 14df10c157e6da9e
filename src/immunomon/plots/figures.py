"""What pictures share: a figure as PNG or SVG, in the same bytes each time, and how scales and planes are drawn."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from immunomon.plots.colours import with_sisters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

__all__ = ["as_plane", "drawn_for_pages", "png_of", "scale_bar", "svg_of"]


def png_of(figure: Figure, *, dpi: int = 110) -> bytes:
    """Return a figure as PNG, without the name and version of what drew it.

    >>> import matplotlib.figure
    >>> png_of(matplotlib.figure.Figure(figsize=(1, 1)))[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


@contextmanager
def drawn_for_pages() -> Iterator[None]:
    """Draw what ``svg_of`` returns within this: text stays text, and a dollar sign in a name is no mathematics."""
    import matplotlib as mpl

    sizes = ("font.size", "axes.labelsize", "axes.titlesize", "legend.fontsize", "xtick.labelsize", "ytick.labelsize")
    settings: dict[Any, Any] = dict.fromkeys(sizes, 11.0)
    settings |= {"svg.fonttype": "none", "svg.hashsalt": "immunomon", "text.parse_math": False, "legend.frameon": False}
    with mpl.rc_context(settings):
        yield


def svg_of(figure: Figure, words: str) -> str:
    """Return a figure as an SVG element for an HTML page: text as text, in the page's colours, light or dark.

    words: what it shows, for those who cannot see it. A figure 420 points wide has text of its own size on a page of
    420 pixels. To be called within ``drawn_for_pages``.

    >>> import matplotlib.figure
    >>> with drawn_for_pages():
    ...     svg_of(matplotlib.figure.Figure(figsize=(1, 1)), "nothing <yet>")[:47]
    '<svg role="img" aria-label="nothing &lt;yet&gt;'
    """
    buffer = io.StringIO()
    unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=unsaid)
    text = buffer.getvalue()
    size = re.search(r'viewBox="[^"]+"', text)
    body = text[text.index(">", text.index("<svg")) + 1 :]
    # Its style sheet would hold for the whole page; ids are shared with other figures only where they mean the same.
    body = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[a-z0-9.]+_\d+">', "<g>", body).replace("xlink:href", "href")
    body = re.sub(r"font-family: [^;\"]+(; )?", "", body)
    body = re.sub(r"\n\s*", "\n", body)
    about = f'role="img" aria-label="{escape(words)}"'
    head = f'<svg {about} {size.group() if size else ""} stroke-linejoin="round" class="drawn">'
    return head + re.sub(r' style="[^"]*"', lambda style: with_sisters(style.group()), body)


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
