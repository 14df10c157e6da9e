"""How strongly a batch is stained: reagents and hands differ from day to day, and tandem dyes fade over months."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunomon.assurance.simulate.instrument import FLUOROCHROMES
from immunomon.assurance.simulate.layouts import Layout
from immunomon.assurance.simulate.seeding import generator

__all__ = ["batch_staining", "donor_staining"]

_BATCH_SPREAD = 0.05  # log10 SD between batches
_DONOR_SPREAD = 0.02  # log10 SD between people, the same at each of a person's visits
# log10 change a year; the tandems fade, and the cytometer's lasers do a little.
_TREND = dict(zip(FLUOROCHROMES, (0.0, 0.02, -0.03, -0.13, -0.01, -0.10, 0.03, -0.02), strict=True))


def batch_staining(layout: Layout, batch: str, day: float, *, seed: int) -> NDArray[np.float32]:
    """Return a batch's factors on the signal of each fluorochrome, (fluorochromes,); day counts from the trial's start.

    >>> from immunomon.assurance.simulate.layouts import LAYOUTS
    >>> batch_staining(LAYOUTS["treg"], "A-W2", 20.0, seed=1).shape
    (8,)
    """
    z = generator(seed, "batch staining", layout.name, batch).standard_normal(len(FLUOROCHROMES))
    trend = np.array([_TREND[name] for name in FLUOROCHROMES]) * day / 365
    return np.power(10.0, _BATCH_SPREAD * z + trend).astype(np.float32)


def donor_staining(layout: Layout, donor: str, *, seed: int) -> NDArray[np.float32]:
    """Return a person's factors on the signal of each marker of a tube, (fluorochromes,)."""
    z = [float(generator(seed, "donor staining", donor, marker).standard_normal()) for marker in layout.markers]
    return np.power(10.0, _DONOR_SPREAD * np.array(z)).astype(np.float32)
