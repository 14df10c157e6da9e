"""``immunomon import``: a run of counts that were gated elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpec, ImmunomonError, counted, listed
from immunomon.files import write_whole
from immunomon.runs.import_map import load_import_map, mapped_rows, proposed_map
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

__all__ = ["import_table"]


@app.command("import")
def import_table(
    tables: Annotated[
        list[Path],
        typer.Argument(help="Tidy CSV, another program's table (CSV, XLSX), or a workspace."),
    ],
    study: Annotated[Path, typer.Option("--study", help="The study's folder: who, when, which panels.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder.")],
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="From the table's names to the study's (YAML); proposed there if there is none."),
    ] = None,
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="The panel of rows that name none.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why values imported before are replaced.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who imports; default: this computer's user.")] = None,
) -> int:
    """Make a run of counts that were gated elsewhere: no gates, no pictures, no gate errors, and it says so."""
    if reason is not None and by is None:
        raise ImmunomonError("--reason needs --by: who says so")
    with digests_of_what_is_read() as texts:
        declared = load_study(study)
        rows: list[ImportedRow] = []
        sources: list[Source] = []
        notes: list[str] = []
        in_use = load_import_map(map_file) if map_file is not None and map_file.exists() else None
        of_tables = set[str]()
        for path in tables:
            foreign = read_foreign(path)
            if foreign is None:
                of_table, remarks, digest = read_tidy(path, declared, panel)
                source = Source(path, digest, "tidy CSV")
            elif in_use is not None:
                of_table = mapped_rows(foreign, in_use, declared)
                remarks = [*foreign.notes, *bare_percents(path, of_table)]
                of_tables |= {sample.name for sample in foreign.samples}
                source = Source(path, foreign.sha256, foreign.form)
            else:
                return _propose(foreign, declared, map_file, panel)
            rows, sources, notes = [*rows, *of_table], [*sources, source], [*notes, *remarks]
        if in_use and of_tables and (unused := [name for name in in_use.spec.samples if name not in of_tables]):
            nothing = "samples that no table has, so nothing is done for them"
            notes.append(f"{map_file}: {nothing}: {listed(unused, 20)}")
        why = Reason(reason or "", by or user_name())
        summary = import_rows(declared, rows, out, sources=sources, why=why, texts=texts)
    for note in (*notes, *summary.notes):
        typer.echo(f"note: {note}")
    if summary.unchanged:
        typer.echo(f"{out}: nothing has changed; nothing was written")
        return 0
    typer.echo(
        f"Imported into {out}: {counted(summary.values, 'value')} of {counted(summary.samples, 'sample')}. "
        "They were gated elsewhere: there are no gates, no pictures and no gate errors."
    )
    return 0


def _propose(foreign: ForeignTable, study: Study, map_file: Path | None, panel: str | None) -> int:
    """Write a map for a table that has none, to be looked at; return 1, as nothing is imported yet."""
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
        listed = read_samples(list_file, study)[0] if list_file.is_file() else ()
    except BadSpec:
        listed = ()
    write_whole(map_file, proposed_map(foreign, name, strategy=strategy, listed=listed))
    typer.echo(f"Proposed: {map_file}. Look at each line, fill in what is left blank ('?'), and import again.")
    return 1
