"""The run that a desk is at: opened anew when it was made again, with the events of the samples that are looked at."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from immunomon.cytometry.model.geometry import Gate
from immunomon.cytometry.model.placed import placed_from_run
from immunomon.cytometry.model.scales import AnyScale
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.outputs.review.drafts import Drafts
from immunomon.outputs.review.gallery import distances_of
from immunomon.outputs.review.recount import OpenSample, open_sample
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import read_gated
from immunomon.runs.moved_borders import placed
from immunomon.runs.opened import Run, open_run
from immunomon.runs.plan import Plan, Task
from immunomon.runs.previewing import Preview, open_preview, plan_of_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AtRun", "sample_distances", "scales_of"]

T = TypeVar("T")
_OPEN_SAMPLES = 3  # of up to some hundred MB each


class AtRun:
    """A run and one reviewer's drafts on it; every method may be called from any thread."""

    drafts: Drafts

    def __init__(self, run: Run) -> None:
        self.root, self.study = run.folder, run.study_file.parent
        self._run, self._made, self._lock = run, self._stamp(), RLock()
        # Taken before the other one: whoever looks does not wait for a commit.
        self._deciding = RLock()
        self._samples: OrderedDict[str, OpenSample] = OrderedDict()
        self._tables: dict[str, pd.DataFrame] = {}
        self._distances: dict[str, dict[str, dict[str, float]]] = {}
        self._gated: frozenset[str] = frozenset()
        self._plots: dict[str, list[dict[str, Any]]] = {}
        self._worker = ThreadPoolExecutor(1)  # it takes no lock: whoever waits for it may hold one
        self._planning: Future[Plan] | None = None
        self._previewing: Future[Preview] | None = None

    @property
    def run(self) -> Run:
        """The run as it is now: made again by a commit, or by somebody else."""
        with self._lock:
            stamp = self._stamp()
            if stamp != self._made:
                self._run, self._made = open_run(self.root, self.study), stamp
                self._planning = self._previewing = None
                self._samples.clear()
                self._tables.clear()
                self._distances.clear()
                self._gated, self._plots = frozenset(), {}
            return self._run

    def _stamp(self) -> tuple[int, int, int]:
        """Return what changes when a run is made again: its record is written anew, last of all."""
        record = (self.root / "run.json").stat()
        return record.st_ino, record.st_mtime_ns, record.st_size

    @property
    def gated(self) -> frozenset[str]:
        """The samples that the run, as it is now, gated."""
        with self._lock:
            run = self.run
            if not self._gated:
                self._gated = frozenset(run.gated)
            return self._gated

    def table(self, name: str) -> pd.DataFrame:
        """Return a table of the run as it is now, read once; not to be changed."""
        with self._lock:
            run = self.run
            if name not in self._tables:
                self._tables[name] = run.table(name)
            return self._tables[name]

    def stored(self, sample: str) -> dict[str, Any]:
        """Return all that the run stored of a sample; raises UnknownName for one that it did not gate."""
        run = self.run
        if sample not in self.gated:
            raise UnknownName(f"no gated sample '{sample}'; {nearest(sample, run.gated)}")
        stored = run.result(sample)
        if stored is None:
            raise ImmunomonError(f"the result of '{sample}' cannot be read; run the study again")
        return stored

    def plots(self, sample: str) -> list[dict[str, Any]]:
        """Return a sample's stored plots, read once: the gallery of each gate shows one of them."""
        with self._lock:
            _ = self.run  # made again: what was read of it is gone
            if sample not in self._plots:
                self._plots[sample] = list(self.stored(sample).get("plots") or ())
            return self._plots[sample]

    def warm(self) -> None:
        """Begin to read what the first moved gate will need, while the reviewer looks at the gallery."""
        with self._lock:
            if self._planning is None or self._previewing is None:
                run, study, root = self.run, self.study, self.root
                self._planning = planning = self._worker.submit(plan_of_run, study, root)
                self._previewing = self._worker.submit(lambda: open_preview(study, run.folder, planning.result()))

    def planned(self) -> Plan:
        """Return the plan of the run; raises ImmunomonError if its study has changed since."""
        return self._awaited(lambda: self._planning)

    def previewed(self) -> Preview:
        """Return the run ready to be gated anew; raises ImmunomonError if its study has changed since."""
        return self._awaited(lambda: self._previewing)

    def _awaited(self, future: Callable[[], Future[T] | None]) -> T:
        with self._lock:
            _ = self.run  # made again: what was read of it is gone
            self.warm()
            awaited = future()
        assert awaited is not None, "it was begun"
        try:
            return awaited.result()
        except ImmunomonError:
            with self._lock:
                self._planning = self._previewing = None  # it may be mended meanwhile
            raise

    def estimates(self, sample: str) -> list[dict[str, Any]]:
        """Return where the sample's own events put the gates that samples share; none if there are no such gates."""
        return _stored_estimates(self.run, sample)

    def distances(self, panel: str, population: str) -> dict[str, float]:
        """Return by sample how far its own estimate of a gate lies from the consensus, in standard errors."""
        with self._lock:
            run = self.run
            if panel not in self._distances:
                samples = self.table("samples")
                names = samples.loc[samples["panel"] == panel, "sample_id"]
                self._distances[panel] = {name: sample_distances(run, name) for name in names if name in self.gated}
            of_panel = self._distances[panel].items()
            return {name: distances[population] for name, distances in of_panel if population in distances}

    def task(self, sample: str) -> Task:
        """Return how a run gates a sample."""
        return next(task for task in self.planned().tasks if task.sample.id == sample)

    def opened(self, sample: str) -> OpenSample:
        """Return a sample with its events in memory."""
        with self._lock:
            is_gated = sample in self.gated  # of the run as it is now: what was read of an earlier one is gone then
            if not is_gated or sample not in self._samples:
                stored = self.stored(sample)
                gated = read_gated(RunFolder(self.root), self.planned(), self.task(sample))
                self._samples[sample] = open_sample(gated, scales_of(stored))
                while len(self._samples) > _OPEN_SAMPLES:
                    self._samples.popitem(last=False)
            self._samples.move_to_end(sample)
            return self._samples[sample]

    def drafted_gates(self, sample: str, scales: Mapping[str, AnyScale]) -> dict[str, Gate]:
        """Return where a sample's drafts put gates, on the display scale."""
        moved = (draft for draft in self.drafts.of(sample) if draft.action == "move-gate")
        return {draft.population: placed(draft.gate, scales) for draft in moved}


def _stored_estimates(run: Run, sample: str) -> list[dict[str, Any]]:
    """Return where a sample's own events put the gates that samples share; none if there are no such gates."""
    data = RunFolder(run.folder).read_json(run.folder / "estimates" / f"{Path(sample).name}.json") or {}
    return list(data.get("estimates") or ())


def sample_distances(run: Run, sample: str) -> dict[str, float]:
    """Return how far each shared gate of a sample lies from where its own events put it, see ``distances_of``."""
    estimates = _stored_estimates(run, sample)
    gates = RunFolder(run.folder).read_json(run.folder / "gates" / f"{Path(sample).name}.json") if estimates else None
    return distances_of((gates or {}).get("populations") or (), estimates)


def scales_of(stored: Mapping[str, Any]) -> dict[str, AnyScale]:
    """Return the display scales of a stored result's gates by axis."""
    return {name: axis.scale for name, axis in placed_from_run(stored["gates"], None).axes.items()}
