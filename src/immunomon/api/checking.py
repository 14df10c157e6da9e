"""Check: everything that can be known to be wrong with a study, a panel, a strategy or FCS files, at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_in_use
from immunomon.errors import BadSpec, counted
from immunomon.outputs.delivery.beforehand import delivery_problems
from immunomon.outputs.delivery.mapping import read_map
from immunomon.runs.checks.paths import check_paths
from immunomon.runs.declared_scales import scale_warnings_of_study
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study
from immunomon.trial.specs.analysis import load_analysis

__all__ = ["Checked", "check"]


@dataclass(frozen=True)
class Checked:
    """What a check found: problems (file, line, place, remedy), warnings, notes, and how much was read.

    specs: YAML and CSV files; fcs_files: their headers.
    """

    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    specs: int
    fcs_files: int

    @property
    def is_clean(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it in words, as ``immunomon check`` prints it; the last line counts the problems."""
        read = f"{counted(self.specs, 'spec')} (YAML and CSV) and {counted(self.fcs_files, 'FCS file')}"
        number = "No problems" if self.is_clean else counted(len(self.problems), "problem")
        return (*(f"warning: {line}" for line in self.warnings), *self.notes, *self.problems, f"{number} in {read}.")

    def __repr__(self) -> str:
        return "\n".join(self.lines)


def check(*paths: str | Path, progress: Callable[[int, int], None] | None = None) -> Checked:
    """Return every problem of studies, panels, strategies, sample lists and FCS files, without running anything.

    progress: called with FCS headers read and of how many.

    >>> check("no-such-study")
    no-such-study: no such file or folder; check the path
    1 problem in 0 specs (YAML and CSV) and 0 FCS files.
    """
    files = [Path(path) for path in paths]
    readers: dict[str, Callable[[Path], object]] = {
        "immunomon.cp-map": read_map,
        "immunomon.analysis": load_analysis,
    }
    report = check_paths(files, methods=GATE_METHODS, progress=progress, readers=readers)
    studies = [path for path in files if (path / "study.yaml").is_file() or path.name == "study.yaml"]
    warnings = list(report.warnings)
    for study in studies:
        with suppress(BadSpec):  # its problems are among the others
            warnings += [f"{study}: {line}" for line in scale_warnings_of_study(study)]
    undeliverable, hints = _of_deliveries(studies) if not report.problems else ([], [])
    problems = (*map(str, report.problems), *undeliverable)
    return Checked(problems, tuple(warnings), (*report.notes, *hints), report.specs, report.fcs_files)


def _of_deliveries(studies: Sequence[Path]) -> tuple[list[str], list[str]]:
    """Return what keeps studies from being delivered in CDISC's formats: problems, and notes.

    It is a problem of a study that has a map of its own for such deliveries, and a note of any other.
    """
    problems: list[str] = []
    notes: list[str] = []
    for path in studies:
        file = path if path.is_file() else path / "study.yaml"
        with suppress(BadSpec):
            study = load_study(file)
            strategies = load_in_use(study, methods=GATE_METHODS)[1]
            samples = load_samples(study.folder / study.samples_file, study)
            obstacles = delivery_problems(study, samples, strategies)
            own = (study.folder / "export" / "cp-map.yaml").is_file()
            (problems if own else notes).extend(f"{file}: deliver --as sdtm: {obstacle}" for obstacle in obstacles)
    return problems, notes
