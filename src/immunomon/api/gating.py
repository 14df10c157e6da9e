"""Gate: a sample through gates, whoever made them: a strategy, Gating-ML, or the workspace of another program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from immunomon.api.gated import Gated
from immunomon.api.samples import Sample, read_fcs
from immunomon.cytometry.formats.workspaces import is_workspace, read_workspace
from immunomon.cytometry.model.placed import OWN_MATRIX, PlacedStrategy, Workspace
from immunomon.cytometry.model.swapped_pulses import swapped_pulses
from immunomon.cytometry.specs.dated import dated_lines
from immunomon.cytometry.steps.apply import display_of
from immunomon.cytometry.steps.transform import transform
from immunomon.errors import ImmunomonError
from immunomon.runs.files import Row, carried_by, carrier, not_placed, rows_of
from immunomon.runs.files import gate_files as gate_all
from immunomon.runs.named import find_gates, read_compensation, read_panel
from immunomon.runs.placed import apply_to_file
from immunomon.runs.prepared import NO_MATRIX, Compensation, is_stained
from immunomon.runs.single import Analysis
from immunomon.runs.single import analyse as analyse_file
from immunomon.runs.workspaces import gate_as, rows_as
from immunomon.study.model.fcs import AS_JUDGED, Reading
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import ROOT, GatingStrategy

__all__ = ["Gates", "analyse", "gate", "gate_files"]

Gates = str | Path | GatingStrategy | PlacedStrategy | Workspace


def gate(
    sample: str | Path | Sample,
    strategy: Gates,
    *,
    panel: str | Path | Panel | None = None,
    compensation: str | Path | Compensation | None = None,
    workspace_sample: str | None = None,
) -> Gated:
    """Return a sample gated by a strategy, Gating-ML, or a workspace of another program.

    sample: as ``read_fcs`` returned it, or a file. strategy: the name of a shipped one, a file (YAML, Gating-ML, or a
    workspace of FlowJo, FACSDiva or Kaluza), or one that was read. panel: default the sample's, or the one that the
    strategy names. compensation: default the sample's, or the file's own matrix. workspace_sample: whose gates of a
    workspace; default: its sample of this file. The counts are those of ``immunomon gate``. Raises BadFcs, BadSpec,
    BadSpillover, UnknownChannel, UnknownName.
    """
    gates, hint, remarks = _gates_of(strategy, panel)
    if workspace_sample is not None and not isinstance(gates, Workspace):
        raise ImmunomonError("workspace_sample is for the workspace of another program")
    used = hint if panel is not None or not isinstance(sample, Sample) or sample.panel is None else sample.panel
    ready = _ready(sample, None if isinstance(gates, Workspace) else used, compensation)
    if isinstance(gates, Workspace):
        return _as_workspace(ready, gates, workspace_sample)
    if isinstance(gates, PlacedStrategy):
        return _as_placed(ready, gates)
    return _as_declared(ready, gates, remarks)


def _gates_of(
    strategy: Gates, panel: str | Path | Panel | None
) -> tuple[GatingStrategy | PlacedStrategy | Workspace, Panel | None, tuple[str, ...]]:
    """Return gates, the panel that is asked for or that they name, and what should be said of their file."""
    named = read_panel(panel) if isinstance(panel, str | Path) else panel
    if isinstance(strategy, str | Path):
        file = Path(strategy)
        if file.suffix.lower() not in ("", ".yaml", ".yml") and file.is_file() and is_workspace(file):
            return read_workspace(file), named, ()
        gates, hint, path = find_gates(strategy)
        lines = tuple(dated_lines(path)) if isinstance(gates, GatingStrategy) else ()
        return gates, named or hint, lines
    if named is None and isinstance(strategy, GatingStrategy) and strategy.panel:
        try:
            named = read_panel(strategy.panel)
        except ImmunomonError:
            named = None  # a strategy's panel is a hint: without it the file's own channel names hold
    return strategy, named, ()


def _ready(sample: str | Path | Sample, panel: Panel | None, compensation: str | Path | Compensation | None) -> Sample:
    """Return the sample under a panel's names, with the matrix that is asked for; it is read if it is a file."""
    if not isinstance(sample, Sample):
        return read_fcs(sample, panel, compensation="file" if compensation is None else compensation)
    matrix = read_compensation(compensation, panel) if isinstance(compensation, str | Path) else compensation
    return sample.seen_by(panel, matrix or sample.compensation)


def _as_declared(sample: Sample, strategy: GatingStrategy, remarks: tuple[str, ...]) -> Gated:
    carried = carried_by(sample.own[0], strategy, sample.panel)
    analysis = analyse_file(
        sample.path,
        carried,
        panel=sample.panel,
        compensation=sample.compensation,
        with_plots=False,
        read=lambda *_: sample.own,
    )
    tree = analysis.tree
    display = transform(analysis.compensated, {name: axis.scale for name, axis in tree.axes.items()})
    about = [*remarks, *carried.about_left_out(carrier(sample.panel), sample.channels), *sample.header.deviations]
    if analysis.spillover is None and sample.compensation.from_file and is_stained(sample.header):
        about.append(NO_MATRIX)
    about += [*swapped_pulses(sample.events), *(d.sentence for d in analysis.measured.doubts.get(ROOT, ()))]
    notes = (*about, *not_placed(sample.path, tree))
    return Gated(sample, tree, display, tuple(rows_of(sample.path.name, tree)), tuple(dict.fromkeys(notes)))


def _as_placed(sample: Sample, gates: PlacedStrategy) -> Gated:
    notes: list[str] = []
    tree = apply_to_file(
        sample.path,
        gates,
        panel=sample.panel,
        compensation=sample.compensation,
        say_note=notes.append,
        read=lambda *_: sample.own,
    )
    asks = any(axis.compensation == OWN_MATRIX for axis in gates.axes.values())
    display = display_of(sample.events, gates, sample.spillover if asks else None)
    notes += not_placed(sample.path, tree)
    return Gated(sample, tree, display, tuple(rows_of(sample.path.name, tree)), tuple(notes))


def _as_workspace(sample: Sample, workspace: Workspace, named: str | None) -> Gated:
    gated = gate_as(workspace, *sample.own, sample=named, compensation=sample.compensation)
    display = display_of(sample.own[1], gated.fitted.placed, gated.fitted.spillover)
    rows = tuple(rows_as(sample.path.name, gated))
    return Gated(sample, gated.tree, display, rows, (*workspace.remarks, *gated.notes))


def analyse(
    path: str | Path,
    strategy: str | Path | GatingStrategy,
    *,
    panel: str | Path | Panel | None = None,
    compensation: str | Path | Compensation = "file",
    reading: Reading = AS_JUDGED,
    with_plots: bool = True,
) -> Analysis:
    """Return all that one file gives by a strategy: gates with memberships, measurements with gate errors, plots.

    ``gate`` is the shorter way to counts and events. panel: default the one that the strategy names, if it is known.
    Raises BadFcs, BadSpec, BadSpillover, SingularSpillover, UnknownChannel, AmbiguousChannel, each naming the file.
    """
    gates, using, _ = _gates_of(strategy, panel)
    if not isinstance(gates, GatingStrategy):
        raise ImmunomonError(f"{strategy}: these gates are placed already; use immunomon.gate")
    matrix = read_compensation(compensation, using) if isinstance(compensation, str | Path) else compensation
    return analyse_file(Path(path), gates, panel=using, compensation=matrix, reading=reading, with_plots=with_plots)


def gate_files(
    files: Sequence[str | Path],
    strategy: str | Path | GatingStrategy | PlacedStrategy,
    *,
    panel: str | Path | Panel | None = None,
    compensation: str | Path | Compensation = "file",
    reading: Reading = AS_JUDGED,
    memberships: str | Path | None = None,
    jobs: int = 1,
    progress: Callable[[str, int, int, int], None] | None = None,
    say_note: Callable[[str], None] | None = None,
) -> tuple[list[Row], list[str]]:
    """Return one row per file and population, and why files failed; their display scales come from all of them.

    strategy, panel, compensation: as ``gate`` has them. memberships: a folder for which event is in which population.
    progress: called with the stage, files done, all files, and files failed. say_note: called with what was repaired,
    not compensated, left out and not placed. Raises BadSpec, BadSpillover; a file that cannot be gated is a failure.
    """
    gates, using, _ = _gates_of(strategy, panel)
    if isinstance(gates, Workspace):
        raise ImmunomonError(f"{strategy}: a workspace names each file's gates; gate them one by one: immunomon.gate")
    matrix = read_compensation(compensation, using) if isinstance(compensation, str | Path) else compensation
    return gate_all(
        [Path(file) for file in files],
        gates,
        panel=using,
        compensation=matrix,
        reading=reading,
        memberships=None if memberships is None else Path(memberships),
        jobs=jobs,
        progress=progress,
        say_note=say_note,
    )
