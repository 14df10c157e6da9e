"""The gating tree of one sample: every population with its cells and its share of its parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["gating_tree"]

_BOX = {"boxstyle": "round,pad=0.35", "facecolor": "#eef3f8", "edgecolor": "#5b7f9c", "linewidth": 0.9}


def gating_tree(ax: Axes, populations: pd.DataFrame) -> Axes:
    r"""Draw a sample's populations as a tree, parents on the left: label, cells, percent of the parent.

    populations: the rows of the table ``populations`` of one sample. What could not be gated is in grey.
    Raises ValueError for no rows, or rows of several samples.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"sample_id": "s", "population": ["t", "cd4"], "parent": ["root", "t"], "label": ["T", "CD4"],
    ...         "count": [50, 20], "parent_count": [100, 50]}
    >>> [text.get_text() for text in gating_tree(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows)).texts]
    ['T\n50\n50 %', 'CD4\n20\n40 %']
    """
    samples = set(populations["sample_id"])
    if len(samples) != 1:
        raise ValueError(f"a gating tree is of one sample, got rows of {len(samples)}")
    places = _places(dict(zip(populations["population"], populations["parent"], strict=True)))
    for _, row in populations.iterrows():
        x, y = places[row["population"]]
        if row["parent"] in places:
            px, py = places[row["parent"]]
            ax.plot([px, (px + x) / 2, (px + x) / 2, x], [py, py, y, y], color="#9aa7b2", linewidth=1.0, zorder=1)
        known = not _missing(row["count"])
        box = {**_BOX, "facecolor": "#f2f2f2", "edgecolor": "0.6"} if not known else _BOX
        ax.text(
            x, y, f"{row['label']}\n{_said(row) if known else 'not gated'}",
            ha="center", va="center", fontsize=8, zorder=2, bbox=box, color="black" if known else "0.45",
        )  # fmt: skip
    across, down = (max(position[axis] for position in places.values()) for axis in (0, 1))
    ax.set_xlim(-0.5, across + 0.5)
    ax.set_ylim(down + 0.6, -0.6)
    ax.set_axis_off()
    return ax


def _said(row: pd.Series[Any]) -> str:
    count, parent = int(row["count"]), row["parent_count"]
    share = "" if _missing(parent) or not int(parent) else f"\n{100 * count / int(parent):.3g} %"
    return f"{count:,}{share}"


def _missing(cell: object) -> bool:
    import pandas as pd

    return bool(pd.isna(cell))  # type: ignore[call-overload]


def _places(parents: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Return where each population stands: its depth, and its line; a parent stands at the middle of its children."""
    children: dict[str, list[str]] = {}
    for name, parent in parents.items():
        children.setdefault(parent, []).append(name)
    places: dict[str, tuple[float, float]] = {}
    lines = 0.0

    def put(name: str, depth: int) -> float:
        nonlocal lines
        below = [put(child, depth + 1) for child in children.get(name, [])]
        if below:
            line = (below[0] + below[-1]) / 2
        else:
            line, lines = lines, lines + 1.0
        places[name] = (float(depth), line)
        return line

    for name, parent in parents.items():
        if parent not in parents:
            put(name, 0)
    return places
