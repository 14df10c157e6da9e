"""What made a run, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["made_by", "provenance"]

_LONGEST = 25
_LEFT_OUT = {"study", "files"}


def provenance(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the record's entries as dotted names and values; long lists are counted, the study is left out.

    >>> provenance({"versions": {"numpy": "2.1"}, "study": {"name": "x"}, "inputs": list(range(40))})
    (('versions.numpy', '2.1'), ('inputs', '40 entries, see run.json'))
    """
    return tuple(_lines("", {key: value for key, value in record.items() if key not in _LEFT_OUT}))


def _lines(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping | list) and len(value) > _LONGEST:
        yield name or "record", f"{len(value)} entries, see run.json"
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
