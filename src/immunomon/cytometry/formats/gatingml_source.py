"""A Gating-ML document while it is read: its namespaces, and what is wrong with it, by line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NoReturn

from immunomon.cytometry.formats.xmltree import XmlElement, XmlSource
from immunomon.errors import nearest
from immunomon.findings import shown

__all__ = ["DATATYPES", "GATING", "OURS", "TRANSFORMS", "GatingMlSource"]

_STANDARD = "http://www.isac-net.org/std/Gating-ML/v2.0/"
GATING, DATATYPES, TRANSFORMS = _STANDARD + "gating", _STANDARD + "datatypes", _STANDARD + "transformations"
# What Gating-ML has no place for (labels, names of axes) stands in attributes that other programs skip.
OURS = "urn:immunomon:gatingml:1"


class GatingMlSource(XmlSource):
    """Reads attributes of one document; whatever is wrong is noted with its line, and the rest is read on."""

    def place_of(self, element: XmlElement) -> str:
        """Return what an element is called in a message: its name, and its id if it has one."""
        name = element.get("id", element.namespace) if element.namespace else None
        return element.name + (f" {name}" if name else "")

    def refuse_unknown(self, element: XmlElement, noun: str, name: str, *, known: Iterable[str]) -> NoReturn:
        """Give up the element being read: it names something that is not there; the nearest that is there is said."""
        # Finding the nearest name for thousands of wrong ones would take hours, and nobody reads that many.
        remedy = "" if self.findings.is_full else nearest(name[:80], known)
        self.refuse(element, f"no {noun} {shown(name)}", remedy)

    def text(self, element: XmlElement, name: str, namespace: str) -> str:
        """Return an attribute that must be there."""
        value = element.get(name, namespace)
        if not value:
            self.refuse(element, f"the attribute '{name}' is missing", "Gating-ML 2.0 requires it")
        return value

    def number(self, element: XmlElement, name: str, namespace: str) -> float:
        """Return an attribute that must be there and be a finite number."""
        number = self.optional_number(element, name, namespace)
        if number is None:
            self.refuse(element, f"the attribute '{name}' is missing", "Gating-ML 2.0 requires it")
        if math.isinf(number):
            self.refuse(element, f"the attribute '{name}' is infinite")
        return number

    def optional_number(self, element: XmlElement, name: str, namespace: str) -> float | None:
        """Return an attribute that must be a number (or an infinity) if it is there."""
        text = element.get(name, namespace)
        return None if text is None else self.parsed(element, text, f"the attribute '{name}'")

    def parsed(self, element: XmlElement, text: str, description: str) -> float:
        """Return text as a number; raises inside ``noting`` if it is none."""
        try:
            value = float(text.replace("_", "?"))
        except ValueError:
            value = math.nan
        if math.isnan(value):
            self.refuse(element, f"{description} is {shown(text)}, which is not a number")
        return value

    def flag(self, element: XmlElement, name: str, namespace: str) -> bool:
        """Return an attribute that is true or false; false if it is not there."""
        text = (element.get(name, namespace) or "false").strip()
        if text not in ("true", "false", "1", "0"):
            self.refuse(element, f"the attribute '{name}' is {shown(text)}", "write true or false")
        return text in ("true", "1")

    def children(self, element: XmlElement, name: str, namespace: str = GATING) -> tuple[XmlElement, ...]:
        """Return the children with a name, at least one."""
        children = tuple(element.all(name, namespace))
        if not children:
            self.refuse(element, f"it has no element '{name}'", "Gating-ML 2.0 requires it")
        return children
