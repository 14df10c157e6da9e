"""What a number's trust means: who placed a gate, what speaks against it, whether it may be reported."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from immunomon.errors import UnknownName, nearest

__all__ = ["DOUBTS", "Doubt", "DoubtKind", "PlacedBy", "doubts_from", "joined", "least_sure", "merged", "withholding"]

# What set a border: the sample's own events, what the study's other files say, a control tube, a declared way out for
# data that show nothing, a person (declared, moved or drawn elsewhere), or nothing at all.
PlacedBy = Literal["data", "consensus", "control", "fallback", "person", "none"]
# From the surest to the least sure: a population goes by the least sure of its gate's coordinates.
_SUREST_FIRST: tuple[PlacedBy, ...] = ("data", "control", "consensus", "person", "fallback", "none")


@dataclass(frozen=True)
class DoubtKind:
    """A kind of doubt: what it means, what a person should do about it, and whether it withholds values by default.

    withholds: whether a value that rests on it is not reportable unless the study says otherwise; what does not is a
    remark, shown beside the value.
    """

    code: str
    meaning: str
    remedy: str
    withholds: bool = True


def _kinds() -> Iterator[DoubtKind]:
    """Yield the kinds of doubts, which stand in ``doubts.csv``, in its order."""
    with Path(__file__).with_name("doubts.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield DoubtKind(row["code"], row["meaning"], row["remedy"], withholds=row["withholds"] == "yes")


DOUBTS: Mapping[str, DoubtKind] = {kind.code: kind for kind in _kinds()}


@dataclass(frozen=True)
class Doubt:
    """What speaks against a gate or a value: the code of its kind, the axis it concerns, and what was seen here.

    axis: a marker or channel, of ``hardly_moved`` and ``small_part`` the population in doubt; empty if it is about the
    whole gate or file.
    Raises UnknownName for a code that is none.

    >>> print(Doubt("fallback_alone", "CD25", "one mode only").sentence)
    CD25: the border is a fallback: ... (one mode only)
    """

    code: str
    axis: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        if self.code not in DOUBTS:
            raise UnknownName(f"no doubt with the code '{self.code}'; {nearest(self.code, DOUBTS)}")

    @property
    def kind(self) -> DoubtKind:
        """What kind of doubt it is."""
        return DOUBTS[self.code]

    def __str__(self) -> str:
        return f"{self.code}({self.axis})" if self.axis else self.code

    @property
    def sentence(self) -> str:
        """The doubt for people: on which axis, what it means, what was seen."""
        axis, detail = f"{self.axis}: " if self.axis else "", f" ({self.detail})" if self.detail else ""
        return f"{axis}{self.kind.meaning}{detail}"

    def to_dict(self) -> dict[str, Any]:
        """Return the doubt as plain data."""
        return {"code": self.code, "axis": self.axis, "detail": self.detail}


def withholding(doubts: Iterable[Doubt]) -> tuple[Doubt, ...]:
    """Return the doubts that withhold a value by default; the others are remarks.

    >>> withholding([Doubt("borrowed", "CD3"), Doubt("weak_stain", "CD4")])
    (Doubt(code='weak_stain', axis='CD4', detail=''),)
    """
    return tuple(doubt for doubt in doubts if doubt.kind.withholds)


def merged(doubts: Iterable[Doubt]) -> tuple[Doubt, ...]:
    """Return the doubts with one for each code and axis, in order of first mention; what was seen is kept of all.

    >>> merged([Doubt("saturated", "CD3", "5 %"), Doubt("saturated", "CD3", "7 %")])
    (Doubt(code='saturated', axis='CD3', detail='5 %; 7 %'),)
    """
    details: dict[tuple[str, str], dict[str, None]] = {}
    for doubt in doubts:
        details.setdefault((doubt.code, doubt.axis), {})[doubt.detail] = None
    return tuple(Doubt(code, axis, "; ".join(filter(None, texts))) for (code, axis), texts in details.items())


def joined(doubts: Iterable[Doubt]) -> str | None:
    """Return the codes with their axes for a table, None if there are none.

    >>> joined([Doubt("weak_stain", "CD25"), Doubt("not_compensated")])
    'weak_stain(CD25); not_compensated'
    """
    return "; ".join(dict.fromkeys(map(str, doubts))) or None


def doubts_from(data: Iterable[Mapping[str, Any]]) -> tuple[Doubt, ...]:
    """Return the doubts that ``to_dict`` wrote.

    >>> doubts_from([Doubt("saturated", "CD3").to_dict()])
    (Doubt(code='saturated', axis='CD3', detail=''),)
    """
    return tuple(Doubt(str(item["code"]), str(item.get("axis", "")), str(item.get("detail", ""))) for item in data)


def least_sure(origins: Iterable[PlacedBy]) -> PlacedBy:
    """Return what set the least sure of a gate's coordinates; ``none`` if there are none.

    >>> least_sure(["data", "fallback", "consensus"])
    'fallback'
    """
    return max(origins, key=_SUREST_FIRST.index, default="none")
