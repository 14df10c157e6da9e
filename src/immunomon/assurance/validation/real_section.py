"""Real files in the validation document: how near placed gates come to those of others."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from immunomon.assurance.validation.real import (
    ACTIVATION_FILES,
    LYOPLATE_FILES,
    beside,
    gate_activation,
    gate_lyoplate,
    itn_found,
    run_itn,
    their_activation,
    their_lyoplate,
    threshold_distances,
)
from immunomon.assurance.validation.sections import Section, Settings, verdict_in_cell

__all__ = ["section"]

_MOST_POINTS, _LEAST_F1, _FROM_EVENTS = 3.0, 0.90, 500
_MOST_DECADES, _LEAST_R = 0.15, 0.97
_BY_SCATTER = ("cells", "single_cells")  # the person's own gates, taken over


def section(settings: Settings) -> Section:
    """Return the section on the real files whose folder IMMUNOMON_REAL_DATA names; it says so if there is none."""
    named = os.environ.get("IMMUNOMON_REAL_DATA")
    head = "## Placement of gates on real files"
    if not named or not Path(named).is_dir():
        line = "not measured: IMMUNOMON_REAL_DATA names no folder of real files"
        return Section(f"{head}\n\n{line}", (line,), met=False)
    parts = (_lyoplate(Path(named)), _activation(Path(named)), _itn(Path(named), settings.jobs))
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    text = [
        head,
        f"Written by `immunomon validate --real` on {day}. The strategies of these files stand in "
        "`src/immunomon/assurance/validation/references` and were written with the references in view: methods and "
        "settings were changed until they agreed, on the same files. They show that the methods can be made to agree, "
        "not that they would have unseen (docs/gating.md).",
        *(part.text for part in parts),
    ]
    lines = tuple(line for part in parts for line in part.lines)
    return Section("\n\n".join(text), lines, all(part.met for part in parts))


def _lyoplate(data: Path) -> Section:
    compared = pd.concat(
        [beside(gate_lyoplate(data, file), their_lyoplate(data, file)).assign(file=file) for file in LYOPLATE_FILES]
    )
    compared["difference"] = compared["percent"] - compared["their_percent"]
    points = compared["difference"].abs()
    large = compared["their_events"] > _FROM_EVENTS
    met = bool((points <= _MOST_POINTS).all() and (compared.loc[large, "f1"] >= _LEAST_F1).all())
    line = (
        f"lyoplate-nk, against openCyto: {int((points <= _MOST_POINTS).sum())} of {len(compared)} populations "
        f"(2 files) within {_MOST_POINTS:g} points of parent (largest {points.max():.2f}); "
        f"F1 at least {_LEAST_F1:.2f} in "
        f"{int((compared.loc[large, 'f1'] >= _LEAST_F1).sum())} of {int(large.sum())} over {_FROM_EVENTS} events "
        f"(lowest {compared.loc[large, 'f1'].min():.3f}): {verdict_in_cell(met)}"
    )
    rows = [
        f"| {row.file} | {row.population} | {row.parent} | {row.percent:.2f} | {row.their_percent:.2f} | "
        f"{row.difference:+.2f} | {row.f1:.3f} | {row.their_events} |"
        for row in compared.itertuples()
    ]
    head = "| file | population | of | ours, % | openCyto, % | difference, points | F1 | events by openCyto |"
    return Section(
        "\n".join([f"- {line}", "", head, "| --- | --- | --- | --- | --- | --- | --- | --- |", *rows]), (line,), met
    )


def _activation(data: Path) -> Section:
    trees = gate_activation(data)
    far = threshold_distances(trees)
    paired = pd.concat([beside(tree, their_activation(data, file, tree)) for file, tree in trees.items()])
    paired = paired[~paired["population"].isin(_BY_SCATTER)]
    r = float(np.corrcoef(paired["percent"], paired["their_percent"])[0, 1])
    near = far["decades"] <= _MOST_DECADES
    met = bool(near.all() and r >= _LEAST_R)
    line = (
        f"activation, against a person: {int(near.sum())} of {len(far)} borders within {_MOST_DECADES:g} decade "
        f"(median of {len(ACTIVATION_FILES)} files; largest {far['decades'].max():.2f}); r of the frequencies of all "
        f"populations and files {r:.4f} (at least {_LEAST_R}): {verdict_in_cell(met)}"
    )
    borders = [f"| {row.population} | {row.border} | {row.decades:.3f} |" for row in far.itertuples()]
    text = [
        f"- {line}",
        "",
        "| population | border | distance, decades |",
        "| --- | --- | --- |",
        *borders,
        "",
        *_within(paired),
    ]
    return Section("\n".join(text), (line,), met)


def _within(paired: pd.DataFrame) -> Iterator[str]:
    yield "r over all of them together mostly says that large populations are large. Of each population over the files:"
    yield ""
    yield "| population | of | ours, mean % | the person, mean % | r over the files |"
    yield "| --- | --- | --- | --- | --- |"
    for (population, parent), rows in paired.groupby(["population", "parent"], sort=False):
        r = float(np.corrcoef(rows["percent"], rows["their_percent"])[0, 1])
        ours, theirs = (float(rows[name].mean()) for name in ("percent", "their_percent"))
        yield f"| {population} | {parent} | {ours:.2f} | {theirs:.2f} | {r:.2f} |"


def _itn(data: Path, jobs: int) -> Section:
    with tempfile.TemporaryDirectory(prefix="immunomon-itn-") as name:
        try:
            outcome = itn_found(run_itn(data, Path(name), jobs=jobs))
        except OSError as error:
            line = f"cohorts/itn: not measured: {error}"
            return Section(f"- {line}", (line,), met=False)
    met = len(outcome) == 15 and bool(outcome["found"].all())
    cd4, cd8 = (f"{outcome[name].min():.0f} to {outcome[name].max():.0f} %" for name in ("cd4", "cd8"))
    line = (
        f"cohorts/itn: CD4 and CD8 T cells found in {int(outcome['found'].sum())} of {len(outcome)} samples, each by "
        f"valleys of its own (CD4 {cd4}, CD8 {cd8} of T cells): {verdict_in_cell(met)}"
    )
    return Section(f"- {line}", (line,), met)
