"""Names for the arrays of NumPy that pass from hand to hand: what they hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Floats32", "Ints", "Mask", "Rows"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Rows = NDArray[np.int64]  # which rows of a table, which events of a file
Mask = NDArray[np.bool_]  # one for each event: whether it is meant
