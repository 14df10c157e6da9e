"""Under what conditions a trial is simulated: other instruments, stains that failed, hard samples, odd files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from immunomon.assurance.simulate.acquisition import Disturbance
from immunomon.assurance.simulate.appearance import AS_DESCRIBED, Appearance
from immunomon.assurance.simulate.instrument import FLUOROCHROMES, ORDINARY, Instrument
from immunomon.errors import UnknownName, nearest

__all__ = ["CONDITIONS", "ORDINARY_CONDITION", "Condition", "Kind", "condition_named"]


class Kind(StrEnum):
    """What a condition changes: nothing, the instrument alone, its noise too, a stain, the cells, or the file."""

    ORDINARY = "ordinary"
    INSTRUMENT = "instrument"
    NOISE = "noise"
    STAIN = "stain"
    CELLS = "cells"
    FILE = "file"


@dataclass(frozen=True, eq=False)
class Condition:
    """What is otherwise than in the ordinary trial; the cells drawn are the same wherever it leaves them alone.

    stains: fluorochrome -> factor on its signal, 0 where the stain failed; last_visit_only: only in tubes of the last
    visit. contents: field of ``Yield`` -> share of all events. percents: population -> about what percent of its parent
    every patient has. disturbance: of every patient's tube. events: in every patient's file. controls: whether it is
    about bridge and FMO tubes, which a robustness run leaves out otherwise.
    """

    name: str
    kind: Kind
    meaning: str
    instrument: Instrument = ORDINARY
    appearance: Appearance = AS_DESCRIBED
    stains: Mapping[str, float] = field(default_factory=dict)
    last_visit_only: bool = False
    contents: Mapping[str, float] = field(default_factory=dict)
    percents: Mapping[str, float] = field(default_factory=dict)
    disturbance: Disturbance | None = None
    events: int | None = None
    controls: bool = False

    @property
    def is_instrument_alone(self) -> bool:
        """Whether nothing but range, gain or voltage differs, so that every population should come out as before."""
        return self.kind is Kind.INSTRUMENT


ORDINARY_CONDITION = Condition("ordinary", Kind.ORDINARY, "the trial as it is simulated by default")


_LOW = Instrument(forward_gain=0.55, side_gain=0.4, detector_gain=0.4)
_HIGH = Instrument(forward_gain=1.6, side_gain=1.5, detector_gain=2.2)
# Negatives about 0, in compensated units on their range: robust SD 600 to 4,000 on wide ranges, to 300 on 262144.
_WIDE = Instrument(own_light=0.3, electronic_noise=2.0)


def _instruments() -> Iterator[Condition]:
    for name, top in (("range-1e6", 2.0**20), ("range-4e6", 2.0**22), ("range-1e7", 1e7)):
        meaning = f"$PnR is {top:,.0f}, and every signal as much larger"
        yield Condition(name, Kind.INSTRUMENT, meaning, Instrument(top_of_range=top))
    for gain in (0.4, 0.7, 1.3, 1.6):
        instrument = Instrument(forward_gain=gain)
        yield Condition(f"fsc-x{gain}", Kind.INSTRUMENT, f"forward scatter at {gain} of its gain", instrument)
    for gain in (0.4, 0.7, 1.5, 2.2):
        meaning = f"fluorescence detectors at {gain} of their gain; electronic noise stays"
        yield Condition(f"detectors-x{gain}", Kind.INSTRUMENT, meaning, Instrument(detector_gain=gain))
    yield Condition("low-voltage", Kind.INSTRUMENT, "forward scatter at 0.55, all other detectors at 0.4", _LOW)
    yield Condition("high-voltage", Kind.INSTRUMENT, "forward scatter at 1.6, side scatter 1.5, detectors 2.2", _HIGH)


def _noise() -> Iterator[Condition]:
    wide = replace(_WIDE, top_of_range=1e7)
    yield Condition("range-1e7-wide", Kind.NOISE, "$PnR is 10,000,000; negatives about 0, with twice the noise", wide)
    unmixed = replace(_WIDE, top_of_range=2.0**22, unmixed=True)
    meaning = "unmixed values on a range of 4,194,304, negatives to minus thousands, no matrix needed"
    yield Condition("unmixed-4e6", Kind.NOISE, meaning, unmixed)
    dim = Instrument(photons=0.35, electronic_noise=2.0)
    yield Condition("few-photons", Kind.NOISE, "a third of the photons, twice the electronic noise", dim)


def _stains() -> Iterator[Condition]:
    for dye in FLUOROCHROMES:
        yield Condition(f"failed-{dye}", Kind.STAIN, f"no {dye} in any tube", stains={dye: 0.0})
        for factor in (0.15, 0.5):
            meaning = f"{dye} at {factor} of its brightness"
            yield Condition(f"{dye}-x{factor}", Kind.STAIN, meaning, stains={dye: factor})
        for name, factor in ((f"failed-{dye}", 0.0), (f"{dye}-x0.15", 0.15)):
            meaning = f"{dye} at {factor:g} of its brightness in the tubes of the last visit"
            yield Condition(f"{name}-last-visit", Kind.STAIN, meaning, stains={dye: factor}, last_visit_only=True)
    for times in (12, 40):
        meaning = f"live cells take up {times} times as much of the viability dye"
        background = Appearance(viability_background=times)
        yield Condition(f"viability-x{times}", Kind.STAIN, meaning, appearance=background)


def _cells() -> Iterator[Condition]:
    yield Condition("doublets-30", Kind.CELLS, "30 % of the events are doublets", contents={"doublets": 0.30})
    yield Condition("dead-40", Kind.CELLS, "40 % of the events are dead cells", contents={"dead": 0.40})
    granulocytes = {"granulocytes": 0.32, "eosinophils": 0.03}
    yield Condition("granulocytes-35", Kind.CELLS, "35 % of the events are granulocytes", contents=granulocytes)
    blood = {
        "granulocytes": 0.52,
        "eosinophils": 0.03,
        "monocytes": 0.07,
        "small_cd16": 0.1,
        "erythrocytes": 0.04,
        "beads": 0.04,
    }
    meaning = "lysed whole blood: 55 % granulocytes, some red cells, counting beads"
    yield Condition("whole-blood", Kind.CELLS, meaning, contents=blood)
    monocytes = {"monocytes": 0.60, "intermediate": 0.05}
    yield Condition("monocytes-60", Kind.CELLS, "60 % of the events are monocytes", contents=monocytes)
    yield Condition("b-cells-0.1", Kind.CELLS, "0.1 % of the lymphocytes are B cells", percents={"b_cells": 0.085})
    appearance = Appearance(background_spread=0.25, fc_binding=3.0, spread=1.2, scatter_spread=1.25)
    instrument = Instrument(photons=0.7, matrix_error=0.03)
    meaning = (
        "negatives differ between cell types, Fc receptors bind, subsets and scatter overlap more, CD16+ monocytes are "
        "small, the matrix is 3 % off"
    )
    ordinary = Condition("other-laboratory", Kind.CELLS, meaning, instrument, appearance, contents={"small_cd16": 0.1})
    yield ordinary
    settings = {
        "range-1e7": replace(_WIDE, top_of_range=1e7),
        "unmixed": replace(_WIDE, top_of_range=2.0**22, unmixed=True),
        "low-voltage": replace(_LOW, matrix_error=0.03, photons=0.7),
        "high-voltage": replace(_HIGH, matrix_error=0.03, photons=0.7),
    }
    for name, setting in settings.items():
        yield replace(
            ordinary, name=f"other-laboratory-{name}", meaning=f"other-laboratory on {name}", instrument=setting
        )


def _files() -> Iterator[Condition]:
    drift = Disturbance("drift", 0.4, 1.0, 0.4)
    yield Condition("drift-60", Kind.FILE, "over the last 60 % of a run its signals fall by 60 %", disturbance=drift)
    none = Instrument(writes_matrix=False)
    yield Condition("no-matrix", Kind.FILE, "the study takes the files' matrices, and they have none", none)
    yield Condition("events-3000", Kind.FILE, "3,000 events a file", events=3_000)
    yield Condition("events-300000", Kind.FILE, "300,000 events a file", events=300_000)
    yield Condition("controls", Kind.FILE, "with a bridge sample and FMO tubes in every batch", controls=True)


CONDITIONS: dict[str, Condition] = {
    condition.name: condition
    for condition in (ORDINARY_CONDITION, *_instruments(), *_noise(), *_stains(), *_cells(), *_files())
}


def condition_named(name: str) -> Condition:
    """Return a condition by its name.

    Raises UnknownName for a condition that does not exist.

    >>> condition_named("dead-40").contents
    {'dead': 0.4}
    >>> condition_named("dead-50")
    Traceback (most recent call last):
        ...
    immunomon.errors.UnknownName: no condition named 'dead-50'; did you mean 'dead-40'?
    """
    if name not in CONDITIONS:
        raise UnknownName(f"no condition named '{name}'; {nearest(name, CONDITIONS)}")
    return CONDITIONS[name]
