"""A run made of counts that were gated elsewhere: a run like any other, without gates, pictures and gate errors."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from immunomon.cytometry.gates.under import IMPORTED
from immunomon.cytometry.model.measured import Measured, SampleResult
from immunomon.cytometry.steps.cross_check import cross_check
from immunomon.errors import BadSpec, ImmunomonError, NotARunFolder, Problem
from immunomon.findings import shown
from immunomon.runs.accounting import Accounted, set_aside_left_over
from immunomon.runs.audit import AuditTrail
from immunomon.runs.checks.rows import unusable_beads
from immunomon.runs.folder import RunFolder
from immunomon.runs.imported_rows import ImportedRow, check_rows
from immunomon.runs.imported_trees import is_inside, samples_of, trees_of
from immunomon.runs.journal import Journal, now_utc
from immunomon.runs.lock import Reason, moved_values
from immunomon.runs.plan import Plan, Task, shown_input, shown_inputs
from immunomon.runs.provenance import digest_of
from immunomon.runs.run import manifest_of, write_tables
from immunomon.runs.single import Compensation
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import ROOT, GatingStrategy
from immunomon.study.model.study import Sample, Study
from immunomon.study.specs.ratios import ratios_left_out

__all__ = ["FROM_TABLE", "WITHHELD", "ImportSummary", "Source", "import_rows"]

_NOT_GIVEN = "the imported table has no count of it"
WITHHELD = "withheld where it was gated"
_BARE = "a percent without counts: no interval, and no limit of counts is judged"
FROM_TABLE = "imported from"
_NOTE = "gated elsewhere: no gates, no pictures and no gate error here"


@dataclass(frozen=True)
class Source:
    """A table whose rows are imported: its path, the digest of its bytes, and its form, such as ``tidy CSV``."""

    path: Path
    sha256: str
    form: str


@dataclass(frozen=True)
class ImportSummary:
    """How an import ended: samples and values, what to know; unchanged: whether nothing was written."""

    folder: Path
    samples: int
    values: int
    notes: tuple[str, ...] = ()
    unchanged: bool = False


def import_rows(
    study: Study,
    rows: Sequence[ImportedRow],
    out: Path,
    *,
    sources: Sequence[Source],
    why: Reason | None = None,
    texts: Mapping[Path, str] | None = None,
    decided: Sequence[Mapping[str, Any]] = (),
    entry: Mapping[str, Any] | None = None,
) -> ImportSummary:
    """Write a run of imported rows into a folder; rows that are there already are replaced with a reason, and kept.

    why: who imports, and the reason, which is asked for where values are replaced. texts: digests of the study's files
    that were read, which may grow meanwhile. decided: the persons' counts among the rows, for the record; entry: the
    decision that this is about, for the trail. Raises BadSpec for rows that contradict each other or whose beads nobody
    counts, NotARunFolder for a folder that holds a run of FCS files, ImmunomonError where values would be replaced
    without a reason, RunLocked as a run does.
    """
    check_rows(rows)
    folder, journal, started = RunFolder(out), Journal(), now_utc()
    panels, strategies, notes = trees_of(study, rows)
    samples = samples_of(study, rows)
    if problems := [*unusable_beads(study, samples.values(), strategies)]:
        raise BadSpec(problems)
    plan = _plan(study, rows, sources, panels, strategies, samples, texts or {})
    with folder.locked():
        before = folder.read_json(folder.manifest)
        if before is not None and not before.get("imported"):
            raise NotARunFolder(f"{out}: it holds a run of FCS files; give another folder with --out")
        if before is not None and before.get("digest") == plan.digest:
            return ImportSummary(out, len(samples), len(rows), unchanged=True)
        if before is not None and (why is None or not why.text):
            remedy = "say why they are replaced, and who says so: --reason ... --by ..."
            raise ImmunomonError(f"{out}: it holds other values, imported {before['started_utc']}; {remedy}")
        reason = why or Reason("", "")
        with Accounted(folder, plan, reason) as account:
            account.refuse_if_locked(has_reason=bool(reason.text))
            old = _kept_aside(folder) if before is not None else None
            results = _checked(plan, rows)
            _keep(folder, plan, results)
            digests = write_tables(plan, results, folder, qualities={}, journal=journal)
            about = _record(plan, sources, reason, decided)
            manifest = {**manifest_of(plan, results, started), "tables": digests, **about}
            folder.write_json(folder.manifest, manifest, indent=1)
            moved = moved_values(old, folder.read_table("frequencies")) if old is not None else None
            details: dict[str, Any] = {} if moved is None else {"moved_values": len(moved)}
            tables = [{"file": source.path.name, "sha256": source.sha256} for source in sources]
            _enter(AuditTrail(out), reason, entry, {"tables": tables, **details})
    notes += ratios_left_out(study, strategies, samples.values())
    lost = (before or {}).get("imported", {}).get("overrides", ()) if entry is None else ()
    notes += [f"{len(lost)} decisions on the values of before are not in it; make them anew"] if lost else []
    return ImportSummary(out, len(samples), len(rows), tuple(notes))


def _enter(trail: AuditTrail, reason: Reason, entry: Mapping[str, Any] | None, details: Mapping[str, Any]) -> None:
    """Enter an import into the trail, or a person's decision on one value."""
    if entry is None:
        trail.append("import", by=reason.by, reason=reason.text, **details)
        return
    old, new = ("none" if value is None else value for value in (entry["before"], entry["count"]))
    new = entry["imported"] if entry["withdrawn"] else new
    target = f"set-count {entry['sample']} {entry['population']}: {old} -> {new}"
    decision = {"action": "set-count", **{name: entry[name] for name in ("sample", "population", "count")}}
    values = {"old": entry["before"], "new": new, "imported": entry["imported"]}
    action = "override withdrawn" if entry["withdrawn"] else "override"
    trail.append(action, by=reason.by, reason=reason.text, target=target, decision=decision, **values, **details)


def _kept_aside(folder: RunFolder) -> Any:  # noqa: ANN401 - a table
    """Keep what was imported before, record and tables, below ``set-aside``; return its frequencies."""
    frequencies = folder.read_table("frequencies")
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = folder.root / "set-aside" / now / "import"
    target.mkdir(parents=True)
    shutil.copy(folder.manifest, target / "run.json")
    for path in sorted((folder.root / "tables").glob("*.csv")):
        shutil.copy(path, target / path.name)
    return frequencies


# The plan, and what is measured.


def _plan(
    study: Study,
    rows: Sequence[ImportedRow],
    sources: Sequence[Source],
    panels: Mapping[str, Panel],
    strategies: Mapping[str, GatingStrategy],
    samples: Mapping[tuple[str, str], Sample],
    texts: Mapping[Path, str],
) -> Plan:
    digests = {str(source.path): source.sha256 for source in sources}
    of_sample: dict[tuple[str, str], list[ImportedRow]] = {key: [] for key in samples}
    for row in rows:
        of_sample[row.panel, row.sample].append(row)
    tasks = tuple(
        Task(sample, Path(own[0].file), digests.get(own[0].file), None, strategies[sample.panel].name, _key(own))
        for key, sample in samples.items()
        for own in (of_sample[key],)
    )
    in_use = tuple(use for use in study.panels if use.panel in strategies)
    tables = {source.path for source in sources}
    inside = {source.path: source.sha256 for source in sources if is_inside(source.path, study.folder)}
    read = {path: digest for path, digest in texts.items() if path not in tables}
    inputs = shown_inputs({**read, **inside}, study.folder)
    no_matrix = Compensation(from_file=False, needed=False)
    used = replace(study, panels=in_use)
    return Plan(used, study.folder / "study.yaml", panels, strategies, no_matrix, tasks, inputs)


def _key(rows: Sequence[ImportedRow]) -> str:
    numbers = {
        row.population: (row.parent, row.count, row.parent_count, row.withheld, sorted(row.medians.items()))
        + ((row.source,) if row.source else ())
        + ((row.percent,) if row.percent is not None else ())
        for row in rows
    }
    return digest_of("imported", rows[0].sample, numbers)


def _checked(plan: Plan, rows: Sequence[ImportedRow]) -> list[SampleResult]:
    """Return the samples' results held against each other, without their digest: all have the table's."""
    apart = [replace(result, sha256=None) for result in _results(plan, rows)]
    checked = cross_check(apart, plan.strategies, plan.study.reportability)
    return [replace(result, sha256=task.sha256) for result, task in zip(checked, plan.tasks, strict=True)]


def _results(plan: Plan, rows: Sequence[ImportedRow]) -> list[SampleResult]:
    by_task: dict[tuple[str, str], list[ImportedRow]] = {}
    for row in rows:
        by_task.setdefault((row.panel, row.sample), []).append(row)
    results = []
    for task, own in zip(plan.tasks, by_task.values(), strict=True):
        measured = _measured(own, plan.strategies[task.sample.panel], plan.panels[task.sample.panel])
        sample = task.sample
        results.append(SampleResult(sample, "gated", task.sha256, task.strategy, None, measured, measured.events))
    return results


def _measured(rows: Sequence[ImportedRow], strategy: GatingStrategy, panel: Panel) -> Measured:
    by_label = {population.label: population.id for population in strategy} | {name: name for name in strategy.ids}
    counts: dict[str, int | None] = {}
    for row in rows:
        if row.parent != ROOT and row.parent_count is not None:
            counts.setdefault(by_label[row.parent], row.parent_count)
    counts |= {by_label[row.population]: row.count for row in rows if row.count is not None}
    events = next((row.parent_count for row in rows if row.parent == ROOT and row.parent_count is not None), None)
    medians = {by_label[row.population]: _by_marker(row, panel) for row in rows}
    markers = dict.fromkeys(marker for values in medians.values() for marker in values)
    name = Path(rows[0].file).name
    percents = {by_label[row.population]: row.percent for row in rows if row.percent is not None}
    without = {population for population in strategy.ids if population not in counts}
    failures = {population: _NOT_GIVEN for population in strategy.ids if population in without - set(percents)}
    failures |= {by_label[row.population]: f"{WITHHELD}: {row.withheld}" for row in rows if row.withheld}
    return Measured(
        events,
        {population: counts.get(population) for population in strategy.ids},
        medians,
        dict.fromkeys(strategy.ids, IMPORTED),
        failures if events is not None else {**failures, ROOT: _NOT_GIVEN},
        {marker: next((m.detector for m in panel.markers if m.name == marker), marker) for marker in markers},
        sources=dict.fromkeys(strategy.ids, f"{FROM_TABLE} {name}")
        | {by_label[row.population]: row.source for row in rows if row.source},
        notes=dict.fromkeys(strategy.ids, _NOTE) | dict.fromkeys(percents, f"{_NOTE}; {_BARE}"),
        percents=percents,
    )


def _by_marker(row: ImportedRow, panel: Panel) -> dict[str, float]:
    """Return a row's medians by the panel's names of markers; raises BadSpec where two are of one marker."""
    medians: dict[str, float] = {}
    for name, value in row.medians.items():
        marker = next((marker.name for marker in panel.markers if marker.answers_to(name)), name)
        if marker in medians:
            what = f"two columns give the median of {shown(marker)}, {shown(name)} among them"
            raise BadSpec([Problem(row.file, row.line, "median", what, "keep one of them")])
        medians[marker] = value
    return medians


def _keep(folder: RunFolder, plan: Plan, results: Sequence[SampleResult]) -> None:
    """Write what was imported of each sample, as a run keeps what it measured; what is of no sample is set aside."""
    set_aside_left_over(folder, plan, [])
    for task, result in zip(plan.tasks, results, strict=True):
        assert result.measured is not None
        kept: dict[str, Any] = {"key": task.key, "sha256": task.sha256, "status": IMPORTED, "reason": None}
        kept |= {"spillover": {"note": f"not known: {_NOTE}, but counts of {task.sample.file.as_posix()}"}}
        folder.write_json(
            folder.sample_file(task.sample.id), {**kept, "measured": result.measured.to_dict(), "plots": []}
        )


def _record(plan: Plan, sources: Sequence[Source], why: Reason, decided: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    tables = [
        {
            "file": shown_input(source.path, plan.study.folder)
            if is_inside(source.path, plan.study.folder)
            else source.path.name,
            "sha256": source.sha256,
            "form": source.form,
        }
        for source in sources
    ]
    files = [
        {"sample_id": task.sample.id, "file": task.sample.file.as_posix(), "sha256": task.sha256, "status": IMPORTED}
        | {
            "reason": None,
            "data_set": None,
            "data_offset": None,
            "key": task.key,
            "own_key": task.key,
            "look_key": task.key,
        }
        for task in plan.tasks
    ]
    about = {"tables": tables, "by": why.by, "reason": why.text, "lacking": ["gates", "pictures", "gate errors"]}
    return {"imported": about | ({"overrides": list(decided)} if decided else {}), "files": files}
