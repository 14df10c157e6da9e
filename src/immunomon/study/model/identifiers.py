"""Who may not be named: keywords of FCS files that name persons, and how they are kept from leaving."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Identifiers", "scrubbed_text"]

_DEFAULT_KEYWORDS = (
    "$SRC",
    "$OP",
    "*PATIENT*",
    "*BIRTH*",
    "*DOB*",
    "*DONOR*",
    "*OPERATOR*",
    "*SUBJECT NAME*",
    "*USER NAME*",
    "*USERNAME*",
    "*PHYSICIAN*",
    "*INVESTIGATOR*",
)
_NOBODY = ("*BEAD*", "*CONTROL*", "*BRIDGE*", "SPECIMEN*", "TUBE*", "UNKNOWN", "N/A", "NA", "-")
_SHORTEST = 4  # shorter values stand in too many words to be taken out of them


@functools.lru_cache(maxsize=32)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    # Translated patterns do not backtrack, so that one from a stranger's study file cannot hang us.
    return re.compile("|".join(fnmatch.translate(pattern.upper()) for pattern in patterns) or "(?!)")


@dataclass(frozen=True)
class Identifiers:
    """Which keywords of an FCS file may name a person, and which values of them are no person's.

    keywords, allowed: patterns in which ``*`` stands for anything, compared without regard to case. Beads, controls,
    bridge samples, numbered specimens and tubes name nobody.
    """

    keywords: tuple[str, ...] = _DEFAULT_KEYWORDS
    allowed: tuple[str, ...] = ()

    def may_name(self, keyword: str) -> bool:
        """Say whether a keyword may name a person.

        >>> Identifiers().may_name("Patient ID"), Identifiers().may_name("$CYT")
        (True, False)
        """
        return _any_of(self.keywords).fullmatch(keyword.upper()) is not None

    def found(self, keywords: Mapping[str, str], pseudonyms: Iterable[str] = ()) -> dict[str, str]:
        """Return the keywords of a file that may name a person, with their values.

        pseudonyms: subject ids of the study, which are allowed values.

        >>> Identifiers(allowed=("blood*",)).found({"$SRC": "Blood 7", "$OP": "A. Smith", "$CYT": "X"})
        {'$OP': 'A. Smith'}
        """
        known = {name.casefold() for name in pseudonyms}
        return {
            keyword: value.strip()
            for keyword, value in sorted(keywords.items())
            if value.strip() and self.may_name(keyword) and value.strip().casefold() not in known
            if not self._is_nobody(value.strip())
        }

    def _is_nobody(self, value: str) -> bool:
        return _any_of((*_NOBODY, *self.allowed)).fullmatch(value.upper()) is not None

    def scrubbed(self, keywords: Mapping[str, str], pseudonyms: Iterable[str] = ()) -> dict[str, str]:
        """Return a file's keywords without those that may name a person.

        >>> Identifiers().scrubbed({"$OP": "A. Smith", "$CYT": "X"})
        {'$CYT': 'X'}
        """
        gone = self.found(keywords, pseudonyms)
        return {keyword: value for keyword, value in keywords.items() if keyword not in gone}


def scrubbed_text(text: str, names: Iterable[str]) -> str:
    """Return a text without the values that name persons; values of fewer than four letters are left.

    >>> scrubbed_text("fcs/a. smith_W4.fcs", ["A. Smith"])
    'fcs/[removed]_W4.fcs'
    """
    for name in sorted(set(names), key=len, reverse=True):
        if len(name) >= _SHORTEST:
            text = re.sub(re.escape(name), "[removed]", text, flags=re.IGNORECASE)
    return text
