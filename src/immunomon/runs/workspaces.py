"""FCS files through the gates of another program's workspace, and its counts beside ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from immunomon.cytometry.formats.memberships import write_memberships
from immunomon.cytometry.formats.spillover import differing_matrices
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.placed import PlacedStrategy, Workspace, WorkspaceSample
from immunomon.cytometry.model.swapped_pulses import swapped_pulses
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.runs.at_hand import read_anew
from immunomon.runs.files import COLUMNS, Row, own_names, own_stem, reason_of
from immunomon.runs.fitting import Fitted, fit_to_file, in_flowjo_units
from immunomon.runs.folder import RunFolder, read_record
from immunomon.runs.placed import placed_in_run
from immunomon.runs.single import FROM_FILE, Compensation
from immunomon.study.model.channels import folded
from immunomon.study.model.fcs import AS_JUDGED, FcsHeader, Reading
from immunomon.study.specs.study import load_data_folders

__all__ = [
    "COMPARED",
    "GatedAs",
    "GatedFiles",
    "find_sample",
    "gate_as",
    "gate_with_workspace",
    "rows_as",
    "samples_of_run",
]

COMPARED = (*COLUMNS, "reference_count", "difference_percent_of_parent")
_TIMES = ("$DATE", "$BTIM", "$ETIM")


@dataclass(frozen=True)
class GatedFiles:
    """Rows (columns: COMPARED), why files failed, what else should be known of them, and whose gates they got."""

    rows: tuple[Row, ...]
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    program: str = ""


def gate_with_workspace(
    files: Sequence[Path],
    workspace: Workspace,
    *,
    sample: str | None = None,
    compensation: Compensation = FROM_FILE,
    reading: Reading = AS_JUDGED,
    memberships: Path | None = None,
    jobs: int = 1,
    progress: Callable[[str, int, int, int], None] | None = None,
) -> GatedFiles:
    """Return one row per file and population, each file gated as the workspace gates its sample.

    sample: a sample or group of the workspace whose gates all files get; None: each file its own. compensation: the
    matrix where the workspace asks for the file's own. reading: which data set of each file. memberships: a folder for
    ``<file stem>.npz``, as for ``gate_files``. Files are failures one by one; populations that cannot be gated have no
    count, and a note.
    """

    def gate_one(file: Path) -> tuple[list[Row], list[str]] | str:
        try:
            read = read_anew(file, reading)
            gated = gate_as(workspace, *read, sample=sample, compensation=compensation)
        except ImmunomonError as error:
            return reason_of(file, error)
        tree, order = gated.tree, gated.sample.order
        if memberships is not None:
            masks = {name: tree.memberships[name] for name in order if name in tree.memberships}
            write_memberships(memberships / f"{own_stem(file, files)}.npz", masks, tree.count)
        return rows_as(names[file], gated), [f"{file}: {note}" for note in gated.notes]

    names = own_names(files)
    rows: list[Row] = []
    failures: list[str] = []
    notes: list[str] = []
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for number, result in enumerate(pool.map(gate_one, files), start=1):
            if isinstance(result, str):
                failures.append(result)
            else:
                rows.extend(result[0])
                notes.extend(result[1])
            if progress:
                progress("gating", number, len(files), len(failures))
    remarks = tuple(f"{workspace.path}: {remark}" for remark in workspace.remarks)
    return GatedFiles(tuple(rows), tuple(failures), (*remarks, *notes), workspace.program)


@dataclass(frozen=True, eq=False)
class GatedAs:
    """A file gated as a workspace gates its sample: which events are where, whose gates, fitted to it, and notes."""

    tree: GateTree
    sample: WorkspaceSample
    fitted: Fitted
    notes: tuple[str, ...]


def gate_as(
    workspace: Workspace,
    header: FcsHeader,
    events: EventTable,
    *,
    sample: str | None = None,
    compensation: Compensation = FROM_FILE,
) -> GatedAs:
    """Return a file that was read, gated as a workspace gates its sample, or the one of this name.

    Raises UnknownName if there is none, ImmunomonError if its gates cannot be read, BadSpillover, SingularSpillover.
    """
    gates = _named(workspace, sample) if sample else find_sample(workspace, header)
    if gates.failure:
        raise ImmunomonError(f"{workspace.path}: {gates.failure}")
    fitted = fit_to_file(gates, header, events, compensation)
    tree = apply_gates(events, fitted.placed, fitted.spillover)
    own_matrix = fitted.spillover is not None and compensation.from_file
    notes = [*_notes(gates, header, events, fitted), *([differing_matrices(header)] if own_matrix else [])]
    return GatedAs(tree, gates, fitted, tuple(filter(None, notes)))


def _named(workspace: Workspace, name: str) -> WorkspaceSample:
    everything = [*workspace.samples, *workspace.groups]
    for field in range(3):  # the id, then the name, then the file
        called = [
            candidate for candidate in everything if (candidate.id, candidate.name, candidate.file)[field] == name
        ]
        if len(called) > 1:
            ids = ", ".join(f"'{candidate.id}'" for candidate in called)
            message = f"{len(called)} samples or groups are called '{name}'"
            raise UnknownName(f"{workspace.path}: {message}; give the id of one with --sample: {ids}")
        if called:
            return called[0]
    raise UnknownName(
        f"{workspace.path}: no sample or group '{name}'; {nearest(name, [candidate.name for candidate in everything])}"
    )


def find_sample(workspace: Workspace, header: FcsHeader) -> WorkspaceSample:
    """Return the workspace's sample of an FCS file: by its name, else by what its header says of it.

    The name is the one the workspace's path ends with or the sample's; several of one name, and files that carry
    another name, are told by $FIL, GUID, the number of events and the time of acquisition. Raises UnknownName if no
    sample or more than one fits.
    """
    name = folded(header.path.name)
    named = [candidate for candidate in workspace.samples if name in (folded(candidate.file), folded(candidate.name))]
    candidates = named if len(named) > 1 else list(workspace.samples)
    if len(named) == 1:
        return named[0]
    known = [candidate for candidate in candidates if _is_same(candidate, header)]
    if len(known) == 1:
        return known[0]
    names = [candidate.name for candidate in workspace.samples]
    if known or len(named) > 1:
        reason = f"{len(known or named)} samples of the workspace fit this file"
    else:
        reason = f"the workspace has no sample of this file ({nearest(header.path.name, names)})"
    raise UnknownName(f"{header.path}: {reason}; name the sample or group whose gates it gets with --sample")


def _is_same(sample: WorkspaceSample, header: FcsHeader) -> bool:
    theirs = sample.identity

    def agrees(keyword: str) -> bool:
        return bool(theirs.get(keyword)) and theirs[keyword] == header.keyword(keyword)

    if theirs.get("GUID") and header.keyword("GUID"):
        return agrees("GUID")
    if not agrees("$TOT"):
        return False
    return agrees("$FIL") or (agrees("$BTIM") and all(agrees(k) or not theirs.get(k) for k in _TIMES))


def rows_as(file: str, gated: GatedAs) -> list[Row]:
    """Return one row per population that the workspace reports (columns: COMPARED); file: its name."""
    tree, sample = gated.tree, gated.sample
    by_id = {population.id: population for population in tree.populations}
    rows: list[Row] = []
    for name in sample.order:
        population = by_id[name]
        count, parent_count = tree.size(name), tree.size(population.parent)
        reference = sample.counts.get(name)
        row: Row = {
            "file": file,
            "population": population.label,
            "parent": population.parent,
            "path": name,
            "count": count,
            "parent_count": parent_count,
            "percent_of_parent": 100.0 * count / parent_count if count is not None and parent_count else None,
            "reference_count": reference,
            "difference_percent_of_parent": None,
        }
        if count is not None and reference is not None and parent_count:
            row["difference_percent_of_parent"] = 100.0 * (count - reference) / parent_count
        rows.append(row)
    return rows


def _notes(sample: WorkspaceSample, header: FcsHeader, events: EventTable, fitted: Fitted) -> list[str]:
    notes = [
        *header.deviations,
        *sample.notes,
        *fitted.notes,
        *swapped_pulses(events),
        *(f"{p.id} is not gated: {p.failure}" for p in fitted.placed.populations if p.failure),
    ]
    notes += [f"{p.id}: {p.note}" for p in fitted.placed.populations if p.note and not p.failure]
    if not sample.order:
        notes.append(f"the workspace has no gates for its sample '{sample.name}'")
    if sample.event_count is not None and sample.event_count != header.event_count:
        notes.append(
            f"it has {header.event_count} events, and the workspace's sample '{sample.name}' {sample.event_count}: "
            "counts cannot be compared"
        )
    return notes


def samples_of_run(run: Path) -> tuple[WorkspaceSample, ...]:
    """Return a run's gated samples as a workspace's, with the counts that the run found.

    Files are given as URIs where they lie beside the run, as they do by default; they tell the units FlowJo counts in.
    Raises ImmunomonError if the folder holds no finished run, LeavesStudy for a file outside of the folders that the
    study allows, ExportFailed for a gate on time whose file is not there.
    """
    placed = dict(placed_in_run(run))
    files = {item["sample_id"]: item["file"] for item in read_record(run)[0]["files"] if item["sample_id"] in placed}
    names = [Path(file).name for file in files.values()]
    folder = run.resolve().parent
    folders = load_data_folders(folder)
    return tuple(
        _run_sample(
            run,
            sample_id,
            path=folders.inside(folder / file, file),
            file=file,
            alone=names.count(Path(file).name) == 1,
            placed=placed[sample_id],
        )
        for sample_id, file in files.items()
    )


def _run_sample(
    run: Path, sample_id: str, *, path: Path, file: str, alone: bool, placed: PlacedStrategy
) -> WorkspaceSample:
    measured = (RunFolder(run).read_sample(sample_id) or {}).get("measured", {})
    name = Path(file).name
    total = measured.get("events")
    sample = WorkspaceSample(
        sample_id,
        name if alone else f"{sample_id}{Path(file).suffix}",
        path.as_uri() if path.is_file() else f"file:{quote(file)}",
        placed,
        placed.ids,
        measured.get("counts", {}),
        total,
        {"$FIL": name} if total is None else {"$FIL": name, "$TOT": str(total)},
    )
    return in_flowjo_units(sample, path)
