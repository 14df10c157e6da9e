"""A few files are gated without what takes long to load, and to the same events."""

import subprocess
import sys

import numpy as np
from support.fcs_files import some_values, write_fcs

from immunomon import __version__
from immunomon.runs import files
from immunomon.runs.files import gate_files
from immunomon.runs.single import gate_file
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population

STRATEGY = """\
schema: immunomon.strategy/1
name: small
label: Small
version: 1
populations:
  - id: cells
    label: Cells
    parent: root
    gate: {method: polygon, x: FSC-A, y: SSC-A, vertices: [[-1e6, -1e6], [1e6, -1e6], [1e6, 1e6], [-1e6, 1e6]]}
  - id: bright
    label: Bright
    parent: cells
    gate: {method: valley, axis: %s, fallback: 1000}
    keep: high
"""
CODE = """\
import sys
from immunomon.cli.main import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print([name for name in ("numba", "scipy", "pandas", "rich", "flowkit", "matplotlib") if name in sys.modules])
"""


def test_gating_one_file_loads_no_compiler_and_no_tables(tmp_path):
    values = some_values()
    path = write_fcs(tmp_path / "a.fcs", values)
    axis = colours(path)[0]
    (tmp_path / "small.yaml").write_text(STRATEGY % axis, encoding="utf-8", newline="\n")
    words = ["gate", str(tmp_path / "small.yaml"), str(path), "--out", str(tmp_path / "out.csv")]
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
    assert "bright" in (tmp_path / "out.csv").read_text(encoding="utf-8")


def test_the_package_is_started_as_a_module():
    command = [sys.executable, "-m", "immunomon", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(__version__)


def colours(path):
    from immunomon.cytometry.formats.fcs import read_header

    return [c.detector for c in read_header(path).channels if c.kind == "fluorescence"]


def strategy(x, y):
    corners = ((0.1, 0.1), (0.9, 0.2), (0.5, 0.8))
    polygon = GateDeclaration("polygon", {"x": x, "y": y, "vertices": corners, "units": "display"})
    valley = GateDeclaration("valley", {"axis": x, "fallback": 500.0})
    populations = (
        Population("in", "In", "root", polygon, "inside"),
        Population("high", "High", "in", valley, "high"),
        Population("low", "Low", "root", valley, "low"),
    )
    return GatingStrategy("s", "S", 1, None, populations)


def test_with_compiled_code_and_without_the_events_are_the_same(tmp_path):
    path = write_fcs(tmp_path / "a.fcs", some_values())
    declared = strategy(*colours(path)[:2])
    quick, plain = (gate_file(path, declared, fast=fast) for fast in (True, False))
    for name in declared.ids:
        np.testing.assert_array_equal(quick.memberships[name], plain.memberships[name])


def test_many_or_large_files_are_worth_the_compiled_code(tmp_path, monkeypatch):
    path = write_fcs(tmp_path / "a.fcs", some_values())
    asked = []

    def gate(*arguments, fast, **more):
        asked.append(fast)
        return gate_file(*arguments, fast=fast, **more)

    monkeypatch.setattr(files, "gate_file", gate)
    gate_files([path], strategy(*colours(path)[:2]))
    monkeypatch.setattr(files, "_MUCH", path.stat().st_size - 1)
    gate_files([path], strategy(*colours(path)[:2]))
    assert asked == [False, True]
