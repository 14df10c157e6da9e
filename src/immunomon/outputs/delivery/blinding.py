"""Test transfers, marked as such, and blinded ones: no dose, no dates, codes in place of names; the key apart."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunomon.errors import DeliveryFailed
from immunomon.files import read_input, write_whole
from immunomon.outputs.delivery.dataset import Dataset, Value

__all__ = ["BlindingKey", "Transfer", "blinded", "key_for"]

# What leaves: whatever is added to the table or to manifests later is left out until it is listed here. The dose and
# days tell by themselves, changes tell which visit is the baseline, and digests can be held against files that are
# known otherwise.
_KEPT = frozenset(
    {
        *("study", "subject", "visit", "panel", "role", "quantity", "population", "label", "denominator"),
        *("denominator_label", "marker", "value", "unit", "status", "reason", "count", "denominator_count"),
        *("sample_id", "rests_on"),
    }
)
_SILENT = frozenset(
    {"format", "kind", "software", "limits", "datasets", "absent", "blanks", "transfer", "left_out", "neutralised"}
)
_SILENT_PARTS = {"run": "version", "study": "name", "cp_map": "terminology"}
# By column, the letter of its codes and the columns that name what it is of. Subjects are numbered as doses rise, and
# who left early has no late visits: pseudonyms, and codes of visits that subjects share, would tell dose and visit.
_CODED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "subject": ("P", ("subject",)),
    "visit": ("V", ("subject", "visit")),
    "panel": ("L", ("panel",)),
    "sample_id": ("B", ("sample_id",)),
}
# Reasons that are numbers alone; others may be words of people, or name a sample or a visit.
_SILENT_REASONS = ("below LOD", "below LLOQ", "too few parent events")
_KEPT_BACK = "not reportable; the reason is kept by the holder of the key"


@dataclass(frozen=True)
class Transfer:
    """What a delivery is for: a test, or a blinded transfer with the file of its key."""

    key: Path | None = None
    test: bool = False

    def mark(self, manifest: dict[str, Any], folder: Path) -> None:
        """Say in the manifest, and for a test in a file of its own, what the transfer is."""
        kinds = [*(["test"] if self.test else []), *(["blinded"] if self.key else [])]
        if kinds:
            manifest["transfer"] = kinds
        if self.test:
            write_whole(folder / "TEST-TRANSFER.txt", "A test transfer: not data to be analysed.\n")
        if self.key:  # sample ids and file names tell the visit: only what is known to tell nothing stays
            for name in set(manifest) - _SILENT:
                part = _SILENT_PARTS.get(name)
                manifest[name] = {part: manifest[name].get(part)} if part else type(manifest[name])()


@dataclass(frozen=True, eq=False)
class BlindingKey:
    """The codes of a study: by column (``subject``, ``visit``, ``panel``, ``sample_id``) and by name.

    The name of a visit is that of the subject, a blank, and that of the visit.
    """

    codes: dict[str, dict[str, str]]

    def text(self) -> str:
        """Return the key as CSV: what, name, code."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("what", "name", "code"))
        writer.writerows((what, name, code) for what, codes in self.codes.items() for name, code in codes.items())
        return text.getvalue()


def key_for(path: Path, dataset: Dataset) -> BlindingKey:
    """Return the key in a file, with codes drawn for what it does not name yet, and write it back if it grew.

    Codes are drawn by chance that nobody can draw again: whoever has the software alone cannot undo them. A later
    transfer with the same file has the same codes. Raises DeliveryFailed for a file that is no key.
    """
    codes = _read(path) if path.is_file() else {what: {} for what in _CODED}
    grew = False
    for what, (letter, _) in _CODED.items():
        new = [name for name in dict.fromkeys(_names(dataset, what)) if name and name not in codes[what]]
        grew |= bool(new)
        codes[what] |= dict(zip(new, _drawn(letter, len(new), codes[what].values()), strict=True))
    key = BlindingKey(codes)
    if grew:
        write_whole(path, key.text())
    return key


def _names(dataset: Dataset, what: str) -> Iterator[str]:
    """Yield what a column's value is of, row by row, as the key names it; blank where there is no value."""
    values = zip(*(dataset.column(name) for name in _CODED[what][1]), strict=True)
    yield from ("" if row[-1] is None else " ".join(map(str, row)) for row in values)


def _read(path: Path) -> dict[str, dict[str, str]]:
    codes: dict[str, dict[str, str]] = {what: {} for what in _CODED}
    rows = list(csv.reader(io.StringIO(read_input(path).decode("utf-8-sig", errors="replace"))))
    if not rows or rows[0] != ["what", "name", "code"]:
        raise DeliveryFailed(f"{path}: is no key of a blinded transfer; name another file, or a new one")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 3 or row[0] not in codes or row[2] in codes[row[0]].values() or row[1] in codes[row[0]]:
            raise DeliveryFailed(f"{path} line {number}: no code of a transfer, or one that is there twice")
        codes[row[0]][row[1]] = row[2]
    return codes


def _drawn(letter: str, count: int, taken: Iterable[str]) -> Sequence[str]:
    """Return so many new codes of a letter and digits, in an order that says nothing."""
    used, digits = set(taken), max(3, len(str(4 * count)))
    free = [code for number in range(10**digits) if (code := f"{letter}{number:0{digits}d}") not in used]
    secrets.SystemRandom().shuffle(free)
    return free[:count]


def blinded(dataset: Dataset, key: BlindingKey) -> Dataset:
    """Return the table of frequencies as it may leave blinded: telling columns left out, codes in place of names.

    Rows are ordered by the codes, as their order would tell the subjects' and the visits' own.
    """
    columns = {name: dataset.column(name) for name in dataset.names if name in _KEPT}
    for name in _CODED.keys() & columns.keys():
        columns[name] = tuple(key.codes[name].get(value) for value in _names(dataset, name))
    if "reason" in columns:
        columns["reason"] = tuple(map(_silent_reason, columns["reason"]))
    names = list(columns)
    rows = sorted(
        zip(*columns.values(), strict=True),
        key=lambda row: [str(row[names.index(name)] or "") for name in dataset.keys],
    )
    variables = tuple(variable for variable in dataset.variables if variable.name in columns)
    return Dataset(dataset.name, dataset.label, variables, tuple(rows), dataset.keys, dataset.structure)


def _silent_reason(reason: Value) -> Value:
    return _KEPT_BACK if reason and not str(reason).startswith(_SILENT_REASONS) else reason
