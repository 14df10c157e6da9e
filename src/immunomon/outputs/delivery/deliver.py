"""Deliver a run: files, a manifest with their digests, and what differs from the delivery before. All or nothing."""

from __future__ import annotations

import glob
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from immunomon.errors import DeliveryFailed, UnknownName, nearest
from immunomon.files import file_digest, remove_leftovers, temporary_beside
from immunomon.outputs.conformance.check import Report, check_delivery
from immunomon.outputs.delivery.blinding import Transfer
from immunomon.outputs.delivery.content import Content, read_content
from immunomon.outputs.delivery.dataset import Dataset
from immunomon.outputs.delivery.differences import (
    Difference,
    differences,
    differences_table,
    differences_text,
)
from immunomon.outputs.delivery.manifest import manifest_of, write_csv, write_text
from immunomon.outputs.delivery.read import MANIFEST, read_delivery, read_manifest
from immunomon.outputs.delivery.source import read_headers_of
from immunomon.outputs.delivery.writing import FORMATS, Writing
from immunomon.runs.opened import Run, note_in_trail

__all__ = ["FORMATS", "Delivered", "deliver_run"]


@dataclass(frozen=True)
class Delivered:
    """What was delivered: where, records by dataset, what is absent and blank, differences.

    unchanged: whether the folder held the same delivery already. checked: what a receiver's rules say of it.
    unnoted: why it is not in the run's audit trail, if it could not be entered there. guides: drafts of reviewer's
    guides by file, with what people have to fill in.
    """

    folder: Path
    records: Mapping[str, int]
    absent: Mapping[str, str]
    blanks: Sequence[str]
    differences: Sequence[Difference] | None
    checked: Report
    unchanged: bool = False
    unnoted: str = ""
    guides: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def broken(self) -> tuple[str, ...]:
        """The rules that it breaks, so that it is not ready to leave."""
        return tuple(sorted({breach.rule for breach in self.checked.of("error")}))


_NEUTRALISED = "Texts that a spreadsheet would run as formulas begin with an apostrophe that is not part of them."


def deliver_run(
    run: str | Path | Run,
    out: str | Path,
    *,
    kind: str,
    study: str | Path | None = None,
    previous: str | Path | None = None,
    test: bool = False,
    key: str | Path | None = None,
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
    run, study = (run.folder, study or run.study_folder) if isinstance(run, Run) else (Path(run), study)
    out, study, previous, key = Path(out), *(None if path is None else Path(path) for path in (study, previous, key))
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
    work = Writing(content, read_headers_of(content.source), unfinished, made, key=transfer.key)
    FORMATS[kind](work)
    manifest = manifest_of(content, work.headers, (kind, work.datasets, work.absent))
    transfer.mark(manifest, unfinished)
    if work.neutralised:
        manifest["neutralised"] = {"note": _NEUTRALISED, "cells": work.neutralised}
    if work.guides:
        manifest["guides"] = work.guides
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
            return Delivered(*made_of, check_delivery(out), unchanged=True, guides=work.guides)
        raise DeliveryFailed(f"{out}: holds another delivery, which is kept; name a new folder, and it with --previous")
    if out.is_dir():
        out.rmdir()
    unfinished.replace(out)
    return Delivered(*made_of, check_delivery(out), guides=work.guides)


def _counts(changes: Sequence[Difference]) -> dict[str, int]:
    return {kind: sum(1 for change in changes if change.kind == kind) for kind in ("new", "changed", "withdrawn")}
