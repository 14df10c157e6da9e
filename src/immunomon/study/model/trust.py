"""What a number's trust means: who placed a gate, what speaks against it, whether it may be reported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


_KINDS = (
    DoubtKind(
        "fallback_alone",
        "the border is a fallback: the file's own events show none, and no other file's consensus confirms it",
        "look at the plot; stain and acquire again, or move the gate and say why",
    ),
    DoubtKind(
        "fallback_contradicted",
        "the border is a fallback, and it lies away from where the other files of the subject and batch have theirs",
        "look at the plot beside the subject's other visits; move the gate or leave the value out",
    ),
    DoubtKind(
        "fallback_confirmed",
        "the file's own events show no border; the fallback lies where the other files have theirs",
        "none is needed",
        withholds=False,
    ),
    DoubtKind(
        "borrowed",
        "the file's own events show no border; it lies where the other files of the subject and batch have theirs",
        "look at the plot if the population is large or the stain looks different",
        withholds=False,
    ),
    DoubtKind(
        "weak_stain",
        "the positive peak lies far below where the other files of the panel have it: the stain failed or is weak",
        "look for the pipetting error or the expired reagent; stain again",
    ),
    DoubtKind(
        "dead_detector",
        "the channel is zero or constant in all events: nothing can be gated on it",
        "check the detector and the export of the file",
    ),
    DoubtKind(
        "shifted_negatives",
        "the negative peak lies far above where the other files of the panel have it: background or carry-over",
        "look at the plot and at the tubes before it; wash and acquire again",
    ),
    DoubtKind(
        "saturated",
        "many events lie at the top of the range: what lies above it cannot be told apart",
        "lower the detector's voltage",
    ),
    DoubtKind(
        "files_disagree",
        "the files do not agree on where this border lies, and this one has it far from where the others have theirs",
        "look at the plots of all of them; move the gate or leave the value out",
    ),
    DoubtKind(
        "not_followed",
        "the file's own border was out of line with the other files of the subject and batch, and was not followed",
        "look at the plot beside the subject's other visits",
        withholds=False,
    ),
    DoubtKind(
        "visit_outlier",
        "the value lies far outside the subject's other visits",
        "look at the plot beside the subject's other visits; compare staining and blood counts",
    ),
    DoubtKind(
        "cloud_contradicted",
        "the panel's own markers say that the cloud gated as lymphocytes is another one, or holds many other cells",
        "look at the scatter plot with the lineage markers' cells on it; move the gate",
    ),
    DoubtKind(
        "cloud_unconfirmed",
        "no marker of the panel could tell which cloud the lymphocytes are",
        "look at the scatter plot in immunomon review; move the gate there, and say why",
    ),
    DoubtKind(
        "not_compensated",
        "the file has no usable spillover matrix",
        "give a matrix, or declare that the study needs none",
    ),
    DoubtKind(
        "partly_compensated",
        "the matrix in use lacks stained detectors, which stay as they were recorded",
        "give a matrix with their rows and columns",
        withholds=False,
    ),
    DoubtKind(
        "several_matrices",
        "it is not certain which of the file's spillover matrices is right",
        "find out which one belongs to the file; give it as CSV if it is not the one in use",
        withholds=False,
    ),
    DoubtKind(
        "not_numbers",
        "the file has events that are not numbers; they belong to no population and no denominator",
        "export the file again",
        withholds=False,
    ),
    DoubtKind(
        "tubes_disagree",
        "tubes of the same visit measure the same population differently, and this one stands alone",
        "compare the tubes' plots; check for a mixed-up or badly stained tube",
    ),
    DoubtKind(
        "lineages_incomplete",
        "the parts of this population, such as T, B and NK cells of lymphocytes, do not add up to about all of it",
        "look at its gate and at the markers of the parts",
        withholds=False,
    ),
    DoubtKind(
        "few_beads",
        "so few beads were counted that chance alone moves cells/uL by more than 5 %",
        "acquire longer, or add more beads",
        withholds=False,
    ),
    DoubtKind(
        "beads_disagree",
        "the sample list and the gate count different numbers of beads: there are no cells/uL by either",
        "look at the gate of the beads; correct beads_counted, or leave it blank",
        withholds=False,
    ),
    DoubtKind(
        "unexpected",
        "the value lies outside what the strategy expects of this population",
        "look at the plot in immunomon review; approve the sample if the gate is right, and move the gate if not",
        withholds=False,
    ),
    DoubtKind(
        "implausible",
        "the value lies outside what the strategy says is possible in a patient",
        "look at the gate in immunomon review: are two stains exchanged, or is one missing? Move it, or leave the "
        "sample out, and say why",
    ),
    DoubtKind(
        "parts_alike",
        "cells on either side of the border are alike in every other channel, as no two populations are: it may part "
        "stained cells from unstained ones",
        "look at the gate in immunomon review; stain again, or move the gate and say why",
    ),
    DoubtKind(
        "overcompensated",
        "cells that are bright in another channel lie far below 0 in this one: the spillover matrix is another "
        "file's, or the file was compensated before",
        "give the file's own matrix, or declare that none is needed",
    ),
    DoubtKind(
        "two_lineages",
        "many cells have two markers that no cell has together: doublets among the singlets, or exchanged stains",
        "look at both markers in one plot; gate singlets more narrowly, or correct the panel",
    ),
    DoubtKind(
        "looks_logarithmic",
        "nothing lies below 0 and no channel reaches far above its middle: the numbers may be logarithms, and the "
        "keyword $PnE does not say so",
        "export the file again with linear values",
    ),
    DoubtKind(
        "same_tube",
        "the file holds the events of another sample of the study: one tube under two names",
        "find out whose the tube is, put the right file in the other's place, and run again",
    ),
    DoubtKind(
        "hardly_moved",
        "the border of this gate above it is in doubt, but the value hardly depends on where that lies",
        "look at the plot of that gate in immunomon review",
        withholds=False,
    ),
    DoubtKind(
        "small_part",
        "this gate is in doubt, but whatever it keeps is a small part of the value",
        "look at the plot of that gate in immunomon review",
        withholds=False,
    ),
    DoubtKind(
        "noise_not_judged",
        "the negatives' noise cannot be measured in this file, and nothing shows that the border lies beyond it",
        "look at the plot in immunomon review",
        withholds=False,
    ),
)
DOUBTS: Mapping[str, DoubtKind] = {kind.code: kind for kind in _KINDS}


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
