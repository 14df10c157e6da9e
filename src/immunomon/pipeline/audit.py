"""The audit trail of a run: who did what, when, before and after, and why; each entry seals the ones before it."""

from __future__ import annotations

import datetime
import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import immunomon
from immunomon.errors import ImmunomonError
from immunomon.pipeline.provenance import code_digest, file_digest

__all__ = ["AuditTrail", "contents_of", "user_name"]

_GENESIS = "0" * 64
# What a run's numbers stand in; the seal of a run names each of these files with its digest.
_SEALED = ("run.json", "tables/*.parquet", "tables/*.csv", "samples/*.json", "gates/*.json")


def user_name() -> str:
    """Return the name that this computer knows its user by; ``unknown`` if it knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def contents_of(root: Path) -> dict[str, str]:
    """Return the digest of every file that a run's numbers stand in, by its path in the run folder."""
    files = sorted(path for pattern in _SEALED for path in root.glob(pattern) if not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): file_digest(path) for path in files}


def _digest(entry: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in entry.items() if name != "hash"}
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class AuditTrail:
    """``audit.jsonl`` in a run folder: a line an entry, only ever added to, each with the digest of the one before.

    Whoever changes a line breaks the chain there; whoever changes a table, a sample's result or a placed gate no longer
    fits the seal of the last run. What the chain cannot show is that somebody wrote all of it anew: keep a copy of the
    last hash elsewhere (an export to a database does). 21 CFR 11.10(e) asks for such a trail; a site's procedures
    must do the rest.
    """

    root: Path

    @property
    def path(self) -> Path:
        """The file of the trail."""
        return self.root / "audit.jsonl"

    @property
    def contents(self) -> Path:
        """The list of sealed files with their digests; its own digest is in the trail."""
        return self.root / "audit-contents.json"

    def entries(self) -> list[dict[str, Any]]:
        """Return all entries, oldest first; raises ImmunomonError for a line that is none."""
        return [entry for _, entry in self._lines()]

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        text = self.path.read_text(encoding="utf-8") if self.path.is_file() else ""
        for number, line in enumerate(text.split("\n"), start=1):
            if line:
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = None
                if not isinstance(entry, dict):
                    raise ImmunomonError(f"{self.path} line {number}: no entry of an audit trail; it was changed")
                yield number, entry

    def append(self, action: str, *, by: str, reason: str, **details: Any) -> str:  # noqa: ANN401
        """Add an entry and return its hash; the caller holds the run folder's lock.

        details: plain data: what it is about, what was before, what is after. Raises ImmunomonError for a broken trail.
        """
        self.mend()
        entries = self.entries()
        entry: dict[str, Any] = {
            "number": len(entries) + 1,
            "utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "user": user_name(),
            "action": action,
            "by": by,
            "reason": reason,
            **details,
            "software": f"immunomon {immunomon.__version__}",
            "code_digest": code_digest(),
            "previous": entries[-1]["hash"] if entries else _GENESIS,
        }
        entry["hash"] = _digest(entry)
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        return str(entry["hash"])

    def mend(self) -> None:
        """Take away the beginning of a line that a stopped program left: it never was an entry."""
        if self.path.is_file():
            data = self.path.read_bytes()
            if data and not data.endswith(b"\n"):
                with self.path.open("r+b") as file:
                    file.truncate(data.rfind(b"\n") + 1)

    def seal(self, *, by: str, reason: str, **details: Any) -> str:  # noqa: ANN401
        """Add the entry of a finished run, which names the digest of every file that its numbers stand in."""
        from immunomon.pipeline.folder import write_whole

        listed = contents_of(self.root)
        data = (json.dumps(listed, indent=1, sort_keys=True) + "\n").encode("utf-8")
        write_whole(self.contents, data)
        return self.append(
            "run", by=by, reason=reason, contents=hashlib.sha256(data).hexdigest(), files=len(listed), **details
        )

    def problems(self) -> list[str]:
        """Return everything that does not fit: broken links, changed entries, changed, missing and added files."""
        try:
            entries = self.entries()
        except ImmunomonError as error:
            return [str(error)]
        if not entries:
            return [f"{self.path}: there is no audit trail; a run writes one"]
        return [*self._broken(entries), *self._unsealed(entries)]

    def _broken(self, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        previous = _GENESIS
        for number, entry in enumerate(entries, start=1):
            what = f"{self.path} entry {number} ({entry.get('action')}, {entry.get('utc')})"
            if entry.get("hash") != _digest(entry):
                yield f"{what}: it was changed after it was written"
            if entry.get("previous") != previous or entry.get("number") != number:
                yield f"{what}: the entry before it is not the one that it was written after"
            previous = str(entry.get("hash"))

    def _unsealed(self, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        seal = next((entry for entry in reversed(entries) if entry.get("action") == "run"), None)
        if seal is None:
            yield f"{self.path}: no finished run is in the trail"
            return
        if not self.contents.is_file() or file_digest(self.contents) != seal.get("contents"):
            yield f"{self.contents}: it is not the list that the run of {seal.get('utc')} wrote"
            return
        listed: dict[str, str] = json.loads(self.contents.read_text(encoding="utf-8"))
        found = contents_of(self.root)
        for name in sorted({*listed, *found}):
            if name not in found:
                yield f"{self.root / name}: it is missing since the run of {seal.get('utc')}"
            elif name not in listed:
                yield f"{self.root / name}: it was added after the run of {seal.get('utc')}"
            elif listed[name] != found[name]:
                yield f"{self.root / name}: it was changed after the run of {seal.get('utc')}"
