"""What was measured of the placement of gates, in figures beside their targets, in Markdown."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from immunomon.assurance.validation.sections import Section, Settings

__all__ = ["Judged", "judge_placement", "steadiness", "text_of"]

_LINEAGES = ("singlets", "live", "lymphocytes", "t_cells", "cd4", "cd8", "b_cells", "nk")
_RARE = ("plasmablasts", "b_transitional")
_SUBSETS = (
    *("treg", "th1", "th17", "b_naive", "b_unswitched", "b_switched", "b_dn"),
    *("nk_bright", "nk_dim", "nk_dim_cd16neg"),
)
_LEAST_F1 = {**dict.fromkeys(_LINEAGES, 0.97), **dict.fromkeys(_SUBSETS, 0.92), **dict.fromkeys(_RARE, 0.80)}
_LEAST_R = {**dict.fromkeys(_LINEAGES, 0.98), **dict.fromkeys((*_SUBSETS, *_RARE), 0.95)}
_MOST_BIAS = 0.05  # of a change in log-odds
_MOST_SPREAD = 1.2  # of the drift's own
_CHOSEN_ON = (1, 2)  # seeds that methods and outlines were chosen on, before anything was measured (docs/gating.md)


@dataclass(frozen=True)
class Judged:
    """One population over all trials, each figure beside its target; not-a-number where there is none to judge."""

    panel: str
    population: str
    files: int
    f1: float
    fixed_f1: float
    best_f1: float
    correlation: float
    error: float
    fixed_error: float
    bias_of_change: float
    coverage: float

    @property
    def misses(self) -> tuple[str, ...]:
        """The targets that are not met."""
        return tuple(
            name
            for name, bad in (
                ("F1", self.f1 < _LEAST_F1.get(self.population, 0.0)),
                ("r", self.correlation < _LEAST_R.get(self.population, -1.0)),
                ("bias", self.population in _LEAST_F1 and abs(self.bias_of_change) > _MOST_BIAS),
            )
            if bad
        )


def judge_placement(populations: pd.DataFrame) -> list[Judged]:
    """Return one row per panel x population; only reportable values count, as in every output."""
    return [
        _judged(str(panel), str(name), rows)
        for (panel, name), rows in populations.groupby(["panel", "population"], sort=False)
    ]


def _judged(panel: str, name: str, rows: pd.DataFrame) -> Judged:
    used = rows[rows["reportable"] & rows["percent_of_parent"].notna()]
    varies = len(used) > 2 and used["percent"].std() > 0 and used["percent_of_parent"].std() > 0
    inside = (used["low"] <= used["expected_percent"]) & (used["expected_percent"] <= used["high"])
    return Judged(
        panel,
        name,
        files=len(used),
        f1=float(used["f1"].median()),
        fixed_f1=float(used["fixed_f1"].median()),
        best_f1=float(used["best_f1"].median()) if used["best_f1"].notna().any() else float("nan"),
        correlation=float(np.corrcoef(used["percent"], used["percent_of_parent"])[0, 1]) if varies else float("nan"),
        error=float((used["percent"] - used["percent_of_parent"]).abs().median()),
        fixed_error=float((used["fixed_percent"] - used["percent_of_parent"]).abs().median()),
        bias_of_change=_bias(used),
        coverage=float(inside[used["low"].notna()].mean()),
    )


def _bias(used: pd.DataFrame) -> float:
    """Return the mean of gated minus true change from baseline, in log-odds."""
    key = ["scenario", "seed", "subject"]
    base = used[used["visit"] == used["baseline"]].set_index(key)
    later = used[used["visit"] != used["baseline"]].join(base[["log_odds", "true_log_odds"]], on=key, rsuffix="_base")
    gated = later["log_odds"] - later["log_odds_base"]
    return float((gated - (later["true_log_odds"] - later["true_log_odds_base"])).mean())


def steadiness(thresholds: pd.DataFrame) -> pd.DataFrame:
    """Return each threshold's SD over a patient's visits, placed and of the drift itself: medians over patients."""
    key = ["panel", "population", "axis"]
    spread = thresholds.groupby([*key, "scenario", "seed", "subject"], sort=False)[["placed", "true"]].std()
    medians = spread.groupby(key, sort=False).median().reset_index()
    return medians.assign(ratio=medians["placed"] / medians["true"])


def text_of(populations: pd.DataFrame, thresholds: pd.DataFrame, settings: Settings, *, seconds: float) -> Section:
    """Return the section: every figure, which targets are missed, and what the figures do not show."""
    rows = judge_placement(populations)
    steady = steadiness(thresholds)
    unsteady = steady[steady["ratio"] > _MOST_SPREAD]
    judged = [row for row in rows if row.population in _LEAST_F1]
    covered = _coverage(populations, judged)
    missed = [row for row in judged if row.misses]
    honest = 0.93 <= covered <= 0.97
    lines = (*_lines(judged, missed, steady, unsteady, covered), *_held_out(populations))
    text = "\n\n".join(
        [
            "## Placement of gates over scenarios and seeds",
            _how(populations, settings, seconds),
            *(f"- {line}" for line in lines),
            _table(rows),
            "### Thresholds over a patient's visits",
            "SD on the display scale (median over patients) of the border placed, and of the point midway between the "
            "medians of the true cells on its two sides: that moves with the simulated drift, and where few cells lie "
            "on a side, by chance as well. Borders that several populations share stand once, under the first of them.",
            _steady_table(steady),
            "'At best' is the highest F1 that straight borders of the gate's form reach among the events of its gated "
            "parent, put where they part that one population best in that one file by somebody who knows the truth: no "
            "way to place them can do better. Clouds and combinations of gates have no such figure.",
            "What this does not show: the simulator's populations are as far apart as a good panel's; its spillover "
            "does not drift; what is not reportable is left out. 'Fixed' are the gates placed on the first baseline "
            "sample of the panel, applied to every file as they are.",
        ]
    ).replace("\n\n- ", "\n- ")
    return Section(text, lines, not missed and unsteady.empty and honest)


def _coverage(populations: pd.DataFrame, judged: Sequence[Judged]) -> float:
    names = [row.population for row in judged]
    used = populations[populations["reportable"] & populations["population"].isin(names) & populations["low"].notna()]
    return float(((used["low"] <= used["expected_percent"]) & (used["expected_percent"] <= used["high"])).mean())


def _lines(
    judged: Sequence[Judged], missed: Sequence[Judged], steady: pd.DataFrame, unsteady: pd.DataFrame, covered: float
) -> Iterator[str]:
    yield f"F1, correlation and bias of the change: {len(judged) - len(missed)} of {len(judged)} populations meet all"
    for row in missed:
        yield (
            f"not met ({', '.join(row.misses)}): {row.population} ({row.panel}): F1 {row.f1:.3f}"
            f"{_beside(row.best_f1)}, r {row.correlation:.3f}, bias of change {row.bias_of_change:+.3f}"
        )
    yield (
        f"thresholds: {len(steady) - len(unsteady)} of {len(steady)} vary over a patient's visits at most "
        f"{_MOST_SPREAD:g} times as much as the drift itself"
    )
    yield f"intervals (counting and gate): {100 * covered:.1f} % hold the expected frequency (aim 93 to 97 %)"
    better = sum(row.f1 >= row.fixed_f1 for row in judged)
    mean, fixed = (float(np.nanmean([getattr(row, name) for row in judged])) for name in ("error", "fixed_error"))
    yield (
        f"beside fixed gates: F1 at least as high in {better} of {len(judged)} populations; mean of the median errors "
        f"{mean:.2f} against {fixed:.2f} percentage points"
    )


def _held_out(populations: pd.DataFrame) -> Iterator[str]:
    """Yield how the seeds fare that nothing was chosen on, where others stand beside them."""
    held = populations[~populations["seed"].isin(_CHOSEN_ON)]
    if held.empty or len(held) == len(populations):
        return
    judged = [row for row in judge_placement(held) if row.population in _LEAST_F1]
    missed = [f"{row.population} ({', '.join(row.misses)})" for row in judged if row.misses]
    seeds = ", ".join(str(seed) for seed in sorted(held["seed"].unique()))
    yield (
        f"on the seeds alone which nothing was chosen on ({seeds}): {len(judged) - len(missed)} of {len(judged)} "
        f"populations meet all{'; not met: ' if missed else ''}{', '.join(missed)}; intervals hold "
        f"{100 * _coverage(held, judged):.1f} %"
    )


def _beside(best: float) -> str:
    return f" (at best {best:.3f})" if np.isfinite(best) else ""


def _how(populations: pd.DataFrame, settings: Settings, seconds: float) -> str:
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    trials = populations[["scenario", "seed"]].drop_duplicates()
    scenarios = ", ".join(dict.fromkeys(trials["scenario"]))
    only = f" --panels {','.join(settings.panels)}" if settings.panels else ""
    return (
        f"Written by `immunomon validate --placement --events {settings.events} --seed {settings.seed} --seeds "
        f"{settings.seeds}{only}` on {day} in {seconds:.0f} s, summed over trials: {len(trials)} trials ({scenarios}; "
        f"seeds {trials['seed'].min()} to {trials['seed'].max()}), every patient's file. F1, r and errors are against "
        "the truth in the same file (F1 and errors: medians over files); coverage is of the frequency that the cells "
        "were drawn from; the bias of the change from baseline is a mean, in log-odds."
    )


def _table(rows: Sequence[Judged]) -> str:
    columns = (
        *("panel", "population", "files", "F1", "F1 at best", "F1, fixed gates", "r", "error, pp"),
        *("error, fixed gates, pp", "bias of change", "coverage, %", "not met"),
    )
    head = f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"
    lines = [
        f"| {row.panel} | {row.population} | {row.files} | {row.f1:.3f} | {_or_dash(row.best_f1)} | "
        f"{row.fixed_f1:.3f} | {row.correlation:.4f} | {row.error:.3f} | {row.fixed_error:.3f} | "
        f"{row.bias_of_change:+.3f} | {100 * row.coverage:.1f} | {', '.join(row.misses)} |"
        for row in rows
    ]
    return "\n".join([head, *lines])


def _or_dash(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"


def _steady_table(steady: pd.DataFrame) -> str:
    head = "| panel | population | axis | SD placed | SD of the drift | ratio |\n| --- | --- | --- | --- | --- | --- |"
    lines = [
        f"| {row.panel} | {row.population} | {row.axis} | {row.placed:.4f} | {row.true:.4f} | {row.ratio:.2f} |"
        for row in steady.itertuples()
    ]
    return "\n".join([head, *lines])
