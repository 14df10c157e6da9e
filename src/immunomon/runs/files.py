"""Gate files without a study: a strategy, some FCS files, a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from immunomon.cytometry.formats.fcs import read_header
from immunomon.cytometry.formats.memberships import write_memberships
from immunomon.cytometry.gates.registry import gate_method
from immunomon.cytometry.gates.under import carried
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.noise import ChannelNoise, NoiseBook
from immunomon.cytometry.model.placed import PlacedStrategy
from immunomon.cytometry.steps.measure_noise import pool_noise
from immunomon.errors import ImmunomonError, listed
from immunomon.runs.jobs import threads_each
from immunomon.runs.placed import apply_to_file
from immunomon.runs.single import FROM_FILE, Compensation, gate_file, noise_of_file
from immunomon.study.model.channels import Channel
from immunomon.study.model.fcs import AS_JUDGED, FcsHeader, Reading
from immunomon.study.model.marker_names import known_marker, read_label
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.trust import joined
from immunomon.threads import one_thread

__all__ = [
    "COLUMNS",
    "Row",
    "alike_once",
    "carried_by",
    "carried_by_file",
    "carrier",
    "gate_files",
    "not_placed",
    "own_names",
    "own_stem",
    "reason_of",
    "rows_of",
]

_TRUST = ("placed_by", "gate_note", "doubts")
COLUMNS = ("file", "population", "parent", "path", "count", "parent_count", "percent_of_parent", *_TRUST)
Row = dict[str, str | int | float | None]
_MUCH = 100_000_000  # bytes: some eight ordinary files


@one_thread()
def gate_files(
    files: Sequence[Path],
    strategy: GatingStrategy | PlacedStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    reading: Reading = AS_JUDGED,
    memberships: Path | None = None,
    jobs: int = 1,
    progress: Callable[[str, int, int, int], None] | None = None,
    say_note: Callable[[str], None] | None = None,
) -> tuple[list[Row], list[str]]:
    """Return one row per file and population (columns: COLUMNS), and why files failed.

    say_note: called with what was repaired, not compensated, left out and not placed, file after file; what is so in
    several files is said once.

    strategy: as declared, placed on each file anew, or placed already, by another program or a run. Scales that are not
    declared come from the files of one call together. memberships: a
    folder for ``<file stem>.npz`` with names (paths), masks (packed bits by row) and n; files of one stem from several
    folders get their folder's name in front, and in the table their path. reading: which data set of each file, and
    whose offset of DATA.
    """
    threads, fast = threads_each(len(files), jobs), _is_much(files)
    book: NoiseBook | None = None
    if len(files) > 1 and not isinstance(strategy, PlacedStrategy):
        declared = strategy

        def show(file: Path) -> tuple[ChannelNoise, ...]:
            of_file = carried_by_file(file, declared, panel=panel, reading=reading)
            return noise_of_file(file, of_file, panel=panel, compensation=compensation, reading=reading)

        book = _book_of(files, show, jobs=jobs)

    def gate_one(file: Path) -> tuple[list[Row] | str, list[str]]:
        remarks: list[str] = []
        left_out: tuple[str, ...] = ()
        try:
            if isinstance(strategy, PlacedStrategy):
                tree = apply_to_file(
                    file, strategy, panel=panel, compensation=compensation, reading=reading, say_note=remarks.append
                )
            else:
                carried_strategy = carried_by_file(file, strategy, panel=panel, reading=reading)
                left_out = carried_strategy.about_left_out(carrier(panel))
                tree = gate_file(
                    file,
                    carried_strategy,
                    panel=panel,
                    compensation=compensation,
                    reading=reading,
                    book=book,
                    threads=threads,
                    fast=fast,
                    say_note=remarks.append,
                )
        except ImmunomonError as error:
            return reason_of(file, error), remarks
        if memberships is not None:
            ways = {population.id: population.path for population in tree.populations}
            paths = {ways[name]: mask for name, mask in tree.memberships.items()}
            write_memberships(memberships / f"{own_stem(file, files)}.npz", paths, tree.count)
        return rows_of(names[file], tree), [*left_out, *remarks, *not_placed(file, tree)]

    names = own_names(files)
    rows: list[Row] = []
    failures: list[str] = []
    noted: set[str] = set()
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for number, (result, remarks) in enumerate(pool.map(gate_one, files), start=1):
            for remark in remarks:
                if say_note and remark not in noted:
                    say_note(remark)
            noted.update(remarks)
            if isinstance(result, str):
                failures.append(result)
            else:
                rows.extend(result)
            if progress:
                progress("gating", number, len(files), len(failures))
    return rows, failures


def carried_by_file(
    file: Path, strategy: GatingStrategy, *, panel: Panel | None = None, reading: Reading = AS_JUDGED
) -> GatingStrategy:
    """Return what of a strategy a file has the channels for, with the axes under the panel's names or its own.

    Raises UnknownChannel if that is nothing of what the strategy is for, BadFcs for a file that cannot be read.
    """
    return carried_by(read_header(file, data_set=reading.data_set, data_offset=reading.data_offset), strategy, panel)


def carried_by(header: FcsHeader, strategy: GatingStrategy, panel: Panel | None = None) -> GatingStrategy:
    """Return what of a strategy a file has the channels for, by its header; raises UnknownChannel as above."""
    file = header.path
    channels = panel.label_file(panel.known_in(header)) if panel else header.channels
    events = EventTable(np.empty((0, len(channels))), channels, source=str(file))
    axes = {axis for population in strategy for axis in gate_method(population.gate).axes} | set(strategy.scales)
    names = {axis: name for axis in axes if not events.has(axis) and (name := _own_name(axis, channels, panel))}
    return carried(strategy.with_axes(names), events.has, f"{file}: {carrier(panel)}")


def _own_name(axis: str, channels: Sequence[Channel], panel: Panel | None) -> str:
    """Return by which name a file's channels have an axis; '' for none, or where two labels may be meant."""
    if panel and (name := panel.own_name(axis)):
        return name
    marker = known_marker(axis)
    labelled = [channel.marker for channel in channels if marker and read_label(channel.marker).marker == marker]
    return labelled[0] if len(labelled) == 1 else ""


def carrier(panel: Panel | None) -> str:
    """Return who has the channels of a strategy, in words: the panel, or the file itself."""
    return f"panel '{panel.name}'" if panel else "the file"


def _book_of(files: Sequence[Path], show: Callable[[Path], tuple[ChannelNoise, ...]], *, jobs: int) -> NoiseBook:
    """Return what the files together show of their noise, from which their scales come; show: of one file."""

    def shown(file: Path) -> tuple[ChannelNoise, ...]:
        try:
            return show(file)
        except ImmunomonError:
            return ()  # gating it says why

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return pool_noise(pool.map(shown, files))


def _is_much(files: Sequence[Path]) -> bool:
    """Say whether the files are so many or large that compiled code gains more time than it takes to load."""
    return sum(file.stat().st_size for file in files if file.is_file()) > _MUCH


def own_names(files: Sequence[Path]) -> dict[Path, str]:
    """Return what each file is called in a table: its name, or its path where several have that name.

    >>> list(own_names([Path("a/x.fcs"), Path("b/x.fcs"), Path("b/y.fcs")]).values())
    ['a/x.fcs', 'b/x.fcs', 'y.fcs']
    """
    alone = Counter(file.name for file in files)
    return {file: file.name if alone[file.name] == 1 else file.as_posix() for file in files}


def own_stem(file: Path, files: Sequence[Path]) -> str:
    """Return a file's name without its end, with its folder's in front where other files are called the same.

    >>> own_stem(Path("a.fcs"), [Path("a.fcs")])
    'a'
    """
    alone = sum(1 for path in files if path.stem == file.stem) == 1
    return file.stem if alone else f"{file.resolve().parent.name}__{file.stem}"


def alike_once(failures: Sequence[str], files: Sequence[Path]) -> list[str]:
    """Return failures of files, those with one reason in one line: the number of files, the reason, and their names.

    >>> files = [Path("a.fcs"), Path("b.fcs"), Path("c.fcs")]
    >>> alike_once(["a.fcs: no CD33", "b.fcs: cut off", "c.fcs: no CD33"], files)
    ['2 files: no CD33 (a.fcs, c.fcs)', 'b.fcs: cut off']
    """
    by_reason: dict[str, list[str]] = {}
    for failure in failures:
        name = max((str(file) for file in files if failure.startswith(f"{file}: ")), key=len, default="")
        by_reason.setdefault(failure.removeprefix(f"{name}: ") if name else failure, []).append(name)
    return [
        f"{len(names)} files: {reason} ({listed([Path(name).name for name in names], 12)})"
        if len(names) > 1
        else f"{names[0]}: {reason}".removeprefix(": ")
        for reason, names in by_reason.items()
    ]


def reason_of(file: Path, error: ImmunomonError) -> str:
    """Return why a file could not be gated, with the file in front.

    >>> reason_of(Path("a.fcs"), ImmunomonError("the file has no detector PE-A"))
    'a.fcs: the file has no detector PE-A'
    """
    return str(error) if str(error).startswith(str(file)) else f"{file}: {error}"


def not_placed(file: Path, tree: GateTree) -> Iterator[str]:
    """Yield what was not placed and why; what lies below it goes without saying."""
    missing = {population.id for population in tree.populations if tree.size(population.id) is None}
    for population in tree.populations:
        if population.id in missing and population.parent not in missing:
            below = sum(f"/{population.id}/" in f"{node.path}/" for node in tree.populations) - 1
            more = f"; nor were the {below} below it" if below else ""
            yield f"{file}: {population.id} was not placed: {population.failure or 'no gate is given'}{more}"


def rows_of(name: str, tree: GateTree) -> list[Row]:
    """Return one row per population (columns: COLUMNS); name: of the file."""
    rows: list[Row] = []
    for population in tree.populations:
        count, parent_count = tree.size(population.id), tree.size(population.parent)
        rows.append(
            {
                "file": name,
                "population": population.id,
                "parent": population.parent,
                "path": population.path,
                "count": count,
                "parent_count": parent_count,
                "percent_of_parent": 100.0 * count / parent_count if count is not None and parent_count else None,
                "placed_by": population.placed_by,
                "gate_note": population.failure or population.note or None,
                "doubts": joined(population.doubts),
            }
        )
    return rows
