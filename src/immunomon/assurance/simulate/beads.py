"""Compensation beads: half of them bright in one fluorochrome, half dark."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunomon.assurance.simulate.acquisition import Disturbance, acquire
from immunomon.assurance.simulate.instrument import FLUOROCHROMES, ORDINARY, Instrument, autofluorescence
from immunomon.assurance.simulate.suspension import Suspension

__all__ = ["bead_run"]

_BRIGHTNESS = 24_000.0


def bead_run(
    fluorochrome: str, events: int, rng: np.random.Generator, instrument: Instrument = ORDINARY
) -> NDArray[np.float32]:
    """Return a single-stain control, (events, channels).

    >>> run = bead_run("PE", 400, np.random.default_rng(1))
    >>> bool(0.3 < (run[:, 3 + FLUOROCHROMES.index("PE")] > 5000).mean() < 0.7)
    True
    """
    bright = rng.random(events) < 0.5
    z = rng.standard_normal((4, events), dtype=np.float32)
    fluorescence = np.zeros((events, len(FLUOROCHROMES)), dtype=np.float32)
    stained = _BRIGHTNESS * np.exp(0.09 * z[0])
    fluorescence[:, FLUOROCHROMES.index(fluorochrome)] = np.where(bright, stained, np.float32(0))
    area = 62_000 * np.exp(0.06 * z[1])
    scatter = np.stack([area, 0.84 * area * (1 + 0.025 * z[2]), 47_000 * np.exp(0.08 * z[3])], axis=1)
    none = np.zeros(events, dtype=np.bool_)
    own_light = np.tile(autofluorescence(0.3), (events, 1))
    kind = bright.astype(np.intp)
    beads = Suspension(("dark", "bright"), kind, fluorescence, own_light, scatter, none, none, none)
    stained_alike = np.ones(len(FLUOROCHROMES), dtype=np.float32)
    return acquire(beads, stained_alike, Disturbance(), rng=rng, instrument=instrument)
