"""What treatment does to the cells in a simulated trial."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Scenario"]


class Scenario(StrEnum):
    """The effect that is built into a simulated trial.

    ``mechanism``: the expected effect by dose, larger in platelet responders (x1.4) than in the others (x0.6).
    ``null``: no effect on any cell. ``responders``: an effect (x1.4) in platelet responders only.

    >>> Scenario("null").factor(responder=True), Scenario("responders").factor(responder=False)
    (0.0, 0.0)
    >>> Scenario("mechnism")
    Traceback (most recent call last):
        ...
    ValueError: 'mechnism' is not a valid Scenario
    """

    MECHANISM = "mechanism"
    NULL = "null"
    RESPONDERS = "responders"

    def factor(self, *, responder: bool) -> float:
        """Return what a patient's dose effect is multiplied with."""
        if self is Scenario.NULL:
            return 0.0
        if responder:
            return 1.4
        return 0.6 if self is Scenario.MECHANISM else 0.0
