"""XML from strangers, read safely: no entities, no default values, nothing fetched, sizes limited, lines kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from immunomon.errors import BadSpec, Problem
from immunomon.specs.findings import Findings

__all__ = ["XmlElement", "XmlSource", "parse_xml", "read_xml", "root_tag"]

_LARGEST = 256 * 1024 * 1024
_DEEPEST = 500
_DEFAULT_REMEDY = "export the file again from the program that wrote it"


@dataclass(frozen=True, eq=False)
class XmlElement:
    """An element: its namespace and name, attributes (``namespace}name`` or ``name``), children, text and line."""

    namespace: str
    name: str
    attributes: Mapping[str, str]
    children: tuple[XmlElement, ...]
    text: str
    line: int

    def get(self, name: str, namespace: str = "") -> str | None:
        """Return an attribute of the namespace or, if there is none, of no namespace."""
        qualified = self.attributes.get(f"{namespace}}}{name}") if namespace else None
        return self.attributes.get(name) if qualified is None else qualified

    def all(self, name: str, namespace: str | None = None) -> Iterator[XmlElement]:
        """Return the children with a name, in one namespace or in any."""
        return (c for c in self.children if c.name == name and namespace in (None, c.namespace))

    def first(self, name: str, namespace: str | None = None) -> XmlElement | None:
        """Return the first child with a name, or None."""
        return next(self.all(name, namespace), None)


class _Unreadable(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


class XmlSource:
    """A document while it is read: whatever is wrong is noted with its line, and the rest is read on.

    >>> source, gate = XmlSource(Path("a.xml")), XmlElement("", "Gate", {}, (), "", 3)
    >>> with source.noting():
    ...     source.refuse(gate, "it has no corners")
    >>> source.findings.problems[0].line
    3
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings = Findings(str(path))

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what is refused inside, and go on after it."""
        try:
            yield
        except _Unreadable as error:
            self.findings.add_problem(error.problem)

    def place_of(self, element: XmlElement) -> str:
        """Return what an element is called in a message."""
        return element.name

    def refuse(self, element: XmlElement, what: str, remedy: str = "") -> NoReturn:
        """Give up the element being read: something is wrong with it that cannot be read past."""
        raise _Unreadable(
            Problem(str(self.path), element.line, self.place_of(element), what, remedy or _DEFAULT_REMEDY)
        )


@dataclass
class _Open:
    namespace: str
    name: str
    attributes: dict[str, str]
    line: int
    children: list[XmlElement] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


class _Refused(Exception):
    """The document has something that is not read here; the message says what."""


class _Builder:
    def __init__(self, parser: expat.XMLParserType) -> None:
        self._parser = parser
        self._stack: list[_Open] = []
        self.root: XmlElement | None = None
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _no_external_doctype
        parser.EntityDeclHandler = _no_entities
        parser.SkippedEntityHandler = _no_skipped
        parser.AttlistDeclHandler = _no_defaults

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._stack) >= _DEEPEST:
            raise _Refused(f"elements lie more than {_DEEPEST} deep in each other")
        self._stack.append(_Open(*_split(tag), attributes, self._parser.CurrentLineNumber))

    def _text(self, text: str) -> None:
        self._stack[-1].text.append(text)

    def _end(self, tag: str) -> None:  # noqa: ARG002
        done = self._stack.pop()
        text = "".join(done.text).strip()
        element = XmlElement(done.namespace, done.name, done.attributes, tuple(done.children), text, done.line)
        if self._stack:
            self._stack[-1].children.append(element)
        else:
            self.root = element


def _split(tag: str) -> tuple[str, str]:
    namespace, found, name = tag.rpartition("}")
    return (namespace, name) if found else ("", tag)


def _no_external_doctype(name: str, system_id: str | None, public_id: str | None, has_subset: bool) -> None:  # noqa: ARG001
    # A document type that only names the root, as FlowJo 9 writes it, is passed over. What another file declares is
    # not known without fetching it.
    if system_id or public_id:
        raise _Refused("its document type (DOCTYPE) lies in another file, which is not fetched for safety")


def _no_entities(name: str, *_: object) -> None:
    # Entities can grow without end, and can stand for other files.
    raise _Refused(f"its document type (DOCTYPE) declares the entity '{name[:40]}'; entities are not read for safety")


def _no_skipped(name: str, *_: object) -> None:
    raise _Refused(f"it uses the entity '{name[:40]}', which it does not declare")


def _no_defaults(element: str, attribute: str, kind: str, default: str | None, required: bool) -> None:  # noqa: ARG001
    if default is not None:  # a long default value would be repeated with every element
        raise _Refused(
            f"its document type (DOCTYPE) declares a value for '{attribute[:40]}'; that is not read for safety"
        )


def read_xml(path: Path, largest: int = _LARGEST) -> XmlElement:
    """Return the root element of an XML file; nothing is fetched.

    A document type is passed over, unless it declares entities or default values, or lies in another file. largest:
    bytes. Raises BadSpec, with the line, if the file is missing, too large, or not well-formed.

    >>> read_xml(Path("none.xml"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none.xml: no such file; check the path
    """
    if not path.is_file():
        raise BadSpec([Problem(str(path), None, "", "no such file", "check the path")])
    if path.stat().st_size > largest:
        raise BadSpec([Problem(str(path), None, "", f"more than {largest:,} bytes", "split it into several files")])
    return parse_xml(path.read_bytes(), path)


def parse_xml(content: bytes, path: Path) -> XmlElement:
    """Return the root element of an XML document in memory, as ``read_xml`` does; ``path`` is what messages name.

    >>> parse_xml(b"<!DOCTYPE a><a><b/></a>", Path("a.xml")).children[0].name
    'b'
    """
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    builder = _Builder(parser)
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        what = f"not well-formed XML ({expat.ErrorString(error.code)})"
        raise BadSpec([Problem(str(path), error.lineno, "", what, _DEFAULT_REMEDY)]) from error
    except _Refused as error:
        raise BadSpec([Problem(str(path), parser.CurrentLineNumber, "", str(error), "take it out")]) from error
    except (ValueError, LookupError) as error:  # an encoding that Python does not know
        raise BadSpec([Problem(str(path), None, "", f"not readable XML ({error})", _DEFAULT_REMEDY)]) from error
    assert builder.root is not None
    return builder.root


def root_tag(path: Path) -> tuple[str, str] | None:
    """Return the namespace and name of a file's root element, or None if its beginning is no XML.

    >>> root_tag(Path("none.xml"))
    """
    found: list[tuple[str, str]] = []

    def start(tag: str, _: dict[str, str]) -> None:
        found.append(_split(tag))

    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = start
    try:
        with path.open("rb") as file:
            for _ in range(16):
                chunk = file.read(4096)
                if found or not chunk:
                    break
                parser.Parse(chunk, False)
    except (OSError, expat.ExpatError, ValueError, LookupError):
        pass
    return found[0] if found else None
