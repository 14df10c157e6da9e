"""The lines that the marks call executed are those that coverage.py's own tracing finds."""

import ast
import importlib
import subprocess
import sys

import pytest
from coverage import CoverageData
from support.measured_lines import MeasuredLines, marked

MODULE = '''\
"""What it is."""

from __future__ import annotations

import enum


class Kind(enum.Enum):
    """Has a docstring alone and members."""

    ONE = 1


@staticmethod
def kind(number):
    """Return a kind."""
    match number:
        case 1:
            return Kind.ONE
        case 2 | 3:
            return "two"
    if number > 9:
        return "many"
    elif number > 5:
        return "some"
    else:
        number = (
            number
            + 1
        )
    try:
        number / 0
    except ValueError:
        return "never"
    except ZeroDivisionError:
        for step in range(2):
            number += step
        else:
            number += 1
    finally:
        number += 1
    with open(__file__) as file:
        del file
    return number


def never():
    return 1


def njit(function): return function


@njit
def compiled():
    return 2


found = [kind(number) for number in (2, 4, 7)]
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "made_up_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("", encoding="utf-8")
    (folder / "module.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def statements(path):
    """Return the lines that coverage.py counts."""
    from coverage.parser import PythonParser

    parser = PythonParser(text=path.read_text(encoding="utf-8"))
    parser.parse_source()
    return parser


def test_the_executed_lines_are_those_that_tracing_finds(package, tmp_path, monkeypatch):
    measured = MeasuredLines(package.name)
    try:
        module = importlib.import_module(f"{package.name}.module")
    finally:
        sys.meta_path.remove(measured)
        for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
            monkeypatch.delitem(sys.modules, name)
    assert module.found == ["two", 8, "some"]
    assert not list(package.rglob("*.pyc"))  # nobody else may load a module with marks
    measured.write(tmp_path, package, "here")
    command = [sys.executable, "-m", "coverage", "run", f"--source={package}", f"--data-file={tmp_path / 'traced'}"]
    subprocess.run([*command, package / "module.py"], check=True, cwd=tmp_path)
    parser = statements(package / "module.py")
    by_marks, by_tracing = (
        parser.translate_lines(lines_of(path, package / "module.py")) & parser.statements
        for path in (tmp_path / ".coverage.here", tmp_path / "traced")
    )
    assert by_marks == by_tracing
    assert parser.statements - by_marks  # the module has lines that nobody executes


def lines_of(data_file, module):
    data = CoverageData(basename=str(data_file))
    data.read()
    return data.lines(str(module))


def test_what_numba_compiles_has_no_marks():
    tree = marked(ast.parse("@njit(cache=True)\ndef fast(x):\n    return x\n\ndef slow(x):\n    return x\n"))
    fast, slow = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert (len(fast.body), len(slow.body)) == (1, 2)
