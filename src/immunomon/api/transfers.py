"""Transfers: what a study delivers, as a document that two parties agree on."""

from __future__ import annotations

from pathlib import Path

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.outputs.delivery.specification import transfer_specification
from immunomon.study.specs.catalog import find_strategy
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study

__all__ = ["specify_transfer"]


def specify_transfer(study: str | Path) -> str:
    """Return a data transfer specification in Markdown: files, columns, units, code lists, keys, checks.

    What people must agree on stands in brackets. Raises BadSpec with every problem of the study's files.
    """
    declared = load_study(Path(study))
    samples = load_samples(declared.folder / declared.samples_file, declared)
    populations = {
        use.panel: [
            population.id
            for population in load_strategy(find_strategy(use.strategy, declared.folder), methods=GATE_METHODS)
        ]
        for use in declared.panels
    }
    return transfer_specification(declared, samples, populations)
