"""The first of two looks at a study: where each file would put the gates that several share, and what comes of it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from immunomon.cytometry.formats.fcs import MORE_MEMORY
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.noise import MarkerNoise, NoisyScales
from immunomon.cytometry.model.scales import AnyScale, scale_from_dict, scale_to_dict
from immunomon.cytometry.model.settled import Estimate, Settled
from immunomon.cytometry.steps.consensus import Belonging, reach_consensus
from immunomon.errors import ChangedFile, ImmunomonError
from immunomon.files import write_whole
from immunomon.runs.controls import ControlShelf
from immunomon.runs.folder import RunFolder
from immunomon.runs.plan import Plan, Task
from immunomon.runs.provenance import digest_of
from immunomon.runs.single import FirstLook, first_look
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import RoleKind, Sample, Study

__all__ = ["belonging_of", "look_first", "needs_first_look", "settled_tasks"]


def needs_first_look(plan: Plan, task: Task) -> bool:
    """Return whether other files have a say in where a file's gates lie."""
    if task.strategy is None or task.problem is not None or task.dropped is not None:
        return False
    return any(population.gate.is_shared for population in plan.strategies[task.strategy])


def belonging_of(sample: Sample, study: Study) -> Belonging:
    """Return whose a sample is and what it was run with; a bridge belongs to the bridges' donor, whoever that is."""
    subject = sample.subject or f"{sample.role.kind.value} without a subject"
    return Belonging(subject, sample.batch, sample.visit == study.baseline.label and _is_patients(sample))


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


def look_first(plan: Plan, task: Task, folder: RunFolder, *, shelf: ControlShelf, changed: dict[str, str]) -> bool:
    """Take the first look at one file, unless it was taken before; return False if the file cannot be read.

    changed: is added to: sample id -> what is wrong, where the file, or a control tube that its gates look at, no
    longer has the bytes that were digested.
    """
    kept_look = _Place(folder, task)
    if _kept(kept_look) is not None:
        return True
    try:
        look = first_look(
            task.path,
            plan.strategies[task.strategy or ""],
            panel=plan.panels[task.sample.panel],
            compensation=plan.compensation,
            reading=task.reading,
            book=plan.books.get(task.sample.panel),
            controls=shelf.of(task.sample),
            quality=plan.study.quality,
        )
    except ChangedFile as error:
        changed[task.sample.id] = str(error)
        return False
    except MemoryError:  # were it passed over here, the sample might be gated otherwise than with more memory
        changed[task.sample.id] = f"{task.path}: there is not enough memory to gate it; {MORE_MEMORY}"
        return False
    except ImmunomonError:
        return False  # the second look says why
    _keep(kept_look, look)
    return True


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
    for name, strategy in plan.strategies.items():
        tasks = [task for task in plan.tasks if task.strategy == name and needs_first_look(plan, task)]
        settled |= _settled(strategy, tasks, plan.study, folder)
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
    strategy: GatingStrategy, tasks: Sequence[Task], study: Study, folder: RunFolder
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
    belongings = {task.sample.id: belonging_of(task.sample, study) for task in tasks}
    return reach_consensus(strategy, estimates, belongings=belongings, scales=scales)


def _estimates(data: Mapping[str, Any], kept_look: _Place) -> tuple[Estimate, ...]:
    grounds: dict[str, EventTable] = {}
    if data["channels"]:
        with np.load(kept_look.ground, allow_pickle=False) as arrays:
            for gate, channels in data["channels"].items():
                named = tuple(Channel(detector, marker, top) for detector, marker, top in channels)
                grounds[gate] = EventTable(arrays[gate], named, Scale.DISPLAY, kept_look.task.sample.id)
    return tuple(Estimate.from_dict(record, grounds.get(record["gate"])) for record in data["estimates"])
