"""Reading YAML 1.2 from strangers: bounded, without tags and aliases, and every value knows its line.

Values are those of YAML 1.2's core schema: ``60e3`` is a number, ``no`` and ``2025-01-13`` are text. The keys of a
mapping are always text, as written.
"""

from __future__ import annotations

import hashlib
import io
import marshal
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from immunomon.errors import BadSpec, Problem
from immunomon.files import read_input
from immunomon.findings import DataPath, Findings, path_text, shown

__all__ = ["YamlFile", "digests_of_what_is_read", "read_bytes", "read_text", "read_yaml"]

# Path -> digest of what is read, while somebody asks for it.
_DIGESTS: ContextVar[dict[Path, str] | None] = ContextVar("digests", default=None)

_Node = ScalarEvent | MappingStartEvent | SequenceStartEvent | AliasEvent
_MAX_BYTES = 1_000_000
_MOST_KEPT = 100_000  # characters of a text whose values are kept for its next reader
_MAX_DEPTH = 30
_MAX_VALUES = 50_000
_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE, _FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}
_INT = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True, eq=False)
class YamlFile:
    """What a YAML file holds: plain data, the line of each place in it, and the numbers as they were written.

    findings: problems that leave the data readable (a key given twice), to which later checks add theirs.
    """

    file: str
    data: Any
    lines: Mapping[DataPath, int]
    texts: Mapping[DataPath, str]
    findings: Findings

    def line_of(self, path: DataPath) -> int | None:
        """Return the line of a place, or of the nearest one around it."""
        return _nearest_line(self.lines, path)


def _nearest_line(lines: Mapping[DataPath, int], path: DataPath) -> int | None:
    for length in range(len(path), -1, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


@contextmanager
def digests_of_what_is_read() -> Iterator[dict[Path, str]]:
    """Collect the SHA-256 of every YAML and CSV file that is read meanwhile, of the very bytes that are parsed.

    A file that is read twice with other bytes is refused by ``read_bytes``: two states of it would be mixed.
    """
    digests: dict[Path, str] = {}
    before = _DIGESTS.set(digests)
    try:
        yield digests
    finally:
        _DIGESTS.reset(before)


def _noted(path: Path, raw: bytes) -> bytes:
    digests = _DIGESTS.get()
    if digests is not None:
        digest = hashlib.sha256(raw).hexdigest()
        if digests.setdefault(path, digest) != digest:
            remedy = "wait until nothing writes it, then start again"
            raise BadSpec([Problem(str(path), None, "", "it was changed while it was being read", remedy)])
    return raw


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Return a file's bytes; raises BadSpec if it is missing, cannot be read, or is larger than ``max_bytes``."""
    try:
        raw = read_input(path, max_bytes)
    except FileNotFoundError:
        raise BadSpec([Problem(str(path), None, "", "no such file", "check the path")]) from None
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise BadSpec([Problem(str(path), None, "", what, "check the path and the permissions")]) from None
    if re.match(rb"FCS\d\.\d {4}", raw):  # a table may well begin with the words "FCS Filename"
        remedy = "name the study, panel or strategy here, and an FCS file where files are asked for"
        raise BadSpec([Problem(str(path), None, "", "this is an FCS file", remedy)])
    if len(raw) > max_bytes:
        what = f"larger than {max_bytes / 1e6:g} MB"
        raise BadSpec([Problem(str(path), None, "", what, "this is not a file immunomon reads")])
    return _noted(path, raw)


def read_text(path: Path, max_bytes: int) -> str:
    """Return a file's text (UTF-8, with or without a byte order mark), each line ended by a line feed.

    Raises BadSpec if it is missing, too large, or not UTF-8.
    """
    raw = read_bytes(path, max_bytes)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadSpec([Problem(str(path), line, "", "not UTF-8 text", "save the file as UTF-8")]) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass
class _Builder:
    """Turns the parser's events into plain data, noting lines; recursion is bounded by the depth limit."""

    events: Iterator[Any]
    lines: dict[DataPath, int]
    texts: dict[DataPath, str]
    findings: Findings
    refused: bool = False
    values: int = field(default=0)

    def value(self, event: _Node, path: DataPath) -> Any:  # noqa: ANN401 - whatever the file holds
        self.lines.setdefault(path, event.start_mark.line + 1)
        self.values += 1
        if self.values > _MAX_VALUES or len(path) > _MAX_DEPTH:
            what = f"nested deeper than {_MAX_DEPTH} levels" if self.values <= _MAX_VALUES else "too many values"
            line = event.start_mark.line + 1
            raise BadSpec([Problem(self.findings.file, line, "", what, "this is not a file immunomon reads")])
        if isinstance(event, AliasEvent):
            alias = f"the alias '*{shown(event.anchor)[1:-1]}'"
            return self.refuse(path, alias, "write it out; gates can be shared in 'gates:'")
        if event.tag is not None:
            return self.skip(event, path)
        if isinstance(event, MappingStartEvent):
            return self.mapping(path)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(path)
        return self.scalar(event, path)

    def refuse(self, path: DataPath, what: str, remedy: str) -> None:
        self.refused = True
        self.findings.add(path, f"{what} is not allowed here", remedy)

    def skip(self, event: _Node, path: DataPath) -> None:
        self.refuse(path, f"the tag {shown(getattr(event, 'tag', None))}", "remove it")
        depth = int(isinstance(event, MappingStartEvent | SequenceStartEvent))
        while depth:
            inner = next(self.events)
            depth += isinstance(inner, MappingStartEvent | SequenceStartEvent)
            depth -= isinstance(inner, MappingEndEvent | SequenceEndEvent)

    def mapping(self, path: DataPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            if not isinstance(event, ScalarEvent) or event.tag is not None:
                self.refuse(path, "a key that is not plain text", "write 'key: value'")
                self.value(event, (*path, "?"))
                self.value(next(self.events), (*path, "?"))
                continue
            key, line = str(event.value), event.start_mark.line + 1
            if key in result:
                self.double(line, (*path, key))
                self.value(next(self.events), (*path, key, "?"))
                continue
            self.lines[(*path, key)] = line
            result[key] = self.value(next(self.events), (*path, key))
        return result

    def double(self, line: int, path: DataPath) -> None:
        what = f"given twice, first on line {self.lines[path]}"
        self.findings.add_problem(Problem(self.findings.file, line, path_text(path), what, "keep one of them"))

    def sequence(self, path: DataPath) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            result.append(self.value(event, (*path, len(result))))
        return result

    def scalar(self, event: ScalarEvent, path: DataPath) -> str | int | float | bool | None:
        text = str(event.value)
        if event.style is not None:  # quoted or a block: text, whatever it looks like
            return text
        if text in _NULL:
            return None
        if text in _TRUE or text in _FALSE:
            self.texts[path] = text
            return text in _TRUE
        if _INT.fullmatch(text):
            self.texts[path] = text
            return int(text, 0 if text[:2] in {"0o", "0x"} else 10)
        if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
            self.texts[path] = text
            return self.number(text, path)
        return text

    def number(self, text: str, path: DataPath) -> float | None:
        number = float(text.replace(".", "", 1)) if _NOT_FINITE.fullmatch(text) else float(text)
        if number - number == 0:
            return number
        self.refuse(path, f"{shown(text)}, which is not a finite number,", "leave the key out for an open end")
        return None


def read_yaml(path: Path) -> YamlFile:
    """Read one YAML document of at most 1 MB.

    Raises BadSpec if the file cannot be read, is not YAML, or uses tags, aliases or several documents. Keys given twice
    are noted in ``findings`` and the first one counts.
    """
    text = read_text(path, _MAX_BYTES)
    kept = _kept(text) if len(text) <= _MOST_KEPT else []
    if kept:
        data, lines, texts = marshal.loads(kept[0])
        return YamlFile(str(path), data, lines, texts, Findings(str(path), partial(_nearest_line, lines)))
    file = _parsed(path, text)
    if not file.findings.problems:
        kept.append(marshal.dumps((file.data, dict(file.lines), dict(file.texts))))
    return file


@lru_cache(maxsize=64)
def _kept(_text: str) -> list[bytes]:
    """Return where what a text without problems holds is kept, in bytes, so that each reader has values of its own.

    One command reads a study, its panels and strategies several times, and parsing is a tenth of a small run.
    """
    return []


def _parsed(path: Path, text: str) -> YamlFile:
    lines: dict[DataPath, int] = {}
    findings = Findings(str(path), partial(_nearest_line, lines))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the parser warns of is refused below
            events = iter(YAML(typ="safe", pure=True).parse(io.StringIO(text)))
            builder = _Builder(events, lines, {}, findings)
            data = _document(builder, text)
    except BadSpec:
        raise
    except MarkedYAMLError as error:
        raise BadSpec([_syntax_problem(str(path), error)]) from None
    except Exception as error:  # the parser's own failures on malformed text
        what = f"not YAML: {shown(str(error) or type(error).__name__)[1:-1]}"
        raise BadSpec([Problem(str(path), None, "", what, "correct the text")]) from None
    if builder.refused:
        findings.raise_any()
    return YamlFile(str(path), data, lines, builder.texts, findings)


def _document(builder: _Builder, text: str) -> Any:  # noqa: ANN401 - whatever the file holds
    data: Any = None
    documents = 0
    for event in builder.events:
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                builder.findings.raise_any()
                line = event.start_mark.line + 1
                what = "a second document starts here"
                raise BadSpec([Problem(builder.findings.file, line, "", what, "write one file for each")])
        elif isinstance(event, MappingStartEvent | SequenceStartEvent | ScalarEvent | AliasEvent):
            data = builder.value(event, ())
    if re.search(r"^%", text, re.MULTILINE) and re.match(r"(?:\s*#[^\n]*\n|\s*\n)*%", text):
        builder.refuse((), "a YAML directive ('%...')", "remove the line")
    return data


def _syntax_problem(file: str, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = None if mark is None else mark.line + 1
    what = " ".join(str(error.problem or error.context or "cannot be understood").split())
    remedy = "check the indentation, colons and quotes on this line and the one before"
    return Problem(file, line, "", f"not YAML: {what[:200]}", remedy)
