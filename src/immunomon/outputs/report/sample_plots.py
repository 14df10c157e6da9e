"""A sample's stored gates and plots as the page shows them: outlines in fractions of the plot, ticks shared by all."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from immunomon.cytometry.model.scales import scale_from_dict
from immunomon.errors import UnknownName
from immunomon.outputs.report.acquisition import page_acquisition
from immunomon.plots.gating import frame_of, unpack_density
from immunomon.plots.outline import Frame, outline
from immunomon.plots.ticks import axis_ticks
from immunomon.study.model.trust import doubts_from

__all__ = ["TickSets", "page_sample"]


class TickSets:
    """The tick sets of a page, each kept once: many plots share an axis."""

    def __init__(self) -> None:
        self._indices: dict[tuple[object, ...], int] = {}
        self.sets: list[list[list[float | str]]] = []

    def index_of(self, axis: Mapping[str, Any]) -> int:
        """Return the number of the axis's tick set, which is made when it is new.

        >>> sets = TickSets()
        >>> axis = {"range": [0.0, 1.0], "scale": {"kind": "logicle"}}
        >>> sets.index_of(axis), sets.index_of(axis), len(sets.sets)
        (0, 0, 1)
        """
        low, high = (float(end) for end in axis["range"])
        scale = axis.get("scale") or {"kind": "identity"}
        key = (low, high, *sorted(scale.items()))
        if key not in self._indices:
            self._indices[key] = len(self.sets)
            ticks = axis_ticks(scale_from_dict(dict(scale)), low, high)
