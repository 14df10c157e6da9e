"""Export events: a population's events as an FCS file of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from immunomon import __version__
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.write_fcs import kept_keywords, linear_channels, write_fcs
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.placed import PlacedStrategy
from immunomon.errors import BadSpec, ImmunomonError, UnknownName, nearest
from immunomon.runs.files import carried_by_file, carrier
from immunomon.runs.folder import RunFolder
from immunomon.runs.named import find_gates
from immunomon.runs.placed import apply_to_file, placed_in_run
from immunomon.runs.single import analyse
from immunomon.study.model.fcs import AS_JUDGED, Reading
from immunomon.study.model.identifiers import Identifiers, scrubbed_text
from immunomon.study.model.strategy import ROOT
from immunomon.study.specs.study import load_study

__all__ = ["ExportedEvents", "export_events"]

_ABOUT_CHANNELS = re.compile(r"\$?SPILL|\$?COMP|\$P\d")


@dataclass(frozen=True)
class ExportedEvents:
    """The new file, how many of the file's events are in it, the population's path, and what to know."""

    file: Path
    events: int
    of_events: int
    population: str
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        written = f"{self.file}: {self.events} of {self.of_events} events, {self.population}"
        return "\n".join([*(f"note: {note}" for note in self.notes), written])


def export_events(
    source: str | Path,
    file: str | Path,
    out: str | Path,
    *,
    population: str,
    panel: str | None = None,
    reading: Reading = AS_JUDGED,
) -> ExportedEvents:
    """Write a population's raw events as an FCS 3.1 file of their own, with the file's keywords but those of persons.

    source: a run folder that gated the file, or a strategy's file or name. reading: which data set, and whose offset of
    DATA; default: as the run read the file, else what the file tells. Raises BadFcs, BadSpec, UnknownName for a
    population that there is not, ImmunomonError for one that could not be placed.
    """
    path, target = Path(file), Path(out)
    if path.resolve() == target.resolve():
        raise ImmunomonError(f"{target}: it would overwrite the file that is read; choose another name")
    tree, reading, notes = _gated(str(source), path, panel, reading)
    mask = tree.mask(population)
    if mask is None:
        failures = {node.id: node.failure for node in tree.populations}
        if population in failures:
            raise ImmunomonError(f"{path}: population '{population}' was not placed: {failures[population]}")
        raise UnknownName(f"{path}: no population '{population}'; {nearest(population, [ROOT, *failures])}")
    header, raw = read_fcs(path, data_set=reading.data_set, data_offset=reading.data_offset, sha256=reading.sha256)
    place = next((node.path for node in tree.populations if node.id == population), f"/{ROOT}")
    kept, names = _without_names(kept_keywords(header), str(source))
    description = {
        "$ORIGINALITY": "DataModified",
        "$LAST_MODIFIER": f"immunomon {__version__}",
        "IMMUNOMON SOURCE": scrubbed_text(path.name, names),
        "IMMUNOMON STRATEGY": tree.strategy,
        "IMMUNOMON POPULATION": place,
    }
    picked = EventTable(raw.values[mask], linear_channels(header), Scale.RAW, path.name)
    write_fcs(target, picked, {**kept, **description})
    return ExportedEvents(target, picked.count, raw.count, place, notes)


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


def _gated(source: str, file: Path, panel: str | None, reading: Reading) -> tuple[GateTree, Reading, tuple[str, ...]]:
    """Return a file's gated populations, how it was read, and what was left out of the strategy for it."""
    if (Path(source) / "run.json").is_file():
        for sample, placed in placed_in_run(Path(source)):
            if sample == file.stem or sample.endswith(f"__{file.stem}"):
                by_run = Reading.from_record(RunFolder(Path(source)).read_sample(sample) or {})
                if reading not in (AS_JUDGED, replace(by_run, sha256=None)):
                    message = f"{source}: the run read data set {by_run.data_set} of {file.name}"
                    raise ImmunomonError(f"{message}; leave out --data-set and --data-offset, its gates are of that")
                return apply_to_file(file, placed, reading=by_run), by_run, ()
        raise UnknownName(f"{source}: this run gated no file named {file.name}")
    declared, using, _ = find_gates(source, panel)
    if isinstance(declared, PlacedStrategy):
        return apply_to_file(file, declared, panel=using, reading=reading), reading, ()
    declared = carried_by_file(file, declared, panel=using, reading=reading)
    notes = declared.about_left_out(carrier(using), using.axis_names if using else ())
    return analyse(file, declared, panel=using, reading=reading, with_plots=False).tree, reading, notes
