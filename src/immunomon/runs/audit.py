"""The audit trail of a run: who did what, when, before and after, and why; each entry seals the ones before it."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import immunomon
from immunomon.errors import ImmunomonError, counted
from immunomon.files import file_digest, naming, read_input, write_whole
from immunomon.runs.folder import RESULTS, SEALED_FIRST, result_names
from immunomon.runs.journal import PROGRESS, STAMPS
from immunomon.runs.provenance import code_digest, user_name

__all__ = ["SEALED", "AuditTrail", "Head", "contents_of"]

_GENESIS = "0" * 64
_FORMAT = "immunomon.audit/2"
# What other entries write: each such entry names the digest of its own files, and a later run does not seal them anew.
_OF_ENTRIES = ("lock.json", "moved/*.csv")
_OWN = ("audit.jsonl", "audit-contents.json", "audit-head.json", ".lock", STAMPS, PROGRESS)
SEALED = frozenset(pattern.split("/")[0] for pattern in (*RESULTS, *_OF_ENTRIES, *_OWN))


def contents_of(root: Path, patterns: Sequence[str] = RESULTS) -> dict[str, str]:
    """Return the digests of what ``result_names`` names."""
    return {name: file_digest(root / name) for name in result_names(root, patterns)}


def _digest(entry: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in entry.items() if name != "hash"}
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class Head:
    """The end of a trail: how many entries it has, and the hash of the last; to be written down elsewhere.

    >>> str(Head(3, "9bd1"))
    '3:9bd1'
    """

    entries: int
    hash: str

    def __str__(self) -> str:
        return f"{self.entries}:{self.hash}"


@dataclass(frozen=True)
class AuditTrail:
    """``audit.jsonl`` in a run folder: a line an entry, only ever added to, each with the digest of the one before.

    Whoever changes a line breaks the chain there; whoever takes the last lines away no longer fits
    ``audit-head.json``; whoever changes a file no longer fits the entry that sealed it. What none of it can show is
    that somebody wrote trail, head and seals anew: a copy of the head that is kept elsewhere does (``after``). 21 CFR
    11.10(e) asks for such a trail; a site's procedures must do the rest.
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

    @property
    def head_file(self) -> Path:
        """The file that says how many entries there are, and the hash of the last."""
        return self.root / "audit-head.json"

    def entries(self) -> list[dict[str, Any]]:
        """Return all entries, oldest first; raises ImmunomonError for a line that is none."""
        data = self.path.read_bytes() if self.path.is_file() else b""
        lines = data.decode("utf-8", errors="replace").removesuffix("\n").split("\n") if data else []
        return [self._entry(number, line) for number, line in enumerate(lines, start=1)]

    def head(self) -> Head | None:
        """Return the end of the trail as it stands, None if there is no entry."""
        entries = self.entries()
        return Head(len(entries), str(entries[-1].get("hash"))) if entries else None

    def _entry(self, number: int, line: str) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        # Letter by letter: a second "by" in a line, or a space, would change nothing that its digest is of.
        if not isinstance(entry, dict) or json.dumps(entry, ensure_ascii=False) != line:
            raise ImmunomonError(f"{self.path} line {number}: no entry of an audit trail; it was changed")
        return entry

    def append(self, action: str, *, by: str, reason: str, wrote: Sequence[Path] = (), **details: Any) -> str:  # noqa: ANN401
        """Add an entry and return its hash; the caller holds the run folder's lock.

        wrote: files in the run folder that the entry seals. details: plain data: what it is about, what was before,
        what is after. Raises ImmunomonError for a broken trail.
        """
        self.mend()
        entries = self.entries()
        digests = {path.relative_to(self.root).as_posix(): file_digest(path) for path in wrote}
        entry: dict[str, Any] = {
            "format": _FORMAT,
            "number": len(entries) + 1,
            "utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "user": user_name(),
            "action": action,
            "by": by,
            "reason": reason,
            **({"wrote": digests} if wrote else {}),
            **details,
            "software": f"immunomon {immunomon.__version__}",
            "code_digest": code_digest(),
            "previous": entries[-1]["hash"] if entries else _GENESIS,
        }
        entry["hash"] = _digest(entry)
        # Should the trail have lost entries, the head that knows of them stays, so that the loss stays to be seen.
        whole = not list(self._cut(entries))
        with self._or_as_before():
            with self.path.open("ab") as file:
                file.write((json.dumps(entry, ensure_ascii=False) + "\n").encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            if whole:
                head = {"entries": entry["number"], "hash": entry["hash"]}
                write_whole(self.head_file, json.dumps(head) + "\n")
        return str(entry["hash"])

    @contextmanager
    def _or_as_before(self) -> Iterator[None]:
        """Take back an entry that could not be written to its end: what is said to have failed must not have been."""
        size = self.path.stat().st_size if self.path.is_file() else 0
        try:
            with naming(self.path):
                yield
        except BaseException:
            if self.path.is_file():
                os.truncate(self.path, size)  # this needs no room on a full disk
            raise

    def mend(self) -> None:
        """Take away the beginning of a line that a stopped program left: it never was an entry."""
        if self.path.is_file():
            data = self.path.read_bytes()
            if data and not data.endswith(b"\n"):
                os.truncate(self.path, data.rfind(b"\n") + 1)

    def seal(self, *, by: str, reason: str, **details: Any) -> str:  # noqa: ANN401
        """Add the entry of a finished run, which names the digest of every file that its numbers stand in."""
        listed = contents_of(self.root)
        data = (json.dumps(listed, indent=1, sort_keys=True) + "\n").encode("utf-8")
        write_whole(self.contents, data)
        return self.append(
            "run", by=by, reason=reason, contents=hashlib.sha256(data).hexdigest(), files=len(listed), **details
        )

    def last_seal(self) -> dict[str, Any] | None:
        """Return the last entry of a finished run, None if there is none."""
        return next((entry for entry in reversed(self.entries()) if entry.get("action") == "run"), None)

    def sealed(self) -> dict[str, str]:
        """Return the digests of the files that the last run sealed; empty if there is no such run, or not its list."""
        seal = self.last_seal()
        if seal is None or not self.contents.is_file() or file_digest(self.contents) != seal.get("contents"):
            return {}
        return dict(json.loads(self.contents.read_text(encoding="utf-8")))

    def names(self) -> frozenset[str]:
        """Return the files in the run folder that ``problems`` looks at, by their paths there."""
        return frozenset(result_names(self.root, (*RESULTS, *_OF_ENTRIES))) | set(_OWN)

    def problems(self) -> list[str]:
        """Return everything that does not fit: broken links, changed entries, changed, missing and added files."""
        try:
            entries = self.entries()
        except ImmunomonError as error:
            return [str(error)]
        if not entries:
            return [f"{self.path}: there is no audit trail; a run writes one"]
        return [*self._broken(entries), *self._cut(entries), *self._unsealed(entries), *self._unwritten(entries)]

    def broken_links(self) -> list[str]:
        """Return what does not fit among the entries: changed, taken out or cut off; no result is looked at.

        Raises ImmunomonError for a line of the trail that is no entry.
        """
        entries = self.entries()
        return [*self._broken(entries), *self._cut(entries)]

    def problem_of(self, name: str) -> str | None:
        """Return what does not fit of a file that a single entry wrote, such as ``lock.json``; None if nothing.

        Only such files are looked at. Raises ImmunomonError for a line of the trail that is no entry.
        """
        problems = self._unwritten(self.entries())
        return next((problem for problem in problems if problem.startswith(f"{self.root / name}:")), None)

    def after(self, head: str) -> int:
        """Return how many entries came after a head that was written down: ``number:hash``, or the hash alone.

        Raises ImmunomonError if the trail has no such entry there: then it is not the trail that it was.
        """
        number, _, digest = head.strip().rpartition(":")
        entries = self.entries()
        numbers = [number for number, entry in enumerate(entries, start=1) if digest and _digest(entry) == digest]
        if not numbers or (number and number != str(numbers[0])):
            raise ImmunomonError(
                f"{self.path}: no entry is the one that was written down as {head.strip()}; "
                f"the trail was written anew or cut off since then ({counted(len(entries), 'entry', 'entries')} now)"
            )
        return len(entries) - numbers[0]

    def _broken(self, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        previous = _GENESIS
        for number, entry in enumerate(entries, start=1):
            subject = f"{self.path} entry {number} ({entry.get('action')}, {entry.get('utc')})"
            if entry.get("hash") != _digest(entry):
                yield f"{subject}: it was changed after it was written"
            if entry.get("previous") != previous or entry.get("number") != number:
                yield f"{subject}: the entry before it is not the one that it was written after"
            previous = str(entry.get("hash"))

    def _cut(self, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """Yield that entries were taken from the end; one entry more is what a stopped program leaves."""
        if not self.head_file.is_file():
            if sum(entry.get("format") == _FORMAT for entry in entries) > 1:
                yield f"{self.head_file}: it is missing; whether entries were cut off the trail cannot be told"
            return
        try:
            head = json.loads(self.head_file.read_text(encoding="utf-8"))
            number, digest = int(head["entries"]), str(head["hash"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            yield f"{self.head_file}: it was changed; it does not say how many entries there are"
            return
        if number > len(entries):
            yield f"{self.path}: the end was cut off: {number} entries were written, {len(entries)} are there"
        elif number < 1 or entries[number - 1].get("hash") != digest or len(entries) > number + 1:
            yield f"{self.head_file}: it does not fit the trail: entry {number} is another, or entries were added"

    def _unsealed(self, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        seal = next((entry for entry in reversed(entries) if entry.get("action") == "run"), None)
        if seal is None:
            yield f"{self.path}: no finished run is in the trail"
            return
        if not self.contents.is_file() or file_digest(self.contents) != seal.get("contents"):
            yield f"{self.contents}: it is not the list that the run of {seal.get('utc')} wrote"
            return
        listed: dict[str, str] = json.loads(self.contents.read_text(encoding="utf-8"))
        digests = contents_of(self.root, RESULTS if "format" in seal else SEALED_FIRST)
        for name in self._normalised(digests):  # written after the run, by a command that keeps their digests
            listed.pop(name, None)
            del digests[name]
        yield from self._differences(listed, digests, f"the run of {seal.get('utc')}")

    def _normalised(self, digests: Mapping[str, str]) -> list[str]:
        """Return the tables that are as ``immunomon normalise`` recorded them."""
        path = self.root / "normalisation.json"
        try:
            written = dict(json.loads(read_input(path))["files"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return []
        return [name for name, digest in written.items() if name in digests and digests[name] == digest]

    def _unwritten(self, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """Yield what does not fit of the files that single entries wrote: the lock, and lists of moved values."""
        listed: dict[str, str] = {}
        digests = contents_of(self.root, _OF_ENTRIES)
        for entry in entries:
            if "format" in entry:
                listed |= entry.get("wrote") or {}
                continue
            # Earlier versions sealed the lists of moved values, not the lock: that it is there is all to be asked.
            if "list" in entry:
                listed[str(entry["list"])] = str(entry["list_sha256"])
            if entry.get("action") in {"lock", "changed after lock"}:
                listed["lock.json"] = digests.get("lock.json", "")
        yield from self._differences(listed, digests, "its entry in the trail")

    def _differences(self, listed: Mapping[str, str], digests: Mapping[str, str], since: str) -> Iterator[str]:
        for name in sorted({*listed, *digests}):
            if name not in digests:
                yield f"{self.root / name}: it is missing since {since}"
            elif name not in listed:
                yield f"{self.root / name}: it was added after {since}"
            elif listed[name] != digests[name]:
                yield f"{self.root / name}: it was changed after {since}"
