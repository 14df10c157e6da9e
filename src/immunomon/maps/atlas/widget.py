"""A notebook's own plot of an atlas, from which Python knows the cells that were drawn around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.maps.atlas.describe import marker_columns
from immunomon.maps.atlas.explorer import NO_WORD, words_of
from immunomon.plots.colours import word_colours

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["atlas_widget"]

_HEIGHT = 520


def atlas_widget(atlas: pd.DataFrame, by: str = "label", *, order: Sequence[str] = (), height: int = _HEIGHT) -> Any:  # noqa: ANN401 - jscatter.Scatter, which is optional
    """Return a jupyter-scatter plot of an atlas, drawn by the graphics card: ``atlas.iloc[widget.selection()]``.

    by: a column with words or a marker; order: the words in the order of the legend, the first in grey for ``label``.
    height: in pixels. Needs a running notebook and a browser with WebGL; ``explore_atlas`` makes a page that needs
    neither. Raises ImmunomonError without jupyter-scatter, UnknownName for another column.
    """
    try:
        import jscatter
    except ImportError:
        raise ImmunomonError(
            "this plot needs jupyter-scatter, which is not installed; the page of immunomon.explore_atlas needs "
            'nothing, or: pip install "immunomon[notebooks]"'
        ) from None
    markers = marker_columns(atlas)
    known = [*markers, *(str(name) for name in atlas.columns if name not in markers)]
    if by not in known:
        raise UnknownName(f"no column '{by}' in the atlas; {nearest(by, known)}")
    coloured: dict[str, Any] = {"color_by": by, "color_map": "viridis"}
    shown = atlas
    if by not in markers:
        shown = atlas.assign(**{by: atlas[by].astype(object).where(atlas[by].notna(), NO_WORD).astype(str)})
        words = words_of(atlas[by], order)
        palette = word_colours(by, words, grey=words[0] if by == "label" and order else None)
        coloured["color_map"] = palette | ({NO_WORD: "#d0d0d0"} if atlas[by].isna().any() else {})
    return jscatter.Scatter(data=shown, x="umap1", y="umap2", height=height, legend=True, axes=False, **coloured)
