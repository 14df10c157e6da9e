"""``immunomon validate``: measure the product against a simulated truth, and write the document."""

from __future__ import annotations

import datetime
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from immunomon.assurance.validation.document import document
from immunomon.assurance.validation.measure import Validation, measure
from immunomon.assurance.validation.sections import Settings, verdict_of_line, write_section
from immunomon.assurance.validation.targets import PRIMARY_VISIT
from immunomon.assurance.validation.trials import Design
from immunomon.cli.app import Jobs, app
from immunomon.cli.progress import stages
from immunomon.files import is_there
from immunomon.runs.jobs import default_jobs

__all__ = ["validate", "validate_gates", "validate_sections"]

# Measurements beside the gates': the name of the section, and the function of Settings that returns it.
SECTIONS: dict[str, str] = {
    "statistics": "immunomon.assurance.validation.statistics:section",
    "clusters": "immunomon.assurance.validation.clusters:section",
    "steadiness": "immunomon.assurance.validation.steadiness:section",
    "quality": "immunomon.assurance.validation.quality:section",
    "placement": "immunomon.assurance.validation.placement:section",
    "robustness": "immunomon.assurance.validation.robustness:section",
    "real": "immunomon.assurance.validation.real_section:section",
    "assessments": "immunomon.assurance.validation.assessments:section",
    "subsets": "immunomon.assurance.validation.subsets:section",
}


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
    """Measure the gates against simulated truth and write what was found. Exit 1 if a target is not met."""
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
        return validate_sections(out, names, settings, keep=keep)
    return validate_gates(out, events=events, seed=seed, keep=keep, jobs=jobs)


def _listed(names: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())


def validate_gates(out: Path, *, events: int, seed: int, keep: Path | None, jobs: int | None) -> int:
    """Simulate, run and measure; write the document, print what came out; return 0 if every target is met, else 1.

    keep: a folder in which the simulated trials and their runs stay, and are used again; None: a temporary one.
    """
    began = time.monotonic()
    with _folder(keep) as folder, stages() as progress:
        validation = measure(
            folder, design=Design(events=events, seed=seed), jobs=jobs or os.cpu_count() or 1, progress=progress
        )
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    made = f"Made on {day} in {time.monotonic() - began:.0f} s."
    command = f"immunomon validate --events {events} --seed {seed}"
    write_section(out, "gates", document(validation, command=command, made=made))
    for line in _summary(validation):
        typer.echo(line)
    _say_written(out)
    return 0 if validation.met else 1


def validate_sections(out: Path, names: list[str], settings: Settings, *, keep: Path | None) -> int:
    """Make the named measurements, each into its own section; return 0 if every target is met, else 1.

    settings: what they are told; the folder that each works in is ``keep``, or a temporary one.
    """
    met = True
    for name in names:
        module, function = SECTIONS[name].split(":")
        with _folder(keep) as folder:
            validation = getattr(import_module(module), function)(replace(settings, folder=folder))
        write_section(out, name, validation.text)
        met &= validation.met
        for line in validation.lines:
            typer.echo(line)
    _say_written(out)
    return 0 if met else 1


def _say_written(out: Path) -> None:
    typer.echo(f"Written: {out}")
    in_words = out.with_name("how-well.md")
    if is_there(in_words):
        typer.echo(f"{in_words} is made of it; write that again too: python -m immunomon.cli.docs")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="immunomon-validate-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _summary(validation: Validation) -> Iterator[str]:
    unmet = [row for row in validation.judged if not row.met]
    number = len(validation.judged)
    yield f"{verdict_of_line(validation.frequencies_met)}  frequencies: {number - len(unmet)} of {number} targets met"
    for row in unmet:
        yield (
            f"         {row.panel} {row.population}: median error {row.absolute:.3f} pp, {row.relative:.2f} % of the "
            f"truth; target {row.target}"
        )
    for file, reason in validation.failed.items():
        yield f"         failed {file}: {reason}"
    tally = validation.primary_tally
    yield (
        f"{verdict_of_line(tally.within_chance)}  effects at {PRIMARY_VISIT}: {tally.intervals - tally.misses} of "
        f"{tally.intervals} intervals hold what was built in"
    )
    for effect in validation.primary:
        if not effect.inside:
            yield (
                f"         {effect.population}: built in {effect.built_in:+.3f}, estimated {effect.estimate:+.3f} "
                f"({effect.low:+.3f} to {effect.high:+.3f}), {effect.n} of {effect.subjects} patients"
            )
    tally = validation.null_tally
    yield (
        f"{verdict_of_line(tally.within_chance)}  null scenario: {tally.misses} of {tally.intervals} intervals exclude "
        f"no change; {tally.expected:.1f} expected, at most {tally.allowed} by chance"
    )
