"""Keywords of FCS files that may name persons: said before a run, kept out of deliveries."""

from __future__ import annotations

from collections.abc import Iterable

from immunomon.checks.tube import Tube
from immunomon.model.study import Study

__all__ = ["identifier_notes"]


def identifier_notes(study: Study, tubes: Iterable[Tube]) -> list[str]:
    """Return, for each keyword that may name a person, in how many files it does and what to do about it.

    The values themselves are not repeated: what a check prints is often sent to others.
    """
    pseudonyms = [subject.id for subject in study.subjects]
    files: dict[str, list[str]] = {}
    for tube in tubes:
        for keyword in study.identifiers.found(tube.header.keywords, pseudonyms):
            files.setdefault(keyword, []).append(tube.sample.file.as_posix())
    remedy = "it is left out of deliveries; values that name nobody go under 'identifiers: allowed' in study.yaml"
    return [
        f"{names[0]}: {keyword} may name a person"
        + (f", as in {len(names) - 1} other files" if names[1:] else "")
        + f"; {remedy}"
        for keyword, names in sorted(files.items())
    ]
