"""Moving gates, dropping samples, accepting warnings: drafts of decisions, and what each would change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Gate, Interval, Rectangle, gate_from_dict, gate_to_dict
from immunomon.cytometry.model.scales import AnyScale
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.outputs.review.at_run import AtRun
from immunomon.outputs.review.committing import fingerprint
from immunomon.outputs.review.drafts import Draft
from immunomon.outputs.review.foreseeing import as_counted, foreseen
from immunomon.outputs.review.recount import OpenSample
from immunomon.runs.moved_borders import declared, placed
from immunomon.runs.overriding import check_overrides
from immunomon.runs.previewing import preview_decisions
from immunomon.runs.verdicts import digest_seen
from immunomon.study.model.overrides import Action
from immunomon.study.model.strategy import ROOT

__all__ = ["Drafting", "moved_together"]

Scales = Mapping[str, AnyScale]


def moved_together(population: str, gate: Gate, populations: Sequence[PlacedPopulation]) -> dict[str, Gate]:
    """Return the gates that a moved one takes along: population id -> gate; itself among them.

    Siblings that share a border with it, as the arms of a quadrant or the two sides of one threshold do, keep sharing
    it: no event falls between them or into both.

    >>> one = PlacedPopulation("n", "N", "root", "/n", "valley", Interval("CD4", high=0.4))
    >>> other = PlacedPopulation("p", "P", "root", "/p", "valley", Interval("CD4", low=0.4))
    >>> moved_together("p", Interval("CD4", low=0.5), (one, other))["n"]
    Interval(axis='CD4', low=-inf, high=0.5)
    """
    before = next(placed for placed in populations if placed.id == population)
    shifts = dict(_shifts(before.gate, gate))
    moved = {population: gate}
    for sibling in populations:
        if sibling.id != population and sibling.parent == before.parent and sibling.gate is not None:
            follower = _followed(sibling.gate, shifts)
            if follower != sibling.gate:
                moved[sibling.id] = follower
    return moved


def _sides(gate: Gate | None) -> tuple[Interval, ...]:
    return (gate,) if isinstance(gate, Interval) else gate.sides if isinstance(gate, Rectangle) else ()


def _shifts(before: Gate | None, after: Gate) -> list[tuple[tuple[str, float], float]]:
    return [
        ((old.axis, border), new_border)
        for old, new in zip(_sides(before), _sides(after), strict=False)
        for border, new_border in ((old.low, new.low), (old.high, new.high))
        if math.isfinite(border) and border != new_border
    ]


def _followed(gate: Gate, shifts: Mapping[tuple[str, float], float]) -> Gate:
    sides = tuple(
        replace(
            side, low=shifts.get((side.axis, side.low), side.low), high=shifts.get((side.axis, side.high), side.high)
        )
        for side in _sides(gate)
    )
    if isinstance(gate, Interval):
        return sides[0]
    return replace(gate, sides=sides) if isinstance(gate, Rectangle) else gate


class Drafting(AtRun):
    """One reviewer's drafts at a run: made, taken back, and seen for what they would change."""

    def move(self, sample: str, population: str, gate: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a dragged gate would count now, with the gates below it where they are; nothing is kept.

        gate: as ``gate_to_dict`` writes it, on the display scale. The gate that comes back has its borders rounded as a
        decision would have them: what is counted is what would be decided.
        """
        opened = self.opened(sample)
        shapes = self._dragged(sample, opened, population, gate)
        counts = opened.recount({**self.drafted_gates(sample, opened.scales), **shapes})
        drawn = {name: gate_to_dict(shape) for name, shape in shapes.items()}
        return {"gates": drawn, "counts": {name: [count.count, count.parent_count] for name, count in counts.items()}}

    def foresee(self, sample: str, population: str = "", gate: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what becomes reportable or not, and how changes from baseline move.

        gate: while it is dragged, counted with the gates below it where they are; without one the sample is gated anew
        with its drafts, as a run would.
        """
        if gate is not None:
            opened = self.opened(sample)
            dragged = self._dragged(sample, opened, population, gate)
            shapes = {**self.drafted_gates(sample, opened.scales), **dragged}
            counts = opened.recount(shapes)
            return foreseen(self, sample, as_counted(self.stored(sample), counts, shapes), touched=tuple(counts))
        moves = [draft for draft in self.drafts.of(sample) if draft.action == "move-gate"]
        touched = {name for draft in moves for name in draft.after}
        if not touched:
            return {"reportable": {}, "changes": [], "unchecked": []}
        measured = self.previewed().measure(sample, {draft.population: draft.gate for draft in moves})
        return foreseen(self, sample, measured, touched=sorted(touched))

    def _dragged(self, sample: str, opened: OpenSample, population: str, gate: Mapping[str, Any]) -> dict[str, Gate]:
        """Return the gates that one drag moves, on the display scale, their borders rounded as decisions have them."""
        decisions = self._decided(sample, opened, population, gate)
        return {name: placed(decision, opened.scales) for name, decision in decisions.items()}

    def _decided(
        self, sample: str, opened: OpenSample, population: str, gate: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return the decisions that one drag makes: population id -> gate in intensities."""
        drafted = self.drafted_gates(sample, opened.scales)
        now = [replace(p, gate=drafted.get(p.id, p.gate)) for p in opened.tree.populations]
        if population not in {p.id for p in now}:
            raise UnknownName(f"{sample}: no population '{population}'")
        together = moved_together(population, gate_from_dict(dict(gate)), now)
        return {name: declared(shape, opened.scales) for name, shape in together.items()}

    def draft(
        self, sample: str, population: str, gate: Mapping[str, Any], others: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Keep a dragged gate as a draft, for other samples too; return what it changes, gated anew as a run would.

        others: samples of the same panel that get the same borders, in intensities. Raises ImmunomonError if the study
        has changed since the run.
        """
        with self._deciding:
            gates = self._decided(sample, self.opened(sample), population, gate)
            step = self.drafts.next_step()
            drafts = [draft for name in dict.fromkeys((sample, *others)) for draft in self._drafted(name, gates, step)]
            self.drafts.add(drafts)
            return [
                {"sample": draft.sample, "before": draft.before, "after": draft.after}
                for draft in drafts[:: len(gates)]
            ]

    def _drafted(self, sample: str, gates: Mapping[str, dict[str, Any]], step: int) -> list[Draft]:
        stored = self.stored(sample)
        parents = {gate["population"]: gate["parent"] for gate in stored["gates"]["populations"]}
        if unknown := sorted(gates.keys() - parents.keys()):
            raise UnknownName(f"{sample}: no population '{unknown[0]}'; {nearest(unknown[0], parents)}")
        standing = {draft.population: draft for draft in self.drafts.of(sample) if draft.action == "move-gate"}
        earlier = {name: draft.gate for name, draft in standing.items()}
        measured = self.previewed().measure(sample, {**earlier, **gates})
        was, becomes = (_pairs(data, parents) for data in (stored["measured"], measured.to_dict()))
        changed = [name for name in becomes if becomes[name] != was.get(name)]
        seen = digest_seen(self.root, sample)
        difference = ({name: was[name] for name in changed if name in was}, {name: becomes[name] for name in changed})
        heard = {name for name, draft in standing.items() if draft.in_consensus}
        return [
            Draft(sample, population, gate, seen, step, *difference, in_consensus=population in heard)
            for population, gate in gates.items()
        ]

    def decide(self, samples: Sequence[str], action: Action, check: str = "") -> None:
        """Keep as drafts that samples are dropped, or that warnings of their acquisition are accepted.

        check: of ``accept-warning``, which quality check; all of them if empty. Raises ImmunomonError for a warning
        that a sample does not have, UnknownName for a sample that was not gated.
        """
        if action == "move-gate":
            raise ImmunomonError("a gate is moved by drawing it")
        with self._deciding:
            step = self.drafts.next_step()
            for sample in samples:
                verdict = (self.stored(sample).get("quality") or {}).get("verdict")
                if action == "accept-warning" and verdict != "fail":
                    raise ImmunomonError(f"{sample}: its acquisition did not fail: there is nothing to accept")
            self.drafts.add(
                [
                    Draft(sample, "", {}, digest_seen(self.root, sample), step, action=action, check=check)
                    for sample in samples
                ]
            )

    def hear(self, sample: str, population: str, *, wanted: bool) -> None:
        """Choose whether a moved border has a say in where the other samples' lie; all drafts of its drag alike.

        Raises UnknownName without a draft of the gate.
        """
        with self._deciding:
            step = next((draft.step for draft in self.drafts.of(sample) if draft.population == population), None)
            if step is None:
                raise UnknownName(f"{sample}: no draft of '{population}'")
            number = self.drafts.next_step()
            changed = [draft for draft in self.drafts.all if draft.step == step and draft.action == "move-gate"]
            self.drafts.add([replace(draft, step=number, in_consensus=wanted) for draft in changed])

    def undo(self) -> list[str]:
        """Take back the last step; return the samples that it was in."""
        with self._deciding:
            return list(dict.fromkeys(draft.sample for draft in self.drafts.undo()))

    def pending(self) -> list[dict[str, Any]]:
        """Return the drafts with what each changes, and whether its sample has changed since."""
        return [
            {**asdict(draft), "outdated": digest_seen(self.root, draft.sample) != draft.seen}
            for draft in self.drafts.all
        ]

    def effects(self, withdrawn: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Return every value of the run that the drafts would move, as a run would write it; nothing is written.

        withdrawn: a decision that would be taken back, in place of the drafts.
        """
        attribution = {"reason": "preview", "by": "preview", "when": "2000-01-01T00:00:00Z"}
        entries = [] if withdrawn else [{**draft.entry, **attribution} for draft in self.drafts.all]
        gone = [withdrawn] if withdrawn else []
        rows = preview_decisions(self.study, self.root, entries, withdrawn=gone).to_dict("records")
        return [{str(name): _plain(value) for name, value in row.items()} for row in rows]

    def decisions(self) -> list[dict[str, Any]]:
        """Return the decisions that stand, the last first: what names each, its words, and its fingerprint."""
        standing = sorted(check_overrides(self.study), key=lambda decision: decision.when, reverse=True)
        names = ("action", "sample", "population", "check")
        return [
            {
                "target": {name: getattr(decision, name) for name in names if getattr(decision, name)},
                "reason": decision.said,
                "seen": fingerprint(decision),
            }
            for decision in standing
        ]


def _plain(value: Any) -> Any:  # noqa: ANN401 - a cell
    return value.item() if hasattr(value, "item") else value


def _pairs(measured: Mapping[str, Any], parents: Mapping[str, str]) -> dict[str, list[int]]:
    """Return the counts of each population and of its parent."""
    counts = {**measured["counts"], ROOT: measured["events"]}
    known = ((name, counts[name], counts.get(parent)) for name, parent in parents.items() if name in counts)
    return {name: [own, of] for name, own, of in known if own is not None and of is not None}
