"""Whether a value may be reported: which doubtful gates it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from immunomon.cytometry.model.measured import Measured
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.trust import Doubt, joined, merged, withholding

__all__ = ["Trust", "resting_on", "weigh"]


@dataclass(frozen=True)
class Trust:
    """What a value's trust comes to: the doubts on its own gate, those it rests on, and why it is withheld.

    doubts: of the population's own gate and value, remarks among them; rests_on: (population, doubt) of its own gate,
    those above it and those of its denominator, remarks left out; reason: None if it may be reported.
    """

    placed_by: str | None
    doubts: tuple[Doubt, ...]
    rests_on: tuple[tuple[str, Doubt], ...]
    reason: str | None

    @property
    def columns(self) -> dict[str, str | None]:
        """The columns of the result tables."""
        rests_on = "; ".join(f"{population}: {doubt}" for population, doubt in self.rests_on) or None
        return {"placed_by": self.placed_by, "doubts": joined(self.doubts), "rests_on": rests_on}


def weigh(
    measured: Measured | None, population: str, limits: Reportability, *, gates: Sequence[str], denominator: str = ""
) -> Trust:
    """Return what speaks for and against a population's value in one sample.

    gates: the populations whose gates it rests on (``gates.under``); limits: whether doubts withhold, and which are
    accepted; denominator: of which the value is a share.

    >>> measured = Measured(9, {"t": 5}, {}, {}, doubts={"t": (Doubt("weak_stain", "CD3"),)}, placed_by={"t": "data"})
    >>> weigh(measured, "t", Reportability(), gates=["root", "t"]).columns["rests_on"]
    't: weak_stain(CD3)'
    """
    if measured is None:
        return Trust(None, (), (), None)
    own = merged(measured.doubts.get(population, ()))
    under = tuple(resting_on(measured, population, gates, denominator))
    counted = [(name, doubt) for name, doubt in under if limits.withholds(doubt.code)]
    return Trust(measured.placed_by.get(population), own, under, _reason(counted))


def resting_on(
    measured: Measured, population: str, gates: Iterable[str], denominator: str = ""
) -> Iterator[tuple[str, Doubt]]:
    """Yield the doubts that a population's value rests on, each with its gate; not those that hardly move it.

    denominator: of which the value is a share; some remarks hold of the shares of some only.

    >>> doubts = {"live": (Doubt("fallback_alone", "viability"),), "t": (Doubt("hardly_moved", "live"),)}
    >>> list(resting_on(Measured(9, {"t": 5}, {}, {}, doubts=doubts), "t", ["root", "live", "t"]))
    []
    """
    own = measured.doubts.get(population, ())
    steady, apart = ({d.axis for d in own if d.code == code} for code in ("hardly_moved", "small_part"))
    for gate in gates:
        names = {gate, f"{gate} of {denominator}"}
        for doubt in withholding(() if names & apart else measured.doubts.get(gate, ())):
            if not (names & steady and doubt.code == "fallback_alone"):
                yield gate, doubt


def _reason(counted: Sequence[tuple[str, Doubt]]) -> str | None:
    if not counted:
        return None
    name, doubt = counted[0]
    more = f", and {len(counted) - 1} more, see rests_on" if len(counted) > 1 else ""
    return f"in doubt: {name}: {doubt.sentence}{more}"
