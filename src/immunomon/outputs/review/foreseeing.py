"""What a moved gate would make of a sample's values: which may be reported, and how changes from baseline move."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from immunomon.cytometry.model.measured import Measured, SampleResult
from immunomon.cytometry.steps.compare import compare
from immunomon.cytometry.steps.result_tables import tabulate_results
from immunomon.outputs.review.at_run import AtRun
from immunomon.outputs.review.recount import Counted
from immunomon.runs.overriding import accepted
from immunomon.study.model.quality import Quality
from immunomon.study.model.study import RoleKind
from immunomon.study.model.trust import Doubt

__all__ = ["as_counted", "foreseen"]

Tables = Mapping[str, pd.DataFrame]
_KEY = ["panel", "subject", "visit", "quantity", "population", "denominator"]
_MOVING = ("value", "change", "status")


def as_counted(stored: Mapping[str, Any], counts: Mapping[str, Counted], moved: Collection[str]) -> Measured:
    """Return what was measured of a sample with other counts, and no doubts about the gates that a person moves.

    stored: the sample's result; counts: of the populations that change, as ``OpenSample.recount`` returns them.
    """
    measured = Measured.from_dict(stored["measured"])
    return replace(
        measured,
        counts={**measured.counts, **{name: counted.count for name, counted in counts.items()}},
        doubts={name: doubts for name, doubts in measured.doubts.items() if name not in moved},
        placed_by={**measured.placed_by, **dict.fromkeys(moved, "person")},
    )


def foreseen(at: AtRun, sample: str, measured: Measured, *, touched: Collection[str]) -> dict[str, Any]:
    """Return what values of a sample may be reported, before and after, and which changes from baseline move.

    measured: what the sample would have; touched: the populations whose counts may differ. The run's own steps make
    the tables; what other visits and tubes say against a value is asked when the decisions are run (``unchecked``).
    """
    stored = at.stored(sample)
    doubts = list(_cross_checked(at, sample, stored))
    kept = [(name, doubt) for name, doubt in doubts if name not in touched]
    tables = _tables(at, sample, stored, _with_doubts(measured, kept))
    before = _of(at.table("populations"), "sample_id", sample)
    reasons = (_reasons(before), _reasons(tables["populations"]))
    return {
        "reportable": {name: {"before": reasons[0].get(name), "after": reasons[1].get(name)} for name in touched},
        "changes": list(_moved_changes(at, sample, tables)),
        "unchecked": sorted({doubt.code for name, doubt in doubts if name in touched}),
    }


def _cross_checked(at: AtRun, sample: str, stored: Mapping[str, Any]) -> Iterator[tuple[str, Doubt]]:
    """Yield the doubts that come from holding a sample's values against others': the tables have them, it has not."""
    own = {
        (name, doubt["code"], doubt.get("axis") or "")
        for name, doubts in stored["measured"].get("doubts", {}).items()
        for doubt in doubts
    }
    for row in _of(at.table("doubts"), "sample_id", sample).to_dict("records"):
        axis, detail = ("" if pd.isna(row[name]) else str(row[name]) for name in ("axis", "detail"))
        if (row["population"], row["code"], axis) not in own:
            yield str(row["population"]), Doubt(str(row["code"]), axis, detail)


def _with_doubts(measured: Measured, more: Collection[tuple[str, Doubt]]) -> Measured:
    doubts = dict(measured.doubts)
    for name, doubt in more:
        doubts[name] = (*doubts.get(name, ()), doubt)
    return replace(measured, doubts=doubts)


def _tables(at: AtRun, sample: str, stored: Mapping[str, Any], measured: Measured) -> Tables:
    plan, task = at.planned(), at.task(sample)
    quality = stored.get("quality")
    qualities = {sample: accepted(Quality.from_dict(quality), plan.overrides, sample)} if quality else {}
    result = SampleResult(task.sample, "gated", task.sha256, task.strategy, None, measured, measured.events)
    return tabulate_results([result], plan.strategies, plan.study.reportability, qualities=qualities)


def _reasons(populations: pd.DataFrame) -> dict[str, str | None]:
    """Return by population why its percentage of the parent may not be reported; None if it may."""
    return {
        str(row["population"]): None if row["reportable"] else str(row["reason"])
        for row in populations.to_dict("records")
    }


def _moved_changes(at: AtRun, sample: str, tables: Tables) -> Iterator[dict[str, Any]]:
    """Yield the subject's changed values and changes, at this visit and, of a baseline, at all later ones."""
    whose = at.task(sample).sample
    if not whose.subject or whose.role.kind is not RoleKind.SAMPLE:
        return
    before = _of(at.table("changes"), "subject", whose.subject)
    names = ("populations", "frequencies", "samples")
    others = {name: _of(at.table(name), "subject", whose.subject) for name in names}
    together = [_joined(others[name], tables[name], sample) for name in names]
    after = compare(*together, study=at.planned().study)
    paired = before.merge(after, on=_KEY, suffixes=("_before", ""))
    for row in paired.to_dict("records"):
        values = {name: _known(row[name]) for name in (*_MOVING, *(f"{name}_before" for name in _MOVING))}
        if any(values[name] != values[f"{name}_before"] for name in _MOVING):
            about = {name: _known(row[name]) for name in ("visit", "quantity", "population", "denominator", "label")}
            yield {**about, **values, "is_own": row["visit"] == whose.visit, "reason": _known(row["reason"])}


def _joined(others: pd.DataFrame, own: pd.DataFrame, sample: str) -> pd.DataFrame:
    # The types of the one: a column without a value in the other would change them.
    return pd.concat([others[others["sample_id"] != sample], own.astype(others.dtypes.to_dict())], ignore_index=True)


def _of(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    return table[(table[column] == value).fillna(False)]


def _known(value: Any) -> Any:  # noqa: ANN401 - a cell
    return None if pd.isna(value) else value.item() if hasattr(value, "item") else value
