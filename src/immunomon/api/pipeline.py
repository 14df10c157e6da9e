"""All: a study from its files to its report, step by step; what is current is not done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from immunomon.api.assess import assess_study
from immunomon.api.checking import check
from immunomon.api.compare import Progress, compare_run
from immunomon.api.mechanism import relate_run
from immunomon.api.reporting import report_run
from immunomon.api.simulating import simulate
from immunomon.assurance.simulate.trial import is_simulated
from immunomon.errors import ImmunomonError, NotForThisStudy, UnknownName, counted, nearest
from immunomon.outputs.database.database import ExportStatement, export_run
from immunomon.runs.opened import open_run
from immunomon.runs.provenance import user_name
from immunomon.runs.run import run_study
from immunomon.runs.status import read_status
from immunomon.runs.summary import NO_FILES
from immunomon.runs.workers import MANY_APART, Limits

__all__ = ["DEMO_STEPS", "MANY_APART", "STEPS", "Everything", "Job", "StepOutcome", "demo", "do_step", "run_all"]

State = Literal["done", "current", "skipped", "failed"]


@dataclass(frozen=True)
class StepOutcome:
    """How a step ended: done, current (it need not be done), skipped (the study has nothing for it), or failed.

    lines: what it found, or why it failed or was skipped.
    """

    name: str
    state: State
    lines: tuple[str, ...]
    seconds: float = 0.0

    def __str__(self) -> str:
        return "\n".join([f"{self.name}: {self.state}", *(f"  {line}" for line in self.lines)])


@dataclass(frozen=True, eq=False)
class Everything:
    """A study after all steps, or up to the one that failed: its run folder, and how each step ended."""

    folder: Path
    steps: tuple[StepOutcome, ...]

    @property
    def is_complete(self) -> bool:
        """Whether no step failed."""
        return all(step.state != "failed" for step in self.steps)

    @property
    def report(self) -> Path:
        """The report, if all went well."""
        return self.folder / "report.html"

    def __repr__(self) -> str:
        return "\n".join(map(str, self.steps))


@dataclass(frozen=True)
class Job:
    """What is to be done: the study's folder, its run folder, and how many files at once.

    despite_failures: go on with what can be gated, whatever a check finds. simulation: events, seed, panels of a demo.
    limits: of the work on a file; None: threads of this process do it.
    """

    study: Path
    root: Path
    jobs: int | None = None
    despite_failures: bool = False
    simulation: Mapping[str, object] = field(default_factory=dict)
    limits: Limits | None = None

    @classmethod
    def of(cls, study: str | Path, out: str | Path | None = None, **more: object) -> Job:
        """Return the job of a study, named by its folder or its ``study.yaml``."""
        path = Path(study)
        folder = path.parent if path.name == "study.yaml" else path
        return cls(folder, folder / "run" if out is None else Path(out), **more)  # type: ignore[arg-type]

    def is_current(self, key: str) -> bool:
        """Say whether what a command makes of the run is there, and of the run as it is now."""
        return read_status(self.root, self.study).is_current(key)


def _simulate(job: Job, progress: Progress | None) -> tuple[State, tuple[str, ...]]:
    if is_simulated(job.study):
        return "current", (f"{job.study}: simulated before; kept as it is",)
    counted_files = None if progress is None else lambda done, of: progress("simulating", done, of, 0)
    folder = simulate(job.study, jobs=job.jobs, progress=counted_files, **job.simulation)  # type: ignore[arg-type]
    return "done", (f"a synthetic trial in {folder}, with the truth beside it in {folder / 'truth'}",)


def _check(job: Job, progress: Progress | None) -> tuple[State, tuple[str, ...]]:
    counted_files = None if progress is None else lambda done, of: progress("reading", done, of, 0)
    checked = check(job.study, progress=counted_files)
    if not checked.is_clean:
        return ("done" if job.despite_failures else "failed"), checked.lines
    more = f"{counted(len(checked.warnings), 'warning')} and {counted(len(checked.notes), 'note')}"
    return "done", (checked.lines[-1], *([f"{more}: immunomon check {job.study}"] if len(checked.lines) > 1 else []))


def _run(job: Job, progress: Progress | None) -> tuple[State, tuple[str, ...]]:
    summary = run_study(job.study, job.root, jobs=job.jobs, progress=progress, limits=job.limits)
    failed = tuple(f"failed {name}: {reason}" for name, reason in summary.failed)
    if summary.is_empty:
        return "failed", (f"{job.study}: {NO_FILES}",)
    lines = (summary.files, *failed, *(f"warning {line}" for line in summary.warnings), *summary.doubts)
    if failed and not job.despite_failures:
        remedy = "correct or drop these files, or go on without them: --despite-failures"
        return "failed", (*lines, remedy)
    return ("current" if summary.unchanged_since else "done"), lines


def _assess(job: Job, _: Progress | None) -> tuple[State, tuple[str, ...]]:
    if job.is_current("assess"):
        return "current", ()
    answer = assess_study(job.root, job.study)
    return "done", (*answer.lines, answer.written)


def _compare(job: Job, progress: Progress | None) -> tuple[State, tuple[str, ...]]:
    if job.is_current("compare"):
        return "current", ()
    answer = compare_run(open_run(job.root, job.study), progress=progress)
    return "done", (*answer.lines, answer.written)


def _mechanism(job: Job, _: Progress | None) -> tuple[State, tuple[str, ...]]:
    if job.is_current("mechanism"):
        return "current", ()
    if not (job.root / "assessments" / "assessments.json").is_file():
        return "skipped", ("the study has no other assessments to relate the immune change to",)
    answer = relate_run(open_run(job.root, job.study))
    return "done", (*answer.lines, answer.written)


def _export(job: Job, _: Progress | None) -> tuple[State, tuple[str, ...]]:
    summary = export_run(job.root, None, ExportStatement(user_name(), "", job.study))
    rows = counted(sum(summary.rows.values()), "row")
    notes = [f"not exported: {note}" for note in summary.notes]
    notes += [f"The export was written, but {summary.unnoted}"] if summary.unnoted else []
    is_current = summary.outcome in ("unchanged", "noted")  # noted: new entries of the trail, no other value
    return ("current" if is_current else "done"), (f"{rows} in {summary.database}", *notes)


def _report(job: Job, _: Progress | None) -> tuple[State, tuple[str, ...]]:
    if job.is_current("report"):
        return "current", (str(job.root / "report.html"),)
    page, unnoted = report_run(job.root)
    return "done", (str(page), *([f"The report was written, but {unnoted}"] if unnoted else []))


_DONE_BY: dict[str, Callable[[Job, Progress | None], tuple[State, tuple[str, ...]]]] = {
    "simulate": _simulate,
    "check": _check,
    "run": _run,
    "assess": _assess,
    "compare": _compare,
    "mechanism": _mechanism,
    "export": _export,
    "report": _report,
}
DEMO_STEPS = tuple(_DONE_BY)
STEPS = DEMO_STEPS[1:]


def do_step(name: str, job: Job, progress: Progress | None = None) -> StepOutcome:
    """Do one step of a job, unless it is current, and return how it ended; what goes wrong on purpose is its outcome.

    Raises UnknownName for a step that there is not.
    """
    if name not in _DONE_BY:
        raise UnknownName(f"there is no step '{name}'; {nearest(name, _DONE_BY)}")
    began = time.monotonic()
    try:
        state, lines = _DONE_BY[name](job, progress)
    except NotForThisStudy as error:
        state, lines = "skipped", (str(error),)
    except ImmunomonError as error:
        state, lines = "failed", tuple(str(error).splitlines())
    return StepOutcome(name, state, lines, time.monotonic() - began)


def _outcomes(job: Job, steps: tuple[str, ...], progress: Progress | None) -> Iterator[StepOutcome]:
    for name in steps:
        outcome = do_step(name, job, progress)
        yield outcome
        if outcome.state == "failed":
            return


def run_all(
    study: str | Path,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    despite_failures: bool = False,
    progress: Progress | None = None,
) -> Everything:
    """Check a study, run it, assess, compare, mechanism, export it and write its report; stop at a step that fails.

    What is current is not done again; what the study has nothing for is skipped, with the reason. out: the run folder,
    default ``run`` in the study's. despite_failures: go on with the files that could be gated.

    >>> print(run_all("no-such-study").steps[0].lines[0])
    no-such-study: no such file or folder; check the path
    """
    job = Job.of(study, out, jobs=jobs, despite_failures=despite_failures)
    return Everything(job.root, tuple(_outcomes(job, STEPS, progress)))


def demo(
    folder: str | Path = "demo",
    *,
    events: int = 20_000,
    seed: int = 1,
    panels: tuple[str, ...] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Everything:
    """Simulate a trial in a new folder and do all that ``run_all`` does; a trial that is there already is kept.

    events: of a patient's file; fewer are faster. panels: only these.
    """
    job = Job.of(folder, jobs=jobs, simulation={"events": events, "seed": seed, "panels": panels})
    return Everything(job.root, tuple(_outcomes(job, DEMO_STEPS, progress)))
