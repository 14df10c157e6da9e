"""``immunomon specify-transfer``: a data transfer specification, written from the study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.files import write_whole
from immunomon.outputs.delivery.specification import transfer_specification
from immunomon.study.specs.catalog import find_strategy
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study

__all__ = ["specify_transfer"]


@app.command("specify-transfer")
def specify_transfer(
    study: Annotated[Path, typer.Argument(help="The study's folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it here (Markdown); default: print it.")
    ] = None,
) -> int:
    """Write a data transfer specification from a study: files, columns, units, code lists, keys, checks."""
    declared = load_study(study)
    samples = load_samples(declared.folder / declared.samples_file, declared)
    populations = {
        use.panel: [
            population.id
            for population in load_strategy(find_strategy(use.strategy, declared.folder), methods=GATE_METHODS)
        ]
        for use in declared.panels
    }
    text = transfer_specification(declared, samples, populations)
    if out is None:
        typer.echo(text)
        return 0
    write_whole(out, text)
    typer.echo(f"Written: {out}. What people must agree on stands in brackets.")
    return 0
