"""Deliver a run: files, a manifest with their digests, and what differs from the delivery before. All or nothing."""

from __future__ import annotations

import glob
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from immunomon.errors import DeliveryFailed, UnknownName, nearest
from immunomon.files import file_digest, remove_leftovers, temporary_beside
from immunomon.outputs.conformance.check import Report, check_delivery
from immunomon.outputs.delivery.adam import adam_datasets
from immunomon.outputs.delivery.annotated import annotated_mapping, mapping_page
from immunomon.outputs.delivery.blinding import Transfer, blinded, key_for
from immunomon.outputs.delivery.content import Content, read_content
from immunomon.outputs.delivery.dataset import Dataset
from immunomon.outputs.delivery.dataset_json import write_dataset_json
from immunomon.outputs.delivery.define_xml import About, write_define
from immunomon.outputs.delivery.differences import (
    Difference,
    differences,
    differences_table,
    differences_text,
)
from immunomon.outputs.delivery.manifest import manifest_of, neutralised, write_csv, write_text, write_workbook
from immunomon.outputs.delivery.miflowcyt import (
    checklist,
    checklist_table,
    checklist_text,
    files_table,
    gates_table,
)
from immunomon.outputs.delivery.read import MANIFEST, read_delivery, read_manifest
from immunomon.outputs.delivery.redcap import redcap_tables
from immunomon.outputs.delivery.sdtm import sdtm_datasets
from immunomon.outputs.delivery.source import Headers, read_headers_of
from immunomon.outputs.delivery.tables import frequency_table, immport_table, links_table, people_tables
from immunomon.outputs.delivery.xpt import write_xpt
from immunomon.runs.opened import note_in_trail
from immunomon.study.model.identifiers import scrubbed_text

__all__ = ["FORMATS", "Delivered", "deliver_run"]


# What is made of the names of files, which may name persons; other texts come from the study, not from files.
_FROM_FILES = {
    *("sample_id", "file", "gate_picture", "gates", "trace", "value", "CPSPID", "BSSPID", "QVAL"),
    *("Expsample ID", "Comments"),
}


@dataclass(frozen=True)
class Delivered:
    """What was delivered: where, records by dataset, what is absent and blank, differences.

    unchanged: whether the folder held the same delivery already. checked: what a receiver's rules say of it.
    unnoted: why it is not in the run's audit trail, if it could not be entered there.
    """

    folder: Path
    records: Mapping[str, int]
    absent: Mapping[str, str]
    blanks: Sequence[str]
    differences: Sequence[Difference] | None
    checked: Report
    unchanged: bool = False
    unnoted: str = ""

    @property
    def broken(self) -> tuple[str, ...]:
        """The rules that it breaks, so that it is not ready to leave."""
        return tuple(sorted({breach.rule for breach in self.checked.of("error")}))


_NEUTRALISED = "Texts that a spreadsheet would run as formulas begin with an apostrophe that is not part of them."


@dataclass(eq=False)
class _Writing:
    """A delivery while it is written: the content, the folder, and the datasets with their files."""

    content: Content
    headers: Headers
    folder: Path
    made: str
    datasets: list[tuple[Dataset, str]] = field(default_factory=list)
    key: Path | None = None
    absent: dict[str, str] = field(default_factory=dict)
    neutralised: dict[str, int] = field(default_factory=dict)

    def scrub(self, dataset: Dataset) -> Dataset:
        """Return a dataset without what names persons."""
        names = self.headers.removed
        if not names:
            return dataset
        places = {index for index, name in enumerate(dataset.names) if name in _FROM_FILES}
        rows = [
            [scrubbed_text(v, names) if index in places and isinstance(v, str) else v for index, v in enumerate(row)]
            for row in dataset.rows
        ]
        return dataset.with_rows(rows)

    def csv(self, datasets: Sequence[Dataset]) -> None:
        """Write datasets as CSV."""
        for dataset in map(self.scrub, datasets):
            write_csv(self.folder / f"{dataset.name}.csv", dataset)
            if cells := neutralised(dataset):
                self.neutralised[f"{dataset.name}.csv"] = cells
            self.datasets.append((dataset, f"{dataset.name}.csv"))

    def cdisc(self, part: str, datasets: Sequence[Dataset], suffix: str) -> None:
        """Write datasets of one standard with their Define-XML into a folder of their own."""
        folder = self.folder / part
        folder.mkdir()
        study = self.content.trial
        files = {dataset.name: f"{dataset.name.casefold()}{suffix}" for dataset in datasets}
        scrubbed = [self.scrub(dataset) for dataset in datasets]
        for dataset in scrubbed:
            path = folder / files[dataset.name]
            if suffix == ".xpt":
                write_xpt(path, dataset, self.made)
            else:
                write_dataset_json(path, dataset, (study.name, self.made))
            self.datasets.append((dataset, f"{part}/{path.name}"))
        write_define(folder / "define.xml", scrubbed, About(study.name, study.title, self.made, files))


def _csv(work: _Writing) -> None:
    if work.key is None:
        work.csv(people_tables(work.content))
        return
    table = frequency_table(work.content)
    work.csv([blinded(table, key_for(work.key, table))])
    work.absent["links"] = work.absent["other assessments"] = "the transfer is blinded"


def _excel(work: _Writing) -> None:
    tables = [work.scrub(dataset) for dataset in people_tables(work.content)]
    write_workbook(work.folder / "delivery.xlsx", tables, work.made)
    work.csv(tables)  # beside the workbook: what the next delivery is compared with


def _redcap(work: _Writing) -> None:
    work.csv([*redcap_tables(work.content), links_table(work.content)])


def _immport(work: _Writing) -> None:
    work.csv([immport_table(work.content), links_table(work.content)])


def _sdtm(work: _Writing) -> None:
    _submitted(work, ".xpt", analysis=False)


def _adam(work: _Writing) -> None:
    _submitted(work, ".xpt", analysis=True)


def _dataset_json(work: _Writing) -> None:
    _submitted(work, ".json", analysis=True)


def _submitted(work: _Writing, suffix: str, *, analysis: bool) -> None:
    """Write SDTM, and ADaM with it, the mapping of every source column to their variables, and the links."""
    made = sdtm_datasets(work.content)
    work.absent |= made.absent
    work.cdisc("sdtm", made.datasets, suffix)
    analysed = adam_datasets(work.content, made) if analysis else ()
    if analysis:
        work.cdisc("adam", analysed, suffix)
    mapping = annotated_mapping([*made.datasets, *analysed])
    work.csv([links_table(work.content), mapping])
    write_text(work.folder / "annotated_mapping.html", mapping_page(mapping))


def _miflowcyt(work: _Writing) -> None:
    items = checklist(work.content, work.headers)
    items = [replace(item, values=tuple(scrubbed_text(v, work.headers.removed) for v in item.values)) for item in items]
    write_text(work.folder / "miflowcyt.md", checklist_text(items, work.content.trial.title))
    work.csv([checklist_table(items), files_table(work.content), gates_table(work.content)])


FORMATS: Mapping[str, Callable[[_Writing], None]] = {
    "csv": _csv,
    "excel": _excel,
    "redcap": _redcap,
    "immport": _immport,
    "sdtm": _sdtm,
    "adam": _adam,
    "dataset-json": _dataset_json,
    "miflowcyt": _miflowcyt,
}


def deliver_run(
    run: Path,
    out: Path,
    *,
    kind: str,
    study: Path | None = None,
    previous: Path | None = None,
    test: bool = False,
    key: Path | None = None,
) -> Delivered:
    """Deliver a run in one of the FORMATS, into a new folder.

    study: its folder, by default the one above the run. previous: the folder of the delivery before, of the same format
    or another one with the same datasets; the differences are written and returned. The same run gives the same bytes.
    test: whether it is marked as a test transfer. key: the file of codes of a blinded one, which must not lie in it. It
    is checked as a receiver would, and entered into the run's audit trail. Raises BadRun, DeliveryFailed or BadSpec,
    and then there is no new folder.
    """
    if kind not in FORMATS:
        raise UnknownName(f"no format named '{kind}'; {nearest(kind, FORMATS)}")
    if key is not None and kind != "csv":
        why = "arms, days and visits are what the other formats are made of"
        raise DeliveryFailed(f"{key}: a blinded transfer is of --as csv; {kind} cannot be blinded: {why}")
    if key is not None and out.resolve() in key.resolve().parents:
        raise DeliveryFailed(f"{key}: the key of a blinded transfer lies outside of its folder; name another file")
    out = out if out.name not in {"", ".."} else out.resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not (out / MANIFEST).is_file():
        raise DeliveryFailed(f"{out}: holds other things than a delivery; name a new folder")
    before = None if previous is None else (read_delivery(previous), read_manifest(previous))
    if before is not None and ("blinded" in (before[1].get("transfer") or ())) != (key is not None):
        what = "a blinded transfer is compared with a blinded one alone, and another with none that is"
        raise DeliveryFailed(f"{previous}: {what}: the differences would tell what is blinded")
    content = read_content(run, study)
    unfinished = temporary_beside(out)
    remove_leftovers(out.parent.glob(f".{glob.escape(out.name)}.*.tmp"))
    try:
        unfinished.mkdir(parents=True)
        made = _deliver(content, (unfinished, out, kind), before, Transfer(key, test=test))
    except OSError as error:  # the file is named by its place in the delivery
        name = str(error.filename or out).replace(str(unfinished), str(out))
        raise OSError(error.errno, error.strerror, name) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    words = ", ".join([kind, *(["a test"] if test else []), *(["blinded"] if key else [])])
    return made if made.unchanged else replace(made, unnoted=_note(run, made, words))


def _note(run: Path, made: Delivered, kind: str) -> str:
    target = f"delivery {kind}, breaks {', '.join(made.broken)}" if made.broken else f"delivery {kind}"
    return note_in_trail(run, "deliver", target=target, manifest=file_digest(made.folder / MANIFEST))


def _deliver(
    content: Content,
    places: tuple[Path, Path, str],
    before: tuple[Mapping[str, Dataset], Mapping[str, Any]] | None,
    transfer: Transfer,
) -> Delivered:
    unfinished, out, kind = places
    made = str(content.source.record.get("finished_utc") or "1970-01-01T00:00:00+00:00")
    work = _Writing(content, read_headers_of(content.source), unfinished, made, key=transfer.key)
    FORMATS[kind](work)
    manifest = manifest_of(content, work.headers, (kind, work.datasets, work.absent))
    transfer.mark(manifest, unfinished)
    if work.neutralised:
        manifest["neutralised"] = {"note": _NEUTRALISED, "cells": work.neutralised}
    changes = None
    if before is not None:
        # Both are read from their files: what is compared is what was and will be received.
        write_text(unfinished / MANIFEST, json.dumps(manifest))
        changes = differences(before, (read_delivery(unfinished), manifest))
        write_csv(unfinished / "differences.csv", differences_table(changes))
        write_text(unfinished / "differences.txt", differences_text(changes))
        manifest["previous"] = {"run": before[1].get("run"), "differences": _counts(changes)}
    files = sorted(path for path in unfinished.rglob("*") if path.is_file() and path.name != MANIFEST)
    manifest["files"] = [
        {"file": path.relative_to(unfinished).as_posix(), "sha256": file_digest(path), "bytes": path.stat().st_size}
        for path in files
    ]
    write_text(unfinished / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    records = {dataset.name: len(dataset) for dataset, _ in work.datasets}
    made_of = (out, records, work.absent, manifest["blanks"], changes)
    if out.is_dir() and any(out.iterdir()):
        if (out / MANIFEST).read_bytes() == (unfinished / MANIFEST).read_bytes():
            return Delivered(*made_of, check_delivery(out), unchanged=True)
        raise DeliveryFailed(f"{out}: holds another delivery, which is kept; name a new folder, and it with --previous")
    if out.is_dir():
        out.rmdir()
    unfinished.replace(out)
    return Delivered(*made_of, check_delivery(out))


def _counts(changes: Sequence[Difference]) -> dict[str, int]:
    return {kind: sum(1 for change in changes if change.kind == kind) for kind in ("new", "changed", "withdrawn")}
