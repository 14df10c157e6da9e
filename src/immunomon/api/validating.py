"""Validate: measure the product against a simulated truth, and write the document."""

from __future__ import annotations

import datetime
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from immunomon.assurance.validation.document import document
from immunomon.assurance.validation.measure import Validation, measure
from immunomon.assurance.validation.sections import Settings, verdict_of_line, write_section
from immunomon.assurance.validation.targets import PRIMARY_VISIT
from immunomon.assurance.validation.trials import Design
from immunomon.runs.journal import Progress

__all__ = ["SECTIONS", "Settings", "Validated", "validate_gates", "validate_sections"]

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


@dataclass(frozen=True)
class Validated:
    """What was measured, a line each, and whether every target is met."""

    lines: tuple[str, ...]
    met: bool


def validate_gates(
    out: Path,
    *,
    events: int = 20_000,
    seed: int = 1,
    keep: Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Validated:
    """Simulate, run and measure the gates, and write that section of the document; return what came out.

    keep: a folder in which the simulated trials and their runs stay, and are used again; None: a temporary one.
    """
    began = time.monotonic()
    with _folder(keep) as folder:
        design = Design(events=events, seed=seed)
        told = progress or (lambda *_: None)
        validation = measure(folder, design=design, jobs=jobs or os.cpu_count() or 1, progress=told)
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    made = f"Made on {day} in {time.monotonic() - began:.0f} s."
    command = f"immunomon validate --events {events} --seed {seed}"
    write_section(out, "gates", document(validation, command=command, made=made))
    return Validated(tuple(_summary(validation)), validation.met)


def validate_sections(out: Path, names: Sequence[str], settings: Settings, *, keep: Path | None = None) -> Validated:
    """Make the named measurements, each into its own section of the document; return what came out.

    settings: what they are told; the folder that each works in is ``keep``, or a temporary one.
    """
    lines: list[str] = []
    met = True
    for name in names:
        module, function = SECTIONS[name].split(":")
        with _folder(keep) as folder:
            section = getattr(import_module(module), function)(replace(settings, folder=folder))
        write_section(out, name, section.text)
        met &= section.met
        lines += section.lines
    return Validated(tuple(lines), met)


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
