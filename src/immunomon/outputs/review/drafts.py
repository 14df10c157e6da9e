"""Drafts: what a person has decided and not committed, kept on the disk so that a stopped desk loses none."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from immunomon.errors import ImmunomonError
from immunomon.files import write_whole
from immunomon.study.model.overrides import Action

__all__ = ["Draft", "Drafts", "drafts_path"]

_FORMAT = "immunomon.drafts/1"


@dataclass(frozen=True)
class Draft:
    """One decision on one sample that is not committed: as an override will have it, and what it changes.

    population, gate: for ``move-gate``, in intensities; in_consensus: whether the other samples hear of it. check: for
    ``accept-warning``. seen: digest of the sample's result that it was decided on; step: the same for all drafts of one
    gesture.
    before, after: population -> count, parent's count, of every population that a move changes.
    """

    sample: str
    population: str
    gate: Mapping[str, Any]
    seen: str
    step: int
    before: Mapping[str, Sequence[int]] = field(default_factory=dict)
    after: Mapping[str, Sequence[int]] = field(default_factory=dict)
    action: Action = "move-gate"
    check: str = ""
    in_consensus: bool = False

    @property
    def target(self) -> str:
        """What it is about, as an override names it.

        >>> Draft("S01_W4", "", {}, "ab12", 1, action="drop-sample").target
        'drop-sample S01_W4'
        """
        return " ".join(filter(None, (self.action, self.sample, self.population, self.check)))

    @property
    def entry(self) -> dict[str, Any]:
        """The draft as an override, without who and why."""
        about = {name: getattr(self, name) for name in ("population", "check", "in_consensus") if getattr(self, name)}
        return {"action": self.action, "sample": self.sample, **about} | (
            {"gate": dict(self.gate)} if self.gate else {}
        )


def drafts_path(root: Path, reviewer: str) -> Path:
    """Return where a reviewer's drafts on a run are kept: no two names share a file, be they written in any letters.

    >>> drafts_path(Path("run"), "A. Nurse").as_posix()
    'run/review/drafts-a-nurse-4f2c53.json'
    """
    name = re.sub(r"[^A-Za-z0-9]+", "-", reviewer).strip("-").casefold() or "reviewer"
    digest = hashlib.sha256(reviewer.encode("utf-8")).hexdigest()[:6]
    return root / "review" / f"drafts-{name}-{digest}.json"


class Drafts:
    """The drafts of one reviewer of a run, in ``review/`` in the run folder; each change is written.

    A gate that is moved again stands where it was moved last; what it was before is kept for whoever takes that back.
    """

    def __init__(self, root: Path, reviewer: str) -> None:
        self.path = drafts_path(root, reviewer)
        self.committing: Mapping[str, str] = {}
        self._drafts = self._read()

    def _read(self) -> tuple[Draft, ...]:
        if not self.path.is_file():
            return ()
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            if data["format"] != _FORMAT:
                raise ValueError(f"its format is {data['format']}")
            self.committing = dict(data.get("committing") or {})
            return tuple(Draft(**draft) for draft in data["drafts"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ImmunomonError(
                f"{self.path}: not readable ({error}); move it aside to begin without drafts"
            ) from error

    @property
    def all(self) -> tuple[Draft, ...]:
        """The drafts that stand, oldest first: on each target the last."""
        standing = {draft.target: draft for draft in self._drafts}
        return tuple(draft for draft in self._drafts if standing[draft.target] is draft)

    def of(self, sample: str) -> tuple[Draft, ...]:
        """Return a sample's drafts that stand."""
        return tuple(draft for draft in self.all if draft.sample == sample)

    def add(self, drafts: Sequence[Draft]) -> None:
        """Add the drafts of one drag."""
        self._write((*self._drafts, *drafts))

    def next_step(self) -> int:
        """Return the number of the next drag."""
        return max((draft.step for draft in self._drafts), default=0) + 1

    def undo(self) -> tuple[Draft, ...]:
        """Take back the last drag; return its drafts, none if there is none. What stood before it stands again."""
        last = max((draft.step for draft in self._drafts), default=0)
        gone = tuple(draft for draft in self._drafts if draft.step == last)
        self._write(tuple(draft for draft in self._drafts if draft.step != last))
        return gone

    def discard(self, samples: Sequence[str]) -> None:
        """Take back all drafts of some samples."""
        self._write(tuple(draft for draft in self._drafts if draft.sample not in samples))

    def begin_commit(self, attribution: Mapping[str, str]) -> None:
        """Keep that a commit has begun, by whom, when and why, so that one that is stopped is known; none: it ended."""
        self.committing = dict(attribution)
        self._write(self._drafts)

    def clear(self) -> None:
        """Take all out: they were committed."""
        self.committing = {}
        self._write(())

    def _write(self, drafts: tuple[Draft, ...]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        data: dict[str, Any] = {"format": _FORMAT, "written_utc": now, "committing": dict(self.committing)}
        data |= {"drafts": [asdict(draft) for draft in drafts]}
        write_whole(self.path, json.dumps(data, indent=1) + "\n")
        self._drafts = drafts
