"""Everything that can be wrong with a whole study before it is run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from immunomon.cytometry.formats.matrix_csv import read_matrix_csv
from immunomon.cytometry.formats.spillover import spillover_of
from immunomon.cytometry.kernels.spillover import inverse_of
from immunomon.cytometry.model.matrix_labels import fitted_to, lacking_in
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.specs.dated import dated_lines
from immunomon.cytometry.specs.gatecall import Methods
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpec, BadSpillover, Problem, counted, nearest
from immunomon.files import is_there
from immunomon.runs.checks.channels import check_against_panel, matching_notes
from immunomon.runs.checks.differences import check_against_others
from immunomon.runs.checks.plan import (
    check_analysis_plan,
    check_assessments,
    check_decisions,
    check_normalisation_names,
    schedule_notes,
)
from immunomon.runs.checks.rows import check_collection_dates, check_counts, check_file_dates, check_roles, check_visits
from immunomon.runs.checks.tube import (
    Progress,
    Tube,
    deviation_notes,
    equal_files,
    identifier_notes,
    matrix_notes,
    pulse_notes,
    read_headers,
    specimen_notes,
)
from immunomon.study.model.overrides import AcceptedDifference
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import Sample, Study, seen_by_strategies
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.study.specs.data_folders import DataFolders, data_folders
from immunomon.study.specs.panel import load_panel
from immunomon.study.specs.ratios import ratio_problems
from immunomon.study.specs.samples import read_samples, rows_in_doubt
from immunomon.study.specs.study import load_study
from immunomon.yamlfile import read_yaml

__all__ = ["StudyCheck"]


@dataclass
class StudyCheck:
    """A check of one study: what it read, the problems it found, and what is worth saying without being a problem."""

    file: Path
    methods: Methods
    progress: Progress | None = None
    problems: list[Problem] = field(default_factory=list)
    specs: list[Path] = field(default_factory=list)
    fcs_files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _rows_in_doubt: Sequence[frozenset[str]] = ()

    def run(self) -> None:
        """Check the study file, its panels and strategies, the sample list, and the header of every listed file."""
        self.specs.append(self.file)
        try:
            study = load_study(self.file)
        except BadSpec as error:
            self.problems += error.problems
            # What can be said of the files without the study is said all the same.
            samples_file = self.file.parent / "samples.csv"
            self._read(self._check_samples(samples_file, None), samples_file, DataFolders(self.file.parent))
            return
        panels, strategies = self._load_panels(study)
        self.problems += [*_unknown_limits(study, strategies, self.file), *ratio_problems(study, strategies, self.file)]
        samples_file = study.folder / study.samples_file
        uses = seen_by_strategies(samples := self._check_samples(samples_file, study), study)
        for problems, files in (
            check_assessments(study),
            check_analysis_plan(study, strategies),
            check_decisions(study, uses, strategies, methods=self.methods),
        ):
            self.problems += problems
            self.specs += files
        if study.normalisation:
            self.problems += check_normalisation_names(
                study.normalisation,
                panels={use.panel: panels[use.tube] for use in study.panels if use.tube in panels},
                strategies=strategies,
                batches={sample.batch for sample in samples if sample.batch},
                file=self.file,
            )
        self.problems += check_roles(samples, panels, samples_file)
        self.problems += check_counts(study, samples, uses=uses, strategies=strategies)
        self.problems += check_visits(study, samples, samples_file, in_doubt=self._rows_in_doubt)
        self.problems += check_collection_dates(study, samples, samples_file)
        tubes = self._read(samples, samples_file, data_folders(study), says_outside=True)
        self.problems += check_file_dates(study, tubes)
        self.notes += [*identifier_notes(study, tubes), *specimen_notes(study, tubes), *schedule_notes(study)]
        self._check_channels(study, tubes, panels)
        self.problems += _check_compensation(study, tubes, self.file, panels.values())
        self.notes += _uncompensated(study, tubes, panels)
        if study.compensation.source == "file":
            self.notes += matrix_notes({tube.path: tube.header for tube in tubes})

    def _check_channels(self, study: Study, tubes: Iterable[Tube], panels: dict[str, Panel]) -> None:
        by_panel: dict[str, list[Tube]] = defaultdict(list)
        for tube in tubes:
            by_panel[tube.sample.panel].append(tube)
        used: set[AcceptedDifference] = set()
        for name in (name for name in by_panel if name in panels):
            other_panels = {other_name: panel for other_name, panel in panels.items() if other_name != name}
            self.problems += check_against_panel(by_panel[name], panels[name], other_panels)
            self.notes += matching_notes(by_panel[name], panels[name])
            differences = check_against_others(by_panel[name], panels[name], study.accepted)
            self.problems += differences.problems
            self.notes += differences.notes
            used |= differences.used
        self.notes += [
            f"{self.file}: accept[{position}]: nothing was found that it would accept"
            for position, accepted in enumerate(study.accepted)
            if accepted not in used
        ]

    def _load_panels(self, study: Study) -> tuple[dict[str, Panel], dict[str, GatingStrategy]]:
        panels: dict[str, Panel] = {}
        strategies: dict[str, GatingStrategy] = {}
        for tube in dict.fromkeys(use.tube for use in study.panels):
            try:
                path = find_panel(tube, study.folder)
                self.specs.append(path)
                panels[tube] = load_panel(path)
            except BadSpec as error:
                self.problems += error.problems
        for use in study.panels:
            try:
                path = find_strategy(use.strategy, study.folder)
                self.specs.append(path)
                strategy = strategies[use.panel] = load_strategy(path, methods=self.methods, panel=panels.get(use.tube))
                known = panels[use.tube].axis_names if use.tube in panels else ()
                missing = strategy.about_left_out(f"panel '{use.tube}'", known)
                self.warnings += [*dated_lines(path), *(f"{path}: {line}" for line in missing)]
            except BadSpec as error:
                self.problems += error.problems
        return panels, strategies

    def _check_samples(self, path: Path, study: Study | None) -> Sequence[Sample]:
        self.specs.append(path)
        try:
            samples, problems = read_samples(path, study)
        except BadSpec as error:
            self.problems += error.problems
            return ()
        self.problems += problems
        self._rows_in_doubt = rows_in_doubt(path, problems)
        if not samples and not problems:
            self.notes.append(f"{path}: no files are listed yet")
        return samples

    def _read(
        self, samples: Sequence[Sample], samples_file: Path, folders: DataFolders, *, says_outside: bool = False
    ) -> list[Tube]:
        """Read the headers of the files that are there; say which are missing, broken or equal to another.

        says_outside: whether to say which lie outside of the folders; they are read in no case.
        """
        folder = samples_file.parent
        there: dict[Path, Sample] = {}
        for sample in samples:
            path = folder / sample.file
            if fault := folders.fault(path, sample.file.as_posix()) if path.is_file() else None:
                self.problems += [Problem(str(samples_file), sample.line, "file", *fault)] if says_outside else []
            elif is_there(path):
                there[path] = sample
            else:
                message = f"there is no file '{sample.file.as_posix()}'"
                self.problems.append(Problem(str(samples_file), sample.line, "file", message, _near_file(path)))
        self.fcs_files += there
        readings = {path: sample.reading for path, sample in there.items()}
        headers = read_headers(list(there), self.progress, readings=readings)
        self.problems += [header for header in headers.values() if isinstance(header, Problem)]
        self.notes += deviation_notes(headers)
        self.notes += pulse_notes(headers, readings)
        tubes = [
            Tube(sample, path, header)
            for path, sample in there.items()
            if not isinstance(header := headers[path], Problem)
        ]
        self.problems += _equal_contents(tubes, samples_file)
        return tubes


def _near_file(path: Path) -> str:
    if not path.parent.is_dir():
        return "correct the path, relative to the sample list"
    by_stem = {entry.stem.casefold(): entry.name for entry in path.parent.iterdir()}
    # A study's file names are all alike: only nearly the same one is worth a suggestion.
    near = get_close_matches(path.stem.casefold(), by_stem, n=1, cutoff=0.9)
    return (
        f"did you mean '{by_stem[near[0]]}'?"
        if near
        else "correct the path, or take the row out until the file is there"
    )


def _equal_contents(tubes: Sequence[Tube], samples_file: Path) -> Iterator[Problem]:
    listed = {tube.path: tube.sample for tube in tubes}
    for group in equal_files(listed):
        first = listed[group[0]]
        for sample in (listed[path] for path in group[1:]):
            same = f"has the same content as '{first.file.as_posix()}' (line {first.line})"
            message, remedy = f"'{sample.file.as_posix()}' {same}", "put the right file in its place, or remove one"
            yield Problem(str(samples_file), sample.line, "file", message, remedy)


def _check_compensation(
    study: Study, tubes: Iterable[Tube], study_file: Path, panels: Iterable[Panel]
) -> Iterator[Problem]:
    declared = study.compensation
    if declared.source == "matrix" and declared.path is not None:
        try:
            matrix = read_matrix_csv(study.folder / declared.path, panels)
            inverse_of(matrix.array)
            yield from _missing_detectors(matrix, tubes, study_file)
        except BadSpillover as error:
            message, _, remedy = str(error).partition("; ")
            yield Problem(str(study_file), None, "compensation.path", message, remedy or "correct the matrix")
    if declared.source != "file":
        return
    for tube in (tube for tube in tubes if tube.sample.role.is_gated):
        try:
            matrix_of_file = spillover_of(tube.header)
            if matrix_of_file is not None:
                inverse_of(matrix_of_file.array)
            else:
                remedy = "name a matrix in study.yaml: compensation: {source: matrix, path: matrix.csv}"
                yield tube.problem("$SPILLOVER", "the file carries no spillover matrix", remedy)
        except BadSpillover as error:
            message = str(error).removeprefix(f"{tube.path}: ")
            yield tube.problem("$SPILLOVER", message, "name a matrix in study.yaml: compensation")


def _uncompensated(study: Study, tubes: Iterable[Tube], panels: Mapping[str, Panel]) -> Iterator[str]:
    """Yield, once for each panel, its detectors that the matrix in use lacks: they stay as they were recorded."""
    files: dict[tuple[str, str], list[str]] = defaultdict(list)
    declared = study.compensation
    declared_matrix = None
    if declared.source == "matrix" and declared.path is not None:
        try:
            declared_matrix = read_matrix_csv(study.folder / declared.path, panels.values())
        except BadSpillover:
            return  # said as a problem
    for tube in (tube for tube in tubes if tube.sample.role.is_gated and tube.sample.panel in panels):
        try:
            own = spillover_of(tube.header) if declared.source == "file" else None
            matrix = own if declared_matrix is None else fitted_to(declared_matrix, tube.header.channels)
        except BadSpillover:
            continue  # said as a problem
        markers = panels[tube.sample.panel].markers
        if lacking := lacking_in(matrix, ((marker.detector, marker.name) for marker in markers)):
            files[tube.sample.panel, lacking].append(tube.path.name)
    for (panel, lacking), names in files.items():
        more = f" and {counted(len(names) - 1, 'more file')}" if len(names) > 1 else ""
        yield f"panel {panel}: the matrix of {names[0]}{more} has no {lacking}, which is not compensated"


def _missing_detectors(matrix: SpilloverMatrix, tubes: Iterable[Tube], study_file: Path) -> Iterator[Problem]:
    """Yield, once each, what does not fit between a study's matrix and the files to be compensated with it."""
    problems: dict[str, Tube] = {}
    for tube in (tube for tube in tubes if tube.sample.role.is_gated):
        try:
            fitted_to(matrix, tube.header.channels)
        except BadSpillover as error:
            problems.setdefault(str(error), tube)
    for text, tube in problems.items():
        message, _, remedy = text.partition("; ")
        message = message.replace("which the file lacks", f"which {tube.path.name} lacks")
        yield Problem(str(study_file), None, "compensation.path", message, remedy)


def _unknown_limits(study: Study, strategies: Mapping[str, GatingStrategy], study_file: Path) -> Iterator[Problem]:
    known = [name for strategy in strategies.values() for name in strategy.ids]
    known += [left.population for strategy in strategies.values() for left in strategy.left_out]
    if len(strategies) < len(study.panels):
        return  # a strategy that could not be read may have the population
    for name in study.reportability.populations:
        if name not in known:
            line = read_yaml(study_file).line_of(("reportability", "populations", name))
            message = f"no population named '{name}' in the strategies in use"
            remedy = f"remove it, or correct it: {nearest(name, known)}"
            yield Problem(str(study_file), line, "reportability.populations", message, remedy)
