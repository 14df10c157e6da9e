"""Fast coordinates of columns, each computed when it is first asked for and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Rows

__all__ = ["FastColumns", "Workers"]

Column = NDArray[np.floating]
Fast = NDArray[np.float32]
Places = Sequence[int]
Workers = Executor | None


class FastColumns:
    """Fast coordinates of some columns, each computed when it is first asked for and kept.

    bounds: column -> how far from the exact ones they may be. compute: columns, rows (None: all events) and workers
    (None: none) -> float32 (columns, events). cheap: columns that cost little beside others in one pass.
    """

    def __init__(
        self,
        bounds: Mapping[int, float],
        compute: Callable[[Places, Rows | None, Workers], Fast],
        cheap: Places = (),
    ) -> None:
        self.bounds, self._cheap = bounds, cheap
        self._compute = compute
        self._known: dict[int, Column] = {}

    def whole(self, places: Places, pool: Workers = None) -> list[Column]:
        """Return all events' coordinates on some columns, each (events,)."""
        if any(column not in self._known for column in places):
            missing = [column for column in dict.fromkeys([*places, *self._cheap]) if column not in self._known]
            self._known |= zip(missing, self._compute(missing, None, pool), strict=True)
        return [self._known[column] for column in places]

    def __contains__(self, column: int) -> bool:
        return column in self._known

    def some(self, places: Places, rows: Rows) -> list[Column]:
        """Return a few events' coordinates on some columns, each (rows,); what is computed for them is not kept."""
        missing = [column for column in dict.fromkeys(places) if column not in self._known]
        computed = dict(zip(missing, self._compute(missing, rows, None), strict=True)) if missing else {}
        return [computed[column] if column in computed else self._known[column][rows] for column in places]
