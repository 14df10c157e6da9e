"""What a run was made from and wrote, remembered by size and time of change: nothing is read to know it again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from immunomon.errors import ImmunomonError
from immunomon.files import file_digest
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder, result_names
from immunomon.runs.journal import STAMPS
from immunomon.runs.plan import Plan
from immunomon.runs.provenance import digest_of, environment, source_digest

__all__ = ["Memory", "Remembered", "asked_of"]

_FORMAT = "immunomon.stamps/1"
# A file that is younger than this when it is read may change again without a change of its time: file systems count in
# milliseconds, seconds, or steps of two seconds (FAT). Git has the same trouble, and the same remedy.
_SETTLED_NS = 2_500_000_000
# What the tables depend on beyond what single results do.
_CODE = ("study", "cytometry", "trial", "runs", "files.py", "csvfile.py", "yamlfile.py")

# Size in bytes, times of change of content and status in ns, inode: what is written anew, or copied over, differs.
Stamp = list[int]


def _stamp(about: os.stat_result) -> Stamp:
    return [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]


@dataclass
class Remembered:
    """Digests of files by their names in a record, each with the stamp that its file had before it was read.

    kept: name -> stamp and digest, as remembered from before. now: what is to be remembered. read: how many were read.
    read_digest: who reads a file that is not known; None: this process.
    """

    kept: Mapping[str, tuple[Stamp, str]]
    now: dict[str, tuple[Stamp, str]] = field(default_factory=dict)
    read: int = 0
    read_digest: Callable[[Path], str] | None = None

    def digest(self, path: Path, name: str) -> str:
        """Return a file's SHA-256, from memory if its stamp is the one it had; raises OSError if it cannot be read."""
        began, stamp = time.time_ns(), _stamp(path.stat())
        known = self.kept.get(name)
        if known is not None and known[0] == stamp:
            self.now[name] = known
            return known[1]
        digest = (self.read_digest or file_digest)(path)
        self.read += 1
        if max(stamp[1:3]) < began - _SETTLED_NS:
            self.now[name] = (stamp, digest)
        return digest


class _Said(Protocol):
    """What a run ended with, as far as it is remembered."""

    @property
    def gated(self) -> int: ...
    @property
    def kept(self) -> int: ...
    @property
    def doubts(self) -> Sequence[str]: ...
    @property
    def remarks(self) -> Sequence[str]: ...


@dataclass
class Memory:
    """What is remembered of the last run in a folder; a cache of digests, and what is to be said of that run.

    inputs: the FCS files, as the sample list names them. results: what the run wrote, by paths in its folder.
    """

    root: Path
    inputs: Remembered
    results: Remembered
    data: Mapping[str, Any]

    @classmethod
    def of(cls, root: Path, *, rehash: bool = False) -> Memory:
        """Return what is remembered in a run folder; nothing, if there is no memory that can be read.

        rehash: read every byte again.
        """
        data = RunFolder(root).read_json(root / STAMPS) or {}
        inputs, results = (Remembered({} if rehash else _entries(data.get(kind))) for kind in ("inputs", "results"))
        return cls(root, inputs, results, data if data.get("format") == _FORMAT else {})

    def stands(self, asked: str) -> bool:
        """Say whether the run in the folder is the finished one of what is asked, and no file that it wrote differs."""
        if self.data.get("asked") != asked:
            return False
        try:
            trail = AuditTrail(self.root)
            sealed = trail.sealed()
            if not sealed or set(result_names(self.root)) != sealed.keys() or trail.problem_of("lock.json"):
                return False
            return all(self.results.digest(self.root / name, name) == digest for name, digest in sealed.items())
        except (ImmunomonError, OSError, ValueError):
            return False  # a run says what is wrong

    def keep(self, asked: str | None, summary: _Said) -> None:
        """Write down what is to be remembered, and what was said; asked: None if the run may come out otherwise."""
        said = {"doubts": list(summary.doubts), "remarks": list(summary.remarks)}
        gated = summary.gated + summary.kept
        data: dict[str, Any] = {"format": _FORMAT, "asked": asked, "gated": gated, "said": said}
        for kind, remembered in (("inputs", self.inputs), ("results", self.results)):
            data[kind] = {name: [stamp, digest] for name, (stamp, digest) in remembered.now.items()}
        if data != self.data:
            with suppress(OSError):  # without a memory everything is read again, which is no fault
                RunFolder(self.root).write_json(self.root / STAMPS, data)

    @property
    def gated(self) -> int:
        """How many files the last run had gated, be it then or before."""
        return int(self.data["gated"])

    def said(self, name: str) -> tuple[str, ...]:
        """Return lines that the last run said."""
        return tuple(map(str, self.data.get("said", {}).get(name, ())))


def _entries(data: object) -> dict[str, tuple[Stamp, str]]:
    """Return the stamps and digests of a memory, leaving out what is none."""
    entries = data.items() if isinstance(data, dict) else ()
    return {str(name): (list(entry[0]), str(entry[1])) for name, entry in entries if _is_entry(entry)}


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], list) and isinstance(entry[1], str)


def asked_of(plan: Plan, beside: Mapping[str, str]) -> str:
    """Return the digest of all that a run depends on, known before any file is looked at: inputs, decisions, software.

    beside: the digests of the files of other assessments.
    """
    specs = (path for name in ("panels", "gating") for path in sorted((plan.study.folder / name).glob("*.y*ml")))
    own = {path.relative_to(plan.study.folder).as_posix(): file_digest(path) for path in specs}
    problems = [(task.sample.id, task.problem) for task in plan.tasks if task.problem]
    return digest_of(plan.digest, plan.inputs, own, beside, problems, environment(), _code_of_tables())


@cache  # the code of a program that runs does not change
def _code_of_tables() -> str:
    return source_digest(_CODE)
