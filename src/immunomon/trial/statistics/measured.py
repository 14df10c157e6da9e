"""Every endpoint's value for every subject and visit, on its scale, from the tables of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.model.populations import CHANGES
from immunomon.trial.model.analysis import LABORATORY, AnalysisPlan, Composition, Endpoint, NotReportable, Scale
from immunomon.trial.model.laboratory import as_changes
from immunomon.trial.statistics.facts import Facts
from immunomon.trial.statistics.scales import Figures, on_scale

__all__ = ["Measured", "Series", "measure"]

# The value of a visit counts although there is nothing to compare it with.
_ADDED = {"gate_error": "Float64", "is_parent": "boolean"}
_OWN_VALUE = ("ok", "missing baseline", "baseline not reportable")


@dataclass(frozen=True, eq=False)
class Series:
    """One endpoint, subject x visit: values in their unit, their counts, on the scale, and what is known of errors.

    All arrays (subjects, visits) in the order of ``Facts``; not-a-number where there is no value, and then ``reason``
    says why. gate_se: of a percent, in log-odds. with_counts: on the scale, values below the limits of what is
    reported used as well; of a laboratory value beyond a limit of quantification the limit.
    """

    endpoint: Endpoint
    label: str
    declared: bool
    value: Floats
    count: Floats
    total: Floats
    scaled: Floats
    with_counts: Floats
    variance: Floats
    gate_se: Floats
    day: Floats
    reason: NDArray[np.object_]
    is_parent: bool = False

    def change(self, baseline: int) -> Floats:
        """Return the change from the baseline visit, (subjects, visits)."""
        return np.asarray(self.scaled - self.scaled[:, [baseline]], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Measured:
    """All endpoints of a run, those of the plan first; ``absent`` are those of the plan that the run does not have."""

    facts: Facts
    plan: AnalysisPlan
    series: tuple[Series, ...]
    absent: tuple[Endpoint, ...]

    @property
    def planned(self) -> tuple[Series, ...]:
        """The endpoints that the plan names."""
        return tuple(series for series in self.series if series.declared)

    @property
    def baseline(self) -> int:
        """The place of the baseline visit."""
        return self.facts.labels.index(self.facts.baseline)

    def of(self, endpoint: str) -> Series | None:
        """Return an endpoint's series by name, or None if the run does not have it."""
        return next((series for series in self.series if series.endpoint.name == endpoint), None)


def measure(tables: Mapping[str, pd.DataFrame], facts: Facts, plan: AnalysisPlan) -> Measured:
    """Return the endpoints of a plan, and everything else in the table of changes as exploratory ones.

    tables: ``changes`` (the CHANGES contract), and where there are ``frequencies`` (for the gates' error, if the run
    has it, and for which denominator is the parent), ``medians`` (for endpoints that are intensities) and
    ``laboratory`` (the LABORATORY_VALUES contract: each analyte is an endpoint).
    """
    # A run of an earlier version lacks the columns that came later.
    changes = CHANGES.shaped(tables["changes"]).assign(marker="")
    changes["denominator"] = changes["denominator"].fillna("")
    of_cells = [_with_gate_error(changes, tables.get("frequencies")), *_intensities(tables, plan, changes)]
    rows = pd.concat([*of_cells, *_laboratory(tables.get("laboratory"), facts)])
    key = ["panel", "quantity", "population", "denominator", "marker"]
    by_key = {tuple(str(part) for part in name): group for name, group in rows.groupby(key, sort=False)}
    series: list[Series] = []
    absent: list[Endpoint] = []
    for endpoint in plan.endpoints:
        endpoint_key = (endpoint.panel, endpoint.quantity, endpoint.population, endpoint.denominator, endpoint.marker)
        if endpoint_key in by_key:
            series.append(_series(endpoint, by_key[endpoint_key], facts, plan))
        else:
            absent.append(endpoint)
    for composition in plan.compositions:
        parts, lacking = _composition(composition, by_key, facts, plan)
        series += parts
        absent += lacking
    named = {(e.panel, e.quantity, e.population, e.denominator, e.marker) for e in plan.endpoints}
    series += [
        replace(_series(_exploratory(endpoint_key), group, facts, plan), declared=False)
        for endpoint_key, group in by_key.items()
        if endpoint_key not in named
    ]
    return Measured(facts, plan, tuple(series), tuple(absent))


def _exploratory(endpoint_key: tuple[str, ...]) -> Endpoint:
    panel, quantity, population, denominator, marker = endpoint_key
    what = "" if quantity == panel == LABORATORY else f"/{denominator}" if denominator else f" {quantity}"
    name = f"{panel}:{population}{what}"
    scale = Scale.LOG_ODDS if quantity == "percent" else Scale.LOG
    return Endpoint(name, panel, population, denominator, quantity, marker, scale)


def _with_gate_error(changes: pd.DataFrame, frequencies: pd.DataFrame | None) -> pd.DataFrame:
    if frequencies is None:
        return changes.assign(gate_error=np.nan, is_parent=False).astype(_ADDED)
    key = ["sample_id", "population", "denominator"]
    # In the table of changes gate_se is that of a change; here each visit's own is needed.
    known = frequencies.reindex(columns=[*key, "is_parent", "gate_se"]).rename(columns={"gate_se": "gate_error"})
    percent = changes["quantity"] == "percent"
    joined = changes.merge(known.drop_duplicates(key), on=key, how="left")
    return joined.assign(
        gate_error=joined["gate_error"].astype("Float64").mask(~percent.to_numpy()),
        is_parent=joined["is_parent"].astype("boolean").fillna(False) & percent.to_numpy(),
    ).astype(_ADDED)


def _intensities(
    tables: Mapping[str, pd.DataFrame], plan: AnalysisPlan, changes: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    """Yield rows in the form of the changes for the medians that the plan names."""
    medians = tables.get("medians")
    for endpoint in plan.endpoints:
        if medians is None or endpoint.quantity != "median_intensity":
            continue
        chosen = medians[
            (medians["panel"] == endpoint.panel)
            & (medians["population"] == endpoint.population)
            & (medians["marker"] == endpoint.marker)
        ]
        slots = changes[changes["panel"] == endpoint.panel].drop_duplicates(["subject", "visit"])
        whose = ["subject", "dose_group", "visit", "planned_day", "study_day", "panel", "sample_id"]
        own = ["sample_id", "population", "label", "count", "median_intensity", "reportable", "reason"]
        rows = slots[whose].merge(chosen[own], on="sample_id")
        fine = rows["reportable"].fillna(False) & rows["median_intensity"].notna()
        full = rows.assign(
            quantity="median_intensity",
            denominator="",
            marker=endpoint.marker,
            value=rows["median_intensity"],
            status=pd.Series("ok", index=rows.index).where(fine, "not reportable"),
            is_parent=False,
        )
        yield full.reindex(columns=[*changes.columns, *_ADDED]).astype({**CHANGES.dtypes, **_ADDED})


def _laboratory(values: pd.DataFrame | None, facts: Facts) -> Iterator[pd.DataFrame]:
    """Yield rows in the form of the changes for laboratory values; one beyond a limit has the limit, not reportable."""
    if values is None:
        return
    known = values[values["subject"].isin(facts.group_of)]
    limit = known["low"].where(known["high"].isna(), known["high"])
    rows = as_changes(known, dict(zip(facts.labels, facts.planned_days, strict=True)))
    limits = known.assign(population=known["analyte"], limit=limit.where(known["value"].isna()))
    limits = limits.dropna(subset=["limit"])
    of_visit = ["subject", "visit", "population"]
    rows = rows.merge(limits[[*of_visit, "limit"]].drop_duplicates(of_visit), on=of_visit, how="left")
    full = rows.assign(value=rows["value"].fillna(rows["limit"]), marker="", is_parent=False, gate_error=float("nan"))
    yield full.reindex(columns=[*CHANGES.names, "marker", *_ADDED]).astype({**CHANGES.dtypes, **_ADDED})


def _grid(rows: pd.DataFrame, column: str, facts: Facts) -> Floats:
    """Return a column as (subjects, visits); what is not there is not-a-number."""
    out = np.full((len(facts.group_of), len(facts.labels)), np.nan)
    subjects = {name: index for index, name in enumerate(facts.group_of)}
    visits = {name: index for index, name in enumerate(facts.labels)}
    cells = [subjects[name] for name in rows["subject"]], [visits[name] for name in rows["visit"]]
    out[cells] = rows[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return out


def _figures(rows: pd.DataFrame, quantity: str, facts: Facts) -> Figures:
    grids = [_grid(rows, name, facts).ravel() for name in ("value", "count", "denominator_count")]
    return Figures(grids[0], grids[1], grids[2], quantity)


def _usable(rows: pd.DataFrame, facts: Facts, statuses: tuple[str, ...]) -> Mask:
    inside = rows.assign(usable=rows["status"].isin(statuses))
    return np.asarray(_grid(inside, "usable", facts) == 1.0, dtype=np.bool_)


def _reasons(rows: pd.DataFrame, facts: Facts, usable: Mask) -> NDArray[np.object_]:
    reasons = {(str(s), str(v)): str(r) for s, v, r in zip(rows["subject"], rows["visit"], rows["reason"], strict=True)}
    words = [[reasons.get((s, v), f"no sample of {s} at {v}") for v in facts.labels] for s in facts.group_of]
    out = np.array(words, dtype=object).reshape(usable.shape)
    out[usable] = ""
    return out


def _series(endpoint: Endpoint, rows: pd.DataFrame, facts: Facts, plan: AnalysisPlan) -> Series:
    return _scaled(endpoint, rows, facts, plan, figures=_figures(rows, endpoint.quantity, facts))


def _scaled(endpoint: Endpoint, rows: pd.DataFrame, facts: Facts, plan: AnalysisPlan, *, figures: Figures) -> Series:
    shape = (len(facts.group_of), len(facts.labels))
    flat, variance = on_scale(figures, endpoint.scale)
    own = _usable(rows, facts, _OWN_VALUE)
    all_counts = own | _usable(rows, facts, ("not reportable",))
    # A limit of quantification is no value, whatever is done with counts below the limits of what is reported.
    leaves_out = plan.not_reportable is NotReportable.LEAVE_OUT or endpoint.quantity == LABORATORY
    used = own if leaves_out else all_counts
    scaled = np.where(used, flat.reshape(shape), np.nan)
    reason = _reasons(rows, facts, used)
    undefined = used & np.isnan(scaled)
    reason[undefined] = f"no {endpoint.scale.value} of this value"
    planned = np.broadcast_to(facts.planned_days, shape)
    days = _grid(rows, "study_day", facts)
    return Series(
        endpoint,
        label=str(rows["label"].iloc[0]),
        declared=True,
        value=np.where(used, figures.value.reshape(shape), np.nan),
        count=np.where(used, figures.count.reshape(shape), np.nan),
        total=np.where(used, figures.total.reshape(shape), np.nan),
        scaled=scaled,
        with_counts=np.where(all_counts, flat.reshape(shape), np.nan),
        variance=np.where(used, variance.reshape(shape), np.nan),
        gate_se=_grid(rows, "gate_error", facts),
        day=np.where(np.isnan(days), planned, days),
        reason=reason,
        is_parent=bool(rows["is_parent"].any()),
    )


def _composition(
    composition: Composition, by_key: Mapping[tuple[str, ...], pd.DataFrame], facts: Facts, plan: AnalysisPlan
) -> tuple[list[Series], list[Endpoint]]:
    """Return the parts' series on the centred log-ratio scale; a visit counts if all parts may be used there."""
    places = [(composition.panel, "percent", part, composition.parent, "") for part in composition.parts]
    # Parts of a whole share one parent: children of another population are no parts of this one.
    if any(part_key not in by_key or not by_key[part_key]["is_parent"].any() for part_key in places):
        return [], list(composition.endpoints)
    tables = [by_key[part_key] for part_key in places]
    counts = [_figures(rows, "percent", facts) for rows in tables]
    series = []
    for number, endpoint in enumerate(composition.endpoints):
        order = [number, *(rest for rest in range(len(places)) if rest != number)]
        figures = replace(counts[number], parts=np.column_stack([counts[part].count for part in order]))
        series.append(_scaled(endpoint, tables[number], facts, plan, figures=figures))
    whole = np.all([np.isfinite(part.scaled) for part in series], axis=0)
    return [
        replace(
            part,
            scaled=np.where(whole, part.scaled, np.nan),
            reason=np.where(~whole & (part.reason == ""), "another part of the composition has no value", part.reason),
        )
        for part in series
    ], []
