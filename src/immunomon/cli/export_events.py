"""``immunomon export-events``: a population's events as an FCS file of their own."""

from __future__ import annotations

from pathlib import Path

import typer

from immunomon import __version__
from immunomon.cli.gate import find_gates
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.io.fcs import read_fcs
from immunomon.io.write_fcs import kept_keywords, linear_channels, write_fcs
from immunomon.model.events import EventTable, Scale
from immunomon.model.gatetree import GateTree
from immunomon.model.identifiers import Identifiers
from immunomon.model.placed import PlacedStrategy
from immunomon.model.strategy import ROOT
from immunomon.pipeline.placed import apply_to_file, placed_in_run
from immunomon.pipeline.single import analyse

__all__ = ["export_events"]


def export_events(source: str, file: Path, *, population: str, out: Path, panel: str | None = None) -> int:
    """Write the raw events of one population of a file; return 0.

    source: a run folder that gated the file, or a strategy's file or name. Raises BadFcs, BadSpec, UnknownName for a
    population that there is not, ImmunomonError for one that could not be placed.
    """
    if file.resolve() == out.resolve():
        raise ImmunomonError(f"{out}: it would overwrite the file that is read; choose another name")
    tree = _gated(source, file, panel)
    mask = tree.mask(population)
    if mask is None:
        found = {one.id: one.failure for one in tree.populations}
        if population in found:
            raise ImmunomonError(f"{file}: population '{population}' was not placed: {found[population]}")
        raise UnknownName(f"{file}: no population '{population}'; {nearest(population, [ROOT, *found])}")
    header, raw = read_fcs(file)
    path = next((one.path for one in tree.populations if one.id == population), f"/{ROOT}")
    said = {
        "$ORIGINALITY": "DataModified",
        "$LAST_MODIFIER": f"immunomon {__version__}",
        "IMMUNOMON SOURCE": file.name,
        "IMMUNOMON STRATEGY": tree.strategy,
        "IMMUNOMON POPULATION": path,
    }
    picked = EventTable(raw.values[mask], linear_channels(header), Scale.RAW, file.name)
    # Whoever gets these cells need not know whose they are.
    write_fcs(out, picked, {**Identifiers().scrubbed(kept_keywords(header)), **said})
    typer.echo(f"{out}: {picked.count} of {raw.count} events, {path}", err=True)
    return 0


def _gated(source: str, file: Path, panel: str | None) -> GateTree:
    if (Path(source) / "run.json").is_file():
        for sample, placed in placed_in_run(Path(source)):
            if sample == file.stem or sample.endswith(f"__{file.stem}"):
                return apply_to_file(file, placed)
        raise UnknownName(f"{source}: this run gated no file named {file.name}")
    declared, using, _ = find_gates(source, panel)
    if isinstance(declared, PlacedStrategy):
        return apply_to_file(file, declared, panel=using)
    return analyse(file, declared, panel=using, with_plots=False).tree
