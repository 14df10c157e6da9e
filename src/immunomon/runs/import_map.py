"""From another program's names to the study's: which sample is whose, which path is which population; kept as YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from immunomon.errors import BadSpec, Problem, nearest
from immunomon.findings import most_of, shown
from immunomon.runs.checks.file_names import BadPattern, Pattern
from immunomon.runs.checks.proposed_panel import yaml_text
from immunomon.runs.imported_forms import ForeignSample, ForeignTable
from immunomon.runs.imported_numbers import rounding_of
from immunomon.runs.imported_rows import ImportedRow
from immunomon.shape import BLANK, Name, SpecModel, Text, shape
from immunomon.study.model.strategy import ROOT, GatingStrategy
from immunomon.study.model.study import Role, RoleKind, Sample, Study
from immunomon.yamlfile import read_yaml

__all__ = ["ImportMap", "ImportMapSpec", "SampleOfMap", "load_import_map", "mapped_rows", "proposed_map"]

_SKIP = "skip"
_DASHES = set("-\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d")


class SampleOfMap(SpecModel):
    """Whose a sample is."""

    subject: Name = Field(description="Subject, as in study.yaml.")
    visit: Name = Field(description="Visit, as in study.yaml.")
    role: Text = Field("sample", description="What the tube is for, as in samples.csv.")


class ImportMapSpec(SpecModel):
    """From another program's names to the study's."""

    stand_ins: ClassVar[Mapping[str, object]] = {"panel": "?"}

    declared_schema: Literal["immunomon.import-map/1"] = Field(alias="schema", description="Format and version.")
    panel: Name = Field(description="The panel in use that the table is of.")
    pattern: Text | None = Field(None, description="How samples are named: '{subject}_{visit}_{panel}.fcs'.")
    samples: dict[str, SampleOfMap | Literal["skip"]] = Field(
        {}, max_length=20_000, description="Whose samples are that the pattern does not read; skip: left out."
    )
    parents: dict[str, Text] = Field(
        {},
        max_length=2_000,
        description="Path -> path of its parent, where the table does not say; root is all events.",
    )
    populations: dict[str, Text] = Field(
        max_length=2_000, description="Path in the table -> population of the study's strategy, another id, or skip."
    )


@dataclass(frozen=True)
class ImportMap:
    """A map as it was read."""

    file: str
    spec: ImportMapSpec
    pattern: Pattern | None

    def above(self, path: str) -> str:
        """Return the path of a population's parent, '' for all events: as the map says, else by the path itself."""
        above = self.spec.parents.get(path, path.rpartition("/")[0])
        return "" if above == ROOT else above

    def parent_in(self, path: str, kept: Collection[str]) -> str:
        """Return the nearest path above one that is kept; '' if there is none."""
        above, steps = self.above(path), 0
        while above and above not in kept and steps < 100:
            above, steps = self.above(above), steps + 1
        return above if above in kept else ""


def load_import_map(path: Path) -> ImportMap:
    """Read a map; raises BadSpec with every problem, what was left blank among them.

    >>> load_import_map(Path("none.yaml"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none.yaml: no such file; check the path
    """
    file = read_yaml(path)
    shaped = shape(file, ImportMapSpec)
    pattern = None
    if shaped is not None and shaped.spec.pattern is not None:
        try:
            pattern = Pattern.parse(shaped.spec.pattern)
        except BadPattern as refusal:
            file.findings.add(("pattern",), str(refusal), "correct it")
    file.findings.raise_any()
    assert shaped is not None
    return ImportMap(str(path), shaped.spec, pattern)


def mapped_rows(table: ForeignTable, map_of: ImportMap, study: Study) -> list[ImportedRow]:
    """Return a foreign table's rows under the study's names; raises BadSpec for what the map does not name.

    A percent of the parent gives the count where the parent's count is there.
    """
    spec, problems = map_of.spec, []
    uses = [use.panel for use in study.panels]
    if spec.panel not in uses:
        what = f"no panel in use named {shown(spec.panel)}"
        problems.append(Problem(map_of.file, None, "panel", what, nearest(spec.panel, uses)))
    for path in table.paths:
        if path not in spec.populations:
            what = f"nothing is said of {shown(path, 200)}, which {table.path.name} has"
            problems.append(Problem(map_of.file, None, "populations", what, "name its population, or write skip"))
    problems += _parents_amiss(table, map_of)
    rows: list[ImportedRow] = []
    for sample in () if problems else table.samples:
        whose = _whose(sample, map_of, study, problems)
        if whose is not None:
            rows += _rows_of(sample, table, map_of, whose, problems)
    if problems:
        raise BadSpec(most_of(problems))
    return rows


def _parents_amiss(table: ForeignTable, map_of: ImportMap) -> Iterator[Problem]:
    """Yield what the map says of parents that cannot be, and what it must say where the table does not."""
    known, remedy = {*map_of.spec.populations, ROOT}, "name a path of the map, or root"
    for path, above in map_of.spec.parents.items():
        if above not in known or path not in known:
            what = f"nothing is said of {shown(above if above not in known else path, 200)} under populations"
            yield Problem(map_of.file, None, "parents", what, remedy)
        passed, ancestor = {path}, map_of.above(path)
        while ancestor and ancestor not in passed:
            passed, ancestor = {*passed, ancestor}, map_of.above(ancestor)
        if ancestor:
            yield Problem(map_of.file, None, "parents", f"{shown(path, 200)} would lie in itself", remedy)
    for path in () if table.has_parents else table.paths:
        if path not in map_of.spec.parents and map_of.spec.populations.get(path) != _SKIP:
            what = f"neither the table nor the map says what {shown(path, 200)} lies in"
            yield Problem(map_of.file, None, "parents", what, remedy)


def _whose(
    sample: ForeignSample, map_of: ImportMap, study: Study, problems: list[Problem]
) -> tuple[str, str, Role] | None:
    listed = map_of.spec.samples.get(sample.name)
    if listed == _SKIP:
        return None
    fields: Mapping[str, str] = {}
    if isinstance(listed, SampleOfMap):
        fields = {"subject": listed.subject, "visit": listed.visit, "role": listed.role}
    elif map_of.pattern is not None:
        fields = map_of.pattern.read(_stem(sample.name)) or {}
    if not {"subject", "visit"} <= set(fields):
        what = f"it is not said whose sample {shown(sample.name, 120)} is"
        problems.append(Problem(map_of.file, None, "samples", what, "add it, write skip, or give a pattern that fits"))
        return None
    known = (("subject", [s.id for s in study.subjects]), ("visit", [v.label for v in study.visits]))
    for key, names in known:
        if fields[key] not in names:
            what = f"sample {shown(sample.name, 120)}: no {key} named {shown(fields[key])}"
            problems.append(Problem(map_of.file, None, "samples", what, nearest(fields[key], names)))
    return fields["subject"], fields["visit"], Role.parse(fields.get("role") or RoleKind.SAMPLE.value)


def _stem(name: str) -> str:
    return name[:-4] if name.casefold().endswith((".fcs", ".lmd")) else name


def _rows_of(
    sample: ForeignSample, table: ForeignTable, map_of: ImportMap, whose: tuple[str, str, Role], problems: list[Problem]
) -> Iterator[ImportedRow]:
    subject, visit, role = whose
    names = {path: name for path, name in map_of.spec.populations.items() if name != _SKIP and path in table.paths}
    counts = _counts(sample, map_of, list(table.paths))
    problems += _contradictions(sample, map_of, counts, str(table.path))
    for path, name in names.items():
        parent = map_of.parent_in(path, names)
        count, parent_count = counts.get(path), counts.get(parent)
        percent = sample.percents.get(path) if count is None else None
        if percent is not None and parent != map_of.above(path):
            what = f"{shown(path, 200)} is a percent of {shown(map_of.above(path), 200)}, which is left out"
            problems.append(Problem(map_of.file, None, "populations", what, "name it, or export the counts, too"))
        if count is not None and parent_count is not None and count > parent_count:
            what = f"{count} events of {shown(path, 200)} in a parent of {parent_count}"
            problems.append(Problem(str(table.path), sample.line, "", what, "correct the table"))
        above = names[parent] if parent else ROOT
        of_row = (sample.name, subject, visit, map_of.spec.panel, role, name, above, count, parent_count)
        yield ImportedRow(*of_row, str(table.path), sample.line, sample.medians.get(path, {}), percent=percent)


def _counts(sample: ForeignSample, map_of: ImportMap, paths: Sequence[str]) -> dict[str, int]:
    """Return the counts of a sample, those of percents worked out from the top where the parent's is there."""
    counts = {map_of.above(path): count for path, count in sample.parent_counts.items()} | dict(sample.counts)
    lacking = [path for path in paths if path not in counts and path in sample.percents]
    while ready := [path for path in lacking if map_of.above(path) in counts]:
        counts |= {path: round(sample.percents[path] * counts[map_of.above(path)] / 100) for path in ready}
        lacking = [path for path in lacking if path not in counts]
    return counts


def _contradictions(
    sample: ForeignSample, map_of: ImportMap, counts: Mapping[str, int], file: str
) -> Iterator[Problem]:
    """Yield percents that contradict the counts beside them by more than rounding, and differing counts of a parent."""
    for path, number in sample.parent_counts.items():
        if (known := counts[map_of.above(path)]) != number and map_of.spec.populations[path] != _SKIP:
            what = (
                f"{number} events in its parent {shown(map_of.above(path) or ROOT, 200)}, which has {known} elsewhere"
            )
            yield Problem(file, sample.line, path, what, "correct the parent in the map (parents:), or the counts")
    for path, percent in sample.percents.items():
        count, above = sample.counts.get(path), sample.counts.get(map_of.above(path))
        if count is not None and above and abs(100 * count / above - percent) > rounding_of(f"{percent:.15g}", percent):
            what = f"{percent:g} % of the parent, but {count} of {above} are {100 * count / above:.4g} %"
            yield Problem(file, sample.line, path, what, "correct the percent or the counts")


# What is proposed for a table that nobody mapped yet.

_USUAL = {
    "singlets": "singlets", "singlecells": "singlets", "single": "singlets", "live": "live", "livecells": "live",
    "lymphocytes": "lymphocytes", "lymphs": "lymphocytes", "lymphocyte": "lymphocytes", "tcells": "t_cells",
    "cd3": "t_cells", "cd4": "cd4", "cd8": "cd8", "cd4tcells": "cd4", "cd8tcells": "cd8", "treg": "treg",
    "tregs": "treg", "bcells": "b_cells", "nkcells": "nk_cells",
}  # fmt: skip


def proposed_map(table: ForeignTable, panel: str, *, strategy: GatingStrategy | None, listed: Sequence[Sample]) -> str:
    """Return a map for a table as text: populations by their names, samples by the study's list, the rest left blank.

    strategy: of the panel, whose names of populations are looked for; listed: the study's samples, by their files.
    """
    by_file = {sample.file.stem.casefold(): sample for sample in listed if sample.subject and sample.visit}
    lines = [
        f"# Proposed for {table.path.name}: look at each line; {_SKIP} leaves out. See docs/import.md.",
        "schema: immunomon.import-map/1",
        f"panel: {yaml_text(panel)}",
        "# pattern: '{subject}_{visit}_{panel}.fcs'   how samples are named; then they need not be listed",
        "samples:" if table.samples else "samples: {}",
    ]
    for sample in table.samples:
        own = by_file.get(_stem(PurePosixPath(sample.name).name).casefold())
        subject, visit = (own.subject, own.visit) if own else (BLANK, BLANK)
        whose = f"{{subject: {yaml_text(subject)}, visit: {yaml_text(visit)}}}"
        lines.append(f"  {_quoted(sample.name)}: {whose}")
    names = _populations(table.paths, strategy)
    lines.append("populations:" if table.paths else "populations: {}")
    lines += [f"  {_quoted(path)}: {yaml_text(name)}" for path, name in names.items()]
    if not table.has_parents:
        lines.append("# The table does not say what lies in what; percents are of the parent that stands here:")
        lines += ["parents:", *(f"  {_quoted(p)}: {_quoted(above)}" for p, above in _above(names, strategy).items())]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _populations(paths: Sequence[str], strategy: GatingStrategy | None) -> dict[str, str]:
    """Return a name for each path: the strategy's population of this name, else the path's own end, each once."""
    known = {_plain(name): p.id for p in strategy or () for name in (p.id, p.label)}
    usual = {plain: name for plain, name in _USUAL.items() if strategy is None or name in strategy.ids}
    names: dict[str, str] = {}
    for path in paths:
        leaf = path.rpartition("/")[2]
        plain = _plain(leaf)
        name = (known.get(plain) or usual.get(plain) or leaf) if plain else leaf
        names[path] = name if name not in names.values() else path if path not in names.values() else BLANK
    return names


def _above(names: Mapping[str, str], strategy: GatingStrategy | None) -> dict[str, str]:
    """Return each path's parent by the strategy: that of its nearest ancestor in the table; root is all events."""
    path_of = {name: path for path, name in names.items()}
    ids = strategy.ids if strategy else ()
    return {
        path: next((path_of[a] for a in strategy.ancestors(name) if a in path_of), ROOT)
        if strategy and name in ids
        else ROOT
        for path, name in names.items()
    }


def _plain(name: str) -> str:
    # What is negative must not be taken for what is positive: CD4- is nobody's CD4.
    tail = re.search(r"(?:[^\w+]|_)*$", name)
    is_negative = bool(tail and set(tail[0]) & _DASHES) or re.search(r"neg(?:ative)?\W*$", name, re.IGNORECASE)
    return "" if is_negative else "".join(c for c in name.casefold() if c.isalnum())
