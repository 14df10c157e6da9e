"""``immunomon export-events``: a population's events as an FCS file of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from immunomon import __version__
from immunomon.cli.app import DataOffset, DataSet, app
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.write_fcs import kept_keywords, linear_channels, write_fcs
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.placed import PlacedStrategy
from immunomon.errors import BadSpec, ImmunomonError, UnknownName, nearest
from immunomon.runs.files import carried_by_file
from immunomon.runs.folder import RunFolder
from immunomon.runs.named import find_gates
from immunomon.runs.placed import apply_to_file, placed_in_run
from immunomon.runs.single import analyse
from immunomon.study.model.fcs import AS_JUDGED, Reading
from immunomon.study.model.identifiers import Identifiers, scrubbed_text
from immunomon.study.model.strategy import ROOT
from immunomon.study.specs.study import load_study

__all__ = ["export_events", "write_events"]

_ABOUT_CHANNELS = re.compile(r"\$?SPILL|\$?COMP|\$P\d")


@app.command("export-events")
def export_events(
    source: Annotated[str, typer.Argument(help="A run folder that gated the file, or a strategy's file or name.")],
    file: Annotated[Path, typer.Argument(help="The FCS file.")],
    population: Annotated[str, typer.Option("--population", help="The population's id; root: all events.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new FCS file.")],
    panel: Annotated[
        str | None, typer.Option("--panel", "-p", help="A panel file or name; default: the strategy's.")
    ] = None,
    data_set: DataSet = None,
    data_offset: DataOffset = None,
) -> int:
    """Write a population's raw events as an FCS 3.1 file of their own, with the file's keywords."""
    reading = Reading(data_set, data_offset)
    return write_events(source, file, population=population, out=out, panel=panel, reading=reading)


def write_events(
    source: str, file: Path, *, population: str, out: Path, panel: str | None = None, reading: Reading = AS_JUDGED
) -> int:
    """Write the raw events of one population of a file; return 0.

    source: a run folder that gated the file, or a strategy's file or name. reading: which data set, and whose offset of
    DATA; default: as the run read the file, else what the file tells. Raises BadFcs, BadSpec, UnknownName for a
    population that there is not, ImmunomonError for one that could not be placed.
    """
    if file.resolve() == out.resolve():
        raise ImmunomonError(f"{out}: it would overwrite the file that is read; choose another name")
    tree, reading = _gated(source, file, panel, reading)
    mask = tree.mask(population)
    if mask is None:
        failures = {population.id: population.failure for population in tree.populations}
        if population in failures:
            raise ImmunomonError(f"{file}: population '{population}' was not placed: {failures[population]}")
        raise UnknownName(f"{file}: no population '{population}'; {nearest(population, [ROOT, *failures])}")
    header, raw = read_fcs(file, data_set=reading.data_set, data_offset=reading.data_offset, sha256=reading.sha256)
    path = next((node.path for node in tree.populations if node.id == population), f"/{ROOT}")
    kept, names = _without_names(kept_keywords(header), source)
    description = {
        "$ORIGINALITY": "DataModified",
        "$LAST_MODIFIER": f"immunomon {__version__}",
        "IMMUNOMON SOURCE": scrubbed_text(file.name, names),
        "IMMUNOMON STRATEGY": tree.strategy,
        "IMMUNOMON POPULATION": path,
    }
    picked = EventTable(raw.values[mask], linear_channels(header), Scale.RAW, file.name)
    write_fcs(out, picked, {**kept, **description})
    typer.echo(f"{out}: {picked.count} of {raw.count} events, {path}", err=True)
    return 0


def _without_names(keywords: Mapping[str, str], source: str) -> tuple[dict[str, str], list[str]]:
    """Return keywords without what names persons, and the names: whoever gets these cells need not know whose they are.

    What counts as a name is said by the study of a run, or is the default.
    """
    identifiers, pseudonyms = Identifiers(), []
    try:
        study = load_study(Path(source).resolve().parent / "study.yaml")
        identifiers, pseudonyms = study.identifiers, [subject.id for subject in study.subjects]
    except BadSpec:
        pass
    named = identifiers.found(keywords, pseudonyms)
    rest = {key: value for key, value in keywords.items() if key not in named}
    names = list(named.values())
    return {
        key: value if _ABOUT_CHANNELS.match(key) else scrubbed_text(value, names) for key, value in rest.items()
    }, names


def _gated(source: str, file: Path, panel: str | None, reading: Reading) -> tuple[GateTree, Reading]:
    """Return a file's gated populations, and how it was read."""
    if (Path(source) / "run.json").is_file():
        for sample, placed in placed_in_run(Path(source)):
            if sample == file.stem or sample.endswith(f"__{file.stem}"):
                by_run = Reading.from_record(RunFolder(Path(source)).read_sample(sample) or {})
                if reading not in (AS_JUDGED, replace(by_run, sha256=None)):
                    message = f"{source}: the run read data set {by_run.data_set} of {file.name}"
                    raise ImmunomonError(f"{message}; leave out --data-set and --data-offset, its gates are of that")
                return apply_to_file(file, placed, reading=by_run), by_run
        raise UnknownName(f"{source}: this run gated no file named {file.name}")
    declared, using, _ = find_gates(source, panel)
    if isinstance(declared, PlacedStrategy):
        return apply_to_file(file, declared, panel=using, reading=reading), reading
    declared = carried_by_file(file, declared, panel=using, reading=reading)
    for line in declared.about_left_out(f"panel '{using.name}'" if using else "the file"):
        typer.echo(f"note: {line}", err=True)
    return analyse(file, declared, panel=using, reading=reading, with_plots=False).tree, reading
