"""A run accounted for: what a person decided, what a locked run's change moved, and the seal, in the audit trail."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from immunomon.runs.audit import AuditTrail
from immunomon.runs.decisions import decisions_of, recorded, state_of
from immunomon.runs.folder import RunFolder
from immunomon.runs.lock import Reason, refuse_if_locked, relock
from immunomon.runs.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Accounted"]


class Accounted:
    """A run in progress, from what is there before it to its entries in the trail; one that fails leaves no entry."""

    def __init__(self, folder: RunFolder, plan: Plan, why: Reason) -> None:
        self._folder, self._plan, self._why = folder, plan, why
        self._trail = AuditTrail(folder.root)
        self._trail.mend()
        self._before = recorded(self._trail)
        self._was = state_of(folder, plan.overrides)
        self._frequencies: pd.DataFrame | None = None
        self._made_anew: tuple[str, ...] = ()

    def refuse_if_locked(self, *, has_reason: bool) -> None:
        """Raise RunLocked if the run is locked, would change, and no reason was given; else remember its values."""
        if refuse_if_locked(self._folder, self._plan.digest, self._why if has_reason else None):
            self._frequencies = self._folder.read_table("frequencies")

    def made_anew(self, samples: tuple[str, ...]) -> None:
        """Remember the samples whose results had been changed by hand: the entry of the run names them."""
        self._made_anew = samples

    def __enter__(self) -> Accounted:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        now = state_of(self._folder, self._plan.overrides)
        for entry in decisions_of(self._plan.overrides, self._before, was=self._was, now=now):
            self._trail.append(entry.pop("action"), by=entry.pop("by"), reason=entry.pop("reason"), **entry)
        if self._frequencies is not None:
            after = self._folder.read_table("frequencies")
            relocked = relock(self._folder, self._plan.digest, self._why, before=self._frequencies, after=after)
            self._trail.append("changed after lock", by=self._why.by, reason=self._why.text, **relocked)
        anew = {"made_anew": list(self._made_anew)} if self._made_anew else {}
        self._trail.seal(by=self._why.by, reason=self._why.text, digest=self._plan.digest, **anew)
