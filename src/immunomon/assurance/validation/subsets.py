"""The strategies that the trial's four panels do not use, and tubes of other dyes, against the simulated truth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.validation.agreement import (
    Agreement,
    agreements,
    event_scores,
    frequencies_beside_truth,
)
from immunomon.assurance.validation.document import AGREEMENT_NOTES, agreement_table
from immunomon.assurance.validation.sections import Section, Settings, markdown_table, verdict_in_cell, verdict_of_line
from immunomon.assurance.validation.trials import Design, Trial, make_trial
from immunomon.cytometry.formats.memberships import read_memberships

__all__ = ["Elsewhere", "bead_errors", "elsewhere", "section"]

FURTHER = ("tbnk", "tmemory", "thelper-ics", "innate8", "tcell20")
# Strategies of the trial's panels, in tubes that were stained with other dyes.
SHIPPED, WIDE = ("treg", "thelper", "bcell"), ("treg10", "blood20")
MOST_LOST, MOST_OFF_PERCENT = 0.02, 3.0
_EVERY = 3  # of each panel's files, every so many is gated again for its events


@dataclass(frozen=True)
class Elsewhere:
    """A population's median F1 on the shipped panel and on another tube that the same strategy gates."""

    panel: str
    population: str
    shipped: float
    other: float

    @property
    def met(self) -> bool:
        """Whether no more than the target is lost."""
        return self.shipped - self.other <= MOST_LOST


def section(settings: Settings) -> Section:
    """Return the section on further strategies, tubes of other dyes, and cells per uL by counting beads."""
    began = time.monotonic()
    trial = _trial(settings)
    beside = frequencies_beside_truth(trial)
    scores = event_scores(trial, beside, step=_EVERY, jobs=settings.jobs, progress=lambda *_: None)
    measured = agreements(beside, scores)
    further = [row for row in measured if row.panel.partition("~")[0] in FURTHER]
    pairs = list(elsewhere(measured))
    off = bead_errors(trial)
    median = float(off.abs().median())
    judged = [row for row in further if row.target and row.n]  # some are too rare to be reported in any file
    unmet = [f"{row.panel} {row.population}" for row in judged if not row.met]
    lost = [f"{pair.panel} {pair.population}" for pair in pairs if not pair.met]
    verdicts = (
        (_reached("frequencies", len(judged), unmet), not unmet),
        (_reached("tubes of other dyes", len(pairs), lost), not lost),
        (
            f"cells per uL by beads: median error {median:.2f} %, target {MOST_OFF_PERCENT:g} %",
            median <= MOST_OFF_PERCENT,
        ),
    )
    lines = tuple(f"{verdict_of_line(met)}  {text}" for text, met in verdicts)
    text = _text(settings, lines, further, pairs, off, scores.files, time.monotonic() - began)
    return Section(text, lines, all(met for _, met in verdicts))


def _trial(settings: Settings) -> Trial:
    """Return a trial with all these tubes, whose truth is told for each strategy that a tube is gated by."""
    design = Design(
        settings.events,
        settings.seed,
        subjects_per_group=1 if settings.quick else 3,
        visits=("D-1",) if settings.quick else None,
        panels=(*FURTHER, *SHIPPED, *WIDE),
        controls=False,
    )
    trial = make_trial(Scenario.MECHANISM, settings.folder, design=design, jobs=settings.jobs, progress=lambda *_: None)
    files = trial.tables["samples"].set_index("sample_id")["file"]
    gated = trial.tables["frequencies"].assign(file=lambda rows: rows["sample_id"].map(files))
    uses = gated.loc[gated["role"] == "sample", ["file", "panel", "population", "denominator"]].rename(
        columns={"denominator": "parent"}
    )
    truth = trial.truth.drop(columns="panel").merge(uses, on=["file", "population", "parent"], validate="1:m")
    places = {name: place for place, name in enumerate(dict.fromkeys(uses["panel"]))}
    return replace(trial, truth=truth.sort_values("panel", key=lambda names: names.map(places), kind="stable"))


def elsewhere(measured: Sequence[Agreement]) -> Iterator[Elsewhere]:
    """Yield each population of a wide tube beside the shipped panel's, where both have a median F1.

    A panel in use is named TUBE, or TUBE~STRATEGY where several strategies gate a tube.
    """
    shipped = {(row.panel, row.population): row.f1 for row in measured if row.panel in SHIPPED}
    for row in measured:
        tube, _, strategy = row.panel.partition("~")
        beside = shipped.get((strategy or "treg", row.population))
        if tube in WIDE and beside is not None and row.f1_files:
            yield Elsewhere(row.panel, row.population, beside, row.f1)


def bead_errors(trial: Trial) -> pd.Series:
    """Return by how many percent each file's cells per uL by counting beads are off, indexed by population.

    The true number is the lymphocytes per uL that the tube was drawn with, times the population's true share of the
    file's true lymphocytes. The error holds that of the gates and the chance of counting beads.
    """
    of_sample = trial.tables["samples"][["sample_id", "file", "lymphocytes_per_ul"]]
    counts = trial.tables["populations"]
    counts = counts[counts["cells_per_ul_method"] == "beads"].merge(of_sample, on="sample_id", validate="m:1")
    errors = []
    for (file, per_ul), rows in counts.groupby(["file", "lymphocytes_per_ul"]):
        truth = read_memberships(trial.truth_mask_file(str(file)))
        per_cell = float(str(per_ul)) / truth["lymphocytes"].sum()
        errors += [
            (population, 100 * (cells / (per_cell * truth[population].sum()) - 1))
            for population, cells in zip(rows["population"].astype(str), rows["cells_per_ul"], strict=True)
            if population in truth and truth[population].any()
        ]
    return pd.DataFrame(errors, columns=["population", "error"]).set_index("population")["error"]


def _reached(what: str, number: int, unmet: Sequence[str]) -> str:
    named = f"; not {', '.join(unmet)}" if unmet else ""
    return f"{what}: {number - len(unmet)} of {number} populations within the target{named}"


def _text(
    settings: Settings,
    lines: Sequence[str],
    further: Sequence[Agreement],
    pairs: Sequence[Elsewhere],
    off: pd.Series,
    scored: int,
    seconds: float,
) -> str:
    by_population = off.abs().groupby(level=0, sort=False)
    return "\n\n".join(
        [
            "## Further strategies, and tubes of other dyes",
            f"Written by `immunomon validate --subsets --events {settings.events} --seed {settings.seed}` in "
            f"{seconds:.0f} s: one simulated trial, every tube of which is gated by the shipped strategies. F1 is of "
            f"every {_EVERY}rd file ({scored} files).",
            "\n".join(f"- {line}" for line in lines),
            "\n".join(f"- {note}" for note in AGREEMENT_NOTES[:3]),
            agreement_table(further),
            f"The trial's strategies on tubes of ten and of twenty colours (`{'`, `'.join(WIDE)}`), with other dyes "
            f"and another matrix; median F1, of which at most {MOST_LOST:g} may be lost:",
            markdown_table(
                ("panel", "population", "shipped panel", "this panel", "verdict"),
                [(p.panel, p.population, f"{p.shipped:.3f}", f"{p.other:.3f}", verdict_in_cell(p.met)) for p in pairs],
            ),
            "Cells per uL by counting beads (`tbnk`), gated against the true number; of the absolute error:",
            markdown_table(
                ("population", "files", "median, %", "95th percentile, %"),
                [
                    (str(name), str(len(errors)), f"{errors.median():.2f}", f"{errors.quantile(0.95):.1f}")
                    for name, errors in by_population
                ],
            ),
            "The subsets of these tubes part by a visible valley; CD45RA, CCR7 and CD38 of real cells are rather a "
            "continuum, which no simulated figure shows. The strategies were written with other seeds (5 and 11) in "
            "view.",
        ]
    )
