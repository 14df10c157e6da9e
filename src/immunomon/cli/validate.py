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

import typer

from immunomon.assurance.validation.document import document
from immunomon.assurance.validation.measure import Validation, measure
from immunomon.assurance.validation.sections import Settings, write_section
from immunomon.assurance.validation.targets import PRIMARY_VISIT
from immunomon.assurance.validation.trials import Design
from immunomon.cli.progress import stages

__all__ = ["validate", "validate_sections"]

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
}


def validate(out: Path, *, events: int, seed: int, keep: Path | None, jobs: int | None) -> int:
    """Simulate, run and measure; write the document, print what came out; return 0 if every target is met, else 1.

    keep: a folder in which the simulated trials and their runs stay, and are used again; None: a temporary one.
    """
    began = time.monotonic()
    with _folder(keep) as folder, stages() as progress:
        found = measure(
            folder, design=Design(events=events, seed=seed), jobs=jobs or os.cpu_count() or 1, progress=progress
        )
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    made = f"Made on {day} in {time.monotonic() - began:.0f} s."
    command = f"immunomon validate --events {events} --seed {seed}"
    write_section(out, "gates", document(found, command=command, made=made))
    for line in _summary(found):
        typer.echo(line)
    typer.echo(f"Written: {out}")
    return 0 if found.met else 1


def validate_sections(out: Path, names: list[str], asked: Settings, *, keep: Path | None) -> int:
    """Make the named measurements, each into its own section; return 0 if every target is met, else 1.

    asked: what they are told; the folder that each works in is ``keep``, or a temporary one.
    """
    met = True
    for name in names:
        module, function = SECTIONS[name].split(":")
        with _folder(keep) as folder:
            found = getattr(import_module(module), function)(replace(asked, folder=folder))
        write_section(out, name, found.text)
        met &= found.met
        for line in found.lines:
            typer.echo(line)
    typer.echo(f"Written: {out}")
    return 0 if met else 1


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="immunomon-validate-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _summary(found: Validation) -> Iterator[str]:
    unmet = [row for row in found.judged if not row.met]
    number = len(found.judged)
    yield f"{_word(found.frequencies_met)}  frequencies: {number - len(unmet)} of {number} targets met"
    for row in unmet:
        yield (
            f"         {row.panel} {row.population}: median error {row.absolute:.3f} pp, {row.relative:.2f} % of the "
            f"truth; target {row.target}"
        )
    for file, reason in found.failed.items():
        yield f"         failed {file}: {reason}"
    tally = found.primary_tally
    yield (
        f"{_word(tally.within_chance)}  effects at {PRIMARY_VISIT}: {tally.intervals - tally.misses} of "
        f"{tally.intervals} intervals hold what was built in"
    )
    for effect in found.primary:
        if not effect.inside:
            yield (
                f"         {effect.population}: built in {effect.built_in:+.3f}, estimated {effect.estimate:+.3f} "
                f"({effect.low:+.3f} to {effect.high:+.3f}), {effect.n} of {effect.subjects} patients"
            )
    tally = found.null_tally
    yield (
        f"{_word(tally.within_chance)}  null scenario: {tally.misses} of {tally.intervals} intervals exclude no "
        f"change; {tally.expected:.1f} expected, at most {tally.allowed} by chance"
    )


def _word(met: bool) -> str:
    return "met    " if met else "NOT met"
