"""Import: a run made of counts that were gated elsewhere, or a map of its names proposed to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpec, ImmunomonError, counted, listed
from immunomon.files import write_whole
from immunomon.runs.import_map import ImportMap, load_import_map, mapped_rows, proposed_map
from immunomon.runs.imported_forms import ForeignTable, read_foreign
from immunomon.runs.imported_rows import ImportedRow, bare_percents, read_tidy
from immunomon.runs.importing import Source, import_rows
from immunomon.runs.lock import Reason
from immunomon.runs.provenance import user_name
from immunomon.study.model.study import Study
from immunomon.study.specs.catalog import find_strategy
from immunomon.study.specs.samples import read_samples
from immunomon.study.specs.study import load_study
from immunomon.yamlfile import digests_of_what_is_read

__all__ = ["Imported", "import_counts"]


@dataclass(frozen=True)
class Imported:
    """How an import ended: the run's folder, samples and values in it, and what to know.

    unchanged: the run held these values already, and nothing was written. proposed_map: nothing was imported; a map was
    written for a person to look at, with which the import is asked for again.
    """

    folder: Path
    samples: int = 0
    values: int = 0
    notes: tuple[str, ...] = ()
    unchanged: bool = False
    proposed_map: Path | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it in words, as ``immunomon import`` prints it."""
        notes = tuple(f"note: {note}" for note in self.notes)
        if self.proposed_map is not None:
            remedy = "Look at each line, fill in what is left blank ('?'), and import again."
            return (*notes, f"Proposed: {self.proposed_map}. {remedy}")
        if self.unchanged:
            return (*notes, f"{self.folder}: nothing has changed; nothing was written")
        imported = f"{counted(self.values, 'value')} of {counted(self.samples, 'sample')}"
        limits = "They were gated elsewhere: there are no gates, no pictures and no gate errors."
        return (*notes, f"Imported into {self.folder}: {imported}. {limits}")

    def __repr__(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class _Read:
    """The rows of one table, what to know of them, and the samples that the import map was asked for."""

    rows: list[ImportedRow]
    notes: list[str]
    source: Source
    mapped_samples: frozenset[str] = frozenset()


def import_counts(
    tables: Sequence[str | Path],
    study: str | Path,
    out: str | Path,
    *,
    map_file: str | Path | None = None,
    panel: str | None = None,
    reason: str | None = None,
    by: str | None = None,
) -> Imported:
    """Make a run of counts that were gated elsewhere: no gates, no pictures, no gate errors, and it says so.

    tables: tidy CSV, another program's table (CSV, XLSX), or a workspace. out: the run folder. map_file: from the
    table's names to the study's; proposed there if there is no such file. panel: of rows that name none. reason, by:
    why values imported before are replaced, and who says so. Raises BadSpec for what cannot be read, ImmunomonError
    for a table that needs a map, and for replaced values without a reason.
    """
    if reason is not None and by is None:
        raise ImmunomonError("--reason needs --by: who says so")
    map_path = None if map_file is None else Path(map_file)
    with digests_of_what_is_read() as texts:
        declared = load_study(Path(study))
        in_use = load_import_map(map_path) if map_path is not None and map_path.exists() else None
        parts: list[_Read] = []
        for path in [Path(tables)] if isinstance(tables, str | Path) else map(Path, tables):
            foreign = read_foreign(path)
            if foreign is not None and in_use is None:
                return Imported(Path(out), proposed_map=_propose(foreign, declared, map_path, panel))
            parts.append(_read(path, foreign, in_use, declared, panel))
        rows = [row for part in parts for row in part.rows]
        why = Reason(reason or "", by or user_name())
        sources = [part.source for part in parts]
        summary = import_rows(declared, rows, Path(out), sources=sources, why=why, texts=texts)
    notes = (*(note for part in parts for note in part.notes), *_unused(map_path, in_use, parts), *summary.notes)
    return Imported(Path(out), summary.samples, summary.values, notes, summary.unchanged)


def _read(path: Path, foreign: ForeignTable | None, in_use: ImportMap | None, study: Study, panel: str | None) -> _Read:
    if foreign is None or in_use is None:
        rows, remarks, digest = read_tidy(path, study, panel)
        return _Read(rows, remarks, Source(path, digest, "tidy CSV"))
    rows = mapped_rows(foreign, in_use, study)
    notes = [*foreign.notes, *bare_percents(path, rows)]
    return _Read(
        rows, notes, Source(path, foreign.sha256, foreign.form), frozenset(sample.name for sample in foreign.samples)
    )


def _unused(map_file: Path | None, in_use: ImportMap | None, parts: Sequence[_Read]) -> list[str]:
    """Return a note on samples of the map that no table has; none if no table was read by it."""
    known = frozenset[str]().union(*(part.mapped_samples for part in parts))
    unused = [name for name in in_use.spec.samples if name not in known] if in_use and known else []
    nothing = "samples that no table has, so nothing is done for them"
    return [f"{map_file}: {nothing}: {listed(unused, 20)}"] if unused else []


def _propose(foreign: ForeignTable, study: Study, map_file: Path | None, panel: str | None) -> Path:
    """Write a map for a table that has none, to be looked at, and return its path."""
    if map_file is None:
        remedy = "name a map with --map MAP.yaml; if there is no such file, one is proposed there"
        raise ImmunomonError(f"{foreign.path}: a {foreign.form} has names of its own; {remedy}")
    uses = {use.panel: use.strategy for use in study.panels}
    if (panel is None and len(uses) > 1) or panel not in (None, *uses):
        raise ImmunomonError(f"{foreign.path}: say which panel it is of: --panel {' or '.join(uses)}")
    name = panel or next(iter(uses))
    try:
        strategy = load_strategy(find_strategy(uses[name], study.folder), methods=GATE_METHODS)
    except BadSpec:
        strategy = None
    list_file = study.folder / study.samples_file
    try:
        samples = read_samples(list_file, study)[0] if list_file.is_file() else ()
    except BadSpec:
        samples = ()
    write_whole(map_file, proposed_map(foreign, name, strategy=strategy, listed=samples))
    return map_file
