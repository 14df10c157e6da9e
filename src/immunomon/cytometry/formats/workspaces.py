"""Analyses of other programs, whichever wrote them: FlowJo 10 and 11, FlowJo 9, FACSDiva, Kaluza."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from immunomon.cytometry.formats.diva import read_diva
from immunomon.cytometry.formats.flowjo import read_flowjo
from immunomon.cytometry.formats.flowjo9 import is_flowjo9, read_flowjo9
from immunomon.cytometry.formats.flowjo11 import read_flowjo11
from immunomon.cytometry.formats.kaluza import open_kaluza
from immunomon.cytometry.formats.xmltree import read_xml, root_tag
from immunomon.cytometry.model.placed import Workspace
from immunomon.errors import BadSpec, Problem
from immunomon.files import open_input

__all__ = ["is_workspace", "open_workspace", "read_workspace"]


def is_workspace(path: Path) -> bool:
    """Say whether a file is a workspace of another program, by the end of its name or its root element.

    >>> is_workspace(Path("blood.wsp")), is_workspace(Path("none.xml"))
    (True, False)
    """
    if path.suffix.lower() in (".wsp", ".flowjo", ".analysis"):
        return True
    root = root_tag(path)
    return root is not None and root[1] in ("Workspace", "bdfacs")


def read_workspace(path: Path, *, bins: bool = False) -> Workspace:
    """Return a workspace of FlowJo 9, 10 or 11, a FACSDiva experiment, or a Kaluza analysis.

    bins: FlowJo's polygons are decided on its 256 bins an axis, as FlowJo does, instead of exactly. Raises BadSpec,
    with the lines, for what is not well-formed; a gate or scale of a kind that is not read costs its own
    population only.
    """
    with open_workspace(path, bins=bins) as (workspace, _):
        return workspace


@contextmanager
def open_workspace(path: Path, *, bins: bool = False) -> Iterator[tuple[Workspace, tuple[Path, ...]]]:
    """Return a workspace as ``read_workspace`` does, and the FCS files it holds itself, in a folder until the end."""
    if path.suffix.lower() == ".analysis":
        with TemporaryDirectory(prefix="immunomon-") as folder:
            analysis = open_kaluza(path, Path(folder))
            yield _without_bins(analysis.workspace) if bins else analysis.workspace, analysis.files
    else:
        yield _read(path, bins=bins), ()


def _read(path: Path, *, bins: bool) -> Workspace:
    if _is_flowjo11(path):
        return _with_samples(read_flowjo11(path, bins=bins), 1, "FlowJo 11")
    root = read_xml(path)
    if root.name == "bdfacs":
        workspace = _without_bins(read_diva(path, root)) if bins else read_diva(path, root)
    elif root.name == "Workspace":
        workspace = read_flowjo9(path, root, bins=bins) if is_flowjo9(root) else read_flowjo(path, root, bins=bins)
    else:
        problem = f"its root element is '{root.name}', which is no workspace's"
        raise BadSpec([Problem(str(path), root.line, "", problem, "give a FlowJo workspace or a FACSDiva experiment")])
    return _with_samples(workspace, root.line, root.name)


def _without_bins(workspace: Workspace) -> Workspace:
    remark = (
        f"its gates are {workspace.program}'s, which are decided exactly: FlowJo's bins change nothing (--flowjo-bins)"
    )
    return replace(workspace, remarks=(*workspace.remarks, remark))


def _with_samples(workspace: Workspace, line: int, element: str) -> Workspace:
    if not workspace.samples:
        raise BadSpec([Problem(workspace.path, line, element, "it has no samples", "save it with its samples")])
    return workspace


def _is_flowjo11(path: Path) -> bool:
    if path.suffix.lower() == ".flowjo":
        return True
    try:
        with open_input(path) as file:
            return file.read(4) == b"PK\x03\x04" and path.suffix.lower() in (".wsp", ".zip")
    except OSError:
        return False
