"""What treatment does to the cells in a simulated trial."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Scenario"]


class Scenario(StrEnum):
    """The effect that is built into a simulated trial.

    ``mechanism``: the expected effect by dose, larger in platelet responders (x1.4) than in the others (x0.6).
    ``null``: no effect on any cell. ``responders``: an effect (x1.4) in platelet responders only. ``novel``: as
    ``mechanism``, and from week 4 on platelet responders have cells that no gating strategy knows (biology.NOVEL).

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
    NOVEL = "novel"

    def factor(self, *, responder: bool) -> float:
        """Return what a patient's dose effect is multiplied with."""
        if self is Scenario.NULL:
            return 0.0
        if responder:
            return 1.4
        return 0.6 if self in (Scenario.MECHANISM, Scenario.NOVEL) else 0.0
