"""What a run has to do: the study read, its files digested, each with the key of what its result depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from immunomon.cytometry.formats.fcs import MORE_MEMORY
from immunomon.cytometry.formats.matrix_csv import read_matrix_csv
from immunomon.cytometry.gates import GATE_METHODS, gate_method
from immunomon.cytometry.model.noise import NoiseBook
from immunomon.cytometry.model.placement import WithControls
from immunomon.cytometry.specs.strategy import load_in_use
from immunomon.errors import BadSpec, ChangedFile, LeavesStudy
from immunomon.files import InputChanged, NotARegularFile, file_digest, refuse_irregular
from immunomon.memory import lack_of_memory
from immunomon.runs.at_hand import AtHand
from immunomon.runs.checks.rows import unusable_beads
from immunomon.runs.provenance import code_digest, digest_of
from immunomon.runs.single import Compensation
from immunomon.study.model.fcs import Reading
from immunomon.study.model.overrides import Override
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy, Population
from immunomon.study.model.study import Sample, Study
from immunomon.study.specs.data_folders import data_folders, path_of_sample
from immunomon.study.specs.ratios import ratio_problems
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study
from immunomon.yamlfile import digests_of_what_is_read

__all__ = ["Plan", "Task", "make_plan", "shown_input", "shown_inputs"]

Digest = Callable[[Path, str], str]


@dataclass(frozen=True)
class Task:
    """One FCS file: what to gate it with, its bytes' digest (None: unreadable), and the key of its result.

    dropped: who left it out and why; None if nobody did.
    """

    sample: Sample
    path: Path
    sha256: str | None
    problem: str | None
    strategy: str | None
    key: str
    dropped: str | None = None

    @property
    def memory_problem(self) -> str:
        """What is said of a file that there is not enough memory for."""
        return f"{self.path}: there is not enough memory to gate it; {MORE_MEMORY}"

    @property
    def reading(self) -> Reading:
        """How the file is read: as a person decided, and with the bytes that were digested, no others."""
        return replace(self.sample.reading, sha256=self.sha256)


@dataclass(frozen=True)
class Plan:
    """A whole study ready to run.

    panels, strategies: by the name of the panel in use. own_keys: of each sample, the key of what it alone brings,
    before other samples and persons had a say; look_keys: of its first look, with what persons and its panel's noise
    say of it. books: panel -> what its files show of their noise, once they were looked at. at_hand: what one look at a
    file leaves for the next.
    """

    study: Study
    study_file: Path
    panels: Mapping[str, Panel]
    strategies: Mapping[str, GatingStrategy]
    compensation: Compensation
    tasks: tuple[Task, ...]
    inputs: Mapping[str, str]
    overrides: tuple[Override, ...] = ()
    own_keys: Mapping[str, str] = field(default_factory=dict)
    look_keys: Mapping[str, str] = field(default_factory=dict)
    books: Mapping[str, NoiseBook] = field(default_factory=dict)
    at_hand: AtHand = field(default_factory=AtHand, compare=False)

    def with_problems(self, problems: Mapping[str, str]) -> Plan:
        """Return the plan with what was found to be wrong with files since it was made: sample id -> problem."""
        tasks = (replace(task, problem=task.problem or problems.get(task.sample.id)) for task in self.tasks)
        return replace(self, tasks=tuple(tasks)) if problems else self

    @property
    def samples_folder(self) -> Path:
        """The folder that the sample list's paths start from."""
        return (self.study.folder / self.study.samples_file).parent

    def still_inside(self, path: Path) -> Path:
        """Return a path that is about to be read; raises ChangedFile if a link leads it out of the study by now."""
        fault = data_folders(self.study).fault(path, path.name)
        if fault is not None:
            raise ChangedFile(path, *fault)
        return path

    @property
    def digest(self) -> str:
        """The digest of everything that the run's tables depend on; where the study lies is not among it."""
        return digest_of(
            replace(self.study, folder=Path(), data_folders=(), accepted=()),
            [(task.sample, task.key, task.dropped) for task in self.tasks],
            [override.to_dict() for override in self.overrides],
        )


def make_plan(
    study_path: Path,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    digest: Digest | None = None,
) -> Plan:
    """Return what is to be done for a study: its folder or its ``study.yaml``.

    progress: called with files digested and all files. digest: how a file is digested, given its name in the sample
    list; default: by reading it. Raises BadSpec with every problem of the YAML and CSV files; a missing or unreadable
    FCS file is not one of them: it will be in the tables as failed.
    """
    study_file = study_path / "study.yaml" if study_path.is_dir() else study_path
    with digests_of_what_is_read() as texts:
        study, samples, panels, strategies, compensation = _texts(study_file)
    folder = (study.folder / study.samples_file).parent
    digests = _digests(study, samples, jobs, progress, digest or (lambda path, _: file_digest(path)))
    ways = {name: digest_of(panels[name], strategies[name], compensation, study.quality) for name in strategies}
    tasks = tuple(
        _task(sample, folder / sample.file, sha256, study=study, way=ways.get(sample.panel))
        for sample, sha256 in zip(samples, digests, strict=True)
    )
    inputs = shown_inputs(texts, study.folder)
    tasks = _with_controls(tasks, strategies)
    return Plan(study, study_file, panels, strategies, compensation, tasks, inputs)


def _texts(
    study_file: Path,
) -> tuple[Study, Sequence[Sample], dict[str, Panel], dict[str, GatingStrategy], Compensation]:
    """Return a study, its sample list, panels and strategies by panel in use, and its matrix; raises BadSpec."""
    study = load_study(study_file)
    samples = load_samples(study.folder / study.samples_file, study)
    panels, strategies = load_in_use(study, methods=GATE_METHODS)
    if problems := [*unusable_beads(study, samples, strategies), *ratio_problems(study, strategies, study_file)]:
        raise BadSpec(problems)
    return study, samples, panels, strategies, _compensation(study, panels.values())


def _with_controls(tasks: tuple[Task, ...], strategies: Mapping[str, GatingStrategy]) -> tuple[Task, ...]:
    """Return the tasks, keyed by the control tubes of their panel too where a gate looks at those."""
    looks = {panel for panel, strategy in strategies.items() if any(map(_looks_at_controls, strategy))}
    tubes: dict[str, list[tuple[str, str | None, Reading]]] = {}
    for task in tasks:
        if task.sample.role.is_control:
            tubes.setdefault(task.sample.panel, []).append((task.sample.id, task.sha256, task.sample.reading))
    # Many samples look at the same tubes: their digest is made once.
    of_tubes = cache(lambda *names: digest_of(*(tube for name in names for tube in tubes.get(name, []))))
    return tuple(
        replace(task, key=digest_of(task.key, of_tubes(*dict.fromkeys((task.sample.tube, task.sample.panel)))))
        if task.strategy and task.sample.panel in looks
        else task
        for task in tasks
    )


def _looks_at_controls(population: Population) -> bool:
    return isinstance(gate_method(population.gate), WithControls)


def shown_input(path: Path, folder: Path) -> str:
    """Return what an input is called in the record of a run: its path in the study's folder, or ``shipped:``."""
    # Paths of this machine say nothing elsewhere: what is not in the study is shipped, and named by its folder.
    for inside, whole in ((path, folder), (path.resolve(), folder.resolve())):  # first as the study names it
        if inside.is_relative_to(whole):
            return inside.relative_to(whole).as_posix()
    return f"shipped:{path.parent.name}/{path.name}"


def shown_inputs(digests: Mapping[Path, str], folder: Path) -> dict[str, str]:
    """Return the digests of what was read, each by what the file is called in a record."""
    return {shown_input(path, folder): digest for path, digest in digests.items()}


def _compensation(study: Study, panels: Iterable[Panel]) -> Compensation:
    declared = study.compensation
    if declared.source == "matrix" and declared.path is not None:
        return Compensation(from_file=False, matrix=read_matrix_csv(study.folder / declared.path, panels))
    is_own = declared.source == "file"
    return Compensation(from_file=is_own, needed=is_own)


def _digests(
    study: Study,
    samples: Sequence[Sample],
    jobs: int,
    progress: Callable[[int, int], None] | None,
    digest_file: Digest,
) -> list[tuple[str | None, str | None]]:
    def digest(sample: Sample) -> tuple[str | None, str | None]:
        path = (study.folder / study.samples_file).parent / sample.file
        try:
            refuse_irregular(path)
            path_of_sample(study, sample.file)
            if lack := lack_of_memory(path.stat().st_size):  # to read it all would take long, and be of no use
                return None, f"{path}: {lack}; {MORE_MEMORY}"
            return digest_file(path, sample.file.as_posix()), None
        except LeavesStudy as error:
            return None, str(error)
        except FileNotFoundError:
            return None, f"{path}: there is no such file; check the name in the sample list"
        except NotARegularFile as error:
            return None, f"{path}: it is {error.strerror}; name the FCS file itself in the sample list"
        except InputChanged as error:
            return None, f"{path}: it {error.strerror}; wait until it is written to its end, then run again"
        except OSError as error:
            return None, f"{path}: it cannot be read ({error.strerror or error})"

    files = {sample.file: sample for sample in samples}  # one that several strategies look at is digested once
    digests = {}
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        for number, (file, result) in enumerate(zip(files, pool.map(digest, files.values()), strict=True), start=1):
            digests[file] = result
            if progress:
                progress(number, len(files))
    return [digests[sample.file] for sample in samples]


def _task(sample: Sample, path: Path, digest: tuple[str | None, str | None], *, study: Study, way: str | None) -> Task:
    """Return what to do with a file; way: the digest of all that files of its panel are gated with."""
    sha256, problem = digest
    strategy = study.strategy_of(sample.panel) if sample.role.is_gated else None
    key = digest_of(code_digest(), sha256, sample.reading, *([way] if strategy else []))
    return Task(sample, path, sha256, problem, strategy, key)
