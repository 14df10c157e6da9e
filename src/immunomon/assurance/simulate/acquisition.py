"""A run of the cytometer: events in time, with the clogs, steps and drifts that spoil some files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats32, Mask
from immunomon.assurance.simulate.instrument import EIGHT_COLOURS, ORDINARY, Instrument, Optics, detect
from immunomon.assurance.simulate.suspension import Suspension

__all__ = ["ANOMALY_KINDS", "TIMESTEP", "Disturbance", "acquire", "draw_disturbance"]


ANOMALY_KINDS: tuple[str, ...] = ("none", "clog", "step", "drift")
TIMESTEP = 0.01  # seconds a tick
_SHARE_OF_FILES = 0.12


@dataclass(frozen=True)
class Disturbance:
    """What went wrong in a run: its kind, and the first and last event it touches as fractions of the run."""

    kind: str = "none"
    start: float = 0.0
    stop: float = 0.0
    gain: float = 1.0

    def touches(self, events: int) -> Mask:
        """Return which events it touches.

        >>> Disturbance("clog", 0.25, 0.5).touches(8).tolist()
        [False, False, True, True, False, False, False, False]
        """
        time_share = np.arange(events) / max(events, 1)
        return (time_share >= self.start) & (time_share < self.stop)

    def gains(self, events: int) -> Floats32:
        """Return what each event's signals are multiplied with."""
        out = np.ones(events, dtype=np.float32)
        touched = np.flatnonzero(self.touches(events))
        out[touched] = np.linspace(1, self.gain, touched.size) if self.kind == "drift" else self.gain
        return out


def draw_disturbance(rng: np.random.Generator) -> Disturbance:
    """Return nothing wrong in most runs; in about one of eight, 3 to 15 % of the events are disturbed.

    >>> draw_disturbance(np.random.default_rng(1)).kind
    'none'
    """
    wrong, kind = rng.random() < _SHARE_OF_FILES, ANOMALY_KINDS[1 + int(rng.integers(3))]
    share, start, up = rng.uniform(0.03, 0.15), rng.uniform(0.1, 0.8), rng.random() < 0.3
    if not wrong:
        return Disturbance()
    if kind == "clog":
        return Disturbance(kind, start, min(start + share, 1.0), 0.62)
    if kind == "drift":
        return Disturbance(kind, 1 - share, 1.0, 0.45)
    at_start = start < 0.45
    return Disturbance(kind, 0.0 if at_start else 1 - share, share if at_start else 1.0, 1.5 if up else 0.62)


def acquire(
    cells: Suspension,
    staining: Floats32,
    disturbance: Disturbance,
    *,
    rng: np.random.Generator,
    instrument: Instrument = ORDINARY,
    optics: Optics = EIGHT_COLOURS,
) -> Floats32:
    """Return the events as the FCS file holds them, (events, channels), in the order of the optics' channels.

    staining: (fluorochromes,) factors on the marker signal; 0 where a fluorochrome was left out of the tube.
    """
    events = cells.kind.size
    gain = disturbance.gains(events)[:, None]
    observed = detect(cells.fluorescence * (staining * gain), cells.own_light * gain, rng, instrument, optics=optics)
    out = np.empty((events, len(optics.channels)), dtype=np.float32)
    # A clog bends the stream, which scatter feels less than fluorescence.
    out[:, :3] = cells.scatter * np.where(cells.margin[:, None], np.float32(1), np.sqrt(gain))
    out[:, :3] *= np.float32(instrument.units) * np.array(
        [instrument.forward_gain, instrument.forward_gain, instrument.side_gain], dtype=np.float32
    )
    out[:, 3:-1] = observed
    np.minimum(out, np.float32(instrument.top_of_range - 1), out=out)
    np.maximum(out[:, :3], np.float32(0), out=out[:, :3])
    out[:, -1] = _ticks(events, disturbance, rng)
    return out


def _ticks(events: int, disturbance: Disturbance, rng: np.random.Generator) -> Floats32:
    """Return arrival times in ticks, never falling; fewer cells a second get through a clog."""
    waits = rng.standard_exponential(events) / rng.uniform(350, 700)
    if disturbance.kind == "clog":
        waits[disturbance.touches(events)] *= 5
    return np.floor(np.cumsum(waits) / TIMESTEP).astype(np.float32)
