"""The desk: what a reviewer sees of a run, and what they decide; it knows nothing of pages and requests."""

from __future__ import annotations

import datetime
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from threading import RLock
from typing import Any

from filelock import FileLock, Timeout

from immunomon.cytometry.model.geometry import Gate, gate_from_dict, gate_to_dict
from immunomon.cytometry.model.placed import placed_from_run
from immunomon.cytometry.model.scales import AnyScale
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.outputs.report.page import TickSets, page_sample
from immunomon.outputs.review.drafts import Draft, Drafts
from immunomon.outputs.review.gallery import entries_of, population_tree
from immunomon.outputs.review.moving import declared, moved_together, placed
from immunomon.outputs.review.recount import OpenSample, open_sample
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import read_gated
from immunomon.runs.lock import Reason
from immunomon.runs.opened import Run, open_run
from immunomon.runs.overriding import record_decisions
from immunomon.runs.previewing import Preview, open_preview
from immunomon.runs.provenance import user_name
from immunomon.runs.run import run_study
from immunomon.runs.verdicts import Verdict, digest_seen, record_verdicts, review_progress, reviews_of_run
from immunomon.study.model.strategy import ROOT

__all__ = ["Desk", "open_desk"]

_OPEN_SAMPLES = 3  # of up to some hundred MB each


class Desk:
    """One reviewer at one run. Every method may be called from any thread; what decides waits its turn.

    reviewer: the name that drafts, verdicts and moved gates stand under. Raises ImmunomonError if another desk of the
    same reviewer is open on the run.
    """

    def __init__(self, run: Run, reviewer: str) -> None:
        self.reviewer = reviewer
        self._root, self._study = run.folder, run.study_file.parent
        self._run, self._made, self._lock = run, _stamp(run.folder), RLock()
        self.drafts = Drafts(self._root, reviewer)
        self._samples: OrderedDict[str, OpenSample] = OrderedDict()
        self._preview: Preview | None = None
        self.drafts.path.parent.mkdir(parents=True, exist_ok=True)
        self._seat = FileLock(self.drafts.path.with_suffix(".lock"))
        try:
            self._seat.acquire(timeout=0)
        except Timeout:
            raise ImmunomonError(
                f"{self._root}: '{reviewer}' reviews this run already; close that desk, or --as another name"
            ) from None

    def close(self) -> None:
        """Let another desk of the same reviewer be opened."""
        self._seat.release()

    @property
    def run(self) -> Run:
        """The run as it is now: made again by a commit, or by somebody else."""
        with self._lock:
            stamp = _stamp(self._root)
            if stamp != self._made:
                self._run, self._made, self._preview = open_run(self._root, self._study), stamp, None
                self._samples.clear()
            return self._run

    def overview(self) -> dict[str, Any]:
        """Return the study's name, its panels with their populations, the visits, and how far the review is."""
        run = self.run
        populations = run.table("populations")
        panels = [{"name": panel, "populations": population_tree(populations, panel)} for panel in run.panels]
        head = {"study": run.name, "title": run.study.get("title", ""), "reviewer": self.reviewer}
        return {**head, "panels": panels, "visits": list(run.visits), "progress": self.progress()}

    def progress(self) -> dict[str, int]:
        """Return how many gated samples there are, are approved, have an open query, are rejected, have drafts."""
        return {**review_progress(self._root, self.run.gated), "drafts": len(self.drafts.all)}

    def gallery(self, panel: str, population: str) -> list[dict[str, Any]]:
        """Return one gate over all samples of a panel; raises UnknownName for a panel or population that is none."""
        run = self.run
        if panel not in run.panels:
            raise UnknownName(f"no panel '{panel}'; {nearest(panel, run.panels)}")
        populations = run.table("populations")
        names = [entry["id"] for entry in population_tree(populations, panel)]
        if population not in names:
            raise UnknownName(f"panel {panel}: no population '{population}'; {nearest(population, names)}")
        ticks, reviews = TickSets(), reviews_of_run(self._root)
        drafted = {draft.sample for draft in self.drafts.all}
        return [
            {
                **entry,
                "drafted": entry["sample_id"] in drafted,
                "plot": self._thumbnail(entry["sample_id"], population, ticks),
            }
            for entry in entries_of(
                populations[(populations["panel"] == panel) & (populations["population"] == population)],
                run.table("samples"),
                reviews,
            )
        ]

    def _thumbnail(self, sample: str, population: str, ticks: TickSets) -> dict[str, Any] | None:
        stored = self._stored(sample)
        plots = [plot for plot in stored.get("plots", ()) if population in plot.get("populations", ())]
        drawn = page_sample({"plots": plots}, ticks)["plots"]
        return drawn[0] if drawn else None

    def sample(self, sample: str) -> dict[str, Any]:
        """Return one sample with all its plots, its placed gates on the display scale, its drafts and its review."""
        stored, ticks = self._stored(sample), TickSets()
        page = page_sample(stored, ticks)
        for plot, whole in zip(page["plots"], stored["plots"], strict=True):
            axes = {name: {"axis": whole[name]["axis"], "range": whole[name]["range"]} for name in ("x", "y")}
            plot |= {"frame": axes, "populations": whole["populations"]}
        gates = stored["gates"]["populations"]
        return {
            **page,
            "sample_id": sample,
            "seen": digest_seen(self._root, sample),
            "ticks": ticks.sets,
            "gates": {gate["population"]: gate for gate in gates},
            "counts": stored["measured"]["counts"],
            "events": stored["measured"]["events"],
            "drafts": [self._drawn(draft, stored) for draft in self.drafts.of(sample)],
            "quality": (stored.get("quality") or {}).get("verdict"),
        }

    def _drawn(self, draft: Draft, stored: Mapping[str, Any]) -> dict[str, Any]:
        scales = _scales(stored)
        return {"population": draft.population, "gate": gate_to_dict(placed(draft.gate, scales)), "after": draft.after}

    def move(self, sample: str, population: str, gate: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a dragged gate would count now, with the gates below it where they are; nothing is kept.

        gate: as ``gate_to_dict`` writes it, on the display scale. The gate that comes back has its borders rounded as a
        decision would have them: what is counted is what would be decided.
        """
        opened = self._open(sample)
        decisions = self._decided(sample, opened, population, gate)
        shapes = {name: placed(decision, opened.scales) for name, decision in decisions.items()}
        counts = opened.recount({**self._shapes(sample, opened.scales), **shapes})
        drawn = {name: gate_to_dict(shape) for name, shape in shapes.items()}
        return {"gates": drawn, "counts": {name: [count.count, count.parent_count] for name, count in counts.items()}}

    def _decided(
        self, sample: str, opened: OpenSample, population: str, gate: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return the decisions that one drag makes: population id -> gate in intensities."""
        drafted = self._shapes(sample, opened.scales)
        now = [replace(p, gate=drafted.get(p.id, p.gate)) for p in opened.tree.populations]
        if population not in {p.id for p in now}:
            raise UnknownName(f"{sample}: no population '{population}'")
        together = moved_together(population, gate_from_dict(dict(gate)), now)
        return {name: declared(shape, opened.scales) for name, shape in together.items()}

    def _shapes(self, sample: str, scales: Mapping[str, AnyScale]) -> dict[str, Gate]:
        """Return where a sample's drafts put gates, on the display scale."""
        return {draft.population: placed(draft.gate, scales) for draft in self.drafts.of(sample)}

    def draft(
        self, sample: str, population: str, gate: Mapping[str, Any], others: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Keep a dragged gate as a draft, for other samples too; return what it changes, gated anew as a run would.

        others: samples of the same panel that get the same borders, in intensities. Raises ImmunomonError if the study
        has changed since the run.
        """
        with self._lock:
            gates = self._decided(sample, self._open(sample), population, gate)
            step = self.drafts.next_step()
            drafts = [draft for name in dict.fromkeys((sample, *others)) for draft in self._drafted(name, gates, step)]
            self.drafts.add(drafts)
            return [
                {"sample": draft.sample, "before": draft.before, "after": draft.after}
                for draft in drafts[:: len(gates)]
            ]

    def _drafted(self, sample: str, gates: Mapping[str, dict[str, Any]], step: int) -> list[Draft]:
        stored = self._stored(sample)
        parents = {gate["population"]: gate["parent"] for gate in stored["gates"]["populations"]}
        if unknown := sorted(gates.keys() - parents.keys()):
            raise UnknownName(f"{sample}: no population '{unknown[0]}'; {nearest(unknown[0], parents)}")
        earlier = {draft.population: draft.gate for draft in self.drafts.of(sample)}
        measured = self._previewed().measure(sample, {**earlier, **gates})
        before, after = stored["measured"], measured.to_dict()
        was, becomes = (_pairs(data, parents) for data in (before, after))
        changed = [name for name in becomes if becomes[name] != was.get(name)]
        seen = digest_seen(self._root, sample)
        difference = ({name: was[name] for name in changed if name in was}, {name: becomes[name] for name in changed})
        return [Draft(sample, population, gate, seen, step, *difference) for population, gate in gates.items()]

    def undo(self) -> list[str]:
        """Take back the last drag; return the samples that it was in."""
        with self._lock:
            return list(dict.fromkeys(draft.sample for draft in self.drafts.undo()))

    def pending(self) -> list[dict[str, Any]]:
        """Return the drafts with what each changes, and whether its sample has changed since."""
        return [
            {**asdict(draft), "outdated": digest_seen(self._root, draft.sample) != draft.seen}
            for draft in self.drafts.all
        ]

    def commit(self, reason: str) -> dict[str, Any]:
        """Write all drafts as decisions with who and why, and bring the run up to date; return how it ended.

        Raises ImmunomonError without a reason, without drafts, or if a sample changed since a gate was moved on it:
        then nothing is written and all drafts stay.
        """
        with self._lock:
            drafts = self.drafts.all
            if not reason.strip():
                raise ImmunomonError("a moved gate needs a reason")
            if not drafts:
                raise ImmunomonError("there are no drafts to commit")
            outdated = sorted({d.sample for d in drafts if digest_seen(self._root, d.sample) != d.seen})
            if outdated:
                raise ImmunomonError(
                    f"changed since their gates were moved: {', '.join(outdated)}; undo and look again"
                )
            now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            entries = [{**d.entry, "reason": reason.strip(), "by": self.reviewer, "when": now} for d in drafts]
            record_decisions(self._study, entries)
            summary = run_study(self._study, self._root, why=Reason(reason.strip(), self.reviewer))
            self.drafts.clear()
            return {"decisions": len(entries), "failed": [list(failed) for failed in summary.failed]}

    def judge(self, seen: Mapping[str, str], verdict: Verdict, note: str = "") -> dict[str, int]:
        """Enter a verdict into the trail; return how far the review is. seen: sample -> digest of what was seen."""
        with self._lock:
            record_verdicts(self._root, seen, verdict, by=self.reviewer, note=note, seen=seen)
            return self.progress()

    def _stored(self, sample: str) -> dict[str, Any]:
        run = self.run
        if sample not in run.gated:
            raise UnknownName(f"no gated sample '{sample}'; {nearest(sample, run.gated)}")
        stored = run.result(sample)
        if stored is None:
            raise ImmunomonError(f"the result of '{sample}' cannot be read; run the study again")
        return stored

    def _previewed(self) -> Preview:
        with self._lock:
            if self._preview is None:
                self._preview = open_preview(self._study, self._root)
            return self._preview

    def _open(self, sample: str) -> OpenSample:
        with self._lock:
            if sample not in self._samples:
                self._samples[sample] = self._read(sample)
                while len(self._samples) > _OPEN_SAMPLES:
                    self._samples.popitem(last=False)
            self._samples.move_to_end(sample)
            return self._samples[sample]

    def _read(self, sample: str) -> OpenSample:
        plan = self._previewed().bench.plan
        task = next(task for task in plan.tasks if task.sample.id == sample)
        return open_sample(read_gated(RunFolder(self._root), plan, task), _scales(self._stored(sample)))


def open_desk(run: Path, *, study: Path | None = None, reviewer: str = "") -> Desk:
    """Return a desk at a finished run; reviewer: default, this computer's user.

    Raises BadRun if the folder holds no finished run, ImmunomonError if its study is not at hand.
    """
    return Desk(open_run(run, study), reviewer.strip() or user_name())


def _stamp(root: Path) -> tuple[int, int, int]:
    """Return what changes when a run is made again: its record is written anew, last of all."""
    record = (root / "run.json").stat()
    return record.st_ino, record.st_mtime_ns, record.st_size


def _scales(stored: Mapping[str, Any]) -> dict[str, AnyScale]:
    return {name: axis.scale for name, axis in placed_from_run(stored["gates"], None).axes.items()}


def _pairs(measured: Mapping[str, Any], parents: Mapping[str, str]) -> dict[str, list[int]]:
    """Return the counts of each population and of its parent."""
    counts = {**measured["counts"], ROOT: measured["events"]}
    known = ((name, counts[name], counts.get(parent)) for name, parent in parents.items() if name in counts)
    return {name: [own, of] for name, own, of in known if own is not None and of is not None}
