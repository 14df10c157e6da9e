"""Strategies of before, in one cytometer's numbers: each number is found, with the line to write instead."""

import re

import pytest

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.dated import dated_lines
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.runs.checks.paths import check_paths

OLD = """\
schema: immunomon.strategy/1
name: old
label: Old
version: 1
scales:
  fluorescence: {kind: logicle, t: 262144, w: 0.7, m: 4.5, a: 0}
gates:
  four: {method: quadrants, x: A, y: B, x_fallback: 1500, y_by: {method: valley, axis: B, fallback: 800}}
populations:
  - {id: cells, parent: root, gate: {method: mixture, x: FSC-A, y: SSC-A, near: [90000, 29000]}}
  - {id: ab, parent: cells, gate: four, keep: x+ y+}
  - {id: c, parent: ab, gate: {method: diagonal, x: A, y: B, fallback_offset: 0.12}, keep: above}
  - {id: d, parent: ab, gate: {method: tail, axis: A, low: 900}, keep: high}
  - id: e
    parent: ab
    gate: {method: first_of, of: [{method: control, axis: A}, {method: valley, axis: A, fallback: 700}]}
    keep: high
"""


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text(OLD, encoding="utf-8")
    return path


def test_each_number_of_one_cytometer_is_named_with_its_line_and_what_to_write(old):
    lines = [line.removeprefix(f"{old} ") for line in dated_lines(old)]
    assert [int(re.match(r"line (\d+)", line).group(1)) for line in lines] == [6, 8, 8, 10, 12, 13, 16]
    assert "write 'fluorescence: {kind: logicle, m: 4.5, a: 0}'" in lines[0]
    assert "write 'x_fallback: {above_negative: 13}'" in lines[1]
    assert "write 'fallback: {above_negative: 7.1}'" in lines[2]
    assert "method: cloud" in lines[3]
    assert "write 'fallback_offset: {above_peak: 4}'" in lines[4]
    assert "write 'low: {above_negative: 8}'" in lines[5]


def test_it_is_read_all_the_same_and_check_says_the_lines(old):
    assert load_strategy(old, methods=GATE_METHODS).ids[0] == "cells"
    report = check_paths([old], methods=GATE_METHODS)
    assert not report.problems
    assert list(report.warnings) == dated_lines(old)


def test_what_is_said_instead_is_no_longer_named_and_is_read(old):
    text = old.read_text(encoding="utf-8")
    for line in dated_lines(old):
        number, was, instead = re.search(r"line (\d+): '(.*?)' .*write '(.*?)'", line).groups()
        rows = text.split("\n")
        row = int(number) - 1
        if was == "near":
            rows[row] = rows[row].replace(", near: [90000, 29000]", "")
        elif instead.startswith("fluorescence"):
            rows[row] = f"  {instead}"
        else:
            rows[row] = rows[row].replace(was, instead)
        text = "\n".join(rows)
    old.write_text(text, encoding="utf-8")
    assert dated_lines(old) == []
    load_strategy(old, methods=GATE_METHODS)


@pytest.mark.parametrize("scales", ["t: -1", "w: 99", "m: 0", "t: 1e300", "w: auto", "t: text"])
def test_odd_scales_stop_nothing(old, scales):
    name = scales.partition(":")[0]
    old.write_text(re.sub(rf"{name}: [\d.]+", scales, OLD, count=1), encoding="utf-8")
    assert any("x_fallback" in line for line in dated_lines(old))


def test_the_shipped_strategies_name_no_cytometer():
    from immunomon.study.specs.catalog import find_strategy

    for name in ("treg", "thelper", "thelper-ics", "bcell", "nk"):
        assert dated_lines(find_strategy(name)) == []
