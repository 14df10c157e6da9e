"""A figure as the bytes of a PNG picture: the same figure gives the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["png_of"]


def png_of(figure: Figure, *, dpi: int = 110) -> bytes:
    """Return a figure as PNG, without the name and version of what drew it.

    >>> import matplotlib.figure
    >>> png_of(matplotlib.figure.Figure(figsize=(1, 1)))[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
