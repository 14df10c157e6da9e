"""Export gates: placed gates, written for other programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from immunomon.cytometry.model.placed import PlacedStrategy
from immunomon.errors import ImmunomonError, UnknownName, counted, nearest
from immunomon.files import write_whole
from immunomon.runs.named import find_gates, find_run
from immunomon.runs.opened import Run, note_in_trail
from immunomon.runs.placed import place_without_data, placed_in_run

__all__ = ["EXPORTS", "ExportedGates", "export_gates", "gatingml_of"]


@dataclass(frozen=True)
class ExportedGates:
    """Where gates were written, and of how many samples.

    left_out: by sample, populations that were not placed. unnoted: why it is not in the run's audit trail, if it could
    not be entered there.
    """

    target: Path
    samples: int
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unnoted: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it in words, as ``immunomon export-gates`` prints it."""
        missing = (f"{name}: without {', '.join(ids)}, which were not placed" for name, ids in self.left_out.items())
        written = f"The gates of {counted(self.samples, 'sample')} are in {self.target}"
        return (*missing, written, *([f"The gates were written, but {self.unnoted}"] if self.unnoted else []))

    def __repr__(self) -> str:
        return "\n".join(self.lines)


def export_gates(run: str | Path | Run, kind: str = "gatingml", *, out: str | Path | None = None) -> ExportedGates:
    """Write the gates of a run's samples for other programs: Gating-ML 2.0, or a FlowJo 10 workspace.

    kind: ``gatingml``, a file a sample (out: a folder, default ``gatingml`` in the run), or ``flowjo``, one workspace
    (out: a file, default ``gates.wsp`` in the run). What is written into the run is entered into its audit trail.
    Raises UnknownName for another kind, BadRun for what is no run, ExportFailed for what a workspace has no place for.
    """
    if kind not in EXPORTS:
        raise UnknownName(f"no format named '{kind}'; {nearest(kind, EXPORTS)}")
    if kind == "flowjo" and not isinstance(run, Run) and not Path(run).is_dir():
        raise ImmunomonError(f"{run}: a FlowJo workspace is made of samples; name a run folder")
    folder = find_run(run).folder
    target, samples, left_out = EXPORTS[kind](folder, None if out is None else Path(out))
    unnoted = note_in_trail(folder, "export gates", target=kind) if out is None else ""
    return ExportedGates(target, samples, left_out, unnoted)


def gatingml_of(strategy: str | Path) -> tuple[PlacedStrategy, bytes]:
    """Return a strategy's gates as placed, and as a Gating-ML 2.0 document.

    Raises BadSpec for a strategy whose gates depend on the data.
    """
    from immunomon.cytometry.formats.gatingml_writing import write_gatingml

    declared, panel, path = find_gates(strategy)
    placed = declared if isinstance(declared, PlacedStrategy) else place_without_data(declared, panel, path)
    return placed, write_gatingml(placed)


_Written = tuple[Path, int, Mapping[str, tuple[str, ...]]]


def _write_gatingml(run: Path, out: Path | None) -> _Written:
    from immunomon.cytometry.formats.gatingml_writing import left_out, write_gatingml

    folder = run / "gatingml" if out is None else out
    if folder.is_file():
        raise ImmunomonError(f"{folder}: this is a file; a run is exported into a folder, one file a sample")
    samples, missing = 0, {}
    for sample_id, placed in placed_in_run(run):
        write_whole(folder / f"{sample_id}.xml", write_gatingml(placed))
        samples += 1
        if lacking := left_out(placed):
            missing[sample_id] = tuple(lacking)
    return folder, samples, missing


def _write_flowjo(run: Path, out: Path | None) -> _Written:
    from immunomon.cytometry.formats.flowjo_writing import write_flowjo
    from immunomon.runs.workspaces import samples_of_run

    target = run / "gates.wsp" if out is None else out
    if target.is_dir():
        raise ImmunomonError(f"{target}: this is a folder; name the file to write, such as {target / 'gates.wsp'}")
    samples = samples_of_run(run)
    write_whole(target, write_flowjo(samples))
    return target, len(samples), {}


# The formats by name: each takes the run's folder and where to write; returns where, samples, what is left out.
EXPORTS: Mapping[str, Callable[[Path, Path | None], _Written]] = {
    "flowjo": _write_flowjo,
    "gatingml": _write_gatingml,
}
