"""The desk: what a reviewer sees of a run, and what they decide; it knows nothing of pages and requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from immunomon.cytometry.model.geometry import gate_to_dict
from immunomon.errors import BadRun, ImmunomonError, UnknownName, nearest
from immunomon.outputs.report.page import TickSets, page_sample
from immunomon.outputs.review.at_run import scales_of
from immunomon.outputs.review.blind import blind_of, kept_seed
from immunomon.outputs.review.closeup import CloseUp, close_up, ghosts_of
from immunomon.outputs.review.committing import commit_drafts, finish_commit, withdraw_decision
from immunomon.outputs.review.drafting import Drafting
from immunomon.outputs.review.drafts import Draft, Drafts, drafts_path
from immunomon.outputs.review.gallery import entries_of, population_tree
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder
from immunomon.runs.lock import Reason, lock_words
from immunomon.runs.moved_borders import placed
from immunomon.runs.opened import Run, open_run
from immunomon.runs.provenance import user_name
from immunomon.runs.verdicts import Verdict, digest_seen, record_verdicts, review_progress, reviews_of_run

__all__ = ["Desk", "open_desk"]


class Desk(Drafting):
    """One reviewer at one run.

    reviewer: the name that drafts, verdicts and moved gates stand under. blind: whether whose a sample is stays hidden
    from them, in the order of a seed that is drawn once. Raises ImmunomonError if another desk of the
    same reviewer is open on the run.
    """

    def __init__(self, run: Run, reviewer: str, *, blind: bool = False, seed: int | None = None) -> None:
        super().__init__(run)
        self.reviewer = reviewer
        drafts_file = drafts_path(self.root, reviewer)
        drafts_file.parent.mkdir(parents=True, exist_ok=True)
        self._seat = FileLock(drafts_file.with_suffix(".lock"))
        try:
            self._seat.acquire(timeout=0)
        except Timeout:
            raise ImmunomonError(
                f"{self.root}: '{reviewer}' reviews this run already; close that desk, or --as another name"
            ) from None
        try:
            self.drafts = Drafts(self.root, reviewer)  # only now is nobody else writing them
            self.remark = finish_commit(self.root, self.study, self.drafts)
            seed_file = drafts_file.with_name(drafts_file.name.replace("drafts-", "blind-", 1))
            self.blind = blind_of(self.run, kept_seed(seed_file, seed)) if blind else None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another desk of the same reviewer be opened."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._seat.release()

    def overview(self) -> dict[str, Any]:
        """Return the study's name, its panels with their populations, the visits, and how far the review is."""
        run = self.run
        populations = self.table("populations")
        panels = [{"name": panel, "populations": population_tree(populations, panel)} for panel in run.panels]
        head = {"study": run.name, "title": run.study.get("title", ""), "reviewer": self.reviewer}
        state = {"progress": self.progress(), "remark": self.remark, "blind": self.blind is not None}
        return {**head, "panels": panels, "visits": list(run.visits), **state}

    def progress(self) -> dict[str, Any]:
        """Return how many gated samples there are, are approved, have an open query, are rejected, have drafts.

        made: another number once the run was made again; locked: when and by whom, empty if it is not.
        """
        progress = review_progress(self.root, self.run.gated)
        locked = lock_words(RunFolder(self.root))
        return {**progress, "drafts": len(self.drafts.all), "made": self._made[1], "locked": locked}

    def gallery(self, panel: str, population: str, *, plots: bool = True) -> list[dict[str, Any]]:
        """Return one gate over all samples of a panel; raises UnknownName for a panel or population that is none.

        plots: whether each comes with its picture.
        """
        run = self.run
        if panel not in run.panels:
            raise UnknownName(f"no panel '{panel}'; {nearest(panel, run.panels)}")
        populations = self.table("populations")
        names = [entry["id"] for entry in population_tree(populations, panel)]
        if population not in names:
            raise UnknownName(f"panel {panel}: no population '{population}'; {nearest(population, names)}")
        ticks, reviews, sealed = TickSets(), reviews_of_run(self.root), AuditTrail(self.root).sealed()
        drafted = {draft.sample for draft in self.drafts.all}
        return [
            {
                **entry,
                "drafted": entry["sample_id"] in drafted,
                "seen": sealed.get(f"samples/{entry['sample_id']}.json", ""),
                "plot": self._thumbnail(entry["sample_id"], population, ticks) if plots else None,
            }
            for entry in entries_of(
                populations[(populations["panel"] == panel) & (populations["population"] == population)],
                self.table("samples"),
                reviews=reviews,
                distances=self.distances(panel, population),
            )
        ]

    def _thumbnail(self, sample: str, population: str, ticks: TickSets) -> dict[str, Any] | None:
        plots = [plot for plot in self.plots(sample) if population in plot.get("populations", ())]
        drawn = page_sample({"plots": plots}, ticks)["plots"]
        return drawn[0] if drawn else None

    def sample(self, sample: str) -> dict[str, Any]:
        """Return one sample with all its plots, its placed gates on the display scale, its drafts and its review."""
        stored, ticks = self.stored(sample), TickSets()
        page = page_sample(stored, ticks)
        for plot, whole in zip(page["plots"], stored["plots"], strict=True):
            plot |= {"frame": _frame(whole), "populations": whole.get("populations") or []}
        gates = stored["gates"]["populations"]
        return {
            **page,
            "sample_id": sample,
            "seen": digest_seen(self.root, sample),
            "ticks": ticks.sets,
            "gates": {gate["population"]: gate for gate in gates},
            "counts": stored["measured"]["counts"],
            "events": stored["measured"]["events"],
            "drafts": [self._drawn(draft, stored) for draft in self.drafts.of(sample)],
            "quality": (stored.get("quality") or {}).get("verdict"),
        }

    def _drawn(self, draft: Draft, stored: Mapping[str, Any]) -> dict[str, Any]:
        gate = gate_to_dict(placed(draft.gate, scales_of(stored))) if draft.gate else None
        names = ("population", "after", "action", "check", "in_consensus")
        return {**{name: getattr(draft, name) for name in names}, "gate": gate}

    def foresee(self, sample: str, population: str = "", gate: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what follows from moved gates, see ``Drafting.foresee``; a blind reviewer sees no baseline."""
        answer = super().foresee(sample, population, gate)
        return answer if self.blind is None else {**answer, "changes": []}

    def closer(self, sample: str, population: str, view: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plot of a gate as a reviewer looks at it: zoomed, as dots, with other events over it."""
        answer, ticks = close_up(self, sample, population, view=CloseUp(**view)), TickSets()
        (page,) = page_sample({"plots": [answer["plot"]]}, ticks)["plots"]
        names = answer["plot"]["populations"]
        return {**answer, "plot": {**page, "frame": _frame(answer["plot"]), "populations": names}, "ticks": ticks.sets}

    def ghosts(self, sample: str, population: str) -> list[dict[str, Any]]:
        """Return where a gate lay before it was moved, and where the sample's own events alone put it."""
        return ghosts_of(self, sample, population)

    def discard(self, samples: Sequence[str]) -> dict[str, Any]:
        """Take back all drafts of some samples; return how far the review is."""
        with self._deciding:
            self.drafts.discard(samples)
            return self.progress()

    def commit(self, reason: str) -> dict[str, Any]:
        """Write all drafts as decisions with who and why, and bring the run up to date; return how it ended.

        Raises as ``commit_drafts`` does: then nothing is written and all drafts stay.
        """
        with self._deciding:
            words = reason.strip() and f"{reason.strip()}{self._blind_words}"
            return asdict(commit_drafts(self.root, self.study, self.drafts, reviewer=self.reviewer, reason=words))

    def withdraw(self, target: Mapping[str, str], seen: str, reason: str) -> dict[str, Any]:
        """Take a decision back and bring the run up to date; raises as ``withdraw_decision`` does.

        target, seen: as ``decisions`` gave them.
        """
        with self._deciding:
            why = Reason(reason.strip() and f"{reason.strip()}{self._blind_words}", self.reviewer)
            return {"failed": withdraw_decision(self.root, self.study, target, seen=seen, why=why)}

    @property
    def _blind_words(self) -> str:
        return "" if self.blind is None else f" (decided blind, seed {self.blind.seed})"

    def judge(self, seen: Mapping[str, str], verdict: Verdict, note: str = "") -> dict[str, Any]:
        """Enter a verdict into the trail; return how far the review is. seen: sample -> digest of what was seen."""
        with self._deciding:
            blind_seed = None if self.blind is None else self.blind.seed
            record_verdicts(self.root, seen, verdict, by=self.reviewer, note=note, seen=seen, blind_seed=blind_seed)
            return self.progress()


def _frame(plot: Mapping[str, Any]) -> dict[str, Any]:
    axes = {name: plot.get(name) or {} for name in ("x", "y")}
    return {name: {"axis": axis.get("axis", ""), "range": axis.get("range", [0.0, 1.0])} for name, axis in axes.items()}


def open_desk(
    run: Path, *, study: Path | None = None, reviewer: str = "", blind: bool = False, seed: int | None = None
) -> Desk:
    """Return a desk at a finished run; reviewer: default, this computer's user; blind, seed: as of ``Desk``.

    Raises BadRun if the folder holds no finished run or an imported one, ImmunomonError if its study is not at hand.
    """
    opened = open_run(run, study)
    if opened.record.get("imported"):
        raise BadRun(f"{run}: its values were imported: they were gated elsewhere, and there are no gates to review")
    return Desk(opened, reviewer.strip() or user_name(), blind=blind, seed=seed)
