"""Propose: a new study to edit, a study of a folder of FCS files, and the panel that a file seems to have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

from immunomon.cytometry.formats.fcs import read_header
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.errors import ImmunomonError
from immunomon.files import write_whole
from immunomon.runs.checks.file_names import BadPattern, Pattern
from immunomon.runs.checks.proposed_panel import ProposedPanel
from immunomon.runs.checks.proposed_panel import propose_panel as propose
from immunomon.runs.checks.proposed_strategies import propose_strategies
from immunomon.runs.checks.proposed_study import ProposedStudy, propose_study
from immunomon.study.specs.catalog import shipped_panels, shipped_strategies

__all__ = ["BadPattern", "new_study", "propose_panel", "study_of_files"]

_STARTER = ("study.yaml", "samples.csv", "README.txt")


def new_study(folder: str | Path, *, copy_panels: bool = False) -> tuple[str, ...]:
    """Make a new study folder to edit, as ``immunomon init`` does; return what was written.

    copy_panels: the shipped panels and strategies too. Raises ImmunomonError if one of the files is there already.
    """
    study = Path(folder)
    contents = {name: files("immunomon.study.starter").joinpath(name).read_text(encoding="utf-8") for name in _STARTER}
    if copy_panels:
        for kind, shipped in (("panels", shipped_panels()), ("gating", shipped_strategies())):
            contents |= {f"{kind}/{path.name}": _own_copy(path) for path in shipped.values()}
    _write(study, contents)
    (study / "fcs").mkdir(exist_ok=True)
    return (*_STARTER, *(("panels/", "gating/") if copy_panels else ()))


def study_of_files(
    folder: str | Path,
    fcs_folder: str | Path,
    *,
    pattern: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ProposedStudy:
    """Write the study that a folder of FCS files seems to be, as ``immunomon init --from`` does; return what it is.

    pattern: how the files are named, ``{subject}_{visit}_{panel}.fcs``. If it cannot be told, ``refused`` says why and
    nothing is written. progress: called with FCS headers read and of how many. Raises BadPattern, and ImmunomonError if
    one of the files is there already.
    """
    source = Path(fcs_folder)
    if not source.is_dir():
        raise ImmunomonError(f"{source}: no such folder; check the path")
    parsed = None if pattern is None else Pattern.parse(pattern)
    proposed = propose_study(Path(folder), source, methods=GATE_METHODS, pattern=parsed, progress=progress)
    if not proposed.refused:
        _write(Path(folder), proposed.contents)
    return proposed


def propose_panel(
    file: str | Path, name: str = "panel", *, out: str | Path | None = None, data_set: int | None = None
) -> tuple[ProposedPanel, list[str], str]:
    """Return the panel that an FCS file seems to have, the strategies that fit it, and a remark on them.

    name: the panel's; with ``out``, the file that it is written into, that of the file. data_set: which one of several.
    Raises BadFcs, and ImmunomonError if ``out`` is there already.
    """
    written = None if out is None else Path(out)
    panel = propose([read_header(Path(file), data_set=data_set)], name if written is None else written.stem)
    if written is not None:
        if written.exists():
            raise ImmunomonError(f"{written}: is there already; nothing was written; name a new file")
        write_whole(written, panel.text())
    return panel, *propose_strategies(panel, methods=GATE_METHODS)


def _write(folder: Path, contents: Mapping[str, str]) -> None:
    if folder.exists() and not folder.is_dir():
        raise ImmunomonError(f"{folder}: this is a file; name a folder")
    taken = [name for name in contents if (folder / name).exists()]
    if taken:
        raise ImmunomonError(f"{folder}: {', '.join(taken)} is there already; nothing was written; name a new folder")
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, text)


def _own_copy(path: Path) -> str:
    # The schema's path holds beside the shipped file only.
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("# yaml-language-server:"))
