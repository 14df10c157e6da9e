"""The JSON in FlowJo 11's workbenches, read safely: sizes limited, nothing unpacked onto the disk, places kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from immunomon.cytometry.formats.zip_archive import ZipSource
from immunomon.errors import BadSpec, Problem
from immunomon.study.specs.jsonfile import parse_json

__all__ = ["JsonNode", "read_analyses"]

_LARGEST = 64 * 1024 * 1024  # bytes of all analyses; one of a hundred files takes about 10 MB
_REMEDY = "save it as a workspace (.wsp) in FlowJo"


class JsonNode:
    """A value of a JSON document and where it stands; what is not there reads as nothing.

    >>> node = JsonNode({"a": [{"b": 1.5}]}, "x")
    >>> node.get("a").list()[0].get("b").number(), node.get("c").text("none")
    (1.5, 'none')
    >>> node.get("a").number()
    Traceback (most recent call last):
        ...
    ValueError: x.a is not a number
    """

    def __init__(self, value: object, location: str) -> None:
        self._value, self._place = value, location

    def _refuse(self, problem: str) -> NoReturn:
        raise ValueError(f"{self._place} is {problem}")

    def has(self, name: str) -> bool:
        """Say whether this is an object with such a member."""
        return isinstance(self._value, dict) and name in self._value

    def _object(self) -> dict[str, object]:
        if not isinstance(self._value, dict | None):
            self._refuse("not an object")
        return self._value or {}

    def get(self, name: str) -> JsonNode:
        """Return a member of an object."""
        return JsonNode(self._object().get(name), f"{self._place}.{name[:60]}")

    def items(self) -> Iterator[tuple[str, JsonNode]]:
        """Return an object's members by name."""
        return ((name, self.get(name)) for name in self._object())

    def list(self) -> list[JsonNode]:
        """Return an array's elements."""
        if not isinstance(self._value, list | None):
            self._refuse("not an array")
        return [JsonNode(item, f"{self._place}[{number}]") for number, item in enumerate(self._value or ())]

    def text(self, default: str | None = None) -> str:
        """Return a text; without a default it must be there."""
        if self._value is None and default is not None:
            return default
        if not isinstance(self._value, str):
            self._refuse("missing" if self._value is None else "not a text")
        return self._value.encode("utf-8", "replace").decode("utf-8")

    def texts(self) -> tuple[str, ...]:
        """Return an array of texts."""
        return tuple(item.text() for item in self.list())

    def number(self, default: float | None = None) -> float:
        """Return a finite number; without a default it must be there."""
        if self._value is None and default is not None:
            return default
        if isinstance(self._value, bool) or not isinstance(self._value, int | float) or not abs(self._value) < 1e30:
            self._refuse("not a number")
        return float(self._value)

    def numbers(self) -> tuple[float, ...]:
        """Return an array of finite numbers."""
        return tuple(item.number() for item in self.list())

    def flag(self) -> bool:
        """Say whether it is true."""
        return self._value is True


def read_analyses(path: Path) -> list[JsonNode]:
    """Return the analyses in a workbench; raises BadSpec for what is no such file or larger than is read.

    >>> read_analyses(Path("none.flowjo"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none.flowjo: no such file; check the path
    """
    try:
        with ZipSource(path) as archive:
            return list(_analyses(archive))
    except BadSpec as error:
        problems = [replace(item, remedy=_REMEDY) if path.is_file() else item for item in error.problems]
        raise BadSpec(problems) from error
    except (OSError, RecursionError, ValueError) as error:
        problem = f"not a readable FlowJo 11 workbench ({type(error).__name__}: {str(error)[:120]})"
        raise BadSpec([Problem(str(path), None, "", problem, _REMEDY)]) from error


def _analyses(archive: ZipSource) -> Iterator[JsonNode]:
    named = [(name.replace("\\", "/").rpartition("/")[2], name) for name in archive.names(".json")]
    entries = [name for own, name in named if own.startswith("analysis-")]
    if not entries:
        archive.refuse("", "it holds no analysis (analysis-*.json)")
    room = _LARGEST
    for name in entries:
        content = archive.read(name, room)
        room -= len(content)
        document = parse_json(content)
        if not isinstance(document, dict):
            archive.refuse(name, "its analysis is no object")
        yield JsonNode(document, "analysis")
