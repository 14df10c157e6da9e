"""What several gate methods have in common: no operands, one region, two axes."""

from __future__ import annotations

__all__ = ["Alone", "OneRegion", "TwoAxes"]


class Alone:
    """A method that looks at events only, not at other populations."""

    @property
    def references(self) -> tuple[str, ...]:
        """No other populations."""
        return ()


class OneRegion(Alone):
    """A method whose gate has an inside and nothing else to choose."""

    @property
    def regions(self) -> tuple[str, ...]:
        """One region."""
        return ("inside",)


class TwoAxes:
    """A method that lies on an axis ``x`` and an axis ``y``."""

    x: str
    y: str

    @property
    def axes(self) -> tuple[str, ...]:
        """The two axes."""
        return (self.x, self.y)
