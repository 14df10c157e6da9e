"""The way of a number, from a run folder and from a database, with decisions, deliveries and what does not fit."""

import json
import shutil
import sqlite3

import pytest
from support.small_run import copied_run, shared_run

from immunomon.cli.deliver import deliver
from immunomon.cli.export import export_database
from immunomon.cli.trace import show, trace_lines
from immunomon.errors import ImmunomonError
from immunomon.outputs.trace.of_run import RunRecords
from immunomon.outputs.trace.trace import Asked, trace
from immunomon.runs.run import run_study

MOVED = (
    "schema: immunomon.overrides/1\noverrides:\n"
    "  - {action: move-gate, sample: fcs__treg__S01_W4_treg, population: cd4,"
    " gate: {method: interval, axis: CD4, low: 1500}, reason: shoulder, by: A. Analyst, when: 2026-01-31T14:05:00Z}\n"
    "  - {action: drop-sample, sample: fcs__treg__S02_W4_treg,"
    " reason: clotted, by: A. Analyst, when: 2026-01-31T14:05:00Z}\n"
)
TREG = Asked("S01", "W4", "treg", "cd4")


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A study with decisions, its run, a database and two deliveries of it; not to be changed."""
    study = copied_run(shared_run(tmp_path_factory, events=9000), tmp_path_factory.mktemp("trace") / "study").parent
    (study / "overrides.yaml").write_text(MOVED, encoding="utf-8")
    run_study(study, jobs=2)
    for kind in ("csv", "adam"):
        assert deliver(study / "run", kind, study / kind) == 0
    assert export_database(study / "run", f"sqlite:///{study / 'trial.sqlite'}") == 0
    return study


@pytest.fixture
def shown(traced, capsys):
    def show_it(asked=TREG, source=None, **more):
        options = {"study": None, "delivery": None, "as_json": True} | more
        capsys.readouterr()
        status = show(source or str(traced / "run"), asked, **options)
        text = capsys.readouterr().out
        return status, json.loads(text) if options["as_json"] else text

    return show_it


def test_a_number_leads_back_to_file_panel_matrix_scales_gates_decision_counts_and_formula(traced, shown):
    status, found = shown()
    (number,) = found["numbers"]
    assert status == 0
    assert number["file_now"] == "has these bytes still"
    assert len(number["sample"]["sha256"]) == len(number["panel"]["digest"]) == len(number["strategy"]["digest"]) == 64
    assert len(number["matrix"]["values"]) == len(number["matrix"]["detectors"]) == 8
    way = [gate["population"] for gate in number["gates"]]
    assert way == ["singlets", "live", "lymphocytes", "t_cells", "cd4", "treg"]
    moved = number["gates"][-2]
    assert moved["source"] == "moved by A. Analyst"
    assert moved["in_units"] == [{"axis": "CD4", "low": pytest.approx(1500)}]
    assert moved["as_override"] == {"method": "interval", "axis": "CD4", "low": pytest.approx(1500)}
    assert number["gates"][-1]["axes"].keys() == {"CD25", "CD127"}
    assert [one["decision"]["population"] for one in number["decisions"]] == ["cd4"]
    row = number["frequency"]
    assert row["percent"] == pytest.approx(100 * row["count"] / row["denominator_count"], rel=1e-12)
    assert number["worked_out"]["agrees"] is number["absolute"]["agrees"] is True
    assert [one["quantity"] for one in found["changes"]] == ["percent", "cells_per_ul"]
    assert all(one["worked_out"]["agrees"] for one in found["changes"])
    assert len(number["medians"]) == len({one["marker"] for one in number["medians"]}) == 8
    assert [one["target"] for one in found["deliveries"]] == ["delivery csv", "delivery adam"]
    assert [one["target"] for one in found["exports"]] == [f"sqlite:///{traced / 'trial.sqlite'}"]


def test_the_database_tells_the_same_numbers_gates_and_decisions(traced, shown):
    _, of_run = shown()
    status, of_database = shown(source=f"sqlite:///{traced / 'trial.sqlite'}")
    assert status == 0
    one, other = of_run["numbers"][0], of_database["numbers"][0]
    same = ("count", "denominator_count", "percent", "percent_low", "percent_total_high", "gate_se", "reportable")
    assert {name: other["frequency"][name] for name in same} == {name: one["frequency"][name] for name in same}
    assert [gate["gate"] for gate in other["gates"]] == [gate["gate"] for gate in one["gates"]]
    assert [gate["axes"] for gate in other["gates"]] == [gate["axes"] for gate in one["gates"]]
    assert [entry["hash"] for entry in other["decisions"]] == [entry["hash"] for entry in one["decisions"]]
    assert of_database["run"]["digest"] == of_run["run"]["digest"]
    assert of_database["run"]["sealed"].endswith("every row is as it was sealed")
    medians = [{row["marker"]: row["median_intensity"] for row in told["medians"]} for told in (one, other)]
    assert medians[0] == medians[1]
    assert of_database["audit"]["run_entry"] == of_run["audit"]["run_entry"]


@pytest.mark.parametrize(("kind", "datasets"), [("csv", ["subset_frequencies"]), ("adam", ["CP", "ADCP"])])
def test_a_delivery_has_its_records_and_its_entry_in_the_trail(traced, shown, kind, datasets):
    status, found = shown(delivery=traced / kind)
    delivery = found["delivery"]
    assert status == 0
    assert (delivery["of_this_run"], delivery["trail_entry"]["by"]) == (True, found["deliveries"][0]["by"])
    assert list(dict.fromkeys(one["dataset"] for one in delivery["records"])) == datasets
    percent = found["numbers"][0]["frequency"]["percent"]
    value = {"subset_frequencies": "value", "CP": "CPSTRESN", "ADCP": "AVAL"}
    first = delivery["records"][0]
    assert first[value[first["dataset"]]] == pytest.approx(percent, rel=1e-8)


def test_the_text_says_it_for_a_person(shown):
    _, text = shown(as_json=False)
    for word in ("SHA-256", "logicle t 262144", "placed by valley, moved by A. Analyst", "Formula    100 x ", "head "):
        assert word in text
    assert text.endswith("Everything on this way fits.\n")
    left = [line.split(": ", 1)[1].split(" /")[0] for line in text.splitlines() if line.startswith("Left ")]
    assert [line.split(",")[0].split(":")[0] for line in left] == ["delivery csv", "delivery adam", "export to sqlite"]
    assert ", head of its seals 1:" in left[-1]


def test_a_change_is_worked_out_from_the_two_values_and_names_the_baseline_sample(shown):
    _, text = shown(Asked("S01", "W4", "cd4", "lymphocytes"), as_json=False)
    told = text[text.index("Change     percent of lymphocytes") :].splitlines()[1]
    value, _, baseline, _, change = told.split(";")[0].split()
    assert float(change) == pytest.approx(float(value) - float(baseline), rel=1e-6)
    assert told.endswith("baseline from fcs__treg__S01_D-1_treg")
    assert "Median     CD25 on PE-A: " in text


def test_a_net_response_and_normalised_values_are_told_where_the_run_has_them(traced, monkeypatch):
    row = {"panel": "treg", "denominator": "cd4", "population": "treg", "percent": 3.0, "unstimulated_percent": 1.25}
    net = {**row, "net_percent": 1.75, "net_low": 1.0, "net_high": 2.0, "p_value": 0.001, "positive": True}
    net |= {"reportable": True, "reason": None, "sample_id": "with", "unstimulated_sample_id": "without"}
    net |= {f"{name}count": 5 for name in ("", "denominator_", "unstimulated_", "unstimulated_denominator_")}
    normal = {"denominator": "cd4", "percent": 3.0, "normalised_percent": 2.5}
    more = {"responses": [net], "normalised_frequencies": [normal]}
    own = RunRecords.rows
    monkeypatch.setattr(RunRecords, "rows", lambda self, table, **equal: more.get(table) or own(self, table, **equal))
    found = trace(RunRecords(traced / "run"), TREG)
    text = "\n".join(trace_lines(found))
    assert "percentage points: 3 - 1.25 = 1.75" in text
    assert "without stimulus 5 of 5, without" in text
    assert "net 1.75, 95 % 1 to 2; p 0.001, positive" in text
    assert "Normalised percent of cd4: 3 -> 2.5" in text
    net["net_percent"] = 1.7
    assert "1.25 = 1.75, but the table says otherwise" in "\n".join(
        trace_lines(trace(RunRecords(traced / "run"), TREG))
    )


def test_a_row_that_was_changed_in_the_database_is_said_on_its_way(traced, tmp_path, capsys):
    copy = shutil.copy(traced / "trial.sqlite", tmp_path / "trial.sqlite")
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE populations SET gate_method = 'other' WHERE sample_id = 'fcs__treg__S01_W4_treg'")
    connection.close()
    for visit, status in (("W4", 1), ("D-1", 0)):
        asked = Asked("S01", visit, "treg", "cd4")
        assert show(f"sqlite:///{copy}", asked, study=None, delivery=None, as_json=False) == status
    assert "DOES NOT FIT: table populations: the row sample_id=fcs__treg__S01_W4_treg, pop" in capsys.readouterr().out


def test_without_a_denominator_all_are_told(shown):
    _, found = shown(Asked("S01", "W4", "treg"))
    assert len(found["numbers"]) == len({one["frequency"]["denominator"] for one in found["numbers"]}) > 1


def test_a_dropped_sample_has_no_value_and_says_who_and_why(shown):
    status, found = shown(Asked("S02", "W4", "treg", "cd4"))
    (number,) = found["numbers"]
    assert (status, number["gates"], number["frequency"]["percent"]) == (0, [], None)
    assert "dropped by A. Analyst" in number["frequency"]["reason"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked("S91", "W4", "treg"), "no subject 'S91' in the run; "),
        (Asked("S01", "W5", "treg"), "no visit 'W5' in the run; known are: D-1, W4"),
        (Asked("S01", "W4", "tregs"), "no population 'tregs' in the run; did you mean 'treg'"),
        (Asked("S01", "W4", "treg", "cd8"), "no denominator 'cd8' in the run; .*cd4"),
        (Asked("S01", "W4", "treg", panel="tregg"), "no panel 'tregg' in the run; did you mean 'treg'"),
    ],
)
def test_what_there_is_not_is_named_with_the_nearest(shown, asked, message):
    with pytest.raises(ImmunomonError, match=message):
        shown(asked)


def test_visits_are_named_in_the_order_of_their_days(traced, monkeypatch):
    own = RunRecords.rows

    def rows(self, table, **equal):
        found = own(self, table, **equal)
        return [{**row, "visit": "W12", "planned_day": 85} if row["visit"] == "D-1" else row for row in found]

    monkeypatch.setattr(RunRecords, "rows", rows)
    with pytest.raises(ImmunomonError, match="no visit 'V5' in the run; known are: W4, W12"):
        trace(RunRecords(traced / "run"), Asked("S01", "V5", "treg"))


def test_what_does_not_fit_on_the_way_is_said_and_costs_the_exit_status(traced, tmp_path, capsys):
    study = shutil.copytree(traced, tmp_path / "study")
    (study / "fcs" / "treg" / "S01_W4_treg.fcs").write_bytes(b"FCS3.1")
    gates = study / "run" / "gates" / "fcs__treg__S01_W4_treg.json"
    gates.write_text(gates.read_text(encoding="utf-8").replace("1500", "1501", 1).replace("0.5", "0.6", 1))
    (study / "csv" / "links.csv").write_text("sample_id\n", encoding="utf-8")
    manifest = study / "csv" / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert show(str(study / "run"), TREG, study=None, delivery=study / "csv", as_json=False) == 1
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("DOES NOT FIT")]
    words = ("was changed after the run", "other gates", "not the file", "links.csv", "its manifest")
    assert [word for word in words if not any(word in line for line in said)] == []
    assert len(said) >= 5


def test_a_database_without_the_study_names_those_it_has(traced):
    with pytest.raises(ImmunomonError, match=r"no study 'DEMO'; .*name one with --study: "):
        show(f"sqlite:///{traced / 'trial.sqlite'}", TREG, study="DEMO", delivery=None, as_json=True)


def test_a_folder_without_a_run_says_so(tmp_path):
    with pytest.raises(ImmunomonError, match="no finished run here; make it with: immunomon run"):
        show(str(tmp_path), TREG, study=None, delivery=None, as_json=True)
