"""What the negative cells of a channel look like: in one file, and in the files of a panel and range together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from immunomon.cytometry.model.scales import AnyScale, DisplayScale

__all__ = ["ChannelNoise", "MarkerNoise", "NoiseBook", "NoisyScales", "noise_on"]


@dataclass(frozen=True)
class ChannelNoise:
    """What one file shows of one channel, in compensated intensities.

    name: marker or detector; range: the cytometer's ($PnR). middle, spread: of the negative peak; low: the distance
    from 0 of the 5 % quantile of the values below 0, 0 where there are too few. bright: the 99.5 % quantile, which a
    failed stain takes down; top: the 99.9 % quantile. constant: all events have the same value.
    """

    name: str
    range: float
    middle: float
    spread: float
    low: float
    bright: float
    top: float
    constant: bool = False

    @property
    def measured(self) -> bool:
        """Whether enough lies below 0 to know the noise."""
        return self.low > 0 and self.spread > 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class MarkerNoise:
    """What the files of a panel and range have in common on one marker.

    top: the intensity that a display scale ends at; spread: the noise of the negatives, None where no file shows it;
    middle: of the negatives, as a typical file has it; files: how many showed it.
    """

    top: float
    spread: float | None = None
    middle: float = 0.0
    files: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MarkerNoise:
        """Return what ``to_dict`` wrote.

        >>> MarkerNoise.from_dict(MarkerNoise(262144.0, 110.0).to_dict()).spread
        110.0
        """
        return cls(**data)


# (marker or detector, range) -> what its files have in common.
NoiseBook = Mapping[tuple[str, float], MarkerNoise]


class NoisyScales(Mapping[str, AnyScale]):
    """Display scales by axis, with the noise of the negatives on those axes where it is known.

    >>> from immunomon.cytometry.model.scales import Logicle
    >>> scales = NoisyScales({"CD3": Logicle()}, {"CD3": MarkerNoise(262144.0, 110.0)})
    >>> scales["CD3"].kind, noise_on(scales, "CD3").spread
    ('logicle', 110.0)
    """

    def __init__(self, scales: Mapping[str, AnyScale], noise: Mapping[str, MarkerNoise]) -> None:
        self._scales, self.noise = dict(scales), dict(noise)

    def __getitem__(self, axis: str) -> AnyScale:
        return self._scales[axis]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scales)

    def __len__(self) -> int:
        return len(self._scales)


def noise_on(scales: Mapping[str, DisplayScale], axis: str) -> MarkerNoise | None:
    """Return what the panel's files have in common on an axis; None if nobody measured it."""
    looks: object = scales
    return looks.noise.get(axis) if isinstance(looks, NoisyScales) else None
