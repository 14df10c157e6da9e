"""Gate files as FlowJo, FACSDiva or Kaluza placed their gates: a row per file and population."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from immunomon.cytometry.formats.workspaces import open_workspace
from immunomon.errors import ImmunomonError
from immunomon.runs.jobs import default_jobs
from immunomon.runs.named import read_compensation
from immunomon.runs.workspaces import COMPARED, GatedFiles, gate_with_workspace
from immunomon.study.model.fcs import AS_JUDGED, Reading

__all__ = ["COMPARED", "GatedFiles", "gate_by_workspace"]


def gate_by_workspace(
    path: Path,
    files: Sequence[Path] = (),
    *,
    sample: str | None = None,
    bins: bool = False,
    compensation: str | Path = "file",
    reading: Reading = AS_JUDGED,
    memberships: Path | None = None,
    jobs: int | None = None,
    progress: Callable[[str, int, int, int], None] | None = None,
) -> GatedFiles:
    """Return files gated as the workspace of another program does, as ``immunomon gate WORKSPACE FILES``.

    files: none for those that the workspace holds itself, as a Kaluza analysis does. sample: whose gates all files get;
    default: each its own. bins: polygons are decided on FlowJo's 256 bins. memberships: a folder for which event is in
    which population. Raises BadSpec for what is no workspace, ImmunomonError if there are no files.
    """
    with open_workspace(path, bins=bins) as (workspace, held):
        if not (files or held):
            raise ImmunomonError(f"{path}: it holds no FCS files itself; name those that it gates")
        result = gate_with_workspace(
            files or held,
            workspace,
            sample=sample,
            compensation=read_compensation(compensation),
            reading=reading,
            memberships=memberships,
            jobs=jobs or default_jobs(),
            progress=progress,
        )
        if files:
            return result
        # What was taken out into a folder is named by where it came from.
        inside = {str(file): f"{path}: {file.name}" for file in held}
        named = [tuple(_renamed(text, inside) for text in texts) for texts in (result.failures, result.notes)]
        return replace(result, failures=named[0], notes=named[1])


def _renamed(text: str, names: Mapping[str, str]) -> str:
    for file, name in names.items():
        text = text.replace(file, name)
    return text
