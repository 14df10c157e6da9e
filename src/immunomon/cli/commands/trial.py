"""Commands about a study: made, checked, run, reported, validated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from immunomon.cli.app import Jobs, app, one_of

__all__ = ["check", "init", "report", "run", "simulate", "validate"]

Scenario = Literal["mechanism", "null", "responders", "novel"]


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


def _print_conditions(asked: bool) -> None:
    """Print every condition with what it means, and stop."""
    from immunomon.assurance.simulate.conditions import CONDITIONS

    if asked:
        width = max(map(len, CONDITIONS))
        for condition in CONDITIONS.values():
            typer.echo(f"{condition.name:<{width}}  {condition.meaning}")
        raise typer.Exit


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="The new folder of the synthetic trial.")],
    scenario: Annotated[
        Scenario, typer.Option("--scenario", help="What the treatment does.", **one_of(Scenario))
    ] = "mechanism",
    events: Annotated[int, typer.Option("--events", min=500, help="Events per sample file.")] = 20000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")] = 1,
    panel: Annotated[
        list[str] | None,
        typer.Option("--panel", help="Only these panels; repeat it. thelper-ics is simulated only if it is named."),
    ] = None,
    condition: Annotated[
        str,
        typer.Option("--condition", help="Another instrument, a failed stain, a hard sample: see --list-conditions."),
    ] = "ordinary",
    _list_conditions: Annotated[
        bool,
        typer.Option(
            "--list-conditions", callback=_print_conditions, is_eager=True, help="Print every condition, and stop."
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a trial simulated there before.")] = False,
    jobs: Jobs = None,
) -> None:
    """Make a synthetic trial: real FCS files, with the truth beside them."""
    from immunomon.assurance.simulate.conditions import condition_named
    from immunomon.assurance.simulate.scenario import Scenario
    from immunomon.cli.simulate import simulate as work
    from immunomon.runs.jobs import default_jobs

    raise typer.Exit(
        work(
            folder,
            Scenario(scenario),
            events=events,
            seed=seed,
            panels=panel or None,
            condition=condition_named(condition),
            jobs=jobs or default_jobs(),
            overwrite=overwrite,
        )
    )


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study's folder or its study.yaml.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run folder; default: 'run' in the study.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why a locked run is changed; needs --by.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who changes a locked run; needs --reason.")] = None,
    jobs: Jobs = None,
) -> None:
    """Gate every file of a study and write its tables; what is done already is not done again."""
    from immunomon.cli.run import run as work

    raise typer.Exit(work(study, out, jobs=jobs, reason=reason, by=by))


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
def validate(
    out: Annotated[Path, typer.Option("--out", "-o", help="The document.")] = Path("docs/validation.md"),
    events: Annotated[int, typer.Option("--events", min=500, help="Events per simulated sample file.")] = 20000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same figures.")] = 1,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Keep the simulated trials here, and use them again.")
    ] = None,
    quality: Annotated[bool, typer.Option("--quality", help="Measure how acquisitions are judged.")] = False,
    steadiness: Annotated[
        bool, typer.Option("--steadiness", help="Measure control charts and batch normalisation.")
    ] = False,
    placement: Annotated[
        bool, typer.Option("--placement", help="Measure the placement of gates: three scenarios, several seeds.")
    ] = False,
    real: Annotated[
        bool, typer.Option("--real", help="Measure the placement of gates on the real files in IMMUNOMON_REAL_DATA.")
    ] = False,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness", help="Measure other instruments and hard samples, and wrong values without a word."
        ),
    ] = False,
    conditions: Annotated[
        str | None, typer.Option("--conditions", help="Only these, comma-separated: see simulate --list-conditions.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few conditions, one seed, small files (--robustness).")
    ] = False,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the figures of --robustness here, as JSON.")
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="How many seeds, from --seed on (--placement, --robustness).")
    ] = 5,
    clusters: Annotated[bool, typer.Option("--clusters", help="Measure what clustering finds.")] = False,
    assessments: Annotated[
        bool, typer.Option("--assessments", help="Measure platelet response, kinetics and exact intervals.")
    ] = False,
    statistics: Annotated[bool, typer.Option("--statistics", help="Measure tests and intervals.")] = False,
    jobs: Jobs = None,
) -> None:
    """Measure the gates against simulated truth and write what was found. Exit 1 if a target is not met."""
    from immunomon.assurance.validation.sections import Settings
    from immunomon.cli.validate import validate as work
    from immunomon.cli.validate import validate_sections
    from immunomon.runs.jobs import default_jobs

    # Each flag asks for one measurement (see SECTIONS in cli/validate.py); without any, the gates are measured.
    flags: dict[str, bool] = {
        "clusters": clusters,
        "steadiness": steadiness,
        "quality": quality,
        "placement": placement,
        "robustness": robustness,
        "real": real,
        "assessments": assessments,
        "statistics": statistics,
    }
    names = [name for name, wanted in flags.items() if wanted]
    if names:
        only = tuple(name.strip() for name in (conditions or "").split(",") if name.strip())
        asked = Settings(events, seed, Path(), jobs or default_jobs(), seeds, quick=quick, conditions=only, json=json)
        raise typer.Exit(validate_sections(out, names, asked, keep=keep))
    raise typer.Exit(work(out, events=events, seed=seed, keep=keep, jobs=jobs))
