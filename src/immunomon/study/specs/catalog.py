"""Where panels and strategies are found by name: in the study's own folders first, then among the shipped ones."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from immunomon.errors import BadSpec, Problem, nearest

__all__ = [
    "find_panel",
    "find_strategy",
    "panels",
    "shipped_folder",
    "shipped_panels",
    "shipped_strategies",
    "strategies",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,80}")


def shipped_folder(kind: str) -> Path:
    """Return where what comes with immunomon lies: ``docs``, ``gating``, ``notebooks``, ``panels``.

    >>> (shipped_folder("docs") / "trust.md").is_file()
    True
    """
    package = Path(str(files("immunomon")))
    installed = package / "_shipped" / kind
    # In a source checkout they lie at the top, where a reader looks for them.
    return installed if installed.is_dir() else package.parents[1] / kind


def _in(folder: Path) -> dict[str, Path]:
    # Both endings, or a strategy of one's own would be passed over in silence; .yaml wins where there are both.
    files = [*sorted(folder.glob("*.yml")), *sorted(folder.glob("*.yaml"))]
    return {path.stem: path for path in files}


def shipped_panels() -> dict[str, Path]:
    """Return the panels that come with immunomon: name -> file.

    >>> sorted(shipped_panels())[:2]
    ['bcell', 'nk']
    """
    return _in(shipped_folder("panels"))


def shipped_strategies() -> dict[str, Path]:
    """Return the gating strategies that come with immunomon: name -> file."""
    return _in(shipped_folder("gating"))


def panels(study_folder: Path | None = None) -> dict[str, Path]:
    """Return the panels a study can use, its own ones instead of shipped ones of the same name: name -> file."""
    return shipped_panels() | (_in(study_folder / "panels") if study_folder else {})


def strategies(study_folder: Path | None = None) -> dict[str, Path]:
    """Return the strategies a study can use, its own ones instead of shipped ones of the same name: name -> file."""
    return shipped_strategies() | (_in(study_folder / "gating") if study_folder else {})


def find_panel(name: str, study_folder: Path | None = None) -> Path:
    """Return a panel's file; raises BadSpec with the nearest name if there is none.

    >>> find_panel("trge")
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: panels: no panel named 'trge'; did you mean 'treg'?
    """
    return _find(name, "panel", panels(study_folder), "panels")


def find_strategy(name: str, study_folder: Path | None = None) -> Path:
    """Return a strategy's file; raises BadSpec with the nearest name if there is none."""
    return _find(name, "strategy", strategies(study_folder), "gating")


def _find(name: str, noun: str, known: dict[str, Path], folder: str) -> Path:
    if name not in known or not _NAME.fullmatch(name):
        raise BadSpec([Problem(folder, None, "", f"no {noun} named '{name[:80]}'", nearest(name[:80], known))])
    return known[name]
