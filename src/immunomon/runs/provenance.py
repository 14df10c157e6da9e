"""What made a result: digests of inputs and code, versions, environment."""

from __future__ import annotations

import getpass
import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import immunomon

__all__ = ["code_digest", "digest_of", "environment", "source_digest", "user_name"]

# What a result depends on: the code from the file to the counts.
_CODE = (
    "errors.py",
    "files.py",
    "memory.py",
    "registry.py",
    "study/model",
    "cytometry",
    "runs/at_hand.py",
    "runs/single.py",
    "runs/prepared.py",
    "runs/scaling.py",
    "runs/controls.py",
    "runs/settling.py",
)
_LIBRARIES = ("numpy", "numba", "pandas", "pyarrow", "scipy", "flowio", "flowkit", "pydantic", "sqlalchemy")


def digest_of(*parts: object) -> str:
    """Return the SHA-256 of plain data, dataclasses and paths, in hexadecimal; equal data give equal digests.

    >>> digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(repr([_canonical(part) for part in parts]).encode()).hexdigest()


def _canonical(part: object, *, inside: bool = False) -> Any:  # noqa: ANN401
    """Return a value that equal data have in common; inside: of a dataclass, where others go without their names."""
    if part is None or isinstance(part, str | bytes | int | float):
        return part
    if is_dataclass(part) and not isinstance(part, type):
        values = {field.name: getattr(part, field.name) for field in fields(part)}
        plain = _canonical(values, inside=True)
        return plain if inside else (type(part).__name__, plain)
    inside = inside and isinstance(part, dict | list | tuple)
    if isinstance(part, Mapping):
        return sorted((str(key), repr(_canonical(value, inside=inside))) for key, value in part.items())
    if isinstance(part, Path):
        return part.as_posix()
    if isinstance(part, Iterable):
        return [_canonical(item, inside=inside) for item in part]
    return part


@cache
def code_digest() -> str:
    """Return the digest of the code that a count depends on, so that no result outlives the code that made it."""
    return source_digest(_CODE)


def source_digest(names: Iterable[str]) -> str:
    """Return the digest of the package's own code in these files and folders, whatever their line ends.

    names: relative to the package. Raises FileNotFoundError for a name without code: a folder that has moved away must
    not leave the digest, and with it stale results, as they were.

    >>> source_digest(["errors.py"]) == source_digest(["errors.py", "study"])
    False
    >>> source_digest(["no_such_room"])
    Traceback (most recent call last):
    FileNotFoundError: no code of immunomon in no_such_room: correct the list of what results depend on
    """
    root = Path(immunomon.__file__).parent
    files: set[Path] = set()
    for name in names:
        # Columns and their limits stand in CSV files beside the code that reads them.
        inside = (
            {root / name} if (root / name).is_file() else {*(root / name).rglob("*.py"), *(root / name).rglob("*.csv")}
        )
        if not inside:
            raise FileNotFoundError(f"no code of immunomon in {name}: correct the list of what results depend on")
        files |= inside
    return digest_of(*((p.relative_to(root).as_posix(), p.read_bytes().replace(b"\r\n", b"\n")) for p in sorted(files)))


def environment() -> dict[str, Any]:
    """Return the software that a run was made with.

    >>> environment()["software"]["name"]
    'immunomon'
    """
    software = {"name": "immunomon", "version": immunomon.__version__, "code_digest": code_digest()}
    return {
        "software": software,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


@cache  # of what is loaded: none changes while the program runs
def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:  # a library that is vendored or left out
        return "not installed"


def user_name() -> str:
    """Return the name that this computer knows its user by; ``unknown`` if it knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
