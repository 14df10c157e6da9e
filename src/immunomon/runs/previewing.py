"""What decisions would change in a finished run: one sample gated anew, or all of the run; nothing of it is written."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.model.measured import Measured
from immunomon.cytometry.model.settled import Settled
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.files import is_temporary
from immunomon.runs.audit_inputs import changed_inputs
from immunomon.runs.folder import RunFolder
from immunomon.runs.jobs import Crew, default_jobs
from immunomon.runs.journal import STAMPS, Journal
from immunomon.runs.lock import Reason
from immunomon.runs.overriding import OVERRIDES_FILE, with_decisions
from immunomon.runs.plan import Plan, make_plan
from immunomon.runs.run import overridden_plan, run_study, settled_plan
from immunomon.runs.scaling import with_scales
from immunomon.runs.settling import Bench, control_shelf
from immunomon.runs.unchanged import Memory
from immunomon.study.model.strategy import GateDeclaration

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOVED_COLUMNS", "Preview", "moved_everywhere", "open_preview", "plan_of_run", "preview_decisions"]

# What a run goes on from, and what its values are held against: linked into a folder beside it, which is thrown away.
_GONE_ON_FROM = ("run.json", "lock.json", STAMPS)
_LINKED = ("samples", "gates", "estimates", "noise", "tables")
# The tables whose values a decision can move: what a row is about, and its values.
_VALUES: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "samples": (("sample_id",), ("status", "quality")),
    "frequencies": (("sample_id", "population", "denominator"), ("percent", "count", "reportable")),
    "populations": (("sample_id", "population"), ("cells_per_ul",)),
    "medians": (("sample_id", "population", "marker"), ("median_intensity",)),
    "changes": (
        ("panel", "subject", "visit", "quantity", "population", "denominator"),
        ("value", "change", "status"),
    ),
    "summary": (("panel", "dose_group", "visit", "quantity", "population", "denominator", "measure"), ("n", "mean")),
}
MOVED_COLUMNS = ("table", "about", "value", "before", "after")


@dataclass(frozen=True, eq=False)
class Preview:
    """A finished run with all that its samples were gated with, read and not written."""

    bench: Bench

    def measure(self, sample: str, gates: Mapping[str, Mapping[str, Any]]) -> Measured:
        """Return what a run would measure of a sample with these gates in place of its own.

        gates: population id -> the gate as it stands in a file of overrides; what persons moved before stays moved.
        Raises UnknownName for a sample that was not gated, and what gating the file raises.
        """
        tasks = {task.sample.id: task for task in self.bench.plan.tasks if task.strategy}
        if sample not in tasks:
            raise UnknownName(f"no gated sample '{sample}'; {nearest(sample, tasks)}")
        moved = {population: _settled(gate) for population, gate in gates.items()}
        settled = {sample: {**self.bench.settled.get(sample, {}), **moved}}
        measured: Measured = replace(self.bench, settled=settled).analysed(tasks[sample]).measured
        return measured


def _settled(gate: Mapping[str, Any]) -> Settled:
    arguments = {name: value for name, value in gate.items() if name != "method"}
    instead = GateDeclaration(str(gate["method"]), arguments)
    keep = gate_method(instead).regions[0]
    return Settled(source="moved", instead=instead, keep=keep, placed_by={"": "person"})


def plan_of_run(study: Path, run: Path) -> Plan:
    """Return the plan that a finished run was made by, with its decisions; nothing shared by samples is settled.

    Raises ImmunomonError if the study's files are no longer those that the run was made from.
    """
    plan = make_plan(study, jobs=default_jobs(), digest=Memory.of(run).inputs.digest)
    own_keys = {task.sample.id: task.key for task in plan.tasks}
    if own_keys != {file["sample_id"]: file.get("own_key") for file in _record(run).get("files", ())}:
        raise _changed(study, run)
    return replace(overridden_plan(plan), own_keys=own_keys)


def open_preview(study: Path, run: Path, plan: Plan | None = None) -> Preview:
    """Return a run ready to be gated anew, sample by sample.

    plan: as ``plan_of_run`` gives it, if that was made already. Raises ImmunomonError if the study's files or decisions
    are no longer those that the run was made from: a preview would mix that change with the moved gate.
    """
    folder, crew = RunFolder(run), Crew(default_jobs(), Journal())
    plan = with_scales(plan or plan_of_run(study, run), folder, crew)
    plan, settled = settled_plan(plan, folder, crew)
    if plan.digest != _record(run).get("digest"):
        raise _changed(study, run)
    return Preview(Bench(plan, folder, control_shelf(plan), settled))


def _record(run: Path) -> Mapping[str, Any]:
    return RunFolder(run).read_json(RunFolder(run).manifest) or {}


def _changed(study: Path, run: Path) -> ImmunomonError:
    remedy = f"bring it up to date first: immunomon run {study}"
    return ImmunomonError(f"{run}: its study or the software has changed since the run; {remedy}")


def preview_decisions(
    study: Path,
    run: Path,
    entries: Sequence[Mapping[str, Any]],
    *,
    withdrawn: Sequence[Mapping[str, Any]] = (),
    jobs: int | None = None,
) -> pd.DataFrame:
    """Return every value of a run that decisions would move: table, what it is about, which value, before, after.

    entries, withdrawn: as ``record_decisions`` takes them. The study is run with them into a folder beside the run,
    which is thrown away: what is shown is what a run would write. Raises BadSpec for a decision that cannot be carried
    out, ImmunomonError if the study's files or decisions are no longer those of the run: what these changed would stand
    among what the decision moves.
    """
    _refuse_changed(study, run)
    with TemporaryDirectory(prefix=".preview-", dir=run.resolve().parent) as place:
        shadow, overrides = Path(place) / "run", Path(place) / OVERRIDES_FILE
        overrides.write_bytes(with_decisions(study, entries, withdrawn))
        _link(run, shadow)
        run_study(study, shadow, jobs=jobs, why=Reason("preview", "preview"), overrides=overrides)
        return moved_everywhere(RunFolder(run), RunFolder(shadow))


def _refuse_changed(study: Path, run: Path) -> None:
    record = _record(run)
    try:
        started = datetime.datetime.fromisoformat(str(record["started_utc"])).timestamp()
        problems = changed_inputs(record, study, since=started).problems
    except (KeyError, TypeError, ValueError, AttributeError):
        problems = (f"{run / 'run.json'}: it does not say what the run was made from",)
    if problems:
        again = f"a preview would mix that with the decision; bring the run up to date first: immunomon run {study}"
        raise ImmunomonError(f"{problems[0]}; {again}")


def _link(run: Path, shadow: Path) -> None:
    shadow.mkdir()
    for name in _GONE_ON_FROM:
        if (run / name).is_file():
            shutil.copyfile(run / name, shadow / name)
    for folder in _LINKED:
        (shadow / folder).mkdir()
        for path in (run / folder).iterdir() if (run / folder).is_dir() else ():
            if path.is_file() and not is_temporary(path):
                _linked(path, shadow / folder / path.name)


def _linked(source: Path, target: Path) -> None:
    try:
        os.link(source, target)  # a run writes its files anew, and never into one that is there
    except OSError:
        shutil.copyfile(source, target)


def moved_everywhere(before: RunFolder, after: RunFolder) -> pd.DataFrame:
    """Return every value that differs between two run folders of one study, with the columns MOVED_COLUMNS."""
    import pandas as pd

    rows = [row for table in _VALUES for row in _moved(table, before.read_table(table), after.read_table(table))]
    return pd.DataFrame(rows, columns=list(MOVED_COLUMNS), dtype=object)


def _moved(table: str, before: pd.DataFrame, after: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    key, values = _VALUES[table]
    known = [name for name in values if name in before and name in after]
    sides = [frame[[*key, *known]].drop_duplicates(list(key)) for frame in (before, after)]
    paired = sides[0].merge(sides[1], on=list(key), how="outer", suffixes=("_before", "_after"))
    for name in known:
        old, new = paired[f"{name}_before"], paired[f"{name}_after"]
        same = (old == new).fillna(False).astype(bool) | (old.isna() & new.isna())
        for _, row in paired[~same].iterrows():
            about = " ".join(str(row[part]) for part in key if not _is_missing(row[part]))
            yield (
                table,
                about,
                name,
                *(None if _is_missing(v) else v for v in (row[f"{name}_before"], row[f"{name}_after"])),
            )


def _is_missing(value: Any) -> bool:  # noqa: ANN401 - a cell
    import pandas as pd

    return bool(pd.isna(value))
