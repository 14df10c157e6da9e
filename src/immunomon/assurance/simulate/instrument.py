"""The cytometer: detectors, spillover, photon statistics and electronic noise.

Figures are those of a three-laser digital instrument on its 262144 scale, chosen to look right, not measured on one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats, Floats32

__all__ = [
    "CHANNELS",
    "DETECTORS",
    "EIGHT_COLOURS",
    "FLUOROCHROMES",
    "ORDINARY",
    "SCATTER",
    "SPILLOVER",
    "TOP_OF_RANGE",
    "VOLTAGES",
    "Instrument",
    "Optics",
    "autofluorescence",
    "detect",
]


FLUOROCHROMES: tuple[str, ...] = ("FITC", "PE", "PerCP-Cy5-5", "PE-Cy7", "APC", "APC-H7", "V450", "V500")
DETECTORS: tuple[str, ...] = tuple(f"{name}-A" for name in FLUOROCHROMES)
SCATTER: tuple[str, ...] = ("FSC-A", "FSC-H", "SSC-A")
CHANNELS: tuple[str, ...] = (*SCATTER, *DETECTORS, "Time")
TOP_OF_RANGE = 262144.0

VOLTAGES: dict[str, int] = {
    **{"FSC-A": 450, "FSC-H": 450, "SSC-A": 320},
    **dict(zip(DETECTORS, (505, 540, 610, 660, 585, 640, 430, 465), strict=True)),
}

# Row = fluorochrome, column = detector, diagonal 1: what a person would read off a matrix of this set.
SPILLOVER: Floats = np.array(
    [
        [1.0, 0.165, 0.028, 0.004, 0.0009, 0.0004, 0.0003, 0.012],
        [0.011, 1.0, 0.135, 0.018, 0.0011, 0.0004, 0.0002, 0.0021],
        [0.0012, 0.0045, 1.0, 0.175, 0.031, 0.052, 0.0004, 0.0008],
        [0.0011, 0.023, 0.0125, 1.0, 0.0009, 0.041, 0.0002, 0.0003],
        [0.0003, 0.0006, 0.0145, 0.0024, 1.0, 0.105, 0.0002, 0.0002],
        [0.0004, 0.0011, 0.0055, 0.082, 0.047, 1.0, 0.0002, 0.0002],
        [0.0006, 0.0004, 0.0002, 0.0001, 0.0001, 0.0001, 1.0, 0.142],
        [0.024, 0.0085, 0.0035, 0.0008, 0.0002, 0.0002, 0.083, 1.0],
    ]
)


@dataclass(frozen=True, eq=False)
class Optics:
    """The dyes of a tube and the detectors that see them: what an instrument of other lasers has in place of ours.

    spillover: (fluorochromes, detectors), diagonal 1; photoelectron, noise, own_light: (detectors,), the intensity that
    one photo-electron makes, the electronic noise, and a resting lymphocyte's own light; trend: (fluorochromes,) log10
    change of the stain a year; voltages: by channel.
    """

    fluorochromes: tuple[str, ...]
    spillover: Floats
    photoelectron: Floats32
    noise: Floats32
    own_light: Floats32
    trend: Floats
    voltages: dict[str, int]

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors, each named after the fluorochrome that it is for."""
        return tuple(f"{name}-A" for name in self.fluorochromes)

    @property
    def channels(self) -> tuple[str, ...]:
        """All channels of a file: scatter, detectors, time."""
        return (*SCATTER, *self.detectors, "Time")


@dataclass(frozen=True)
class Instrument:
    """A cytometer and how it was set; everything below is relative to one with the 262144 scale, well set.

    top_of_range: the largest value it writes ($PnR); all signals grow with it. detector_gain, forward_gain, side_gain:
    what the voltages multiply light with in the fluorescence detectors, forward and side scatter. electronic_noise:
    times the electronic noise, which no voltage amplifies. photons: times the photo-electrons that a unit of light
    makes; fewer of them spread every signal, and compensated negatives beside it. own_light: share of the cells' own
    light that is left after it was subtracted. unmixed: it writes what is compensated already, and no matrix.
    writes_matrix: whether the file has its matrix. matrix_error: relative SD of its entries about the true ones.
    """

    top_of_range: float = TOP_OF_RANGE
    detector_gain: float = 1.0
    forward_gain: float = 1.0
    side_gain: float = 1.0
    electronic_noise: float = 1.0
    photons: float = 1.0
    own_light: float = 1.0
    unmixed: bool = False
    writes_matrix: bool = True
    matrix_error: float = 0.0

    @property
    def units(self) -> float:
        """What it writes for one unit of the 262144 scale."""
        return self.top_of_range / TOP_OF_RANGE

    def voltage(self, channel: str, optics: Optics | None = None) -> int:
        """Return the voltage that makes the channel's gain: a photomultiplier's grows with about its seventh power.

        >>> Instrument().voltage("PE-A"), Instrument(detector_gain=0.4).voltage("PE-A")
        (540, 474)
        """
        gains = {"FSC-A": self.forward_gain, "FSC-H": self.forward_gain, "SSC-A": self.side_gain}
        factor = float(gains.get(channel, self.detector_gain) ** (1 / 7))
        return round((optics or EIGHT_COLOURS).voltages[channel] * factor)

    def matrix_of_file(self, rng: np.random.Generator, optics: Optics | None = None) -> Floats | None:
        """Return the matrix that a file of it holds, (fluorochromes, detectors); None if it holds none."""
        if self.unmixed or not self.writes_matrix:
            return None
        true = (optics or EIGHT_COLOURS).spillover
        errors = 1 + self.matrix_error * rng.standard_normal(true.shape)
        return np.where(np.eye(len(true), dtype=np.bool_), true, true * errors)


ORDINARY = Instrument()

# Intensity units that one photo-electron makes: red and far-red tubes see few photons, so they spread more.
UNITS_PER_PHOTOELECTRON: Floats32 = np.array([6, 6, 14, 20, 12, 22, 10, 11], dtype=np.float32)
ELECTRONIC_NOISE: Floats32 = np.array([22, 22, 34, 38, 30, 44, 36, 36], dtype=np.float32)

# A resting lymphocyte's own light in each detector.
_LYMPHOCYTE_LIGHT: Floats32 = np.array([105, 75, 55, 32, 38, 34, 125, 160], dtype=np.float32)


# log10 change a year; the tandems fade, and the cytometer's lasers do a little.
_TREND = np.array((0.0, 0.02, -0.03, -0.13, -0.01, -0.10, 0.03, -0.02))
EIGHT_COLOURS = Optics(
    FLUOROCHROMES, SPILLOVER, UNITS_PER_PHOTOELECTRON, ELECTRONIC_NOISE, _LYMPHOCYTE_LIGHT, _TREND, VOLTAGES
)


def autofluorescence(brightness: float, optics: Optics = EIGHT_COLOURS) -> Floats32:
    """Return a cell's own light in each detector, (detectors,), as a multiple of a resting lymphocyte's.

    >>> autofluorescence(2.0)[:2].tolist()
    [210.0, 150.0]
    """
    return optics.own_light * np.float32(brightness)


def detect(
    fluorescence: Floats32,
    own_light: Floats32,
    rng: np.random.Generator,
    instrument: Instrument = ORDINARY,
    *,
    optics: Optics = EIGHT_COLOURS,
) -> Floats32:
    """Return what the detectors report of the light that the cells send.

    fluorescence: (events, fluorochromes), in units of each fluorochrome's own detector; own_light: (events, detectors).
    The photons of every contribution to a detector follow Poisson statistics; their sum does too, so the variance in a
    detector grows with its total light, spillover included. That is why compensated negatives spread beside a bright
    neighbour (Roederer 2001). A voltage amplifies light and photons alike, and no electronic noise.

    >>> rng = np.random.default_rng(0)
    >>> bright = np.zeros((2000, 8), dtype=np.float32); bright[:, 1] = 20000
    >>> dark = np.zeros((2000, 8), dtype=np.float32)
    >>> spread = [np.std(detect(cells, dark, rng) @ np.linalg.inv(SPILLOVER), axis=0)[2] for cells in (dark, bright)]
    >>> bool(spread[1] > 3 * spread[0])
    True
    """
    light = fluorescence @ optics.spillover.astype(np.float32)
    light += own_light * np.float32(instrument.own_light)
    noise = np.maximum(light, np.float32(0))
    noise *= optics.photoelectron / np.float32(instrument.photons)
    noise += (optics.noise * np.float32(instrument.electronic_noise / instrument.detector_gain)) ** 2
    np.sqrt(noise, out=noise)
    noise *= rng.standard_normal(light.shape, dtype=np.float32)
    light += noise
    light *= np.float32(instrument.detector_gain * instrument.units)
    return light @ np.linalg.inv(optics.spillover).astype(np.float32) if instrument.unmixed else light
