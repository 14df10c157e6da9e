"""``identifiers:`` in a study file: which keywords of FCS files may name persons."""

from __future__ import annotations

from pydantic import Field

from immunomon.shape import Name, SpecModel
from immunomon.study.model.identifiers import Identifiers

__all__ = ["IdentifiersSpec"]


class IdentifiersSpec(SpecModel):
    """Keywords of FCS files that may name persons; they are reported by ``check`` and never delivered."""

    keywords: list[Name] | None = Field(
        None, max_length=200, description="Patterns of keywords, * for anything; default: $SRC, $OP, *PATIENT* ..."
    )
    allowed: list[Name] = Field([], max_length=1000, description="Values that name nobody, such as Specimen_*.")

    def model(self) -> Identifiers:
        """Return the identifiers as the rest of the program knows them."""
        allowed = tuple(self.allowed)
        return Identifiers(allowed=allowed) if self.keywords is None else Identifiers(tuple(self.keywords), allowed)
