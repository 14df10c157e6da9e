"""Samples and trees of imported populations: the study's where a table uses its names, else the table's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.gates.under import IMPORTED
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.cytometry.specs.strategy_meaning import cycle_in, parents_first
from immunomon.errors import BadSpec, Problem
from immunomon.findings import shown
from immunomon.runs.imported_rows import ImportedRow
from immunomon.shape import MACHINE_NAME
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import ROOT, GateDeclaration, GatingStrategy, Population
from immunomon.study.model.study import Sample, Study, seen_by_strategies
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.study.specs.panel import load_panel
from immunomon.study.specs.samples import read_samples

__all__ = ["is_inside", "samples_of", "trees_of"]


def trees_of(
    study: Study, rows: Sequence[ImportedRow]
) -> tuple[dict[str, Panel], dict[str, GatingStrategy], list[str]]:
    """Return panels and trees by panel in use, and notes; raises BadSpec where a table's own tree is none."""
    panels: dict[str, Panel] = {}
    trees: dict[str, GatingStrategy] = {}
    notes: list[str] = []
    for use in (use for use in study.panels if any(row.panel == use.panel for row in rows)):
        own = [row for row in rows if row.panel == use.panel]
        declared = None
        try:
            panels[use.panel] = load_panel(find_panel(use.tube, study.folder))
            path = find_strategy(use.strategy, study.folder)
            declared = load_strategy(path, methods=GATE_METHODS, panel=panels[use.panel])
        except BadSpec:
            panels.setdefault(use.panel, Panel(use.tube, use.tube, ()))
        tree = _of_declared(declared, own) if declared else None
        if tree is None:
            notes.append(f"panel '{use.panel}': the populations are the table's own, not those of '{use.strategy}'")
        trees[use.panel] = tree or _of_table(use.strategy, own)
    return panels, trees, notes


def _of_declared(declared: GatingStrategy, rows: Sequence[ImportedRow]) -> GatingStrategy | None:
    """Return the part of a strategy's tree that a table has counts of; None if it names or nests others."""
    parents = {row.population: row.parent for row in rows}
    known = {population.id: population.parent for population in declared}
    if any(known.get(name) != parent for name, parent in parents.items()):
        return None
    kept = {name for population in parents for name in (population, *declared.ancestors(population))}
    return replace(
        declared,
        populations=tuple(_without_gate(population) for population in declared if population.id in kept),
        denominators={name: of for name, of in declared.denominators.items() if name in kept},
        expected={name: expected for name, expected in declared.expected.items() if name in kept},
        scales={},
        left_out=(),
    )


def _without_gate(population: Population) -> Population:
    return replace(population, gate=GateDeclaration(IMPORTED), keep="inside")


def _of_table(name: str, rows: Sequence[ImportedRow]) -> GatingStrategy:
    parents = {row.population: row.parent for row in rows}
    above = {parent: ROOT for parent in parents.values() if parent not in (ROOT, *parents)}
    needs = {population: (parent,) for population, parent in {**above, **parents}.items()}
    for cycle in cycle_in(needs):
        row = next(row for row in rows if row.population == cycle[0])
        what = f"a population cannot descend from itself: {' -> '.join((*cycle, cycle[0]))}"
        raise BadSpec([Problem(row.file, row.line, "parent", what, "correct a parent")])
    ids = _ids(parents, rows)
    tree = tuple(
        Population(ids.get(p, p), p, ids.get(needs[p][0], needs[p][0]), GateDeclaration(IMPORTED), "inside")
        for p in parents_first(needs)
    )
    return GatingStrategy(name, name, 1, None, tree)


def _ids(parents: Mapping[str, str], rows: Sequence[ImportedRow]) -> dict[str, str]:
    """Return ids for machines for a table's names; raises BadSpec where two names would have one."""
    ids: dict[str, str] = {ROOT: ROOT}
    for name in dict.fromkeys((*parents, *parents.values())):
        spelled = name.casefold().replace("+", "_pos_").replace("-", "_neg_") if name != ROOT else name
        bare = re.sub(r"_{2,}", "_", re.sub(r"[^a-z0-9]", "_", spelled)).strip("_")[:60].rstrip("_")
        plain = name if re.fullmatch(MACHINE_NAME, name) else bare if bare[:1].isalpha() else f"p_{bare}"[:60]
        other = next((known for known, own in ids.items() if own == plain and known != name), None)
        if other is not None:
            row = next(row for row in rows if name in (row.population, row.parent))
            what = f"{shown(name)} and {shown(other)} would both be called {shown(plain)}"
            raise BadSpec([Problem(row.file, row.line, "population", what, "rename one of them")])
        ids[name] = plain
    return ids


# Samples: each that the rows name, with what the study's list says of it.


def samples_of(study: Study, rows: Sequence[ImportedRow]) -> dict[tuple[str, str], Sample]:
    """Return a sample for each that the rows name, with what the study's list says of it, by panel and its name."""
    path = study.folder / study.samples_file
    try:
        listed = seen_by_strategies(read_samples(path, study)[0], study) if path.is_file() else ()
    except BadSpec:
        listed = ()
    by_id = {sample.id: sample for sample in listed}
    slots: dict[tuple[str, str, str, str], list[Sample]] = {}
    for sample in listed:
        slots.setdefault((sample.panel, sample.subject, sample.visit, str(sample.role)), []).append(sample)
    samples: dict[tuple[str, str], Sample] = {}
    taken: set[str] = set()
    for row in rows:
        key = (row.panel, row.sample)
        if key in samples:
            continue
        fitting = slots.get((row.panel, row.subject, row.visit, str(row.role)), [])
        known = by_id.get(row.sample) or (fitting[0] if len(fitting) == 1 else None)
        file = _shown(study, Path(row.file))
        name = row.sample if row.sample in by_id or not known else known.id
        # An id stays as it is, however often a run is written anew.
        bare = name if name in by_id else re.sub(r'[<>:"|?*\x00-\x1f/\\]', "_", name).rstrip(". ") or "_"
        if bare in taken:
            what = f"sample {shown(row.sample)} would have the id {shown(bare)}, as another one"
            raise BadSpec([Problem(row.file, row.line, "sample", what, "name the samples apart")])
        taken.add(bare)
        own = Sample(file, bare, row.panel, row.role, row.subject, row.visit)
        samples[key] = replace(known, file=file, id=bare, subject=row.subject, visit=row.visit) if known else own
    return samples


def _shown(study: Study, table: Path) -> Path:
    """Return a table's path as a sample list would have it; its name alone where it lies outside of the study."""
    folder = (study.folder / study.samples_file).parent.resolve()
    return table.resolve().relative_to(folder) if is_inside(table, folder) else Path(table.name)


def is_inside(path: Path, folder: Path) -> bool:
    """Say whether a file lies in a folder."""
    return path.resolve().is_relative_to(folder.resolve())
