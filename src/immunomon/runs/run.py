"""Run a study: every file through the steps, once; then the tables, from what is in the run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from immunomon.cytometry.model.measured import Measured, SampleResult
from immunomon.cytometry.model.populations import DOUBTS, TABLES
from immunomon.cytometry.steps.cross_check import cross_check
from immunomon.files import file_digest, remove_leftovers
from immunomon.runs.accounting import (
    Accounted,
    refuse_before_looking,
    set_aside_changed,
    set_aside_left_over,
)
from immunomon.runs.audit import AuditTrail
from immunomon.runs.audit_inputs import digests_beside
from immunomon.runs.declared_scales import scale_warnings
from immunomon.runs.folder import RUN_FORMAT, RunFolder
from immunomon.runs.jobs import Crew, default_jobs
from immunomon.runs.journal import Journal, Progress, now_utc
from immunomon.runs.lock import Reason
from immunomon.runs.overriding import accepted, moved_gates, overridden, read_overrides
from immunomon.runs.plan import Plan, Task, make_plan, shown_inputs
from immunomon.runs.provenance import environment, user_name
from immunomon.runs.scaling import scales_record, with_scales
from immunomon.runs.settling import (
    Bench,
    SettledBySample,
    control_shelf,
    is_done,
    look_first,
    needs_first_look,
    settled_tasks,
    without_folder,
)
from immunomon.runs.summary import RunSummary, account_of_doubts, as_it_stands, study_section
from immunomon.runs.unchanged import Memory, asked_of
from immunomon.runs.workers import Limits
from immunomon.study.model.quality import Quality
from immunomon.study.model.uses import tube_of
from immunomon.study.specs.ratios import ratios_left_out
from immunomon.yamlfile import digests_of_what_is_read

__all__ = ["RunSummary", "default_jobs", "manifest_of", "overridden_plan", "run_study", "settled_plan", "write_tables"]


def run_study(
    study: str | Path,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    why: Reason | None = None,
    log: Path | None = None,
    limits: Limits | None = None,
    scheduler: str | None = None,
    rehash: bool = False,
    remarks: Callable[[], Sequence[str]] | None = None,
    overrides: Path | None = None,
) -> RunSummary:
    """Gate every file of a study and write its tables into a run folder (default: ``run`` in the study's folder).

    progress: called with the stage, files done, all files, and files failed so far. why: who changes a locked run, and
    for what reason. log: a file that gets a line of JSON for each event of the run. limits: how long a file may take,
    and how often one that failed is tried again; each is then done by a process that can be ended. scheduler: the
    address of a Dask cluster that does the work, and sees the study and the run folder under the same paths. rehash:
    read every file, be its size and time of change those of the last run. remarks: lines to be said of the study, asked
    for once as long as nothing changes. overrides: a file of decisions in place of the study's own.

    A file that was done before, from the same bytes, panel, strategy, matrix and code, is not done again; a run that
    was stopped goes on where it was. A file that fails has no value, and no say in gates that it would share. Where
    nothing has changed since a finished run, nothing is written. Raises BadSpec for problems in the study's YAML and
    CSV files, RunFolderInUse if another run is writing the folder, RunLocked if the run was locked and would change,
    ImmunomonError if there is no cluster at the scheduler's address, or none that can do the work.
    """
    journal, study = Journal(progress, log), Path(study)
    root = Path(out) if out is not None else (study if study.is_dir() else study.parent) / "run"
    if scheduler is not None:
        study, root = study.resolve(), root.resolve()  # as the cluster's workers know them
    workers = {"scheduler": scheduler} if scheduler else {"jobs": jobs or default_jobs()}
    with journal.begun(study=str(study), **workers), Crew(jobs, journal, limits, scheduler) as crew:
        memory = Memory.of(root, rehash=rehash)
        memory.inputs.read_digest = crew.digest
        summary = _run_study(study, memory, crew, _Statement(why, remarks or tuple, overrides))
        counts = {"gated": summary.gated, "kept": summary.kept, "controls": summary.controls}
        journal.note("finished", **counts, failed=dict(summary.failed))
        return summary


@dataclass(frozen=True)
class _Statement:
    """What whoever runs a study says of it: why it changes if it is locked, remarks, and another file of decisions."""

    why: Reason | None
    remarks: Callable[[], Sequence[str]]
    overrides: Path | None


def _run_study(study: Path, memory: Memory, crew: Crew, statement: _Statement) -> RunSummary:
    why = statement.why
    journal, started, folder = crew.journal, now_utc(), RunFolder(memory.root)
    folder.refuse_imported()
    plan = make_plan(
        study,
        jobs=crew.workers,
        progress=lambda done, total: crew.reading(done, total, are_new=memory.inputs.read > 0),
        digest=memory.inputs.digest,
    )
    own_keys = {task.sample.id: task.key for task in plan.tasks}
    kept_in = journal.kept_in(folder.root, study=plan.study.name, files=len(plan.tasks))
    with folder.locked(), kept_in, crew.at_work(folder.root):
        plan = replace(overridden_plan(plan, statement.overrides), own_keys=own_keys)
        asked = asked_of(plan, digests_beside(plan.study.folder))
        if memory.stands(asked):
            return as_it_stands(memory, asked)
        AuditTrail(folder.root).mend()
        if why is None:
            refuse_before_looking(folder, plan)
        remove_leftovers(folder.root.rglob(".*.tmp"))
        known_problems = {task.sample.id for task in plan.tasks if task.problem}
        changed = set_aside_changed(folder)
        plan = with_scales(plan, folder, crew)
        plan, settled = settled_plan(plan, folder, crew)
        with Accounted(folder, plan, why or Reason("", user_name())) as account:
            account.refuse_if_locked(has_reason=why is not None)
            account.made_anew(changed)
            summary = _run(plan, settled, folder, crew, started)
        summary = replace(summary, changed=changed, remarks=tuple(statement.remarks()))
        # What failed while it was gated may have lacked memory, or been written to: it is tried again.
        memory.keep(asked if {name for name, _ in summary.failed} <= known_problems else None, summary)
        return summary


def _run(plan: Plan, settled: SettledBySample, folder: RunFolder, crew: Crew, started: str) -> RunSummary:
    gated_tasks = [task for task in plan.tasks if task.strategy and not task.dropped]
    before = {task.sample.id for task in gated_tasks if is_done(folder, task)}
    todo = [task for task in gated_tasks if task.sample.id not in before]
    crew.journal.keep(kept=len(before))
    bench = Bench(plan, folder, control_shelf(plan), settled)
    problems = crew.each("gating", todo, bench.gate)
    plan = plan.with_problems(problems)
    for task in plan.tasks:
        if task.strategy and task.sample.id in problems:  # whose process was ended, and kept no result
            bench.gate(task)
    results, qualities = _results(plan, folder)
    results = cross_check(results, plan.strategies, plan.study.reportability)
    set_aside_left_over(folder, plan, [result.sample.id for result in results if result.status == "gated"])
    digests = write_tables(plan, results, folder, qualities=qualities, journal=crew.journal)
    failed = tuple((r.sample.id, r.reason or "") for r in results if r.status == "failed")
    spoiled = {name for name, _ in failed}
    anew = {task.sample.tube_id for task in todo}
    gated = len({task.sample.tube_id for task in todo if task.sample.id not in spoiled})
    kept = len({task.sample.tube_id for task in gated_tasks} - anew)
    controls = sum(1 for result in results if result.status == "control")
    manifest = {**manifest_of(plan, results, started), "tables": digests}
    folder.write_json(folder.manifest, manifest, indent=1)
    doubts = account_of_doubts(folder.read_table("frequencies"), folder.read_table(DOUBTS.name))
    warnings = (*manifest["warnings"], *_about_left_out(plan))
    dropped = sum(result.status == "dropped" for result in results)
    return RunSummary(folder.root, gated, kept, controls, failed, doubts=doubts, warnings=warnings, dropped=dropped)


def _about_left_out(plan: Plan) -> tuple[str, ...]:
    lines = (s.about_left_out(f"panel '{tube_of(panel)}'") for panel, s in plan.strategies.items())
    ratios = ratios_left_out(plan.study, plan.strategies, (task.sample for task in plan.tasks))
    return (*(line for of_panel in lines for line in of_panel), *ratios)


def overridden_plan(plan: Plan, file: Path | None = None) -> Plan:
    """Return the plan with persons' decisions on single samples; file: of decisions, if not the study's own."""
    with digests_of_what_is_read() as texts:
        overrides = read_overrides(plan.study, [task.sample for task in plan.tasks], plan.strategies, file=file)
    read = shown_inputs(texts, plan.study.folder)
    return replace(plan, overrides=overrides, tasks=overridden(plan.tasks, overrides), inputs={**plan.inputs, **read})


def settled_plan(plan: Plan, folder: RunFolder, crew: Crew) -> tuple[Plan, SettledBySample]:
    """Take the first look at files that share gates; return the plan with what its results now depend on."""
    moved = moved_gates(plan)
    shared = [task for task in plan.tasks if needs_first_look(plan, task)]
    if not shared:
        return plan, moved
    look = partial(look_first, plan=plan, folder=folder, shelf=control_shelf(plan))
    plan = plan.with_problems(crew.each("looking", shared, look))
    tasks, settled = settled_tasks(plan, folder)
    names = {*settled, *moved}
    return replace(plan, tasks=tasks), {name: {**settled.get(name, {}), **moved.get(name, {})} for name in names}


def _results(plan: Plan, folder: RunFolder) -> tuple[list[SampleResult], dict[str, Quality]]:
    """Return how the work on each file ended, and of each gated one, by sample, the quality of its acquisition."""
    results: list[SampleResult] = []
    qualities: dict[str, Quality] = {}
    for task in plan.tasks:
        name = task.sample.id
        data = folder.read_sample(name, task.key) if task.strategy is not None and not task.dropped else None
        results.append(_result(task, data))
        if data and results[-1].status == "gated" and data.get("quality"):
            qualities[name] = accepted(Quality.from_dict(data["quality"]), plan.overrides, name)
    return results, qualities


def _result(task: Task, data: Mapping[str, Any] | None) -> SampleResult:
    sample = task.sample
    if task.strategy is None:
        status = "failed" if task.problem else "control"
        problem = without_folder(task.problem, task) if task.problem else None
        return SampleResult(sample, status, task.sha256, reason=problem)
    if task.dropped:
        return SampleResult(sample, "dropped", task.sha256, task.strategy, task.dropped)
    if data is None or data["status"] != "gated":
        reason = "its result is missing" if data is None else data["reason"]
        return SampleResult(sample, "failed", task.sha256, task.strategy, reason)
    measured = Measured.from_dict(data["measured"])
    events = (data.get("quality") or {}).get("events", measured.events)  # of the file; some may have been left out
    return SampleResult(sample, "gated", task.sha256, task.strategy, None, measured, events)


def write_tables(
    plan: Plan,
    results: Sequence[SampleResult],
    folder: RunFolder,
    *,
    qualities: Mapping[str, Quality],
    journal: Journal,
) -> dict[str, str]:
    """Write all tables; return the digest of each, by which the manifest knows them."""
    # Each loads pandas, which takes longer than a run that has nothing to do.
    from immunomon.cytometry.steps.acquisition_table import tabulate_quality
    from immunomon.cytometry.steps.compare import compare
    from immunomon.cytometry.steps.levey_jennings import chart_levey_jennings
    from immunomon.cytometry.steps.responses import subtract_background
    from immunomon.cytometry.steps.result_tables import tabulate_results
    from immunomon.cytometry.steps.summarise import summarise

    names = (*TABLES, DOUBTS.name, "steadiness", "quality", "responses")
    tables = tabulate_results(results, plan.strategies, plan.study.reportability, qualities=qualities)
    tables["quality"] = tabulate_quality([result.sample for result in results], qualities)
    tables["changes"] = compare(tables["populations"], tables["frequencies"], tables["samples"], study=plan.study)
    tables["summary"] = summarise(tables["changes"], plan.study)
    tables["responses"] = subtract_background(tables["frequencies"], tables["samples"])
    tables["steadiness"] = chart_levey_jennings(
        tables["samples"], tables["populations"], tables["medians"], settings=plan.study.steadiness
    )
    for number, name in enumerate(names, start=1):
        folder.write_table(name, tables[name])
        journal.note("table", name=name, rows=len(tables[name]))
        journal.report("tables", number, len(names), 0)
    return {name: file_digest(folder.table_file(name, ".parquet")) for name in names}


def manifest_of(plan: Plan, results: Sequence[SampleResult], started: str) -> dict[str, Any]:
    """Return the record of a run, all but the digests of its tables; results: in the order of the plan's tasks."""
    return {
        "format": RUN_FORMAT,
        "digest": plan.digest,
        "version": environment()["software"]["version"],
        "started_utc": started,
        "finished_utc": now_utc(),
        **environment(),
        "parameters": {
            "compensation": plan.study.compensation.source,
            "reportability": asdict(plan.study.reportability),
            "quality": asdict(plan.study.quality),
        },
        "study": dict(study_section(plan.study)),
        "samples_file": plan.study.samples_file.as_posix(),
        "inputs": dict(plan.inputs),
        "beside": digests_beside(plan.study.folder),
        "scales": scales_record(plan),
        "warnings": scale_warnings(plan),
        "panels": {name: [asdict(marker) for marker in panel.markers] for name, panel in plan.panels.items()},
        "reported": {use.panel: list(plan.strategies[use.panel].denominators) for use in plan.study.panels},
        "left_out": {
            panel: [asdict(left) for left in strategy.left_out]
            for panel, strategy in plan.strategies.items()
            if strategy.left_out
        },
        "files": [
            {
                "sample_id": result.sample.id,
                "file": result.sample.file.as_posix(),
                "sha256": result.sha256,
                "status": result.status,
                "reason": result.reason,
                "data_set": task.sample.data_set,
                "data_offset": task.sample.data_offset,
                "key": task.key,
                "own_key": plan.own_keys.get(task.sample.id, task.key),
                "look_key": plan.look_keys.get(task.sample.id, task.key),
            }
            for task, result in zip(plan.tasks, results, strict=True)
        ],
    }
