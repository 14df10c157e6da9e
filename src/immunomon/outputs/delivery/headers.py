"""What the FCS files of a delivery say of themselves, without what may name a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from immunomon.cytometry.formats.fcs import read_header
from immunomon.errors import BadFcs, BadSpec
from immunomon.outputs.delivery.source import RunSource
from immunomon.study.model.fcs import Reading
from immunomon.study.model.identifiers import scrubbed_text
from immunomon.study.specs.study import load_study

__all__ = ["Headers", "read_headers_of"]


@dataclass(frozen=True, eq=False)
class Headers:
    """Keywords by sample, scrubbed; the values that were taken out; and why headers are missing, if they are.

    removed: never shown and never delivered, only used to keep them from leaving elsewhere.
    """

    keywords: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    removed: frozenset[str] = field(default=frozenset(), repr=False)
    keywords_removed: tuple[str, ...] = ()
    note: str = ""


def read_headers_of(source: RunSource) -> Headers:
    """Read the headers of the run's FCS files, as far as the study is at hand."""
    if source.study_folder is None:
        return Headers(note="the study was not at hand, so FCS headers were not looked at")
    try:
        study = load_study(source.study_folder)
    except BadSpec as error:
        return Headers(note=f"the study file cannot be read any more, so FCS headers were not looked at ({error})")
    folder = (study.folder / study.samples_file).parent
    pseudonyms = [str(subject["id"]) for subject in source.study["subjects"]]
    listed = {str(entry["sample_id"]): entry for entry in source.record.get("files", ())}
    headers: dict[str, Mapping[str, str]] = {}
    removed: set[str] = set()
    named: set[str] = set()
    changed: list[str] = []
    for sample_id, row in source.samples.items():
        reading = Reading.from_record(listed.get(sample_id, {}))
        keywords, is_as_gated = _keywords(folder / str(row["file"]), reading)
        gone = study.identifiers.found(keywords, pseudonyms)
        removed.update(gone.values())
        named.update(gone)
        headers[sample_id] = {key: value for key, value in keywords.items() if key not in gone and is_as_gated}
        if keywords and not is_as_gated:
            changed.append(str(row["file"]))
    note = "" if any(headers.values()) else "no FCS file was found, so headers were not looked at"
    if changed:
        files = ", ".join(scrubbed_text(file, removed) for file in changed)
        note = f"headers left out, because the files are not those that the run gated: {files}"
    return Headers(headers, frozenset(removed), tuple(sorted(named)), note)


def _keywords(path: Path, reading: Reading) -> tuple[Mapping[str, str], bool]:
    """Return a file's keywords, and whether they are of the bytes that the run gated; of others only names are taken.

    Names of persons are removed from everything that leaves, whichever state of a file they stand in.
    """
    read = partial(read_header, path, data_set=reading.data_set, data_offset=reading.data_offset)
    try:
        return read(sha256=reading.sha256).keywords, True
    except (BadFcs, OSError):
        pass
    try:
        return read().keywords, False
    except (BadFcs, OSError):
        return {}, False
