"""Drafts: gates that a person has moved and not committed, kept on the disk so that a stopped desk loses none."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from immunomon.errors import ImmunomonError
from immunomon.files import write_whole

__all__ = ["Draft", "Drafts"]

_FORMAT = "immunomon.drafts/1"


@dataclass(frozen=True)
class Draft:
    """One moved gate of one sample: as an override will have it, and what it changes.

    gate: in intensities; seen: digest of the sample's result that it was moved on; step: drafts of one drag share it.
    before, after: population -> count, parent's count, of every population that the move changes.
    """

    sample: str
    population: str
    gate: Mapping[str, Any]
    seen: str
    step: int
    before: Mapping[str, Sequence[int]] = field(default_factory=dict)
    after: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def entry(self) -> dict[str, Any]:
        """The draft as an override, without who and why."""
        return {"action": "move-gate", "sample": self.sample, "population": self.population, "gate": dict(self.gate)}


class Drafts:
    """The drafts of one reviewer of a run, in ``review/drafts-NAME.json`` in the run folder; each change is written.

    A gate that is moved again stands where it was moved last; what it was before is kept for whoever takes that back.
    """

    def __init__(self, root: Path, reviewer: str) -> None:
        name = re.sub(r"[^A-Za-z0-9]+", "-", reviewer).strip("-").casefold() or "reviewer"
        self.path = root / "review" / f"drafts-{name}.json"
        self._drafts = self._read()

    def _read(self) -> tuple[Draft, ...]:
        if not self.path.is_file():
            return ()
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            if data["format"] != _FORMAT:
                raise ValueError(f"its format is {data['format']}")
            return tuple(Draft(**draft) for draft in data["drafts"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ImmunomonError(
                f"{self.path}: not readable ({error}); move it aside to begin without drafts"
            ) from error

    @property
    def all(self) -> tuple[Draft, ...]:
        """The drafts that stand, oldest first: of each gate the last."""
        standing = {(draft.sample, draft.population): draft for draft in self._drafts}
        return tuple(draft for draft in self._drafts if standing[draft.sample, draft.population] is draft)

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

    def clear(self) -> None:
        """Take all out: they were committed."""
        self._write(())

    def _write(self, drafts: tuple[Draft, ...]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        data = {"format": _FORMAT, "written_utc": now, "drafts": [asdict(draft) for draft in drafts]}
        write_whole(self.path, json.dumps(data, indent=1) + "\n")
        self._drafts = drafts
