"""``immunomon validate``: measure the product against a simulated truth, and write the document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.validating import Settings, validate_gates, validate_sections
from immunomon.cli.app import Jobs, app
from immunomon.cli.progress import stages
from immunomon.files import is_there
from immunomon.runs.jobs import default_jobs

__all__ = ["validate"]


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
    panels: Annotated[
        str | None, typer.Option("--panels", help="Only these panels' tubes, comma-separated (--placement).")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small part of it (--robustness, --subsets).")] = False,
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
    subsets: Annotated[
        bool, typer.Option("--subsets", help="Measure the further strategies, and tubes of other dyes.")
    ] = False,
    jobs: Jobs = None,
) -> int:
    """Measure the gates against simulated truth and write the results. Exit 1 if a target is not met."""
    # Each flag asks for one measurement (see SECTIONS in api/validating.py); without any, the gates are measured.
    flags: dict[str, bool] = {
        "clusters": clusters,
        "steadiness": steadiness,
        "quality": quality,
        "placement": placement,
        "robustness": robustness,
        "real": real,
        "assessments": assessments,
        "statistics": statistics,
        "subsets": subsets,
    }
    names = [name for name, chosen in flags.items() if chosen]
    if names:
        settings = Settings(
            events,
            seed,
            Path(),
            jobs or default_jobs(),
            seeds,
            quick=quick,
            conditions=_listed(conditions),
            panels=_listed(panels),
            json=json,
        )
        validated = validate_sections(out, names, settings, keep=keep)
    else:
        with stages() as progress:
            validated = validate_gates(out, events=events, seed=seed, keep=keep, jobs=jobs, progress=progress)
    for line in validated.lines:
        typer.echo(line)
    _say_written(out)
    return 0 if validated.met else 1


def _listed(names: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())


def _say_written(out: Path) -> None:
    typer.echo(f"Written: {out}")
    in_words = out.with_name("how-well.md")
    if is_there(in_words):
        typer.echo(f"{in_words} is made of it; write that again too: python -m immunomon.cli.docs")
