"""CDISC's terms for cell phenotype tests, as they were published."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib.resources import files

__all__ = [
    "ADAM_TERMINOLOGY_DATE",
    "CP_TERMINOLOGY_DATE",
    "PublishedList",
    "Term",
    "cp_terms",
    "nearest_terms",
    "published_lists",
]

CP_TERMINOLOGY_DATE = "2026-03-27"
ADAM_TERMINOLOGY_DATE = "2024-03-29"
_ASSETS = files("immunomon.outputs.delivery") / "assets"


@dataclass(frozen=True)
class Term:
    """A term: short name (CPTESTCD), name (CPTEST), and its code in the NCI thesaurus."""

    code: str
    name: str
    nci: str

    @property
    def is_part(self) -> bool:
        """Whether the term is for a part of a cell type, which further markers or a cell state must name.

        >>> cp_terms()["NKSNK"].is_part, cp_terms()["NKLY"].is_part
        (True, False)
        """
        return " Sub" in self.name.split("/")[0]


@functools.cache
def cp_terms() -> Mapping[str, Term]:
    """Return the terms of the codelists C181173 and C181174 by CPTESTCD.

    >>> cp_terms()["TLHRTLH"].name
    'TLym Help Reg/TLym Help'
    """
    rows = csv.DictReader((_ASSETS / "cp-terminology.csv").read_text(encoding="utf-8").splitlines())
    return {row["cptestcd"]: Term(row["cptestcd"], row["cptest"], row["nci_code"]) for row in rows}


@dataclass(frozen=True)
class PublishedList:
    """A code list of CDISC: its code in the NCI thesaurus, the set it is published in, and terms with their codes.

    terms: those that a delivery may hold; none where the study or the tests' own list gives them. A code that is not
    known here is blank.
    """

    nci: str
    publishing_set: str
    terms: Mapping[str, str]

    def extends(self, value: str) -> bool:
        """Say whether a value is the study's own, beside the terms published; never where the terms are not known."""
        return bool(self.terms) and value not in self.terms


@functools.cache
def published_lists() -> Mapping[str, PublishedList]:
    """Return the code lists of CDISC that deliveries use, by short name; lists that are not here are the study's own.

    >>> published_lists()["UNIT"].extends("10^6 CELLS/kg"), published_lists()["UNIT"].terms["%"]
    (True, 'C25613')
    """
    rows = list(csv.DictReader((_ASSETS / "codelists.csv").read_text(encoding="utf-8").splitlines()))
    terms: dict[str, dict[str, str]] = {row["name"]: {} for row in rows}
    for row in rows:
        if row["term"]:
            terms[row["name"]][row["term"]] = row["term_nci"]
    return {row["name"]: PublishedList(row["nci"], row["publishing_set"], terms[row["name"]]) for row in rows}


def nearest_terms(words: str, most: int = 3) -> tuple[Term, ...]:
    """Return the terms whose code or name is most like some words, the most alike first.

    >>> [term.code for term in nearest_terms("TLHRTL", 1)]
    ['TLHRTLH']
    """
    folded = words.casefold()

    def alike(term: Term) -> float:
        return max(SequenceMatcher(None, folded, name.casefold()).ratio() for name in (term.code, term.name))

    return tuple(sorted(cp_terms().values(), key=lambda term: (-alike(term), term.code))[:most])
