"""What made a result: digests of inputs and code, versions, environment."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import immunomon
from immunomon.files import open_input

__all__ = ["code_digest", "digest_of", "environment", "file_digest"]

# What a result depends on: the code from the file to the counts.
_CODE = (
    "errors.py",
    "files.py",
    "model",
    "kernels",
    "gates",
    "io",
    "steps",
    "pipeline/single.py",
    "pipeline/prepared.py",
    "pipeline/scaling.py",
    "pipeline/controls.py",
    "pipeline/settling.py",
)
_LIBRARIES = ("numpy", "numba", "pandas", "pyarrow", "scipy", "flowio", "flowkit", "pydantic", "sqlalchemy")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal; raises OSError if it cannot be read."""
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(*things: object) -> str:
    """Return the SHA-256 of plain data, dataclasses and paths, in hexadecimal; equal data give equal digests.

    >>> digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(repr([_canonical(thing) for thing in things]).encode()).hexdigest()


def _canonical(thing: object) -> Any:  # noqa: ANN401
    if is_dataclass(thing) and not isinstance(thing, type):
        return type(thing).__name__, _canonical(asdict(thing))
    if isinstance(thing, Mapping):
        return sorted((str(key), repr(_canonical(value))) for key, value in thing.items())
    if isinstance(thing, Path):
        return thing.as_posix()
    if isinstance(thing, Iterable) and not isinstance(thing, str | bytes):
        return [_canonical(item) for item in thing]
    return thing


@cache
def code_digest() -> str:
    """Return the digest of the code that a count depends on, so that no result outlives the code that made it."""
    root = Path(immunomon.__file__).parent
    files = sorted(
        p for name in _CODE for p in ([root / name] if name.endswith(".py") else (root / name).rglob("*.py"))
    )
    parts = ((p.relative_to(root).as_posix(), p.read_bytes().replace(b"\r\n", b"\n")) for p in files)
    return digest_of(*parts)


def environment() -> dict[str, Any]:
    """Return the software that a run was made with.

    >>> environment()["software"]["name"]
    'immunomon'
    """
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:  # a library that is vendored or left out
            libraries[name] = "not installed"
    software = {"name": "immunomon", "version": immunomon.__version__, "code_digest": code_digest()}
    return {
        "software": software,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": libraries,
    }
