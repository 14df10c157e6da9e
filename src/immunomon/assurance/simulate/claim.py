"""Which folders a simulation may write into: new and empty ones, and those of an earlier simulation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from immunomon.errors import FolderNotEmpty
from immunomon.files import remove_leftovers, write_whole

__all__ = ["MANIFEST", "claim_folder"]

MANIFEST = "truth/simulation.json"
_SCHEMA = "immunomon.simulation/1"


def claim_folder(folder: Path, about: Mapping[str, object], files: Sequence[str]) -> None:
    """Prepare a folder for a simulated trial: remove an earlier one's files, and note what will be written.

    Only files that the earlier simulation wrote are removed; a run folder or a person's notes beside them stay.
    Raises FolderNotEmpty if the folder holds files and was not made by a simulation.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     _ = (Path(name) / "letter.txt").write_text("mine", encoding="utf-8")
    ...     claim_folder(Path(name), {}, [])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    immunomon.errors.FolderNotEmpty: ...: the folder is not empty and holds no earlier ...
    """
    manifest = folder / MANIFEST
    if folder.exists() and not folder.is_dir():
        raise FolderNotEmpty(f"{folder}: a file has this name; choose another folder")
    remove_leftovers(folder.rglob(".*.tmp"))
    if folder.is_dir() and any(folder.iterdir()):
        for name in _earlier_files(folder, manifest):
            (folder / name).unlink(missing_ok=True)
    content = {"schema": _SCHEMA, **about, "files": sorted(files)}
    write_whole(manifest, json.dumps(content, indent=1) + "\n")


def _earlier_files(folder: Path, manifest: Path) -> list[str]:
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        if content["schema"] != _SCHEMA:
            raise ValueError(content["schema"])
        names = [str(name) for name in content["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = "the folder is not empty and holds no earlier simulated trial"
        raise FolderNotEmpty(f"{folder}: {reason}; choose a new or empty folder") from error
    home = folder.resolve()
    return [name for name in names if (home / name).resolve().is_relative_to(home)]
