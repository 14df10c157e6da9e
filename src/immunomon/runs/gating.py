"""One file of a study gated, and its result kept whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from immunomon.cytometry.formats.fcs import MORE_MEMORY
from immunomon.cytometry.model.settled import Settled
from immunomon.errors import ImmunomonError
from immunomon.runs.controls import ControlShelf
from immunomon.runs.folder import RUN_FORMAT, RunFolder
from immunomon.runs.plan import Plan, Task
from immunomon.runs.single import Analysis, analyse, read_compensated

__all__ = ["Bench", "SettledBySample", "control_shelf", "is_done", "without_folder"]

# Sample -> population -> where its gate lies, decided outside the sample.
SettledBySample = Mapping[str, Mapping[str, Settled]]


def is_done(folder: RunFolder, task: Task) -> bool:
    """Return whether a file's result is there already, made from the same things."""
    if task.problem is not None:
        return False
    data = folder.read_sample(task.sample.id, task.key)
    return data is not None and data.get("status") == "gated" and folder.gates_file(task.sample.id).is_file()


def control_shelf(plan: Plan) -> ControlShelf:
    """Return the study's tubes that gates may look at: all but the patients' and the bridges' fully stained ones."""
    # A tube that turned out to be changed stays among them: whoever looks at it must be told, not pass it by.
    tubes = [task.sample for task in plan.tasks if task.sample.role.is_control and task.sha256 is not None]
    readers = {
        name: partial(read_compensated, panel=panel, compensation=plan.compensation)
        for name, panel in plan.panels.items()
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

    def gate(self, task: Task) -> bool:
        """Do one file and keep its result; whatever goes wrong with it is its result. Return whether it was gated."""
        data: dict[str, Any] = {
            "format": RUN_FORMAT,
            "key": task.key,
            "sample_id": task.sample.id,
            "sha256": task.sha256,
            "data_offset": task.sample.data_offset,
        }
        try:
            analysis = self._analysed(task)
        except ImmunomonError as error:
            data |= {"status": "failed", "reason": without_folder(str(error), task)}
        except MemoryError:
            message = f"{task.path}: there is not enough memory to gate it; {MORE_MEMORY}"
            data |= {"status": "failed", "reason": without_folder(message, task)}
        except Exception as error:  # a fault of ours must not cost the other files
            message = f"{task.path}: unexpected {type(error).__name__}: {error}"
            data |= {"status": "failed", "reason": without_folder(message, task)}
        else:
            data |= {"status": "gated", "reason": None, **_kept(analysis)}
            self.folder.write_json(self.folder.gates_file(task.sample.id), analysis.tree.gates_to_dict(), indent=1)
        self.folder.write_json(self.folder.sample_file(task.sample.id), data)
        return bool(data["status"] == "gated")

    def _analysed(self, task: Task) -> Analysis:
        if task.problem:
            raise ImmunomonError(task.problem)
        return analyse(
            task.path,
            self.plan.strategies[task.strategy or ""],
            panel=self.plan.panels[task.sample.panel],
            compensation=self.plan.compensation,
            reading=task.reading,
            book=self.plan.books.get(task.sample.panel),
            settled=self.settled.get(task.sample.id),
            controls=self.shelf.of(task.sample),
            quality=self.plan.study.quality,
        )


def without_folder(reason: str, task: Task) -> str:
    """Return a reason with the file named as the sample list names it."""
    # Where a study lies on this machine says nothing on another: the file is named as the sample list names it.
    return reason.replace(str(task.path), task.sample.file.as_posix())


def _kept(analysis: Analysis) -> dict[str, Any]:
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
