"""What every picture and page of an atlas says above: whose cells, and that they are to look at, not to measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["CAUTION", "heading"]

CAUTION = "exploratory: areas and distances between islands are no measurements; the frequencies are in the tables"


def heading(record: Mapping[str, Any], caption: str) -> str:
    r"""Return the heading of a picture; record: of an atlas or a projection.

    >>> heading({"study": "ITP", "panel": "nk"}, "UMAP of 9 cells").splitlines()[0]
    'ITP, panel nk: UMAP of 9 cells'
    """
    return f"{record['study']}, panel {record['panel']}: {caption}\n{CAUTION}"
