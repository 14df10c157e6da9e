"""Which lines of the package the tests execute, noted by the lines themselves where Python can only trace them.

Before Python 3.12 coverage.py has the interpreter stop at every line of everything that runs, pandas and the standard
library too, and a whole test run takes twice its time. Here each module of the package is compiled with a mark before
every statement; the marks become coverage.py's own data, which it combines, excludes and reports as ever. SlipCover,
which would do the same by rewriting bytecode, rewrites that of functions too that numba compiles, and numba refuses it.
"""

from __future__ import annotations

import ast
import hashlib
import marshal
import os
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType, ModuleType

from coverage import CoverageData

PACKAGE = "immunomon"
_MARKS = "__executed_lines__"
_MARKED_BY = MAGIC_NUMBER + Path(__file__).read_bytes()  # another Python or other marks: nothing kept is of use


def marked(tree: ast.Module) -> ast.Module:
    """Put a mark before every statement but those of functions that numba compiles: it knows no marks."""
    tree.body = _marked_body(tree.body)
    return tree


def _marked_body(body: list[ast.stmt], opening: tuple[int, ...] = ()) -> list[ast.stmt]:
    new: list[ast.stmt] = []
    for place, statement in enumerate(body):
        lines = (*opening, *_lines_of(statement))
        _mark_within(statement)
        if _begins_a_body(statement, place):
            new.append(statement)
            opening = lines
        else:
            new += [*(_mark(line, statement) for line in lines), statement]
            opening = ()
    return [*new, *(_mark(line, body[-1]) for line in opening)]


def _begins_a_body(statement: ast.stmt, place: int) -> bool:
    """Tell whether nothing may stand before a statement: a docstring, or an import from the future."""
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return (is_text and place == 0) or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")


def _mark_within(statement: ast.stmt) -> None:
    if any(_is_njit(decorator) for decorator in getattr(statement, "decorator_list", [])):
        return
    for field in ("body", "orelse", "finalbody"):
        if getattr(statement, field, None):
            setattr(statement, field, _marked_body(getattr(statement, field)))
    for branches, line_of in (("handlers", _line_of_handler), ("cases", _line_of_case)):
        tried: list[int] = []  # what does not fit was executed as well as what does
        for branch in getattr(statement, branches, []):
            tried.append(line_of(branch))
            branch.body = _marked_body(branch.body, tuple(tried))


def _is_njit(decorator: ast.expr) -> bool:
    return any("njit" in (getattr(node, "id", ""), getattr(node, "attr", "")) for node in ast.walk(decorator))


def _line_of_handler(handler: ast.ExceptHandler) -> int:
    return handler.lineno


def _line_of_case(case: ast.match_case) -> int:
    return case.pattern.lineno


def _lines_of(statement: ast.stmt) -> Iterator[int]:
    yield from (decorator.lineno for decorator in getattr(statement, "decorator_list", []))
    yield statement.lineno


def _mark(line: int, where: ast.stmt) -> ast.stmt:
    """Return the assignment that marks a line, with its place: filling in those of a whole tree takes longer."""
    at = {name: getattr(where, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")}
    number = ast.Constant(line, **at)
    target = ast.Subscript(ast.Name(_MARKS, ast.Load(), **at), number, ast.Store(), **at)
    return ast.Assign([target], ast.Constant(1, **at), **at)


class _MarkingLoader(SourceFileLoader):
    """Loads a module with marks, never from or into the compiled files beside it; kept: where it keeps its own."""

    def __init__(self, spec: ModuleSpec, executed: dict[str, list[int]], kept: Path | None) -> None:
        super().__init__(spec.name, str(spec.origin))
        self._executed, self._kept = executed, kept

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path)
        if self._kept is None:
            return self._compiled(source)
        kept = self._kept / hashlib.sha256(b"\0".join((self.path.encode(), _MARKED_BY, source))).hexdigest()
        if kept.exists():
            code: CodeType = marshal.loads(kept.read_bytes())
            return code
        code = self._compiled(source)
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(marshal.dumps(code))
        unfinished.replace(kept)
        return code

    def _compiled(self, source: bytes) -> CodeType:
        return compile(marked(ast.parse(source)), self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        lines = self.get_data(self.path).count(b"\n") + 2
        vars(module)[_MARKS] = self._executed.setdefault(self.path, [0] * lines)
        super().exec_module(module)


class MeasuredLines:
    """Finds the package's modules from its making on, before any of them is imported, and knows what they executed.

    kept: a folder in which what is compiled with marks is kept for the next process; None: nowhere.
    """

    def __init__(self, package: str = PACKAGE, kept: Path | None = None) -> None:
        self.package, self._kept = package, kept
        self._executed: dict[str, list[int]] = {}
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] != self.package:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _MarkingLoader(spec, self._executed, self._kept)
        return spec

    def lines(self) -> dict[str, list[int]]:
        """Return the executed lines of each file, by its path."""
        return {path: [line for line, mark in enumerate(marks) if mark] for path, marks in self._executed.items()}

    def write(self, folder: Path, source: Path, worker: str) -> None:
        """Write coverage.py's data of one process, with the files of ``source`` that were not imported."""
        data = CoverageData(basename=str(folder / ".coverage"), suffix=worker)
        data.add_lines(self.lines())
        data.touch_files(str(path) for path in source.rglob("*.py"))
        data.write()
