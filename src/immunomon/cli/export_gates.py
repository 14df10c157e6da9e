"""``immunomon export-gates``: placed gates, written for other programs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app
from immunomon.errors import ImmunomonError, UnknownName, counted, nearest
from immunomon.runs.opened import note_in_trail

__all__ = ["EXPORTS", "export_flowjo", "export_gates", "export_gatingml"]


@app.command("export-gates")
def export_gates(
    source: Annotated[str, typer.Argument(help="A run folder, or a strategy's file or name.")],
    kind: Annotated[str, typer.Option("--as", help="The format: gatingml or flowjo.")] = "gatingml",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for a run (default: in it), a file for a strategy.")
    ] = None,
) -> int:
    """Write placed gates for other programs: a run's, sample by sample, or those of a strategy with fixed borders."""
    if kind not in EXPORTS:
        raise UnknownName(f"no format named '{kind}'; {nearest(kind, EXPORTS)}")
    return EXPORTS[kind](source, out)


def export_gatingml(source: str, out: Path | None) -> int:
    """Write Gating-ML 2.0: a file a sample of a run (default: RUN/gatingml), or one of a strategy (default: printed).

    Raises ImmunomonError for a folder that is no run, BadSpec for a strategy whose gates depend on the data.
    """
    if Path(source).is_dir():
        return _run_as_gatingml(Path(source), out)
    from immunomon.cytometry.formats.gatingml_writing import write_gatingml
    from immunomon.cytometry.model.placed import PlacedStrategy
    from immunomon.files import write_whole
    from immunomon.runs.named import find_gates
    from immunomon.runs.placed import place_without_data

    declared, panel, path = find_gates(source)
    placed = declared if isinstance(declared, PlacedStrategy) else place_without_data(declared, panel, path)
    document = write_gatingml(placed)
    if out is None:
        sys.stdout.write(document.decode("utf-8"))
        return 0
    if out.is_dir():
        raise ImmunomonError(f"{out}: this is a folder; name the file to write, such as {out / (placed.name + '.xml')}")
    write_whole(out, document)
    typer.echo(f"{out}: {counted(len(placed.populations), 'population')} of {placed.name}", err=True)
    return 0


def _run_as_gatingml(run: Path, out: Path | None) -> int:
    from immunomon.cytometry.formats.gatingml_writing import left_out, write_gatingml
    from immunomon.files import write_whole
    from immunomon.runs.placed import placed_in_run

    folder = run / "gatingml" if out is None else out
    if folder.is_file():
        raise ImmunomonError(f"{folder}: this is a file; a run is exported into a folder, one file a sample")
    written = 0
    for sample_id, placed in placed_in_run(run):
        write_whole(folder / f"{sample_id}.xml", write_gatingml(placed))
        written += 1
        missing = left_out(placed)
        if missing:
            typer.echo(f"{sample_id}: without {', '.join(missing)}, which were not placed", err=True)
    _say_written(run, written, folder, note="gatingml" if out is None else "")
    return 0


def _say_written(run: Path, samples: int, target: Path, *, note: str) -> None:
    """Say where gates are; note: the format to enter into the run's trail, where they lie in the run folder."""
    typer.echo(f"The gates of {counted(samples, 'sample')} are in {target}", err=True)
    if note and (unnoted := note_in_trail(run, "export gates", target=note)):
        typer.echo(f"The gates were written, but {unnoted}", err=True)


def export_flowjo(source: str, out: Path | None) -> int:
    """Write a FlowJo 10 workspace with every gated sample of a run (default: RUN/gates.wsp).

    Raises ImmunomonError for a source that is no run, ExportFailed for what a workspace has no place for.
    """
    run = Path(source)
    if not run.is_dir():
        raise ImmunomonError(f"{source}: a FlowJo workspace is made of samples; name a run folder")
    from immunomon.cytometry.formats.flowjo_writing import write_flowjo
    from immunomon.files import write_whole
    from immunomon.runs.workspaces import samples_of_run

    target = run / "gates.wsp" if out is None else out
    if target.is_dir():
        raise ImmunomonError(f"{target}: this is a folder; name the file to write, such as {target / 'gates.wsp'}")
    samples = samples_of_run(run)
    write_whole(target, write_flowjo(samples))
    _say_written(run, len(samples), target, note="flowjo" if out is None else "")
    return 0


# The formats by name: each takes the source and where to write, and returns the exit code.
EXPORTS: dict[str, Callable[[str, Path | None], int]] = {
    "flowjo": export_flowjo,
    "gatingml": export_gatingml,
}
