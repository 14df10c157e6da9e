"""XML from strangers, read safely: no entities, no default values, nothing fetched, sizes limited, lines kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn
from xml.parsers import expat

from immunomon.errors import BadSpec, Problem
from immunomon.files import open_input, read_input
from immunomon.findings import Findings

__all__ = ["XmlElement", "XmlSource", "has_doctype", "parse_xml", "read_xml", "root_tag"]

_LARGEST = 256 * 1024 * 1024
_DEEPEST = 500
# Some twelve bytes a thing at the least: no workspace of 256 MB has as many (a spectral one has 87 and 42 bytes).
_MOST_ELEMENTS = 3_000_000
_MOST_ATTRIBUTES = 8_000_000
_MOST_OF_ELEMENT = 1_000
_MOST_NAMES, _LONGEST_NAME, _MOST_PREFIXES = 50_000, 1_000, 200
_LONGEST_TAG, _PART = 4 * 1024 * 1024, 256 * 1024
_DECLARES, _XML = "xmlns", "http://www.w3.org/XML/1998/namespace"
_NOTHING: Mapping[str, str] = MappingProxyType({})
_REMEDY = "export the file again from the program that wrote it"


@dataclass(frozen=True, eq=False, slots=True)
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

    def refuse(self, element: XmlElement, problem: str, remedy: str = "") -> NoReturn:
        """Give up the element being read: something is wrong with it that cannot be read past."""
        raise _Unreadable(Problem(str(self.path), element.line, self.place_of(element), problem, remedy or _REMEDY))


@dataclass(slots=True)
class _Open:
    namespace: str
    name: str
    attributes: Mapping[str, str]
    prefixes: Mapping[str, str]
    line: int
    children: list[XmlElement] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


class _Refused(Exception):
    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.line = line


class _Builder:
    """Builds the tree from expat's events, and counts what would fill the memory.

    Prefixes are resolved here: expat writes a namespace out in every name, so that a long one multiplies the file.
    """

    def __init__(self, parser: expat.XMLParserType) -> None:
        self._parser = parser
        self._stack: list[_Open] = []
        self._elements = self._attributes = 0
        self._names: dict[tuple[str, str], str] = {}
        self.root: XmlElement | None = None
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._no_external_doctype
        parser.EntityDeclHandler = self._no_entities
        parser.SkippedEntityHandler = self._no_skipped
        parser.AttlistDeclHandler = self._no_defaults

    def refuse(self, problem: str) -> NoReturn:
        raise _Refused(problem, self._parser.CurrentLineNumber)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._stack) >= _DEEPEST:
            self.refuse(f"elements lie more than {_DEEPEST} deep in each other")
        self._elements += 1
        self._attributes += len(attributes)
        if self._elements > _MOST_ELEMENTS:
            self.refuse(f"it has more than {_MOST_ELEMENTS:,} elements")
        if len(attributes) > _MOST_OF_ELEMENT or self._attributes > _MOST_ATTRIBUTES:
            self.refuse(f"it has more than {_MOST_OF_ELEMENT:,} attributes in one element, or {_MOST_ATTRIBUTES:,}")
        prefixes = _in_scope(attributes, self._stack[-1].prefixes if self._stack else {"": "", "xml": _XML})
        if len(prefixes) > _MOST_PREFIXES or any(len(uri) > _LONGEST_NAME for uri in prefixes.values()):
            self.refuse(f"it declares more than {_MOST_PREFIXES} namespaces, or one that is too long")
        try:
            namespace, name = _split(tag, prefixes)
            kept = {
                self._attribute(key, prefixes): value
                for key, value in attributes.items()
                if not key.startswith(_DECLARES)
            }
        except KeyError as error:
            self.refuse(f"the prefix {error} of an element or attribute is not declared")
        opened = _Open(namespace, self._qualified("", name), kept or _NOTHING, prefixes, self._parser.CurrentLineNumber)
        self._stack.append(opened)

    def _attribute(self, name: str, prefixes: Mapping[str, str]) -> str:
        return self._qualified(*(_split(name, prefixes) if ":" in name else ("", name)))

    def _qualified(self, namespace: str, name: str) -> str:
        """Return ``namespace}name``, the same text each time it is met."""
        known = self._names.get((namespace, name))
        if known is None:
            if len(self._names) >= _MOST_NAMES or len(name) > _LONGEST_NAME:
                self.refuse(f"it has more than {_MOST_NAMES:,} different names, or one that is too long")
            known = self._names[namespace, name] = f"{namespace}}}{name}" if namespace else name
        return known

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

    def _no_external_doctype(self, name: str, system_id: str | None, public_id: str | None, subset: bool) -> None:  # noqa: ARG002
        # One that only names the root, as FlowJo 9 writes it, is passed over. What another file declares is not known.
        if system_id or public_id:
            self.refuse("its document type (DOCTYPE) lies in another file, which is not fetched for safety")

    def _no_entities(self, name: str, *_: object) -> None:
        # Entities can grow without end, and can stand for other files.
        self.refuse(f"its document type (DOCTYPE) declares the entity '{name[:40]}'; entities are not read for safety")

    def _no_skipped(self, name: str, *_: object) -> None:
        self.refuse(f"it uses the entity '{name[:40]}', which it does not declare")

    def _no_defaults(self, element: str, attribute: str, kind: str, default: str | None, required: bool) -> None:  # noqa: ARG002
        if default is not None:  # a long default value would be repeated with every element
            problem = f"its document type (DOCTYPE) declares a value for '{attribute[:40]}'"
            self.refuse(f"{problem}; that is not read for safety")


def _in_scope(attributes: Mapping[str, str], outer: Mapping[str, str]) -> Mapping[str, str]:
    """Return the namespace of each prefix inside an element; ``""``: of names without a prefix."""
    own = {key.partition(":")[2]: uri for key, uri in attributes.items() if key.startswith(_DECLARES)}
    return {**outer, **own} if own else outer


def _split(tag: str, prefixes: Mapping[str, str]) -> tuple[str, str]:
    """Return namespace and name; raises KeyError, with the prefix, if that is not declared."""
    prefix, _, name = tag.rpartition(":")
    return prefixes[prefix], name


def read_xml(path: Path, largest: int = _LARGEST) -> XmlElement:
    """Return the root element of an XML file; nothing is fetched.

    A document type is passed over, unless it declares entities or default values, or lies in another file. largest:
    bytes. Raises BadSpec, with the line, if the file is missing, too large, not well-formed, or beyond a limit above.

    >>> read_xml(Path("none.xml"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none.xml: no such file; check the path
    """
    try:
        content = read_input(path, largest)
    except FileNotFoundError:
        raise BadSpec([Problem(str(path), None, "", "no such file", "check the path")]) from None
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise BadSpec([Problem(str(path), None, "", problem, "check the path and the permissions")]) from None
    if len(content) > largest:
        raise BadSpec([Problem(str(path), None, "", f"more than {largest:,} bytes", "split it into several files")])
    return parse_xml(content, path)


def parse_xml(content: bytes, path: Path) -> XmlElement:
    """Return the root element of an XML document in memory, as ``read_xml`` does; ``path`` is what messages name.

    >>> parse_xml(b"<!DOCTYPE a><a><b/></a>", Path("a.xml")).children[0].name
    'b'
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    builder = _Builder(parser)
    try:
        for start in range(0, len(content), _PART):
            part = content[start : start + _PART]  # after a refusal expat goes on to the end of what it was given
            parser.Parse(part, False)
            if start + len(part) - max(0, parser.CurrentByteIndex) > _LONGEST_TAG:
                builder.refuse(f"it has a tag or comment of more than {_LONGEST_TAG:,} bytes")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        problem = f"not well-formed XML ({expat.ErrorString(error.code)})"
        raise BadSpec([Problem(str(path), error.lineno, "", problem, _REMEDY)]) from error
    except _Refused as error:
        raise BadSpec([Problem(str(path), error.line, "", str(error), _REMEDY)]) from error
    except (ValueError, LookupError) as error:  # an encoding that Python does not know
        raise BadSpec([Problem(str(path), None, "", f"not readable XML ({error})", _REMEDY)]) from error
    assert builder.root is not None
    return builder.root


def has_doctype(content: bytes) -> bool:
    """Say whether an XML document declares a document type, in whatever encoding; nothing after its beginning is read.

    >>> has_doctype("<!DOCTYPE a><a/>".encode("utf-16")), has_doctype(b"<a/>")
    (True, False)
    """
    met: list[bool] = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = lambda *_: met.append(True)
    parser.StartElementHandler = lambda *_: met.append(False)
    with suppress(expat.ExpatError, ValueError, LookupError):  # whoever reads it says so
        for start in range(0, len(content), _PART):
            parser.Parse(content[start : start + _PART], False)
            if met:
                break
    return met[:1] == [True]


def root_tag(path: Path) -> tuple[str, str] | None:
    """Return the namespace and name of a file's root element, or None if its beginning is no XML.

    >>> root_tag(Path("none.xml"))
    """
    tags: list[tuple[str, str]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if not tags:
            tags.append(_split(tag, _in_scope(attributes, {"": ""})))

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    with suppress(OSError, expat.ExpatError, ValueError, LookupError), open_input(path) as file:
        for _ in range(16):
            chunk = file.read(4096)
            if tags or not chunk:
                break
            parser.Parse(chunk, False)
    return tags[0] if tags else None
