"""The control tubes of a study at hand: which belong to a sample, read when a gate asks for them."""

from __future__ import annotations

import datetime
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

from immunomon.cytometry.formats.fcs import MORE_MEMORY
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.placement import Controls, ControlTube, Nearness
from immunomon.cytometry.model.scales import AnyScale
from immunomon.cytometry.steps.transform import transform
from immunomon.errors import ChangedFile, ImmunomonError
from immunomon.study.model.fcs import Reading
from immunomon.study.model.study import Sample

__all__ = ["ControlShelf", "ControlsOf", "nearness"]

# Makes the controls of a sample, once its display scales are known.
ControlsOf = Callable[[Mapping[str, AnyScale]], Controls]
# Reads and compensates a tube, with these axes, as the sample list says.
Reader = Callable[[Path, Sequence[str], Reading], EventTable]

_NEAREST = 3  # tubes of other batches that a gate gets to see
_KEPT = 12  # tubes in memory


def nearness(sample: Sample, control: Sample) -> Nearness:
    """Return how near a control is to a sample: of its run, of its batch, or of the study.

    Of the same run are tubes of the same batch and day that are the same person's, or nobody's. The visit is not asked.

    >>> from immunomon.study.model.study import Role
    >>> one = Sample(Path("a.fcs"), "a", "treg", Role.parse("sample"), subject="S1", batch="B1")
    >>> nearness(one, Sample(Path("f.fcs"), "f", "treg", Role.parse("fmo:CD25"), batch="B1"))
    'run'
    >>> nearness(one, Sample(Path("f.fcs"), "f", "treg", Role.parse("fmo:CD25"), subject="S2", batch="B1"))
    'batch'
    """
    if not sample.batch or sample.batch != control.batch:
        return "study"
    known = sample.collection_date is not None and control.collection_date is not None
    same_day = not known or sample.collection_date == control.collection_date
    return "run" if same_day and control.subject in ("", sample.subject) else "batch"


class ControlShelf:
    """Every control tube of a study; what was read last stays in memory, and no tube is read that no gate asks for.

    digests: sample id -> the digest that a tube's bytes must have. changed: the tubes that had other bytes when they
    were read, and what is wrong with each.
    """

    def __init__(
        self,
        controls: Sequence[Sample],
        folder: Path,
        readers: Mapping[str, Reader],
        digests: Mapping[str, str | None] | None = None,
    ) -> None:
        self._folder, self._readers = folder, readers
        self._controls: dict[tuple[str, str], list[Sample]] = {}
        for control in controls:
            self._controls.setdefault((control.panel, str(control.role)), []).append(control)
        self._digests = digests or {}
        self.changed: dict[str, str] = {}
        self._kept: OrderedDict[tuple[str, tuple[str, ...]], EventTable] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[ControlShelf], tuple[object, ...]]:
        """Go to another process without the tubes in memory."""
        controls = tuple(control for tubes in self._controls.values() for control in tubes)
        return ControlShelf, (controls, self._folder, self._readers, self._digests)

    def of(self, sample: Sample) -> ControlsOf:
        """Return what makes a sample's controls once its scales are known."""
        return lambda scales: _SampleControls(self, sample, scales)

    def found(self, sample: Sample, role: str, near: Nearness) -> list[Sample]:
        """Return the tubes of a role and nearness, nearest first: the person's own, then by day, then by name.

        An unstimulated tube is its own control: its threshold is then that of its stimulated twin.
        """
        fitting = [
            control
            for panel in dict.fromkeys((sample.tube, sample.panel))
            for control in self._controls.get((panel, role), ())
            if nearness(sample, control) == near
        ]
        fitting.sort(key=lambda control: (control.subject != sample.subject, _apart(sample, control), control.id))
        return fitting[:_NEAREST] if near == "study" else fitting

    def events(self, control: Sample, scales: Mapping[str, AnyScale]) -> EventTable | None:
        """Return a tube's events on these scales; None if it cannot be read (the run's tables say why).

        Raises ChangedFile if it does not have the bytes that it was digested with: a gate that was placed without it
        would pass for one that was placed with it.
        """
        key = (control.id, tuple(scales))
        with self._lock:
            kept = self._kept.get(key)
        if kept is None:
            path = self._folder / control.file
            reading = replace(control.reading, sha256=self._digests.get(control.id))
            try:
                kept = self._readers[control.panel](path, list(scales), reading)
            except ChangedFile as error:
                self.changed[control.id] = str(error)
                message = str(error).removeprefix(f"{path}: ")
                raise ChangedFile(f"control tube {control.file.as_posix()}", message) from error
            except MemoryError as error:
                message = "there is not enough memory to read it"
                raise ChangedFile(f"control tube {control.file.as_posix()}", message, MORE_MEMORY) from error
            except (ImmunomonError, OSError):
                return None
            with self._lock:
                self._kept[key] = kept
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return transform(kept, scales)


class _SampleControls:
    def __init__(self, shelf: ControlShelf, sample: Sample, scales: Mapping[str, AnyScale]) -> None:
        self._shelf, self._sample, self._scales = shelf, sample, scales

    def tubes(self, role: str, near: Nearness) -> Sequence[ControlTube]:
        controls = self._shelf.found(self._sample, role, near)
        read = ((control, self._shelf.events(control, self._scales)) for control in controls)
        return tuple(ControlTube(control.id, near, events) for control, events in read if events is not None)


def _apart(sample: Sample, control: Sample) -> datetime.timedelta:
    if sample.collection_date is None or control.collection_date is None:
        return datetime.timedelta.max
    return abs(sample.collection_date - control.collection_date)
