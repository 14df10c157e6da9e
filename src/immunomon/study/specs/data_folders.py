"""Which folders a study's files may lie in: its own, and those that it allows by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from immunomon.errors import LeavesStudy
from immunomon.findings import shown
from immunomon.remote import RemotePath
from immunomon.study.model.study import Study

__all__ = ["DataFolders", "data_folders", "path_of_sample"]

_SPEC_FOLDERS = (".", "panels", "gating", "export")
_SPECS = {".yaml", ".yml", ".csv", ".tsv", ".txt"}


@dataclass(frozen=True)
class DataFolders:
    """A study's own folder, and those that its ``data_folders`` allow, relative to it.

    >>> folders = DataFolders(Path("trial"), (Path("../fcs"),))
    >>> folders.fault(Path("trial/../fcs/S01.fcs"), "../fcs/S01.fcs") is None
    True
    >>> DataFolders(Path("trial")).fault(Path("trial/../fcs/S01.fcs"), "../fcs/S01.fcs")[1]
    'put it into the study, or allow its folder in study.yaml: data_folders: [../fcs]'
    """

    study_folder: Path
    allowed: tuple[Path, ...] = ()

    @cached_property
    def _real_folders(self) -> tuple[Path, ...]:
        return tuple(_real(self.study_folder / folder) for folder in (Path(), *self.allowed))

    def fault(self, path: Path, written: str, *, is_folder: bool = False) -> tuple[str, str] | None:
        """Return what is wrong with a path that leads, links followed, out of the folders, and the remedy; else None.

        written: the path as the list has it. is_folder: whether it is a folder that is looked at, not a file.
        """
        try:
            real = _real(path)
        except (OSError, ValueError):
            return f"{shown(written)} is no path", "correct it"
        if any(real.is_relative_to(folder) for folder in self._real_folders):
            return None
        folder = real if is_folder else real.parent
        is_elsewhere = ".." in Path(written).parts or isinstance(real, RemotePath)
        through = "" if is_elsewhere else f", to {real}"
        message = f"{shown(written)} leads out of the study's folder{through}"
        return message, f"put it into the study, or allow its folder in study.yaml: {self._line(folder)}"

    def inside(self, path: Path, written: str) -> Path:
        """Return a path that is about to be read; raises LeavesStudy if it leads out of the folders by now."""
        fault = self.fault(path, written)
        if fault is not None:
            raise LeavesStudy(f"{path}: {'; '.join(fault)}")
        return path

    def _line(self, folder: Path) -> str:
        """Return the line of ``study.yaml`` that allows a folder besides those that are allowed already."""
        if isinstance(folder, RemotePath):
            return f"data_folders: [{', '.join([*map(Path.as_posix, self.allowed), folder.as_posix()])}]"
        try:
            relative = os.path.relpath(folder, self._real_folders[0])
        except ValueError:  # another drive
            relative = str(folder)
        shorter = min(relative, str(folder), key=len)
        return f"data_folders: [{', '.join([*map(Path.as_posix, self.allowed), Path(shorter).as_posix()])}]"

    def linked_specs(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the study's own tables and specs that are links out of the folders."""
        for name in _SPEC_FOLDERS:
            folder = self.study_folder / name
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                written = path.relative_to(self.study_folder).as_posix()
                is_linked = path.is_symlink() or folder.is_symlink()
                fault = self.fault(path, written) if is_linked and path.suffix.casefold() in _SPECS else None
                if fault is not None:
                    yield fault


def _real(path: Path) -> Path:
    return path if isinstance(path, RemotePath) else Path(os.path.realpath(path))


def data_folders(study: Study) -> DataFolders:
    """Return the folders that a study's files may lie in."""
    return DataFolders(study.folder, study.data_folders)


def path_of_sample(study: Study, file: Path) -> Path:
    """Return where a file of the sample list lies; asked anew each time it is opened, since a link may have changed.

    Raises LeavesStudy if it leads out of the folders that the study allows.

    >>> study = Study("x", "x", (), (), (), (), (), folder=Path("trial"))
    >>> path_of_sample(study, Path("fcs/S01.fcs")).as_posix()
    'trial/fcs/S01.fcs'
    """
    return data_folders(study).inside((study.folder / study.samples_file).parent / file, file.as_posix())
