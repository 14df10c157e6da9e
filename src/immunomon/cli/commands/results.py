"""Commands that take a run further: into a database, other programs, notebooks, a second computation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from immunomon.cli.app import app, one_of

__all__ = ["embed", "export", "export_gates", "notebooks", "project", "verify"]

Kind = Literal["database", "anndata"]


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    kind: Annotated[
        Kind, typer.Option("--as", help="Results into a database, or cells for scanpy.", **one_of(Kind))
    ] = "database",
    to: Annotated[
        str | None, typer.Option("--to", help="Database URL; default: the SQLite file in the run folder.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option("--study", help="The study's folder; default: the folder above the run.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept beside the values that are replaced.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who exports; default: this computer's user.")] = "",
    panel: Annotated[
        str | None, typer.Option("--panel", "-p", help="With anndata: the panel; default: the study's first.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="With anndata: the file; default: RUN/anndata/PANEL.h5ad.")
    ] = None,
    within: Annotated[
        str | None, typer.Option("--within", help="With anndata: only the cells of this population.")
    ] = None,
    atlas_only: Annotated[
        bool, typer.Option("--atlas-only", help="With anndata: only the cells that immunomon embed laid out.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="With anndata: replace the file.")] = False,
) -> None:
    """Write frequencies and changes into a database (all or nothing, repeatable), or cells as AnnData (.h5ad)."""
    if kind == "anndata":
        _refuse("anndata", {"--to": to, "--reason": reason, "--by": by})
        from immunomon.cli.export_cells import export_anndata

        raise typer.Exit(
            export_anndata(
                run, panel=panel, out=out, within=within, atlas_only=atlas_only, overwrite=overwrite, study=study
            )
        )
    given = {"--panel": panel, "--out": out, "--within": within, "--atlas-only": atlas_only, "--overwrite": overwrite}
    _refuse("database", given)
    from immunomon.cli.export import export as work

    raise typer.Exit(work(run, to, study=study, reason=reason, by=by))


def _refuse(kind: str, options: Mapping[str, object]) -> None:
    """Refuse options that say nothing here: whoever gave them meant something else."""
    given = [name for name, value in options.items() if value]
    if given:
        other = "database" if kind == "anndata" else "anndata"
        raise typer.BadParameter(f"{', '.join(given)} belongs to --as {other}")


@app.command("export-gates")
def export_gates(
    source: Annotated[str, typer.Argument(help="A run folder, or a strategy's file or name.")],
    kind: Annotated[str, typer.Option("--as", help="The format: gatingml or flowjo.")] = "gatingml",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for a run (default: in it), a file for a strategy.")
    ] = None,
) -> None:
    """Write placed gates for other programs: a run's, sample by sample, or those of a strategy with fixed borders."""
    from immunomon.cli.export_gates import export_gates as work

    raise typer.Exit(work(source, kind, out))


@app.command()
def embed(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="The panel; default: the study's first.")] = None,
    within: Annotated[
        str | None, typer.Option("--within", help="The population that cells are from; default: lymphocytes.")
    ] = None,
    cells: Annotated[int, typer.Option("--cells", min=200, help="Cells of all samples together.")] = 6000,
    visits: Annotated[
        str | None, typer.Option("--visits", help="Fit on these visits only, separated by commas; default: all.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same table.")] = 1,
    refit: Annotated[bool, typer.Option("--refit", help="Replace an atlas that is there already.")] = False,
    study: Annotated[
        Path | None, typer.Option("--study", help="The study's folder; default: the folder above the run.")
    ] = None,
) -> None:
    """Lay out cells of all patients and visits in a plane (UMAP), to look at: table, record and picture."""
    from immunomon.cli.embed import embed as work

    asked: dict[str, Any] = {"within": within, "cells": cells, "seed": seed, "refit": refit, "study": study}
    raise typer.Exit(work(run, panel=panel, visits=visits, **asked))


@app.command()
def project(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="The panel; default: the study's first.")] = None,
    atlas: Annotated[
        Path | None, typer.Option("--atlas", help="A file PANEL.atlas.npz, of any run; default: this run's.")
    ] = None,
    cells: Annotated[str, typer.Option("--cells", help="Cells of all samples together, or 'all'.")] = "1000000",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the cells drawn.")] = 1,
    study: Annotated[
        Path | None, typer.Option("--study", help="The study's folder; default: the folder above the run.")
    ] = None,
) -> None:
    """Put cells of a run, later visits too, onto an atlas that stays; say which samples are unlike it."""
    from immunomon.cli.project import project as work

    raise typer.Exit(work(run, panel=panel, atlas=atlas, cells=cells, seed=seed, study=study))


@app.command()
def notebooks(
    folder: Annotated[Path, typer.Argument(help="The folder that the notebooks are copied into.")],
    run: Annotated[Path, typer.Option("--run", help="The run folder that they look at.")] = Path("demo/run"),
) -> None:
    """Copy the notebooks out, pointed at a run: first look, atlas, change from baseline, your own strategy."""
    from immunomon.cli.notebooks import notebooks as work

    raise typer.Exit(work(folder, run))


@app.command()
def verify(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="So many samples; default: all.")] = None,
    study: Annotated[
        Path | None, typer.Option("--study", help="The study's folder; default: the folder above the run.")
    ] = None,
) -> None:
    """Work out a run's numbers a second time by other code and compare. Exit 1 on any difference."""
    from immunomon.cli.verify import verify as work

    raise typer.Exit(work(run, sample=sample, study=study))
