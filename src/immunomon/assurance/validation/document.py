"""The validation document: what was measured, in Markdown; every figure comes from the measurement."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from immunomon.assurance.validation.agreement import Agreement
from immunomon.assurance.validation.effects import Effect, Tally
from immunomon.assurance.validation.measure import Validation
from immunomon.assurance.validation.sections import markdown_table, verdict_in_cell
from immunomon.assurance.validation.targets import PRIMARY_VISIT

__all__ = ["AGREEMENT_NOTES", "EFFECT_NOTES", "LIMITS", "NULL_NOTES", "agreement_table", "document"]

# What a reader of the validation document must know beside its figures.

AGREEMENT_NOTES = (
    "Error = gated percent of the gated parent - true percent of the true parent: errors in the parent count too.",
    "Only reportable frequencies count, as in every output; how many files are left out, and why, is in the last "
    "column. What is left out are the smallest populations, which are the hardest.",
    "Errors are medians over files unless said otherwise. pp = percentage points of the parent; bias = mean error; "
    "r = Pearson correlation over files; F1 = agreement event by event (1 if the gate holds the true members and no "
    "other event), in brackets the number of files.",
    "Targets: 0.5 pp for lineages, 10 % of the truth for Treg, Th1, Th17, NK and B subsets, as medians over files. "
    "Populations without a target are shown all the same.",
)
EFFECT_NOTES = (
    "Built in = mean log-odds effect over the patients who have an estimate, before biological noise from visit to "
    "visit; beside it the mean over all patients.",
    "In the files' truth = the mean change that perfect gating of the same files would find, noise included. Its "
    "distance to the estimate is what gating adds; its distance to what was built in is chance, and the loss of "
    "patients.",
    "Estimated = mean change over patients with its 95 % t interval, from the run's summary table.",
    "A patient whose population is below the limit of quantification at either visit has no estimate. A fall takes "
    "rare populations below the limit sooner than a rise, so what remains tilts upwards.",
    "Judged by the number of intervals that miss: a 95 % interval misses once in twenty by design.",
)
NULL_NOTES = (
    "The intervals are not independent: visits share their baseline, a population shares events with its parent and "
    "its siblings, T cells are measured in three tubes. The count scatters more than the binomial bound allows for, so "
    "a count within the bound is weak evidence, and one beyond it would be a reason to look, not a proof.",
    "Where the files' truth has moved as far as the estimate, the interval excludes no change because of the drawn "
    "biology, not because of the gating.",
)
LIMITS = (
    "The truth is the simulator's. How far its populations lie apart, and how they overlap, is assumed, not measured; "
    "real samples are messier in ways it does not know. What holds on real files is tested elsewhere (tests/real).",
    "Declared borders (the scatter polygon, slopes, fallbacks) were chosen with simulated files in view. Another seed "
    "is another draw from the same simulator, not another laboratory.",
    "One seed is one trial: a figure near its target may lie on its other side with another seed. Run the command with "
    "other seeds before resting on a verdict.",
    "Lymphocytes are gated by scatter alone; cells of their size that are none remain in the gate and in every percent "
    "of lymphocytes, and lymphocytes beyond the border are lost.",
    "The matrix in each file is the one that the simulator mixed with: errors of compensation and their drift are not "
    "tested. Staining does differ between batches and fades over the trial, and about one file in eight has a clog, a "
    "step or a drift in time; no such event is removed before gating.",
    "One cytometer, one operator, no missed visits, no mislabelled tubes.",
    "The trial's four panels only: further strategies (TBNK, cytokines, memory T cells, monocytes ...) have a section.",
    "With so few patients, an interval that holds the effect is mostly a wide interval.",
)


_LIBRARIES = ("numpy", "numba", "pandas", "scipy", "flowio")


def document(validation: Validation, *, command: str, made: str) -> str:
    """Return the document; the same measurement gives the same text but for ``made``, the line on when and how long.

    command: what a reader types to make it again.
    """
    sections = [
        "# Validation against a simulated truth",
        f"Written by `{command}`; every figure below is measured by that command. Do not edit: run it again.",
        *_results(validation),
        *_frequencies(validation),
        *_effects(validation),
        *_null(validation),
        *_how(validation, command, made),
        "## What this does not show",
        _listed(LIMITS),
    ]
    return "\n\n".join(sections) + "\n"


def _results(validation: Validation) -> list[str]:
    unmet, null = [row for row in validation.judged if not row.met], validation.null_tally
    rows = [
        (
            "Gated frequencies against the truth in the same file",
            f"{len(validation.judged) - len(unmet)} of {len(validation.judged)} targets met",
            verdict_in_cell(validation.frequencies_met),
        ),
        (
            f"Simulated effects at {PRIMARY_VISIT} and the 95 % intervals of their estimates",
            _missed(validation.primary_tally) + _which(validation.primary),
            _chance(validation.primary_tally),
        ),
        (
            "Null scenario: 95 % intervals that exclude no change",
            f"{null.misses} of {null.intervals} ({null.expected:.1f} expected)",
            _chance(null),
        ),
    ]
    headline = "every target met, misses within chance" if validation.met else "NOT everything as it should be"
    parts = [f"**Result: {headline}.**", markdown_table(("what", "found", "verdict"), rows)]
    if unmet:
        parts.append("Not met: " + ", ".join(f"{row.population} (panel {row.panel})" for row in unmet) + ".")
    if validation.failed:
        parts.append("Files that could not be gated:\n\n" + _listed(f"{k}: {v}" for k, v in validation.failed.items()))
    return parts


def _frequencies(validation: Validation) -> list[str]:
    scores = validation.scores
    return [
        "## Gated frequencies against the truth in the same file",
        f"Scenario mechanism, the {scores.of} files of patients (role sample). F1 is the median over every "
        f"{scores.step}th file of each panel ({scores.files} files), gated again.",
        _listed(AGREEMENT_NOTES),
        agreement_table(validation.agreements),
        *_fallbacks([row for row in validation.agreements if row.fallback_files]),
    ]


def _fallbacks(rows: Sequence[Agreement]) -> list[str]:
    if not rows:
        return []
    header = (
        *("panel", "population", "files with a border from the data", "their median rel. error, %"),
        *("files with the declared border", "their median rel. error, %"),
    )
    return [
        "Where no border shows in a file's data the strategy's declared one is used, and the run notes it. What that "
        "costs, in the populations whose own gate it is:",
        markdown_table(
            header,
            [
                (
                    *(row.panel, row.population, str(row.n - row.fallback_files), _figure(row.placed_relative, 2)),
                    *(str(row.fallback_files), _figure(row.fallback_relative, 2)),
                )
                for row in rows
            ],
        ),
    ]


def agreement_table(agreements: Iterable[Agreement]) -> str:
    """Return the Markdown table of gated frequencies beside the truth, one row a panel and population."""
    header = (
        *("panel", "population", "of", "files", "truth, %", "abs. error, pp", "rel. error, %"),
        *("rel. error, 95th percentile", "bias, pp", "r", "F1", "target", "verdict", "files left out"),
    )
    return markdown_table(header, map(_agreement_row, agreements))


def _agreement_row(row: Agreement) -> tuple[str, ...]:
    return (
        *(row.panel, row.population, row.parent, str(row.n), _figure(row.true_percent, 2)),
        *(_figure(row.absolute, 3), _figure(row.relative, 2), _figure(row.relative_95, 1)),
        *(_figure(row.bias, 3, sign=True), _figure(row.correlation, 4), f"{_figure(row.f1, 3)} ({row.f1_files})"),
        "none" if row.target is None else str(row.target),
        "" if row.met is None else verdict_in_cell(row.met),
        ", ".join(f"{count} {reason}" for reason, count in row.left_out),
    )


def _effects(validation: Validation) -> list[str]:
    grouped = [row for row in validation.mechanism if row.visit == PRIMARY_VISIT and row not in validation.primary]
    every = validation.every_visit_tally
    return [
        f"## Effects: change in log-odds from baseline at {PRIMARY_VISIT}",
        _listed(EFFECT_NOTES),
        "All doses together:",
        _effect_table(validation.primary),
        f"{_missed(validation.primary_tally)}; by chance alone at most {validation.primary_tally.allowed} would miss. "
        f"Over all visits after baseline: {_missed(every)} ({every.expected:.1f} misses are expected; visits share "
        "their baseline, so these are not independent).",
        "By dose group, for information (three patients a group: the intervals are wide):",
        _effect_table(grouped),
    ]


def _effect_table(rows: Sequence[Effect]) -> str:
    header = (
        *("population", "of", "dose group", "patients", "built in", "built in, all patients"),
        *("in the files' truth", "estimated", "95 % interval", "holds what was built in"),
    )
    return markdown_table(
        header,
        [
            (
                *(row.population, row.parent, row.dose_group, f"{row.n} of {row.subjects}"),
                *(_figure(row.built_in, 3, sign=True), _figure(row.built_in_all, 3, sign=True)),
                *(_figure(row.in_files, 3, sign=True), _figure(row.estimate, 3, sign=True), _interval(row)),
                ("yes" if row.inside else "**no**") if row.has_interval else "no interval",
            )
            for row in rows
        ],
    )


def _null(validation: Validation) -> list[str]:
    tally = validation.null_tally
    excluding = [row for row in validation.null_all if row.excludes_zero]
    word = "None beyond chance" if tally.within_chance else "**More than chance allows**"
    parts = [
        "## Null scenario: nothing acts on any cell",
        f"Of {tally.intervals} intervals (population x visit, all doses together) {tally.misses} exclude no change; "
        f"{tally.expected:.1f} are expected, and in 97.5 % of trials at most {tally.allowed} if the intervals were "
        f"independent. {word}.",
        _listed(NULL_NOTES),
        f"The populations that the other scenario acts on, at {PRIMARY_VISIT}:",
        _null_table(validation.null_primary),
    ]
    return [*parts, "All intervals that exclude no change:", _null_table(excluding)] if excluding else parts


def _null_table(rows: Iterable[Effect]) -> str:
    header = (
        *("panel", "population", "of", "visit", "patients", "in the files' truth", "estimated", "95 % interval"),
        "excludes no change",
    )
    return markdown_table(
        header,
        [
            (
                *(row.panel, row.population, row.parent, row.visit, f"{row.n} of {row.subjects}"),
                *(_figure(row.in_files, 3, sign=True), _figure(row.estimate, 3, sign=True), _interval(row)),
                ("**yes**" if row.excludes_zero else "no") if row.has_interval else "no interval",
            )
            for row in rows
        ],
    )


def _how(validation: Validation, command: str, made: str) -> list[str]:
    software, libraries = validation.manifest["software"], validation.manifest["libraries"]
    design = validation.design
    patients = len(validation.manifest["study"]["subjects"])
    gated = sum(entry["status"] == "gated" for entry in validation.manifest["files"])
    versions = ", ".join(f"{name} {libraries[name]}" for name in _LIBRARIES)
    return [
        "## How it was made",
        _listed(
            [
                f"Command: `{command}`. Exit status 0 if the three verdicts above are met, else 1.",
                f"Two simulated trials (scenarios mechanism and null) of {patients} patients, seed {design.seed}, "
                f"{design.events} events a file before a panel's own run length; {gated} files gated in each, with the "
                "shipped panels and strategies and the spillover matrix in each file.",
                f"Versions: immunomon {software['version']} (code {str(software['code_digest'])[:12]}), Python "
                f"{validation.manifest['python']}, {versions}.",
                "The simulator imports neither gates nor strategies, and they do not import it; CI checks that.",
                made,
            ]
        ),
    ]


def _missed(tally: Tally) -> str:
    return f"{tally.intervals - tally.misses} of {tally.intervals} intervals hold the effect that was built in"


def _which(rows: Iterable[Effect]) -> str:
    missed = [f"{e.population}, with {e.n} of {e.subjects} patients" for e in rows if e.has_interval and not e.inside]
    return f" (not: {'; '.join(missed)})" if missed else ""


def _chance(tally: Tally) -> str:
    return f"within chance (at most {tally.allowed})" if tally.within_chance else "**beyond chance**"


def _interval(row: Effect) -> str:
    return f"{row.low:+.3f} to {row.high:+.3f}" if row.has_interval else "-"


def _figure(value: float, digits: int, *, sign: bool = False) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
