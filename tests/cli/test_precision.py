"""Precision: repeats of a specimen, population by population, in coefficients of variation."""

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from immunomon.api import precision as measured
from immunomon.api.precision import read_repeats
from immunomon.cli import precision as command
from immunomon.errors import BadSpec, ImmunomonError
from immunomon.trial.statistics.precision import Repeat, precision_of

KEY = {"panel": "treg", "quantity": "percent", "population": "treg", "denominator": "cd4"}


def rows(values):
    return [{"sample_id": name, "value": value, **KEY} for name, value in values.items()]


def test_repeats_within_one_run_give_their_coefficient_of_variation():
    repeats = [Repeat(name, "P1") for name in "abc"]
    (result,), without = precision_of(repeats, rows({"a": 9.0, "b": 10.0, "c": 11.0}))
    assert (result.repeatability, result.within_laboratory) == (pytest.approx(10), pytest.approx(10))
    assert (result.specimens, result.repeats, result.degrees, result.between) == (1, 3, 2, {})
    # Two degrees of freedom: chi-square 0.1026 at 5 %.
    assert result.repeatability_upper == pytest.approx(10 * math.sqrt(2 / 0.10259), rel=1e-4)
    assert without == []


def test_specimens_of_different_levels_are_pooled_in_percent_of_their_means():
    repeats = [Repeat(name, name[0]) for name in ("a1", "a2", "b1", "b2")]
    (result,), _ = precision_of(repeats, rows({"a1": 9.0, "a2": 11.0, "b1": 0.9, "b2": 1.1}))
    assert result.repeatability == pytest.approx(10 * math.sqrt(2))
    assert (result.mean_low, result.mean_high) == (pytest.approx(1), pytest.approx(10))


def test_days_and_runs_are_told_apart_and_operators_nested_where_they_work():
    repeats, values = [], {}
    for day, shift in (("d1", -20), ("d2", 20), ("d3", 0)):
        for run in ("r1", "r2"):
            for number in range(2):
                name = f"{day}{run}{number}"
                repeats.append(Repeat(name, "P1", "anna", day, f"{day}{run}"))
                values[name] = 100 + shift + (2 if number else -2)
    (result,), _ = precision_of(repeats, rows(values))
    assert list(result.between) == ["day", "run"]
    assert result.repeatability == pytest.approx(math.sqrt(8))
    assert result.between["run"] == 0
    assert result.between["day"] == pytest.approx(math.sqrt(400), rel=0.01)


def test_repeats_each_of_a_run_of_their_own_say_nothing_of_what_differs_within_a_run():
    repeats = [Repeat(name, "P1", day=f"d{name}") for name in "abc"]
    found, without = precision_of(repeats, rows({"a": 9.0, "b": 10.0, "c": 11.0}))
    assert found == []
    assert without == ["treg: percent treg of cd4: no run has two repeats: what differs within a run cannot be told"]


def test_what_may_not_be_reported_is_left_out_and_counted():
    repeats = [Repeat(name, "P1") for name in "abc"]
    (result,), _ = precision_of(repeats, rows({"a": 9.0, "b": None, "c": 11.0}))
    assert (result.repeats, result.left_out) == (2, 1)
    found, without = precision_of(repeats, rows({"a": 9.0, "b": None, "c": None}))
    assert found == []
    assert without == ["treg: percent treg of cd4: no specimen has two repeats with a value"]


def test_a_list_of_repeats_that_is_wrong_is_said_line_by_line(tmp_path):
    path = tmp_path / "repeats.csv"
    path.write_text("sample_id,specimen,colour\na,P1,x\na,P1,x\nz,P1,x\nb,,x\n", encoding="utf-8")
    with pytest.raises(BadSpec) as caught:
        read_repeats(path, {"a": {}, "b": {}})
    said = [str(problem).partition("csv ")[2] for problem in caught.value.problems]
    assert [one.split(";")[0] for one in said] == [
        "line 1: header: no column named 'colour'",
        "line 3: sample_id: 'a' is there twice",
        "line 4: sample_id: 'z' is no sample of the run",
        "line 5: specimen: is blank",
    ]


@pytest.mark.parametrize(
    ("listed", "what"),
    [
        ("a,P1,anna,\nb,P1,,\n", "line 3: operator: is blank, and is given for other repeats"),
        ("a,P1,anna,\nb,P1,Anna,\n", "line 3: operator: 'Anna' is written 'anna' elsewhere"),
        ("a,P1,anna,\nb,p1,anna,\n", "line 3: specimen: 'p1' is written 'P1' elsewhere"),
        ("a,P1,anna,\nc,P1,anna,\n", "line 3: specimen: 'P1' is of subject S01 (a), and this tube of S02"),
        ("a,P1,anna,\nd,P1,anna,\n", "line 3: specimen: 'P1' is of visit D-1 (a), and this tube of W4"),
    ],
)
def test_repeats_that_are_none_of_each_other_are_refused(tmp_path, listed, what):
    blood = [("S01", "D-1"), ("S01", "D-1"), ("S02", "D-1"), ("S01", "W4")]
    samples = {name: {"subject": subject, "visit": visit} for name, (subject, visit) in zip("abcd", blood, strict=True)}
    path = tmp_path / "repeats.csv"
    path.write_text(f"sample_id,specimen,operator,day\n{listed}", encoding="utf-8")
    with pytest.raises(BadSpec) as caught:
        read_repeats(path, samples)
    assert [str(problem).partition("csv ")[2].split(";")[0] for problem in caught.value.problems] == [what]


def test_absolute_counts_have_their_precision_and_tubes_without_a_value_are_named(tmp_path, monkeypatch, capsys):
    gated = pd.DataFrame(
        [
            {"sample_id": name, "panel": "treg", "population": "cd4", "reportable": True, "cells_per_ul": value}
            for name, value in (("a", 90.0), ("b", 110.0))
        ]
    )
    percents = gated.assign(denominator="lymphocytes", percent=[40.0, 40.0]).drop(columns="cells_per_ul")
    samples = pd.DataFrame([{"sample_id": name, "subject": "S01", "visit": "D-1"} for name in "abc"])
    tables = {"samples": samples, "frequencies": percents, "populations": gated}
    monkeypatch.setattr(measured, "find_run", lambda run: SimpleNamespace(table=tables.__getitem__))
    path = tmp_path / "repeats.csv"
    path.write_text("sample_id,specimen\na,P1\nb,P1\nc,P1\n", encoding="utf-8")
    assert command.precision(tmp_path, repeats=path, most=25, out=None) == 0
    said = capsys.readouterr().out
    assert "treg cd4 per uL: within a run 14.1 %" in said
    assert "treg cd4 of lymphocytes: within a run 0.0 %" in said
    assert "Not estimated: c: no value of this tube may be reported" in said
    with pytest.raises(ImmunomonError, match="--most-cv nan"):
        command.precision(tmp_path, repeats=path, most=math.nan, out=None)
