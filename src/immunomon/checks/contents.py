"""Files that are equal in content under different names."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

from immunomon.files import open_input

__all__ = ["equal_files"]

_HEAD = 65536


def _digest(path: Path, length: int) -> bytes:
    digest = hashlib.sha256()
    with open_input(path) as stream:
        if length >= 0:
            digest.update(stream.read(length))
        else:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.digest()


def equal_files(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Return the groups of files with the same bytes (SHA-256), in the order given.

    Only files of one size and one beginning are read to the end: a study's files have sizes in common, but no header.
    """
    groups: list[tuple[Path, ...]] = [tuple(paths)]
    keys: tuple[Callable[[Path], Hashable], ...] = (
        lambda path: path.stat().st_size,
        lambda path: _digest(path, _HEAD),
        lambda path: _digest(path, -1),
    )
    for key in keys:
        groups = [part for group in groups for part in _parted(group, key)]
    return groups


def _parted(group: Iterable[Path], key: Callable[[Path], Hashable]) -> list[tuple[Path, ...]]:
    parts: dict[Hashable, list[Path]] = defaultdict(list)
    for path in group:
        parts[key(path)].append(path)
    return [tuple(part) for part in parts.values() if len(part) > 1]
