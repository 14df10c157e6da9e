"""The ``immunomon`` command: every command's options stand here, its work is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from immunomon.errors import BadSpec, ImmunomonError

__all__ = ["app", "main"]

app = typer.Typer(
    name="immunomon",
    help="Flow cytometry and immune monitoring: FCS files in, subset frequencies and their change from baseline out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Files worked on at once; default: one a processor.")
]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        from immunomon import __version__

        typer.echo(f"immunomon {__version__}")
        raise typer.Exit


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The new study folder.")],
    copy_panels: Annotated[
        bool, typer.Option("--copy-panels", help="Copy the shipped panels and strategies too, to be edited.")
    ] = False,
) -> None:
    """Make a new study folder to edit: study.yaml, samples.csv and what to do next."""
    from immunomon.cli.init import init as work

    raise typer.Exit(work(folder, copy_panels=copy_panels))


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Study folders, panels, strategies, sample lists, FCS files.")],
) -> None:
    """Read everything and print every problem at once, with file, line, place and remedy. Exit 1 if there is any."""
    from immunomon.cli.check import check as work

    raise typer.Exit(work(paths))


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="An FCS file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_set: Annotated[
        int | None, typer.Option("--data-set", min=1, help="Which one of several; default: the first with events.")
    ] = None,
) -> None:
    """Show an FCS file's header, channels, spillover matrix, number of events, and what was repaired to read it."""
    from immunomon.cli.info import info as work

    raise typer.Exit(work(file, as_json=as_json, data_set=data_set))


@app.command()
def gate(
    strategy: Annotated[
        str, typer.Argument(help="A strategy file, the name of a shipped strategy, or a FlowJo or FACSDiva workspace.")
    ],
    files: Annotated[list[Path], typer.Argument(help="FCS files.")],
    panel: Annotated[
        str | None, typer.Option("--panel", "-p", help="A panel file or name; default: the strategy's.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the table here; default: print it.")] = None,
    memberships: Annotated[
        Path | None, typer.Option("--memberships", help="Write which event is in which population into this folder.")
    ] = None,
    compensation: Annotated[
        str, typer.Option("--compensation", help="file (its own matrix), none, or the path of a CSV matrix.")
    ] = "file",
    sample: Annotated[
        str | None, typer.Option("--sample", help="Workspaces: the sample or group whose gates all files get.")
    ] = None,
    compare_counts: Annotated[
        bool, typer.Option("--compare-counts", help="Workspaces: the counts stored there beside ours.")
    ] = False,
    flowjo_bins: Annotated[
        bool, typer.Option("--flowjo-bins", help="Workspaces: decide polygons on FlowJo's 256 bins, as it does.")
    ] = False,
    jobs: Jobs = None,
) -> None:
    """Gate FCS files without a study: one row per file and population."""
    if Path(strategy).suffix.lower() not in ("", ".yaml", ".yml") and Path(strategy).is_file():
        from immunomon.io.workspaces import is_workspace

        if is_workspace(Path(strategy)):
            from immunomon.cli.gate_workspace import gate_workspace

            if panel or compensation != "file":
                raise typer.BadParameter("a workspace has its own channels and matrices: no --panel or --compensation")
            raise typer.Exit(
                gate_workspace(
                    Path(strategy),
                    files,
                    out=out,
                    memberships=memberships,
                    sample=sample,
                    compare_counts=compare_counts,
                    flowjo_bins=flowjo_bins,
                    jobs=jobs,
                )
            )
    if sample or compare_counts or flowjo_bins:
        raise typer.BadParameter("--sample, --compare-counts and --flowjo-bins need a FlowJo or FACSDiva workspace")
    from immunomon.cli.gate import gate as work

    raise typer.Exit(
        work(strategy, files, panel=panel, out=out, memberships=memberships, compensation=compensation, jobs=jobs)
    )


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study's folder or its study.yaml.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run folder; default: 'run' in the study.")
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Gate every file of a study and write its tables; what is done already is not done again."""
    from immunomon.cli.run import run as work

    raise typer.Exit(work(study, out, jobs=jobs))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    to: Annotated[
        str | None, typer.Option("--to", help="Database URL; default: the SQLite file in the run folder.")
    ] = None,
) -> None:
    """Write subset frequencies and changes into a database: all or nothing, and repeatable."""
    from immunomon.cli.export import export as work

    raise typer.Exit(work(run, to))


@app.command("export-events")
def export_events(
    source: Annotated[str, typer.Argument(help="A run folder that gated the file, or a strategy's file or name.")],
    file: Annotated[Path, typer.Argument(help="The FCS file.")],
    population: Annotated[str, typer.Option("--population", help="The population's id; root: all events.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new FCS file.")],
    panel: Annotated[
        str | None, typer.Option("--panel", "-p", help="A panel file or name; default: the strategy's.")
    ] = None,
) -> None:
    """Write a population's raw events as an FCS 3.1 file of their own, with the file's keywords."""
    from immunomon.cli.export_events import export_events as work

    raise typer.Exit(work(source, file, population=population, out=out, panel=panel))


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
def report(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The HTML file; default: report.html in the run.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write one self-contained HTML page of a run: study, gating plots, trajectories, tables."""
    from immunomon.cli.report import report as work

    raise typer.Exit(work(run, out, open_browser=open_browser))


@app.command()
def embed(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="The panel; default: the study's first.")] = None,
    within: Annotated[
        str | None, typer.Option("--within", help="The population that cells are from; default: lymphocytes.")
    ] = None,
    cells: Annotated[int, typer.Option("--cells", min=200, help="Cells of all samples together.")] = 6000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same table.")] = 1,
    study: Annotated[
        Path | None, typer.Option("--study", help="The study's folder; default: the folder above the run.")
    ] = None,
) -> None:
    """Lay out cells of all patients and visits in a plane (UMAP), to look at: table, record and picture."""
    from immunomon.cli.embed import embed as work

    raise typer.Exit(work(run, panel=panel, within=within, cells=cells, seed=seed, study=study))


@app.command()
def notebooks(
    folder: Annotated[Path, typer.Argument(help="The folder that the notebooks are copied into.")],
    run: Annotated[Path, typer.Option("--run", help="The run folder that they look at.")] = Path("demo/run"),
) -> None:
    """Copy the notebooks out, pointed at a run: first look, atlas, change from baseline, your own strategy."""
    from immunomon.cli.notebooks import notebooks as work

    raise typer.Exit(work(folder, run))


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="The new folder of the synthetic trial.")],
    scenario: Annotated[
        Literal["mechanism", "null", "responders"], typer.Option("--scenario", help="What the treatment does.")
    ] = "mechanism",
    events: Annotated[int, typer.Option("--events", min=500, help="Events per sample file.")] = 20000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a trial simulated there before.")] = False,
    jobs: Jobs = None,
) -> None:
    """Make a synthetic trial: real FCS files, with the truth beside them."""
    from immunomon.cli.simulate import simulate as work
    from immunomon.pipeline.jobs import default_jobs
    from immunomon.simulate.scenario import Scenario

    raise typer.Exit(
        work(folder, Scenario(scenario), events=events, seed=seed, jobs=jobs or default_jobs(), overwrite=overwrite)
    )


@app.command()
def validate(
    out: Annotated[Path, typer.Option("--out", "-o", help="The document.")] = Path("docs/validation.md"),
    events: Annotated[int, typer.Option("--events", min=500, help="Events per simulated sample file.")] = 20000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same figures.")] = 1,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Keep the simulated trials here, and use them again.")
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Measure the gates against simulated truth and write what was found. Exit 1 if a target is not met."""
    from immunomon.cli.validate import validate as work

    raise typer.Exit(work(out, events=events, seed=seed, keep=keep, jobs=jobs))


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


def main() -> None:
    """Run the command line; what goes wrong on purpose is one message and exit status 1, not a traceback."""
    try:
        app()
    except BadSpec as error:
        typer.echo("\n".join(str(problem) for problem in error.problems), err=True)
        typer.echo(f"{len(error.problems)} problem(s); nothing was done.", err=True)
        raise SystemExit(1) from None
    except ImmunomonError as error:
        typer.echo(f"immunomon: {error}", err=True)
        raise SystemExit(1) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(
            f"immunomon: {where}{error.strerror or error}; check the path, its permissions and the disk", err=True
        )
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        typer.echo("immunomon: stopped; start it again to go on.", err=True)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
