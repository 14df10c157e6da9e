"""A person's value in place of an imported one: who, why, and the old value are kept, and it may be taken back."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from immunomon.cytometry.model.measured import Measured
from immunomon.errors import BadSpec, ImmunomonError, Problem, nearest
from immunomon.findings import shown
from immunomon.runs.folder import RunFolder
from immunomon.runs.imported_numbers import MOST_EVENTS
from immunomon.runs.imported_rows import ImportedRow
from immunomon.runs.imported_trees import trees_of
from immunomon.runs.importing import FROM_TABLE, WITHHELD, ImportSummary, Source, import_rows
from immunomon.runs.lock import Reason
from immunomon.study.model.strategy import ROOT
from immunomon.study.model.study import Role, Study

__all__ = ["CountDecision", "decide_count"]


@dataclass(frozen=True)
class CountDecision:
    """What a person says a population of a sample has, with who and why; count: None takes the decision back."""

    sample: str
    population: str
    count: int | None
    by: str
    reason: str


def decide_count(run: Path, study: Study, decision: CountDecision) -> tuple[ImportSummary, int | None, int | None]:
    """Put a count in the place of an imported one, or back; return how that ended, the count before and after.

    The tables of before are set aside, the record names every decision that stands. Raises ImmunomonError for a run
    that was not imported, a sample or population that it has not, and a decision to take back that there is not;
    BadSpec for a count that its parent or its parts contradict.
    """
    folder = RunFolder(run)
    record = folder.read_json(folder.manifest) or {}
    imported = record.get("imported")
    if not imported:
        raise ImmunomonError(f"{run}: its values were not imported")
    if decision.count is not None and not 0 <= decision.count <= MOST_EVENTS:
        raise ImmunomonError(f"--count {shown(str(decision.count))} is no number of events; write a whole number")
    rows = _rows(folder, record, study)
    row = _row_of(rows, decision, run)
    if None not in (decision.count, row.parent_count) and decision.count > row.parent_count:  # type: ignore[operator]
        what = f"{decision.count} events in a parent of {row.parent_count}"
        raise BadSpec([Problem(row.file, None, "count", what, "correct one of them")])
    standing = [dict(entry) for entry in imported.get("overrides", ())]
    own = next((entry for entry in standing if _is_of(entry, row)), None)
    if decision.count is None and own is None:
        raise ImmunomonError(f"--undo: there is no decision on {row.population} of sample {row.sample}")
    others = [entry for entry in standing if entry is not own]
    imported_count = own["imported"] if own else row.count
    percent = own.get("percent") if own else row.percent
    count = imported_count if decision.count is None else decision.count
    in_table = imported_count if percent is None else f"{percent:g} % and no count"
    words = f"set by {decision.by}: {decision.reason}; the table has {'none' if in_table is None else in_table}"
    source = "" if decision.count is None else words
    entry = {
        **{"sample": row.sample, "population": row.population, "imported": imported_count, "count": count},
        **{"by": decision.by, "reason": decision.reason},
        "when": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **({} if percent is None else {"percent": percent}),
    }
    summary = import_rows(
        study,
        list(_with_count(rows, row, count, source, percent)),
        run,
        sources=[Source(_path(study, table), table["sha256"], table["form"]) for table in imported["tables"]],
        why=Reason(decision.reason, decision.by),
        decided=others if decision.count is None else [*others, entry],
        entry={**entry, "before": row.count, "withdrawn": decision.count is None},
    )
    return summary, row.count, count


def _is_of(entry: Mapping[str, Any], row: ImportedRow) -> bool:
    return (entry["sample"], entry["population"]) == (row.sample, row.population)


def _row_of(rows: Sequence[ImportedRow], decision: CountDecision, run: Path) -> ImportedRow:
    samples = list(dict.fromkeys(row.sample for row in rows))
    if decision.sample not in samples:
        what = f"{run}: no sample {shown(decision.sample)}"
        raise ImmunomonError(f"{what}; {nearest(decision.sample[:80], samples)}")
    own = {row.population: row for row in rows if row.sample == decision.sample}
    if decision.population not in own:
        what = f"{run}: no population {shown(decision.population)} of sample {decision.sample}"
        raise ImmunomonError(f"{what}; {nearest(decision.population[:80], own)}")
    return own[decision.population]


def _with_count(
    rows: Sequence[ImportedRow], changed: ImportedRow, count: int | None, source: str, percent: float | None
) -> Iterator[ImportedRow]:
    """Yield the rows with another count of one of them, and of it as the parent of others."""
    for row in rows:
        if row is changed:
            yield replace(row, count=count, source=source, percent=percent if count is None else None)
        elif (row.sample, row.parent) == (changed.sample, changed.population):
            yield replace(row, parent_count=count)
        else:
            yield row


def _rows(folder: RunFolder, record: Mapping[str, Any], study: Study) -> list[ImportedRow]:
    """Return what was imported into a run, as its samples keep it: by ids, or by labels where the tree is the table's.

    A limit of counts withholds anew; what was withheld where it was gated stays so.
    """
    files = {entry["sample_id"]: entry for entry in record["files"]}
    tables = {Path(str(table["file"])).name: _path(study, table) for table in record["imported"]["tables"]}
    populations = folder.read_table("populations")
    by_id: list[ImportedRow] = []
    labels: dict[str, str] = {ROOT: ROOT}
    for row in populations.astype(object).where(populations.notna(), None).to_dict("records"):
        name = row["sample_id"]
        measured = Measured.from_dict((folder.read_json(folder.sample_file(name)) or {})["measured"])
        population, parent = row["population"], row["parent"]
        labels[population] = row["label"]
        failure, source = str(measured.failures.get(population, "")), str(measured.sources.get(population, ""))
        file = str(tables.get(Path(files[name]["file"]).name, files[name]["file"]))
        of_sample = (name, row["subject"] or "", row["visit"] or "", row["panel"], Role.parse(row["role"]))
        medians = measured.medians.get(population, {})
        counts = (measured.counts.get(population), measured.events if parent == ROOT else measured.counts.get(parent))
        by_id.append(
            ImportedRow(
                *(*of_sample, population, parent, *counts, file, 1),
                medians={marker: value for marker, value in medians.items() if value is not None},
                withheld=failure.removeprefix(f"{WITHHELD}: ") if failure.startswith(WITHHELD) else "",
                source="" if source.startswith(FROM_TABLE) else source,
                percent=measured.percents.get(population),
            )
        )
    if not trees_of(study, by_id)[2]:
        return by_id
    return [replace(row, population=labels[row.population], parent=labels[row.parent]) for row in by_id]


def _path(study: Study, table: Mapping[str, Any]) -> Path:
    """Return where a table of the record lies; one from outside of the study's folder is named alone."""
    inside = study.folder / str(table["file"])
    return inside if inside.is_file() else Path(study.folder.resolve().anchor) / Path(str(table["file"])).name
