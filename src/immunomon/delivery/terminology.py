"""CDISC's terms for cell phenotype tests, as they were published."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib.resources import files

__all__ = ["CP_TERMINOLOGY_DATE", "Term", "cp_terms", "nearest_terms"]

CP_TERMINOLOGY_DATE = "2026-03-27"
_ASSETS = files("immunomon.delivery") / "assets"


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


def nearest_terms(words: str, most: int = 3) -> tuple[Term, ...]:
    """Return the terms whose code or name is most like some words, the most alike first.

    >>> [term.code for term in nearest_terms("TLHRTL", 1)]
    ['TLHRTLH']
    """
    wanted = words.casefold()

    def alike(term: Term) -> float:
        return max(SequenceMatcher(None, wanted, one.casefold()).ratio() for one in (term.code, term.name))

    return tuple(sorted(cp_terms().values(), key=lambda term: (-alike(term), term.code))[:most])
