"""Test transfers, marked as such, and blinded ones: no dose, no dates, codes in place of visits; the key apart."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunomon.errors import DeliveryFailed
from immunomon.files import read_input, write_whole
from immunomon.outputs.delivery.dataset import Dataset, Value

__all__ = ["BlindingKey", "Transfer", "blinded", "key_for"]

# What would tell the dose, or how far into treatment a sample is; changes tell which visit is the baseline.
_TELLING = frozenset(
    {
        *("dose_group", "planned_day", "study_day", "collection_date", "baseline", "change", "percent_change"),
        *("log_odds_change", "change_status", "change_reason", "gate_picture", "baseline_rests_on"),
    }
)
# Entries of a manifest that name no sample, visit or day; whatever is added to manifests later is left out until it is
# listed here.
_SILENT = frozenset(
    {
        *("format", "kind", "software", "run", "study", "limits", "cp_map", "datasets", "absent", "blanks", "transfer"),
        *("left_out", "identifiers", "neutralised", "files", "previous"),
    }
)
_CODED = {"visit": "V", "sample_id": "B"}
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
                manifest[name] = type(manifest[name])()


@dataclass(frozen=True, eq=False)
class BlindingKey:
    """The codes of a study's visits and samples: by what they are of (``visit``, ``sample_id``) and by name."""

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
    for what, letter in _CODED.items():
        names = [str(value) for value in dict.fromkeys(dataset.column(what)) if value is not None]
        new = [name for name in names if name not in codes[what]]
        grew |= bool(new)
        codes[what] |= dict(zip(new, _drawn(letter, len(new), codes[what].values()), strict=True))
    key = BlindingKey(codes)
    if grew:
        write_whole(path, key.text())
    return key


def _read(path: Path) -> dict[str, dict[str, str]]:
    codes: dict[str, dict[str, str]] = {what: {} for what in _CODED}
    rows = list(csv.reader(io.StringIO(read_input(path).decode("utf-8-sig", errors="replace"))))
    if not rows or rows[0] != ["what", "name", "code"]:
        raise DeliveryFailed(f"{path}: is no key of a blinded transfer; name another file, or a new one")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 3 or row[0] not in codes or row[2] in codes[row[0]].values() or row[1] in codes[row[0]]:
            raise DeliveryFailed(f"{path} line {number}: no code of a visit or sample, or one that is there twice")
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

    Rows are ordered by subject and code, as their order would tell the visits' own.
    """
    kept = [index for index, name in enumerate(dataset.names) if name not in _TELLING]
    names = [dataset.names[index] for index in kept]
    rows = [[_coded(key, name, row[index]) for name, index in zip(names, kept, strict=True)] for row in dataset.rows]
    rows.sort(key=lambda row: [str(row[names.index(name)] or "") for name in dataset.keys])
    variables = tuple(dataset.variables[index] for index in kept)
    return Dataset(dataset.name, dataset.label, variables, tuple(map(tuple, rows)), dataset.keys, dataset.structure)


def _coded(key: BlindingKey, name: str, value: Value) -> Value:
    if name == "reason" and value and not str(value).startswith(_SILENT_REASONS):
        return _KEPT_BACK
    return key.codes[name].get(str(value)) if name in key.codes and value is not None else value
