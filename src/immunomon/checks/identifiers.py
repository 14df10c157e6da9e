"""Keywords of FCS files that may name persons: said before a run, kept out of deliveries."""

from __future__ import annotations

from collections.abc import Iterable

from immunomon.checks.tube import Tube
from immunomon.study.model.identifiers import scrubbed_text
from immunomon.study.model.study import Study

__all__ = ["identifier_notes"]


_RENAME = "sample ids, workspaces and .h5ad files repeat file names, so rename the file to a pseudonym"


def identifier_notes(study: Study, tubes: Iterable[Tube]) -> list[str]:
    """Return, for each keyword that may name a person, in how many files it does and what to do about it.

    The values themselves are not repeated: what a check prints is often sent to others.
    """
    pseudonyms = [subject.id for subject in study.subjects]
    files: dict[str, list[str]] = {}
    in_names: list[str] = []
    for tube in tubes:
        values_by_keyword = study.identifiers.found(tube.header.keywords, pseudonyms)
        shown = scrubbed_text(tube.sample.file.as_posix(), values_by_keyword.values())
        for keyword in values_by_keyword:
            files.setdefault(keyword, []).append(shown)
        if shown != tube.sample.file.as_posix():
            reason = "its name holds what a keyword says of a person"
            in_names.append(f"{shown} (line {tube.sample.line} of the sample list): {reason}; {_RENAME}")
    remedy = "it is left out of deliveries; values that name nobody go under 'identifiers: allowed' in study.yaml"
    return [
        f"{names[0]}: {keyword} may name a person"
        + (f", as in {len(names) - 1} other files" if names[1:] else "")
        + f"; {remedy}"
        for keyword, names in sorted(files.items())
    ] + in_names
