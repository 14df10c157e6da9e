"""The stored density of a gating plot: packed small in a run folder, unpacked for a plot."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack_density", "unpack_density"]


def pack_density(levels: NDArray[np.uint8]) -> dict[str, Any]:
    """Return a density as plain data: base64 of zlib-compressed levels, and the shape.

    levels: (rows along y, columns along x), both from low to high; 0 is empty.

    >>> pack_density(np.array([[0, 255]], dtype=np.uint8))["shape"]
    [1, 2]
    """
    packed = zlib.compress(np.ascontiguousarray(levels, dtype=np.uint8).tobytes(), 9)
    return {"bins": base64.b64encode(packed).decode("ascii"), "shape": list(levels.shape)}


def unpack_density(plot: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Return the levels that ``pack_density`` wrote; raises ValueError if they do not fill their shape.

    >>> unpack_density(pack_density(np.array([[0, 255]], dtype=np.uint8)))
    array([[  0, 255]], dtype=uint8)
    """
    levels = np.frombuffer(zlib.decompress(base64.b64decode(plot["bins"])), dtype=np.uint8)
    return levels.reshape(tuple(plot["shape"]))
