"""Rules of the manifest: it lists the delivery as it lies there, and what is not in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from immunomon.errors import counted
from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.guide import DOMAINS, guide_of
from immunomon.outputs.conformance.received import MANIFEST, Received

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NEEDED = ("format", "kind", "software", "run", "study", "datasets", "absent", "blanks", "files", "samples")


def _listed(manifest: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = manifest.get(key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _files(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(entry.get("file")): entry for entry in _listed(manifest, "files")}


@CHECKS.register("MF001")
def _there(received: Received, _: Received) -> Iterator[Issue]:
    manifest = received.manifest
    if manifest is None:
        if not any(file.path == MANIFEST for file in received.files):
            yield Issue(MANIFEST, "is not there")
        return
    if not str(manifest.get("format")).startswith("immunomon.delivery/"):
        yield Issue(MANIFEST, f"is of format '{str(manifest.get('format'))[:40]}'")
    lacking = [name for name in _NEEDED if name not in manifest]
    if lacking:
        yield Issue(MANIFEST, f"has no {', '.join(lacking)}")


@CHECKS.register("MF002")
def _digests(manifest: Mapping[str, Any], received: Received) -> Iterator[Issue]:
    there = {file.path: file for file in received.files}
    for name, entry in _files(manifest).items():
        file = there.get(name)
        if file is None:
            yield Issue(name[:100], "is in the manifest, and not in the folder")
        elif file.sha256 != entry.get("sha256") or file.bytes != entry.get("bytes"):
            yield Issue(
                name[:100], f"is not the file of the manifest: its SHA-256 is {file.sha256[:16] or 'unknown'}..."
            )


@CHECKS.register("MF003")
def _no_extra(manifest: Mapping[str, Any], received: Received) -> Iterator[Issue]:
    known = {MANIFEST, *_files(manifest)}
    yield from (Issue(file.path, "is not in the manifest") for file in received.files if file.path not in known)


@CHECKS.register("MF004")
def _inside(manifest: Mapping[str, Any], _: Received) -> Iterator[Issue]:
    for name in (*_files(manifest), *(str(dataset.get("file")) for dataset in _listed(manifest, "datasets"))):
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or name.startswith(("/", "\\", "~")) or ":" in parts[0]:
            yield Issue(MANIFEST, f"names '{name[:100]}'")


@CHECKS.register("MF005")
def _records(manifest: Mapping[str, Any], received: Received) -> Iterator[Issue]:
    tables = {(table.name, table.file): table for table in received.tables if table.form != "xlsx"}
    entries = {
        (str(dataset.get("name")), str(dataset.get("file"))): dataset for dataset in _listed(manifest, "datasets")
    }
    faulty = {file.path for file in received.files if file.fault}
    for (name, file), entry in entries.items():
        table = tables.get((name, file))
        if table is None and file not in faulty:
            yield Issue(MANIFEST, f"dataset {name[:40]} is not in {file[:60]}")
        elif table is not None and entry.get("records") != len(table):
            yield Issue(
                MANIFEST,
                f"dataset {name[:40]} has {counted(len(table), 'record')}, "
                f"the manifest says {str(entry.get('records'))[:20]}",
            )
    about = {"differences.csv"}
    for name, file in sorted(set(tables) - set(entries)):
        if file not in about:
            yield Issue(MANIFEST, f"dataset {name[:40]} of {file[:60]} is not listed")


@CHECKS.register("MF006")
def _blanks(manifest: Mapping[str, Any], received: Received) -> Iterator[Issue]:
    blanks = {str(variable) for variable in manifest.get("blanks") or ()}
    for table in received.cdisc:
        guided = (
            {variable.name for variable in guide_of(table.name) if variable.core != "Perm"}
            if table.is_tabulation
            else set()
        )
        for name in (name for name in table.names if name in guided and len(table)):
            if not table.distinct(name) and f"{table.name}.{name}" not in blanks:
                yield Issue(MANIFEST, f"{table.name}.{name} has no value, and is not under blanks")
        for name in (name for name in table.names if f"{table.name}.{name}" in blanks):
            if table.distinct(name):
                yield Issue(MANIFEST, f"{table.name}.{name} is under blanks, and has values")


@CHECKS.register("MF007")
def _absent(manifest: Mapping[str, Any], received: Received) -> Iterator[Issue]:
    absent = manifest.get("absent")
    reasons = absent if isinstance(absent, dict) else {}
    there = {table.name for table in received.cdisc}
    for name in sorted(set(map(str, reasons))):
        if name in there:
            yield Issue(MANIFEST, f"{name[:20]} is said to be absent, and is there")
        elif not str(reasons[name] or "").strip():
            yield Issue(MANIFEST, f"{name[:20]} is absent without a reason")
    if "CP" in there or "CP" in reasons:
        yield from (
            Issue(MANIFEST, f"{name} is neither there nor absent") for name in sorted(DOMAINS - there - set(reasons))
        )


@CHECKS.register("MF008")
def _samples(manifest: Mapping[str, Any], received: Received) -> Iterator[Issue]:
    samples = manifest.get("samples")
    known = samples if isinstance(samples, dict) else {}
    for table in received.tables:
        if table.form == "xlsx" or not (table.is_cdisc or table.name == "links"):
            continue
        for name in {"CPSPID", "BSSPID", "sample_id"} & set(table.names):
            for (tube,), records in table.grouped((name,)):
                if tube and tube not in known:
                    yield Issue.at(table.name, records[0], f"{name} '{tube[:60]}' is not among the manifest's samples")
    for tube, digests in known.items():
        if not isinstance(digests, dict) or not _SHA256.fullmatch(str(digests.get("fcs"))):
            yield Issue(MANIFEST, f"sample '{str(tube)[:60]}' has no SHA-256 of its FCS file")


# What a blinded table may hold, and what codes look like there.
_SILENT = frozenset(
    {
        *("study", "subject", "visit", "panel", "role", "quantity", "population", "label", "denominator"),
        *("denominator_label", "marker", "value", "unit", "status", "reason", "count", "denominator_count"),
        *("sample_id", "rests_on"),
    }
)
_CODES = {"subject": r"P\d+", "visit": r"V\d+", "panel": r"L\d+", "sample_id": r"B\d+"}


def _transfer(manifest: Mapping[str, Any]) -> list[str]:
    kinds = manifest.get("transfer")
    return [str(kind) for kind in kinds] if isinstance(kinds, list) else []


@CHECKS.register("MF009")
def _no_test(manifest: Mapping[str, Any], _: Received) -> Iterator[Issue]:
    if "test" in _transfer(manifest):
        yield Issue(MANIFEST, "this is a test transfer")


@CHECKS.register("MF010")
def _blinded(manifest: Mapping[str, Any], received: Received) -> Iterator[Issue]:
    if "blinded" not in _transfer(manifest):
        return
    for name in ("samples", "review", "assessments", "audit", "identifiers"):
        if manifest.get(name):
            yield Issue(MANIFEST, f"has '{name}', which names samples or files of a blinded transfer")
    for name in ("run", "study", "cp_map"):
        part = manifest.get(name)
        if digests := sorted(set(part) - {"version", "name", "terminology"}) if isinstance(part, dict) else []:
            yield Issue(MANIFEST, f"has '{name}: {digests[0]}', which files that are known can be held against")
    for table in (table for table in received.tables if table.name != "differences"):
        telling = sorted(set(table.names) - _SILENT)
        if telling or table.name != "subset_frequencies":
            yield Issue(table.file, f"lies in a blinded transfer{f' and has {telling[0]}' if telling else ''}")
        for name, code in _CODES.items():
            values = table.distinct(name) if table.has(name) else ()
            if plain := sorted(str(value) for value in values if not re.fullmatch(code, str(value), re.ASCII)):
                yield Issue(table.file, f"{name} '{plain[0][:40]}' is no code of a blinded transfer")
