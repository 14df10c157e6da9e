"""Laboratory values in the form of a run's changes, so that all that compares and draws populations takes them too."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from immunomon.cytometry.model.populations import CHANGES
from immunomon.trial.model.analysis import LABORATORY

__all__ = ["ABOVE", "BELOW", "MEASURED", "NOT_DONE", "as_changes"]

MEASURED, BELOW, ABOVE, NOT_DONE = "measured", "below quantification", "above quantification", "not done"


def as_changes(values: pd.DataFrame, planned_days: Mapping[str, float | None]) -> pd.DataFrame:
    """Return laboratory values in the form of changes, each subject, visit and analyte once (the CHANGES contract).

    values: the LABORATORY_VALUES contract; planned_days: of the visits, by label; results of no visit are left out. One
    beyond a limit of quantification has no value and is not reportable.
    """
    known = values[values["visit"].isin(list(planned_days))]
    # Of two rows of a visit at most one has a result: the file's reader refuses two.
    known = known.sort_values("status", key=lambda status: status == NOT_DONE, kind="stable")
    rows = known.drop_duplicates(["subject", "visit", "analyte"]).sort_index()
    lacks_baseline = rows["fold"].isna() & rows["reason"].notna()
    hidden_baseline = rows["direction"].notna()
    ok = lacks_baseline.map({True: "missing baseline", False: "ok"}).mask(
        lacks_baseline & hidden_baseline, "baseline not reportable"
    )
    status = rows["status"].map({NOT_DONE: "missing", BELOW: "not reportable", ABOVE: "not reportable"}).fillna(ok)
    change = (rows["value"] - rows["baseline"]).where(status == "ok")
    full = rows.assign(
        panel=LABORATORY,
        quantity=LABORATORY,
        denominator="",
        population=rows["analyte"],
        label=rows["label"] + " (" + rows["unit"] + ")",
        planned_day=rows["visit"].map(planned_days),
        change=change,
        percent_change=100 * change / rows["baseline"].where(rows["baseline"] > 0),
        status=status,
    )
    return CHANGES.shaped(full).reset_index(drop=True)
