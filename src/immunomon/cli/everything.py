"""``immunomon all`` and ``immunomon demo``: every step in order, what is current left as it is."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.pipeline import DEMO_STEPS, MANY_APART, STEPS, Everything, Job, StepOutcome, do_step
from immunomon.cli.app import Jobs, app
from immunomon.cli.progress import stages
from immunomon.cli.saying import JsonOption, say_json

__all__ = ["all_steps", "demo"]

_Open = Annotated[bool, typer.Option("--open", help="Open the report in the browser.")]


@app.command("all")
def all_steps(
    study: Annotated[Path, typer.Argument(help="The study's folder or its study.yaml.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run folder; default: 'run' in the study.")
    ] = None,
    despite_failures: Annotated[
        bool, typer.Option("--despite-failures", help="Go on with the other files where some could not be gated.")
    ] = False,
    jobs: Jobs = None,
    open_browser: _Open = False,
    as_json: JsonOption = False,
) -> int:
    """Check, run, assess, compare, mechanism, export, report; what is up to date is kept.

    It stops at a step that fails; the same command goes on from there. What the study has nothing for is skipped.
    """
    job = Job.of(study, out, jobs=jobs, despite_failures=despite_failures, limits=MANY_APART)
    return _done(job, STEPS, open_browser=open_browser, as_json=as_json)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="The trial's folder.")] = Path("demo"),
    events: Annotated[
        int, typer.Option("--events", min=500, help="Events per patient's file; 5000 are three times as fast.")
    ] = 20000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")] = 1,
    panel: Annotated[list[str] | None, typer.Option("--panel", "-p", help="Only these panels; repeat it.")] = None,
    jobs: Jobs = None,
    open_browser: _Open = False,
) -> int:
    """Simulate a trial and take it all the way to its report: what the program does, in minutes.

    A trial that was simulated there before is kept, and what is current is not done again.
    """
    simulation = {"events": events, "seed": seed, "panels": tuple(panel) if panel else None}
    job = Job.of(folder, jobs=jobs, simulation=simulation, limits=MANY_APART)
    return _done(job, DEMO_STEPS, open_browser=open_browser)


def _done(job: Job, steps: Sequence[str], *, open_browser: bool, as_json: bool = False) -> int:
    outcomes: list[StepOutcome] = []
    for number, name in enumerate(steps, start=1):
        with stages() as progress:
            outcome = do_step(name, job, progress)
        outcomes.append(outcome)
        if not as_json:
            typer.echo(
                f"{number}/{len(steps)} {outcome}" + (f"  ({outcome.seconds:.0f} s)" if not outcome.lines else "")
            )
        if outcome.state == "failed":
            break
    everything = Everything(job.root, tuple(outcomes))
    if as_json:
        say_json("all", folder=job.root, steps=outcomes)
    if not everything.is_complete:
        return 1
    if open_browser:
        webbrowser.open(everything.report.resolve().as_uri())
    elif not as_json:
        typer.echo(f"The report is {everything.report}: open it in a browser.")
    return 0
