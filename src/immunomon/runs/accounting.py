"""A run accounted for: decisions, what a locked run's change moved, and the seal, in the audit trail."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunomon.errors import counted
from immunomon.runs.audit import AuditTrail, user_name
from immunomon.runs.folder import RunFolder
from immunomon.runs.lock import Reason, refuse_if_locked, relock
from immunomon.runs.plan import Plan
from immunomon.study.model.overrides import Override
from immunomon.study.model.trust import DOUBTS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Accounted", "account_of_doubts", "decisions_of", "recorded", "state_of"]

# Decisions of persons in the audit trail: which were taken, changed or withdrawn since the last run.

State = dict[str, dict[str, Any]]


def recorded(trail: AuditTrail) -> dict[str, Mapping[str, Any]]:
    """Return the decisions that stand at the end of a trail: target -> decision, as plain data."""
    standing: dict[str, Mapping[str, Any]] = {}
    for entry in trail.entries():
        if entry.get("action") == "override":
            standing[str(entry["target"])] = entry["decision"]
        elif entry.get("action") == "override withdrawn":
            standing.pop(str(entry["target"]), None)
    return standing


def state_of(folder: RunFolder, overrides: Sequence[Override]) -> State:
    """Return what a run folder holds of the samples and populations that decisions are about: target -> plain data."""
    return {override.target: _seen(folder, override) for override in overrides}


def _seen(folder: RunFolder, override: Override) -> dict[str, Any]:
    data = folder.read_sample(override.sample)
    if data is None:
        return {"status": "not gated"}
    state: dict[str, Any] = {"status": data.get("status"), "quality": (data.get("quality") or {}).get("verdict")}
    placed = (data.get("gates") or {}).get("populations", [])
    gate = next((item for item in placed if item["population"] == override.population), None)
    if gate is not None:
        counts = data["measured"]["counts"]
        parent = data["measured"]["events"] if gate["parent"] == "root" else counts.get(gate["parent"])
        state |= {"gate": gate["gate"], "source": gate.get("source"), "count": counts.get(override.population)}
        state["parent_count"] = parent
    return state


def decisions_of(
    overrides: Sequence[Override], before: Mapping[str, Mapping[str, Any]], *, was: State, now: State
) -> Iterator[dict[str, Any]]:
    """Yield an entry of the trail for each decision that is new, changed or withdrawn.

    before: what stood in the trail; was, now: the state of each target before and after this run.
    """
    for override in overrides:
        plain = dict(override.to_dict())
        if before.get(override.target) != plain:
            yield {
                "action": "override",
                "by": override.by,
                "reason": override.reason,
                "target": override.target,
                "decision": plain,
                "decision_before": before.get(override.target),
                "before": was.get(override.target),
                "after": {"status": "dropped"} if override.action == "drop-sample" else now.get(override.target),
            }
    standing = {override.target for override in overrides}
    for target, decision in before.items():
        if target not in standing:
            reason = "it is no longer in the file of overrides"
            yield {
                "action": "override withdrawn",
                "by": user_name(),
                "reason": reason,
                "target": target,
                "decision_before": decision,
            }


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


# What a run's values rest on, in numbers: the account with which a run ends.

_NAMED = 3  # gates, or samples, that a line names


def account_of_doubts(frequencies: pd.DataFrame, doubts: pd.DataFrame) -> tuple[str, ...]:
    """Return how many values rest on which doubts, a line each, most first, and how many remarks there are.

    Each line says what its code means and what to do, for somebody who has never met it.

    frequencies, doubts: tables of those contracts. Nothing is said of a run without doubts.

    >>> columns = {"sample_id": ["a", "a"], "reportable": [True, False], "reason": [None, "in doubt: t: ..."]}
    >>> frequencies = pd.DataFrame({**columns, "rests_on": [None, "t: weak_stain(CD3)"]})
    >>> doubts = pd.DataFrame({"code": ["weak_stain"], "population": ["t"], "sample_id": ["a"]})
    >>> print(account_of_doubts(frequencies, doubts)[0])
    1 of 2 values rests on a doubtful gate; 1 is withheld for it (table doubts):
    """
    resting = frequencies[frequencies["rests_on"].notna()]
    lines: list[str] = []
    if len(resting):
        withheld = int(frequencies["reason"].fillna("").str.startswith("in doubt: ").sum())
        lines.append(
            f"{len(resting)} of {counted(len(frequencies), 'value')} {_rest(len(resting))} on a doubtful gate; "
            f"{withheld} {'is' if withheld == 1 else 'are'} withheld for it (table doubts):"
        )
    codes = Counter(code for text in resting["rests_on"] for code in set(_codes(str(text))))
    for code, count in codes.most_common():
        of_code = doubts[doubts["code"] == code]
        gates = [str(name) for name in of_code["population"].value_counts().index]
        samples = counted(of_code["sample_id"].nunique(), "sample")
        lines.append(f"  {counted(count, 'value')} {_rest(count)} on {code} ({_some(gates)}; {samples}):")
        lines.append(f"    {DOUBTS[code].meaning}. What to do: {DOUBTS[code].remedy}.")
    remarks = Counter(str(code) for code in doubts["code"] if not DOUBTS[str(code)].withholds)
    if remarks:
        lines.append("Remarks, which withhold nothing (table doubts):")
        lines += [f"  {number:,} {code}: {DOUBTS[code].meaning}." for code, number in remarks.most_common()]
    return tuple(lines)


def _codes(rests_on: str) -> list[str]:
    return re.findall(r": (\w+)", rests_on)


def _rest(count: int) -> str:
    return "rests" if count == 1 else "rest"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
