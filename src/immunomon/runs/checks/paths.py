"""Checking whatever a path is: a study, a panel, a strategy, a sample list, an FCS file, or a folder of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from immunomon.cytometry.specs.dated import dated_lines
from immunomon.cytometry.specs.gatecall import Methods
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpec, Problem, nearest
from immunomon.files import is_there
from immunomon.findings import shown
from immunomon.runs.checks.plan import OVERRIDES_FILE
from immunomon.runs.checks.study import StudyCheck
from immunomon.runs.checks.tube import Progress, deviation_notes, matrix_notes, pulse_notes, read_headers
from immunomon.study.specs.catalog import find_panel
from immunomon.study.specs.panel import load_panel
from immunomon.study.specs.samples import read_samples
from immunomon.yamlfile import YamlFile, read_yaml

__all__ = ["CheckReport", "check_paths"]

_YAML = {".yaml", ".yml"}
_SCHEMAS = ("immunomon.study/1", "immunomon.panel/1", "immunomon.strategy/1")
_SPEC_FOLDERS = {"panels": "panel", "gating": "strategy"}


@dataclass(frozen=True)
class CheckReport:
    """What a check found: the problems, how many specs (YAML and CSV) and FCS files it read, and what else to say.

    warnings: what is read, but should be written otherwise.
    """

    problems: tuple[Problem, ...]
    specs: int
    fcs_files: int
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def check_paths(
    paths: Sequence[Path],
    *,
    methods: Methods,
    progress: Progress | None = None,
    readers: Mapping[str, Callable[[Path], object]] | None = None,
) -> CheckReport:
    """Return every problem of the studies, panels, strategies, sample lists and FCS files at some paths.

    methods: the registered gate methods by name; progress: called with FCS headers read and of how many. readers: how
    YAML files of further schemas are read, by the schema's name without version; a reader raises BadSpec.

    >>> print(check_paths([Path("none.yaml")], methods={}).problems[0])
    none.yaml: no such file or folder; check the path
    """
    check = _Check(methods, progress, readers or {})
    for path in paths:
        check.path(path)
    problems = tuple(dict.fromkeys(check.problems))
    notes, warnings = (tuple(dict.fromkeys(lines)) for lines in (check.notes, check.warnings))
    return CheckReport(problems, len(check.specs), len(check.fcs_files), notes, warnings)


@dataclass
class _Check:
    methods: Methods
    progress: Progress | None
    readers: Mapping[str, Callable[[Path], object]]
    problems: list[Problem] = field(default_factory=list)
    specs: set[Path] = field(default_factory=set)
    fcs_files: set[Path] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def path(self, path: Path) -> None:
        if path.is_dir():
            self.folder(path)
        elif not is_there(path):
            self.complain(path, "no such file or folder", "check the path")
        elif path.suffix.casefold() in _YAML:
            self.yaml(path)
        elif path.suffix.casefold() == ".csv":
            self.sample_list(path)
        else:
            self.fcs([path])

    def complain(self, path: Path, message: str, remedy: str, key: str = "") -> None:
        self.problems.append(Problem(str(path), None, key, message, remedy))

    def folder(self, folder: Path) -> None:
        if is_there(folder / "study.yaml"):
            self.study(folder / "study.yaml")
            return
        entries = sorted(path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith("."))
        specs = [path for path in entries if path.suffix.casefold() in _YAML]
        for name in _SPEC_FOLDERS:
            specs += sorted((folder / name).glob("*.yaml"))
        fcs = [path for path in entries if path.suffix.casefold() in {".fcs", ".lmd"}]
        for path in specs:
            self.yaml(path)
        self.fcs(fcs)
        if not specs and not fcs:
            self.complain(folder, "nothing to check here: no study.yaml, no other YAML, no FCS files", "check the path")

    def study(self, file: Path) -> None:
        # The study's own panels and strategies first, whether they are in use or not.
        for path in (path for name in _SPEC_FOLDERS for path in sorted((file.parent / name).glob("*.yaml"))):
            self.yaml(path)
        for path in sorted((file.parent / "export").glob("*.yaml")) if self.readers else ():
            self.yaml(path)
        check = StudyCheck(file, self.methods, self.progress)
        check.run()
        self.problems += check.problems
        self.notes += check.notes
        self.warnings += check.warnings
        self.specs.update(path.resolve() for path in check.specs)
        self.fcs_files.update(path.resolve() for path in check.fcs_files)

    def yaml(self, path: Path) -> None:
        try:
            file = read_yaml(path)
            schema = file.data.get("schema") if isinstance(file.data, dict) else None
            kind = schema.partition("/")[0] if isinstance(schema, str) else ""
            if kind == "immunomon.study":
                self.study(path)
                return
            if kind == "immunomon.overrides":
                self.decisions(path)
                return
            self.specs.add(path.resolve())
            if kind == "immunomon.panel":
                load_panel(path)
            elif kind == "immunomon.strategy":
                self.strategy(path, file)
            elif kind in self.readers:
                self.readers[kind](path)
            else:
                message = "is missing" if schema is None else f"no schema named {shown(schema)}"
                remedy = f"write 'schema: {_SCHEMAS[0]}', or panel, or strategy" if schema is None else ""
                remedy = remedy or nearest(str(schema)[:80], _SCHEMAS)
                self.problems.append(Problem(str(path), file.line_of(("schema",)), "schema", message, remedy))
            self.name(path, file)
        except BadSpec as error:
            self.specs.add(path.resolve())
            self.problems += error.problems

    def strategy(self, path: Path, file: YamlFile) -> None:
        """Check a strategy, with the panel it was designed for; that one's own problems are not this file's."""
        panel = None
        name = file.data.get("panel")
        if isinstance(name, str):
            try:
                if path.parent.name == "gating":
                    panel_file = find_panel(name, path.parent.parent)
                else:
                    panel_file = _panel_beside(path, name) or find_panel(name, path.parent)
            except BadSpec as error:
                line = file.line_of(("panel",))
                self.problems += [
                    Problem(str(path), line, "panel", problem.what, problem.remedy) for problem in error.problems
                ]
            else:
                try:
                    panel = load_panel(panel_file)
                except BadSpec:
                    self.complain(
                        path, f"panel '{name}' has problems, so that the axes were not checked", "correct it first"
                    )
        strategy = load_strategy(path, methods=self.methods, panel=panel)
        self.warnings += [
            *dated_lines(path),
            *(
                f"{path}: {line}"
                for line in strategy.about_left_out(f"panel '{name}'", panel.axis_names if panel else ())
            ),
        ]

    def name(self, path: Path, file: YamlFile) -> None:
        """Where files are found by name, the name inside must be the file's."""
        name = file.data.get("name") if isinstance(file.data, dict) else None
        if path.parent.name in _SPEC_FOLDERS and isinstance(name, str) and name != path.stem:
            message = f"{shown(name)} is not the name of the file"
            remedy = f"write 'name: {path.stem}', or rename the file"
            self.problems.append(Problem(str(path), file.line_of(("name",)), "name", message, remedy))

    def decisions(self, path: Path) -> None:
        """Check a file of overrides with its study: what it names is there, or is not."""
        study = path.parent / "study.yaml"
        if path.name != OVERRIDES_FILE or not study.is_file():
            self.specs.add(path.resolve())
            self.complain(path, "decisions are read only beside their study.yaml", f"name it {OVERRIDES_FILE}, there")
            return
        self.study(study)

    def sample_list(self, path: Path) -> None:
        if (path.parent / "study.yaml").is_file():
            self.study(path.parent / "study.yaml")
            return
        self.specs.add(path.resolve())
        try:
            self.problems += read_samples(path)[1]
        except BadSpec as error:
            self.problems += error.problems

    def fcs(self, paths: Sequence[Path]) -> None:
        headers = read_headers(paths, self.progress)
        self.problems += [header for header in headers.values() if isinstance(header, Problem)]
        self.notes += deviation_notes(headers)
        self.notes += matrix_notes(headers)
        self.notes += pulse_notes(headers)
        self.fcs_files.update(path.resolve() for path in paths)


def _panel_beside(strategy: Path, name: str) -> Path | None:
    """Return the file in a strategy's own folder that holds the panel of a name; None if none does."""
    for path in sorted(strategy.parent.iterdir()):
        if path.suffix.casefold() not in _YAML or path.name == strategy.name or not is_there(path):
            continue
        with suppress(BadSpec):
            panel = read_yaml(path).data
            if isinstance(panel, dict) and panel.get("schema") == "immunomon.panel/1" and panel.get("name") == name:
                return path
    return None
