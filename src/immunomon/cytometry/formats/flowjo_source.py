"""A workspace while it is read: its attributes whatever their namespace, and what is wrong with it, by line."""

from __future__ import annotations

import math
import re
from pathlib import Path

from immunomon.cytometry.formats.xmltree import XmlElement, XmlSource
from immunomon.findings import shown

__all__ = ["WorkspaceSource", "attribute"]

_MOST_CORNERS = 10_000  # a person draws dozens; each costs time with every event
_MOST_LISTED = 3  # numbers with a decimal comma; the others are counted
_LARGEST = 1e30  # no intensity comes near, and squares of it are still numbers


def attribute(element: XmlElement, name: str) -> str | None:
    """Return an attribute in whatever namespace: FlowJo has changed its mind about which have one.

    >>> attribute(XmlElement("", "Gate", {"urn:x}id": "ID1"}, (), "", 3), "id")
    'ID1'
    """
    if name in element.attributes:
        return element.attributes[name]
    return next((value for key, value in element.attributes.items() if key.endswith("}" + name)), None)


class WorkspaceSource(XmlSource):
    """Reads one workspace's attributes; whatever is wrong is noted with its line, and the rest is read on.

    A number with a decimal comma is read as that, and said among the ``remarks``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._commas: dict[tuple[int, str, str], None] = {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was read as a decimal comma, by line."""
        listed = [f"'{name}' is {shown(text)} (line {line})" for line, name, text in self._commas]
        more = [f"{len(listed) - _MOST_LISTED} more"] if len(listed) > _MOST_LISTED else []
        numbers = ", ".join([*listed[:_MOST_LISTED], *more])
        return (f"numbers with a decimal comma are read as with a point: {numbers}",) if listed else ()

    def place_of(self, element: XmlElement) -> str:
        """Return what an element is called in a message: its kind, and its name or id if it has one."""
        name = attribute(element, "name") or attribute(element, "id") or ""
        return f"{element.name} {shown(name)}" if name else element.name

    def text(self, element: XmlElement, name: str) -> str:
        """Return an attribute that must be there."""
        value = attribute(element, name)
        if value is None or value == "":
            self.refuse(element, f"the attribute '{name}' is missing", "save the workspace again")
        return value

    def number(self, element: XmlElement, name: str, default: float | None = None) -> float:
        """Return an attribute that is a finite number; without a default it must be there."""
        text = attribute(element, name)
        if text is None and default is not None:
            return default
        return self.parsed(element, self.text(element, name), name)

    def optional_number(self, element: XmlElement, name: str) -> float | None:
        """Return an attribute that is a finite number if it is there."""
        text = attribute(element, name)
        return None if text is None or text == "" else self.parsed(element, text, name)

    def bound(self, element: XmlElement, name: str) -> float | None:
        """Return a border that is a number; None for one that is absent, infinite or beyond all intensities."""
        text = attribute(element, name)
        if text is None or text == "" or abs(_as_float(text.replace(",", "."))) >= _LARGEST:
            return None
        return self.parsed(element, text, name)

    def parsed(self, element: XmlElement, text: str, name: str) -> float:
        """Return a text as a number of a size that measurements can have."""
        value = _as_float(text)
        if _DECIMAL_COMMA.fullmatch(text.strip()):
            if _THOUSANDS.fullmatch(text.strip()):
                problem = f"'{name}' is {shown(text)}, which may have a decimal comma or a comma before thousands"
                self.refuse(element, problem, "write it with a decimal point")
            self._commas[element.line, name, text] = None
            value = _as_float(text.replace(",", "."))
        if not abs(value) < _LARGEST:
            self.refuse(element, f"'{name}' is {shown(text)}, which is not a number", "save the workspace again")
        return value

    def limit_corners(self, element: XmlElement, corners: int) -> None:
        """Refuse a gate of more corners than anybody draws."""
        if corners > _MOST_CORNERS:
            self.refuse(element, f"it has {corners:,} corners; at most {_MOST_CORNERS:,} are read", "draw it again")

    def count(self, element: XmlElement, name: str = "count") -> int | None:
        """Return a stored number of events; None where the program had not counted (absent or negative)."""
        value = self.optional_number(element, name)
        return None if value is None or value < 0 else int(value)


_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def _as_float(text: str) -> float:
    try:
        return float(text.replace("_", "?"))
    except ValueError:
        return math.nan
