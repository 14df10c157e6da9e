"""What is measured of steadiness over time: alarms of the rules, distances between batches, effects that must stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from immunomon.arrays import Floats, Mask
from immunomon.assurance.validation.effects import Effect, effects
from immunomon.assurance.validation.targets import ACTED_ON, PRIMARY_VISIT
from immunomon.assurance.validation.trials import Trial
from immunomon.cytometry.kernels.outliers import RULES, broken_rules, control_limits
from immunomon.cytometry.kernels.quantiles import apply_map, mean_distances
from immunomon.cytometry.steps.compare import compare
from immunomon.cytometry.steps.summarise import ALL_GROUPS, summarise
from immunomon.runs.normalise import Normalised
from immunomon.runs.normalised_tables import PanelLearned
from immunomon.runs.plan import Plan, Task
from immunomon.runs.single import analyse
from immunomon.study.model.steadiness import Normalisation, PanelNormalisation
from immunomon.study.model.study import RoleKind

__all__ = ["SETTINGS", "Alarms", "PairFound", "alarms", "effects_after", "held_out_tubes", "pairs_found"]

SETTINGS = Normalisation(
    (
        PanelNormalisation("treg", ("cd4",), ("CD25", "CD127", "CCR4", "CD45RO", "HLA-DR")),
        PanelNormalisation("thelper", ("cd4",), ("CXCR3", "CCR6", "CD38", "HLA-DR")),
        PanelNormalisation("bcell", ("b_cells",), ("IgD", "CD27", "CD24", "CD38", "CD20")),
        PanelNormalisation("nk", ("cd14_neg",), ("CD56", "CD16", "HLA-DR")),
    )
)
_STEADY = 10
_REJECTING = tuple(name for name in RULES if name != "1_2s")


@dataclass(frozen=True)
class Alarms:
    """How often rules are broken, in percent of values: where nothing changes, and found within 3 samples of a shift.

    by_rule: rule -> percent of values, each judged by all others; rejecting: any rule but 1_2s; rejecting_first: the
    same where the first 10 set the limits; shift: SD -> percent of series in which a rejecting rule says so within 3.
    """

    samples: int
    by_rule: Mapping[str, float]
    rejecting: float
    rejecting_first: float
    shift: Mapping[float, float]


@dataclass(frozen=True)
class PairFound:
    """One cell type and marker: distances between batches in display units, before and after; NaN where refused.

    tubes: of other tubes of the same donor, which no map was learned from; patients: SD of a patient's median from
    visit to visit.
    """

    panel: str
    cell_type: str
    marker: str
    batches: int
    cells: float
    halves: tuple[float, float]
    floor: float
    tubes: tuple[float, float]
    patients: tuple[float, float]
    reason: str | None

    @property
    def met(self) -> bool:
        """Whether it was refused, or brings tubes together that it was not learned from."""
        return self.reason is not None or self.tubes[1] < self.tubes[0]


def alarms(samples: int, seed: int, *, series: int = 2000) -> Alarms:
    """Return how often the rules are broken in series of so many normal values, more than 10 each."""
    rng = np.random.default_rng(seed)
    broken = dict.fromkeys(RULES, 0)
    any_all = any_first = 0
    for values in rng.standard_normal((series, samples)):
        false_alarms = broken_rules(_z(values, None))
        for name in RULES:
            broken[name] += int(false_alarms[name].sum())
        any_all += int(_any(false_alarms).sum())
        any_first += int(_any(broken_rules(_z(values, _STEADY)))[_STEADY:].sum())
    shift = {}
    for size in (1.0, 2.0, 3.0):
        moved = rng.standard_normal((series, _STEADY + 3)) + np.repeat([0.0, size], [_STEADY, 3])
        noticed = [bool(_any(broken_rules(_z(values, _STEADY)))[_STEADY:].any()) for values in moved]
        shift[size] = 100 * float(np.mean(noticed))
    whole = series * samples
    by_rule = {name: 100 * number / whole for name, number in broken.items()}
    return Alarms(samples, by_rule, 100 * any_all / whole, 100 * any_first / (series * (samples - _STEADY)), shift)


def _z(values: Floats, establish: int | None) -> Floats:
    mean, sd = control_limits(values, establish=establish)
    return (values - mean) / sd


def _any(broken: Mapping[str, Mask]) -> Mask:
    rejected: Mask = np.any([broken[name] for name in _REJECTING], axis=0)
    return rejected


def held_out_tubes(plan: Plan, learned: PanelLearned) -> dict[tuple[str, str], dict[str, Floats]]:
    """Return cells of the bridge donor's FMO tubes, (cell type, marker) -> batch -> display coordinates.

    The simulator makes them of the bridge donor's cells, stained with the batch; no map is learned from them. A tube
    gives all markers but the one it lacks.
    """
    cells: dict[tuple[str, str], dict[str, list[Floats]]] = {}
    for task in plan.tasks:
        sample = task.sample
        if sample.panel == learned.wanted.panel and sample.role.kind is RoleKind.FMO and sample.batch:
            for pair, values in _tube(plan, task, learned).items():
                cells.setdefault(pair, {}).setdefault(sample.batch, []).append(values)
    return {pair: {b: np.concatenate(parts) for b, parts in by_batch.items()} for pair, by_batch in cells.items()}


def _tube(plan: Plan, task: Task, learned: PanelLearned) -> dict[tuple[str, str], Floats]:
    panel = plan.panels[task.sample.panel]
    analysed = analyse(
        task.path,
        learned.strategy,
        panel=panel,
        compensation=plan.compensation,
        reading=task.reading,
        with_plots=False,
    )
    values = {}
    for cell_type in learned.wanted.cell_types:
        mask = analysed.tree.mask(cell_type)
        for marker in learned.wanted.markers:
            if mask is not None and marker != task.sample.role.about and marker in learned.scales:
                column = np.asarray(analysed.compensated.column(marker), dtype=np.float64)
                values[cell_type, marker] = learned.scales[marker].apply(column[mask])
    return values


def pairs_found(plan: Plan, done: Normalised) -> tuple[PairFound, ...]:
    """Return every cell type and marker that was to be normalised, with its distances before and after."""
    judged, medians = done.tables["normalisation_judgement"], done.tables["normalised_medians"]
    pairs = []
    for learned in done.learned:
        tubes = held_out_tubes(plan, learned)
        for pair in [(c, m) for c in learned.wanted.cell_types for m in learned.wanted.markers]:
            rows = judged[judged["panel"] == learned.wanted.panel]
            rows = rows[(rows["population"] == pair[0]) & (rows["marker"] == pair[1])]
            applied = rows[rows["status"] == "applied"]
            pairs.append(
                PairFound(
                    learned.wanted.panel,
                    *pair,
                    batches=len(applied),
                    cells=float(rows["cells"].median()),
                    halves=(_mean(rows["emd_before"]), _mean(rows["emd_after"])),
                    floor=_mean(rows["emd_floor"]),
                    tubes=_between_tubes(tubes.get(pair, {}), learned, pair),
                    patients=_within_patients(medians, learned, pair),
                    reason=str(rows["reason"].iloc[0]) if applied.empty else None,
                )
            )
    return tuple(pairs)


def _mean(distances: pd.Series) -> float:
    """Return the mean of the batches' distances; not-a-number where no batch had cells enough to be judged."""
    return float(distances.astype("float64").mean())


def _between_tubes(tubes: Mapping[str, Floats], learned: PanelLearned, pair: tuple[str, str]) -> tuple[float, float]:
    maps = {batch: learned.learned.maps.get((batch, *pair)) for batch in tubes}
    used = [(values, there) for batch, values in tubes.items() if (there := maps[batch]) is not None and values.size]
    if len(used) < 2:
        return float("nan"), float("nan")
    before = mean_distances([values for values, _ in used])
    after = mean_distances([apply_map(there, values) for values, there in used])
    return float(before.mean()), float(after.mean())


def _within_patients(medians: pd.DataFrame, learned: PanelLearned, pair: tuple[str, str]) -> tuple[float, float]:
    """Return the SD of a patient's median from visit to visit, root mean square over patients: raw and normalised."""
    rows = medians[(medians["panel"] == learned.wanted.panel) & (medians["role"] == "sample")]
    rows = rows[(rows["population"] == pair[0]) & (rows["marker"] == pair[1]) & (rows["status"] == "applied")]
    rows = rows[rows["count"] >= SETTINGS.min_cells]
    if rows.empty:
        return float("nan"), float("nan")
    scale = learned.scales[pair[1]]

    def spread(column: str) -> float:
        values = pd.Series(scale.apply(rows[column].to_numpy(dtype=np.float64)), index=rows["subject"].astype(str))
        return float(np.sqrt((values.groupby(level=0).std() ** 2).mean()))

    return spread("median_intensity"), spread("normalised_median_intensity")


def effects_after(trial: Trial, plan: Plan, done: Normalised) -> tuple[Sequence[Effect], Sequence[Effect]]:
    """Return the effects at the primary visit as estimated from raw counts, and from normalised ones."""
    frequencies = trial.tables["frequencies"]
    key = ["sample_id", "population", "denominator"]
    columns = {
        "normalised_count": "count",
        "normalised_denominator_count": "denominator_count",
        "normalised_percent": "percent",
    }
    again = done.tables["normalised_frequencies"].set_index(key)[list(columns)].rename(columns=columns)
    changed = frequencies.set_index(key)
    same = changed.index.isin(again.index)
    for column in columns.values():
        changed.loc[same, column] = again.loc[changed.index[same], column].to_numpy()
    populations, samples = trial.tables["populations"], trial.tables["samples"]
    changes = compare(populations, changed.reset_index()[list(frequencies.columns)], samples, study=plan.study)
    after = replace(trial, tables={**trial.tables, "summary": summarise(changes, plan.study)})
    return _primary(trial), _primary(after)


def _primary(trial: Trial) -> list[Effect]:
    return [e for e in effects(trial, ACTED_ON) if e.visit == PRIMARY_VISIT and e.dose_group == ALL_GROUPS]
