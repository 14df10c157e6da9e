"""Two looks at a study's files: where each would put the gates that several share; then gating, which keeps results."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.noise import MarkerNoise, NoisyScales
from immunomon.cytometry.model.scales import AnyScale, scale_from_dict, scale_to_dict
from immunomon.cytometry.model.settled import Belonging, Estimate, Settled
from immunomon.cytometry.steps.consensus import reach_consensus
from immunomon.errors import ChangedFile, ImmunomonError
from immunomon.files import write_whole
from immunomon.runs.controls import ControlShelf
from immunomon.runs.folder import RUN_FORMAT, RunFolder
from immunomon.runs.journal import Outcome
from immunomon.runs.moved_borders import with_moved_borders
from immunomon.runs.plan import Plan, Task
from immunomon.runs.provenance import digest_of
from immunomon.runs.single import Analysis, FirstLook, analyse, first_look, read_compensated
from immunomon.study.model.channels import Channel
from immunomon.study.model.fcs import Reading
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import RoleKind, Sample, Study
from immunomon.study.model.uses import tube_of

__all__ = [
    "Bench",
    "SettledBySample",
    "belonging_of",
    "control_shelf",
    "is_done",
    "look_first",
    "needs_first_look",
    "settled_tasks",
    "without_folder",
]


def needs_first_look(plan: Plan, task: Task) -> bool:
    """Return whether other files have a say in where a file's gates lie."""
    if task.strategy is None or task.problem is not None or task.dropped is not None:
        return False
    return any(population.gate.is_shared for population in plan.strategies[task.sample.panel])


def belonging_of(sample: Sample, study: Study) -> Belonging:
    """Return whose a sample is and what it was run with; a bridge belongs to the bridges' donor, whoever that is."""
    subject = sample.subject or f"{sample.role.kind.value} without a subject"
    at_baseline = study.baseline is not None and sample.visit == study.baseline.label
    return Belonging(subject, sample.batch, at_baseline and _is_patients(sample))


def _is_patients(sample: Sample) -> bool:
    return sample.role.kind is RoleKind.SAMPLE


@dataclass(frozen=True)
class _Place:
    """Where the first look at one file is kept."""

    folder: RunFolder
    task: Task

    @property
    def said(self) -> Path:
        return self.folder.root / "estimates" / f"{self.task.sample.id}.json"

    @property
    def ground(self) -> Path:
        return self.folder.root / "estimates" / f"{self.task.sample.id}.npz"


def look_first(task: Task, *, plan: Plan, folder: RunFolder, shelf: ControlShelf) -> Outcome:
    """Take the first look at one file, unless it was taken before.

    What is wrong for good: that the file, or a control tube that its gates look at, no longer has the bytes that were
    digested, or that there is not enough memory.
    """
    kept_look = _Place(folder, task)
    if _kept(kept_look) is not None:
        return Outcome()
    try:
        look = first_look(
            plan.still_inside(task.path),
            plan.strategies[task.sample.panel],
            panel=plan.panels[task.sample.panel],
            compensation=plan.compensation,
            reading=task.reading,
            book=plan.books.get(task.sample.panel),
            controls=shelf.of(task.sample),
            quality=plan.study.quality,
            read=plan.at_hand.read,
        )
    except ChangedFile as error:
        return Outcome.spoiled(task.sample.id, str(error), shelf.changed)
    except MemoryError:  # were it passed over here, the sample might be gated otherwise than with more memory
        return Outcome.spoiled(task.sample.id, task.memory_problem, shelf.changed)
    except ImmunomonError as error:  # the second look says why
        return Outcome(str(error), lasting=dict(shelf.changed))
    _keep(kept_look, look)
    plan.at_hand.keep_gates(task.sample.id, look.placed)
    plan.at_hand.keep_ready(task.sample.id, task.reading, look.ready)
    return Outcome(lasting=dict(shelf.changed))


def _keep(kept_look: _Place, look: FirstLook) -> None:
    arrays = {
        estimate.gate: np.asarray(estimate.ground.values) for estimate in look.estimates if estimate.ground is not None
    }
    if arrays:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_whole(kept_look.ground, buffer.getvalue())
    data = {
        "key": kept_look.task.key,
        "scales": {axis: scale_to_dict(scale) for axis, scale in look.scales.items()},
        "noise": {axis: noise.to_dict() for axis, noise in look.scales.noise.items()},
        "estimates": [estimate.to_dict() for estimate in look.estimates],
        "channels": {
            estimate.gate: [[channel.detector, channel.marker, channel.range] for channel in estimate.ground.channels]
            for estimate in look.estimates
            if estimate.ground is not None
        },
    }
    kept_look.folder.write_json(kept_look.said, data)


def _kept(kept_look: _Place) -> dict[str, Any] | None:
    data = kept_look.folder.read_json(kept_look.said)
    if data is None or data.get("key") != kept_look.task.key:
        return None
    return data if not data["channels"] or kept_look.ground.is_file() else None


def settled_tasks(plan: Plan, folder: RunFolder) -> tuple[tuple[Task, ...], dict[str, dict[str, Settled]]]:
    """Return the plan's tasks, each keyed by where its shared gates lie too, and that: sample -> population -> settled.

    Every file's first look must have been taken; one that could not be read has no say.
    """
    settled: dict[str, dict[str, Settled]] = {}
    for panel, strategy in plan.strategies.items():
        tasks = [task for task in plan.tasks if task.sample.panel == panel and needs_first_look(plan, task)]
        settled |= _settled(strategy, tasks, plan, folder)
    keyed = tuple(
        replace(
            task,
            key=digest_of(task.key, {name: estimate.to_dict() for name, estimate in settled[task.sample.id].items()}),
        )
        if settled.get(task.sample.id)
        else task
        for task in plan.tasks
    )
    return keyed, settled


def _settled(
    strategy: GatingStrategy, tasks: Sequence[Task], plan: Plan, folder: RunFolder
) -> dict[str, dict[str, Settled]]:
    estimates: dict[str, tuple[Estimate, ...]] = {}
    scales: dict[str, Mapping[str, AnyScale]] = {}
    for task in tasks:
        kept_look = _Place(folder, task)
        data = _kept(kept_look)
        if data is not None:
            estimates[task.sample.id] = _estimates(data, kept_look)
            scales[task.sample.id] = NoisyScales(
                {axis: scale_from_dict(scale) for axis, scale in data["scales"].items()},
                {axis: MarkerNoise.from_dict(noise) for axis, noise in data["noise"].items()},
            )
    belongings = {task.sample.id: belonging_of(task.sample, plan.study) for task in tasks}
    heard = with_moved_borders(strategy, estimates, plan.overrides, scales=scales)
    return reach_consensus(strategy, heard, belongings=belongings, scales=scales)


def _estimates(data: Mapping[str, Any], kept_look: _Place) -> tuple[Estimate, ...]:
    grounds: dict[str, EventTable] = {}
    if data["channels"]:
        with np.load(kept_look.ground, allow_pickle=False) as arrays:
            for gate, channels in data["channels"].items():
                named = tuple(Channel(detector, marker, top) for detector, marker, top in channels)
                grounds[gate] = EventTable(arrays[gate], named, Scale.DISPLAY, kept_look.task.sample.id)
    return tuple(Estimate.from_dict(record, grounds.get(record["gate"])) for record in data["estimates"])


# One file of a study gated, and its result kept whatever it is.

# Sample -> population -> where its gate lies, decided outside the sample.
SettledBySample = Mapping[str, Mapping[str, Settled]]


def is_done(folder: RunFolder, task: Task) -> bool:
    """Return whether a file's result is there already, made from the same things."""
    if task.problem is not None:
        return False
    data = folder.read_sample(task.sample.id, task.key)
    return data is not None and data.get("status") == "gated" and folder.gates_file(task.sample.id).is_file()


def _read_control(path: Path, axes: Sequence[str], reading: Reading, *, plan: Plan, panel: Panel) -> EventTable:
    return read_compensated(plan.still_inside(path), axes, reading, panel=panel, compensation=plan.compensation)


def control_shelf(plan: Plan) -> ControlShelf:
    """Return the study's tubes that gates may look at: all but the patients' and the bridges' fully stained ones."""
    # A tube that turned out to be changed stays among them: whoever looks at it must be told, not pass it by.
    tubes = [task.sample for task in plan.tasks if task.sample.role.is_control and task.sha256 is not None]
    readers = {
        name: partial(_read_control, plan=plan, panel=panel)
        for use, panel in plan.panels.items()
        for name in (use, tube_of(use))
    }
    digests = {task.sample.id: task.sha256 for task in plan.tasks}
    return ControlShelf(tubes, plan.samples_folder, readers, digests)


@dataclass(frozen=True, eq=False)
class Bench:
    """What every file of a study is gated with."""

    plan: Plan
    folder: RunFolder
    shelf: ControlShelf
    settled: SettledBySample

    def gate(self, task: Task) -> Outcome:
        """Do one file and keep its result; whatever goes wrong with it is its result."""
        data: dict[str, Any] = {
            "format": RUN_FORMAT,
            "key": task.key,
            "sample_id": task.sample.id,
            "sha256": task.sha256,
            "data_offset": task.sample.data_offset,
        }
        try:
            analysis = self.analysed(task)
        except ImmunomonError as error:
            data |= {"status": "failed", "reason": without_folder(str(error), task)}
        except MemoryError:
            data |= {"status": "failed", "reason": without_folder(task.memory_problem, task)}
        except Exception as error:  # a fault of ours must not cost the other files
            message = f"{task.path}: unexpected {type(error).__name__}: {error}"
            data |= {"status": "failed", "reason": without_folder(message, task)}
        else:
            data |= {"status": "gated", "reason": None, **_keep_result(analysis)}
            self.folder.write_json(self.folder.gates_file(task.sample.id), data["gates"], indent=1)
        self.folder.write_json(self.folder.sample_file(task.sample.id), data)
        if data["status"] == "failed":
            return Outcome(str(data["reason"]), lasting=dict(self.shelf.changed))
        quality = data["quality"] or {}
        events = quality.get("events", data["measured"]["events"])
        return Outcome("", events, quality.get("verdict"), dict(self.shelf.changed))

    def analysed(self, task: Task) -> Analysis:
        """Return one file gated, with nothing kept; raises ImmunomonError if it cannot be."""
        if task.problem:
            raise ImmunomonError(task.problem)
        path, at_hand = self.plan.still_inside(task.path), self.plan.at_hand
        return analyse(
            path,
            self.plan.strategies[task.sample.panel],
            panel=self.plan.panels[task.sample.panel],
            compensation=self.plan.compensation,
            reading=task.reading,
            book=self.plan.books.get(task.sample.panel),
            settled=self.settled.get(task.sample.id),
            controls=self.shelf.of(task.sample),
            quality=self.plan.study.quality,
            placed=at_hand.gates(task.sample.id),
            ready=at_hand.ready(task.sample.id, path, task.reading),
            read=at_hand.read,
        )


def without_folder(reason: str, task: Task) -> str:
    """Return a reason with the file named as the sample list names it."""
    # Where a study lies on this machine says nothing on another: the file is named as the sample list names it.
    return reason.replace(str(task.path), task.sample.file.as_posix())


def _keep_result(analysis: Analysis) -> dict[str, Any]:
    matrix = analysis.spillover
    return {
        "measured": analysis.measured.to_dict(),
        "gates": analysis.tree.gates_to_dict(),
        "spillover": None if matrix is None else {"detectors": list(matrix.detectors), "values": matrix.array.tolist()},
        "plots": list(analysis.plots),
        "data_set": analysis.header.data_set,
        "deviations": list(analysis.header.deviations),
        "quality": None if analysis.judged is None else analysis.judged.quality.to_dict(),
    }
