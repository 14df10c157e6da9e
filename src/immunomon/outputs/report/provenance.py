"""What made a run, for people: a few lines, every decision that a person took, and the record entry by entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from immunomon.errors import counted
from immunomon.outputs.report.run_folder import ReportedRun

__all__ = ["decisions", "in_short", "made_by", "provenance"]

_OF_PERSONS = ("override", "override withdrawn", "review", "trail reviewed", "lock", "changed after lock")


def in_short(run: ReportedRun) -> tuple[tuple[str, str], ...]:
    """Return what a reader asks first: who ran what, when, with which program, on which files and definitions."""
    record = run.record
    version, finished = made_by(record)
    trail = run.trail or ()
    by = next((str(entry.get("by")) for entry in reversed(trail) if entry.get("action") == "run"), "")
    files = Counter(str(file.get("status")) for file in record.get("files") or () if isinstance(file, dict))
    inputs = [str(name) for name in record.get("inputs") or {}]
    shipped = [name.partition(":")[2] for name in inputs if name.startswith("shipped:")]
    own = [name for name in inputs if not name.startswith("shipped:")]
    lines = (
        ("Run by", by),
        ("Finished", finished),
        ("Program", f"immunomon {version}, Python {record.get('python', '')} on {record.get('platform', '')}"),
        ("FCS files", ", ".join(f"{number} {status}" for status, number in sorted(files.items()))),
        ("Study's own definitions", ", ".join(own)),
        ("Definitions that the program ships", ", ".join(shipped)),
        ("Compensation", str((record.get("parameters") or {}).get("compensation", ""))),
        ("Entries of the audit trail", str(len(trail)) if trail else "there is no trail, or it is broken"),
        ("To check all of it again", f"immunomon audit {run.folder.name}"),
    )
    return tuple((name, text) for name, text in lines if text.strip())


def decisions(run: ReportedRun) -> tuple[tuple[str, ...], ...] | None:
    """Return every entry of the trail that is a person's decision: number, when, who, what, about what, and why.

    None if there is no trail, or it is broken: what persons decided is not known then.
    """
    if run.trail is None:
        return None
    return tuple(
        (
            *(str(entry.get("number", "")), _moment(str(entry.get("utc", ""))), str(entry.get("by", ""))),
            *(_what(entry), _about(entry), str(entry.get("reason") or "no reason was given")),
        )
        for entry in run.trail
        if str(entry.get("action")) in _OF_PERSONS
    )


def _what(entry: Mapping[str, Any]) -> str:
    decision = entry.get("decision")
    action = decision.get("action") if isinstance(decision, dict) else entry.get("verdict")
    return f"{entry['action']}: {action}" if action else str(entry["action"])


def _about(entry: Mapping[str, Any]) -> str:
    samples = entry.get("samples")
    if isinstance(samples, dict):
        return counted(len(samples), "sample") if len(samples) > 3 else ", ".join(map(str, samples))
    return str(entry.get("target") or "")


# The record itself.

_LONGEST = 25
_LEFT_OUT = {"study", "files", "left_out"}


def provenance(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the record's entries as dotted names and values; long lists are counted, the study is left out.

    >>> provenance({"versions": {"numpy": "2.1"}, "study": {"name": "x"}, "inputs": list(range(40))})
    (('versions.numpy', '2.1'), ('inputs', '40 entries, see run.json'))
    """
    return tuple(_lines("", {key: value for key, value in record.items() if key not in _LEFT_OUT}))


def _lines(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping | list) and len(value) > _LONGEST:
        yield name or "record", f"{counted(len(value), 'entry', 'entries')}, see run.json"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _lines(f"{name}.{key}" if name else str(key), item)
    elif isinstance(value, list):
        yield name, ", ".join(str(item) for item in value) if value else "none"
    else:
        yield name, "" if value is None else str(value)


def made_by(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the version that made the run and when it was finished, as far as the record says.

    >>> made_by({"software": {"name": "immunomon", "version": "0.1.0"}, "finished_utc": "2025-01-02T03:04:05+00:00"})
    ('0.1.0', '2025-01-02 03:04:05 UTC')
    """
    version = _first(record, ("immunomon", "immunomon_version", "version"))
    return version, _moment(_first(record, ("finished_utc", "finished", "started_utc", "started")))


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the first of these entries that is text, at the top or in the sections one level below."""
    sections = [record, *(value for key, value in record.items() if isinstance(value, Mapping) and key != "study")]
    for name in names:
        for section in sections:
            if isinstance(section.get(name), str):
                return str(section[name])
    return ""


def _moment(text: str) -> str:
    return text.split(".")[0].replace("T", " ").removesuffix("Z").removesuffix("+00:00") + " UTC" if text else ""
