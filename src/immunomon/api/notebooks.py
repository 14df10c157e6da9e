"""Notebooks: the shipped ones copied out, pointed at a run."""

from __future__ import annotations

import json
from pathlib import Path

from immunomon.errors import ImmunomonError
from immunomon.files import write_whole
from immunomon.study.specs.catalog import shipped_folder

__all__ = ["DEFAULT_RUN", "copy_notebooks", "shipped_notebooks"]

DEFAULT_RUN = "../demo/run"
"""The run that the shipped notebooks look at, as it stands in them."""


def shipped_notebooks() -> dict[str, Path]:
    """Return the notebooks that come with immunomon: name -> file.

    >>> sorted(shipped_notebooks())[0]
    '01_first_look'
    """
    return {path.stem: path for path in sorted(shipped_folder("notebooks").glob("*.ipynb"))}


def copy_notebooks(folder: str | Path, *, run: str | Path = "demo/run") -> list[Path]:
    """Copy the shipped notebooks into a folder, pointed at a run that need not be there yet; return the files.

    Raises ImmunomonError if one of them is there already: it may have been edited.
    """
    target, shipped = Path(folder), shipped_notebooks()
    taken = [path.name for path in shipped.values() if (target / path.name).exists()]
    if taken or (target.exists() and not target.is_dir()):
        message = f"{', '.join(taken)} is there already" if taken else "this is a file"
        raise ImmunomonError(f"{target}: {message}; nothing was written; name a new folder")
    for path in shipped.values():
        write_whole(target / path.name, _pointed(path.read_text(encoding="utf-8"), Path(run)))
    return [target / path.name for path in shipped.values()]


def _pointed(text: str, run: Path) -> str:
    # Twice: the run's path is a string in a cell, and the cell a string in the notebook's JSON.
    path = json.dumps(json.dumps(run.resolve().as_posix(), ensure_ascii=False), ensure_ascii=False)[1:-1]
    return text.replace(f'\\"{DEFAULT_RUN}\\"', path)
