"""What lies beside a run's tables is in the database too: placed gates, statistics, assessments, the audit trail."""

from __future__ import annotations

import hashlib
import json

import pandas as pd
import pytest
from support.small_gates import with_gates, with_trail

from immunomon.cli.audit import audit_database
from immunomon.cli.export import export_database
from immunomon.errors import BadRun, ExportFailed
from immunomon.outputs.database.database import export_run
from immunomon.runs.audit import AuditTrail
from immunomon.trial.model.tables import LAGS, MISSING, POWER

PLATELETS = "subject,visit,study_day,platelets_1e9_per_l,bleeding\nS00,D-1,-1,15,false\nS00,W4,29,,true\n"


def with_statistics(run):
    folder = run / "statistics"
    folder.mkdir()
    row = dict.fromkeys(POWER.names) | {"endpoint": "treg", "visit": "W4", "n": 3, "test": "t", "sd": 0.5}
    pd.DataFrame([row]).astype(POWER.dtypes).to_parquet(folder / "power.parquet", index=False)
    pd.DataFrame(columns=list(MISSING.names)).astype(MISSING.dtypes).to_parquet(folder / "missing.parquet")
    made_from = hashlib.sha256((run / "run.json").read_bytes()).hexdigest()
    (folder / "analysis.json").write_text(json.dumps({"run_digest": made_from}), encoding="utf-8")
    return run


def in_study(make_run, **files):
    run = make_run("study/run")
    (run.parent / "study.yaml").write_text("", encoding="utf-8")
    for name, content in files.items():
        (run.parent / f"{name}.csv").write_text(content, encoding="utf-8")
    return run


def plain(value):
    return json.loads(value) if isinstance(value, str) else value


def test_the_gates_that_were_placed_are_told_with_their_axes_and_those_that_were_not_with_why(
    make_run, database, asked
):
    assert export_run(with_gates(make_run()), database).rows["placed_gates"] == 10
    gate = asked.one("SELECT * FROM placed_gates WHERE sample_id = 'S02_W4' AND population = 'cd4'")
    assert plain(gate["geometry"]) == {"kind": "interval", "axis": "CD4", "low": 0.5, "high": None}
    assert list(plain(gate["axes"])) == ["CD4"]
    assert (
        gate["geometry_sha256"]
        == asked.one("SELECT DISTINCT geometry_sha256 AS g FROM placed_gates WHERE kind = 'interval'")["g"]
    )
    failed = asked.one("SELECT * FROM placed_gates WHERE sample_id = 'S02_W4' AND population = 'treg'")
    assert (failed["geometry"], failed["kind"], failed["reason"]) == (None, None, "no valley was found")


def test_a_gate_that_was_changed_after_the_run_was_sealed_is_not_exported(make_run, database):
    run = with_gates(make_run())
    AuditTrail(run).seal(by="Ana", reason="")
    path = run / "gates" / "S02_W4.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.5", "0.6"), encoding="utf-8")
    with pytest.raises(BadRun, match=r"S02_W4.json: was changed after the run; see what: immunomon audit"):
        export_run(run, database)


def test_statistics_of_this_state_of_the_run_are_rows_and_a_view_with_columns(make_run, database, asked):
    assert export_run(with_statistics(make_run()), database).rows["statistics"] == 1
    assert asked.one("SELECT statistic, record FROM statistics") == {
        "statistic": "power",
        "record": "treg | W4 | 3 | t",
    }
    assert asked.one("SELECT endpoint, n, sd, power FROM v_statistic_power") == {
        "endpoint": "treg",
        "n": 3,
        "sd": 0.5,
        "power": None,
    }


def test_statistics_of_an_earlier_state_are_left_out_and_that_is_said(make_run, capsys):
    run = with_statistics(make_run())
    (run / "statistics" / "analysis.json").write_text("{}", encoding="utf-8")
    export_database(run, None)
    assert "was made from an earlier state of the run; write it anew with: immunomon compare" in capsys.readouterr().out


def test_what_was_said_of_a_mechanism_is_there_under_its_own_name(make_run, database, asked):
    run = with_statistics(make_run())
    (run / "mechanism").mkdir()
    row = dict.fromkeys(LAGS.names) | {"endpoint": "treg", "lag": "same visit", "r": 0.25}
    pd.DataFrame([row]).astype(LAGS.dtypes).to_parquet(run / "mechanism" / "lags.parquet", index=False)
    (run / "mechanism" / "mechanism.json").write_bytes((run / "statistics" / "analysis.json").read_bytes())
    assert export_run(run, database).rows["statistics"] == 2
    assert asked.one("SELECT endpoint, lag, r FROM v_statistic_mechanism_lags") == {
        "endpoint": "treg",
        "lag": "same visit",
        "r": 0.25,
    }


def test_the_studys_other_assessments_are_there_as_they_stand(make_run, database, asked):
    run = in_study(make_run, platelets=PLATELETS)
    derived = pd.DataFrame({"subject": ["S00", "S01"], "response": [True, None], "best": [15.5, 3.0]})
    (run / "assessments").mkdir()
    derived.to_parquet(run / "assessments" / "response.parquet")
    assert export_run(run, database).rows["assessments"] == 4
    rows = asked.rows("SELECT record, visit, content FROM assessments WHERE assessment = 'platelets' ORDER BY record")
    assert [row["record"] for row in rows] == ["S00 | D-1 | -1", "S00 | W4 | 29"]
    assert plain(rows[1]["content"]) == {
        **{"subject": "S00", "visit": "W4", "study_day": 29, "platelets_1e9_per_l": None, "bleeding": True}
    }
    query = "SELECT platelets_1e9_per_l AS p, bleeding AS b FROM v_assessment_platelets WHERE visit = 'D-1'"
    assert asked.one(query) == {"p": 15, "b": 0}
    assert asked.one("SELECT best FROM v_assessment_response WHERE subject = 'S00'")["best"] == 15.5


def test_a_table_from_a_german_excel_is_the_same_in_the_database(make_run, database, asked):
    written = PLATELETS.replace("-1,15,", "-1,15.5,")
    german = "sep=;\n" + written.replace(",", ";").replace("15.5", "15,5")
    export_run(in_study(make_run, platelets=german), database)
    row = asked.one("SELECT content FROM assessments WHERE assessment = 'platelets' AND visit = 'D-1'")
    assert plain(row["content"])["platelets_1e9_per_l"] == 15.5


def test_assessments_made_from_other_files_are_left_out_and_that_is_said(make_run, database):
    run = in_study(make_run, platelets=PLATELETS)
    (run / "assessments").mkdir()
    pd.DataFrame({"subject": ["S00"], "best": [15.5]}).to_parquet(run / "assessments" / "response.parquet")
    record = {"run_digest": "d1", "inputs": {"platelets.csv": hashlib.sha256(PLATELETS.encode()).hexdigest()}}
    (run / "assessments" / "assessments.json").write_text(json.dumps(record), encoding="utf-8")
    assert export_run(run, database).rows["assessments"] == 3
    (run.parent / "platelets.csv").write_text(PLATELETS + "S01,W4,29,80,false\n", encoding="utf-8")
    summary = export_run(run, database)
    assert (summary.rows["assessments"], summary.changes["assessments"].withdrawn) == (3, 1)
    assert "write it anew with: immunomon assess" in summary.notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("subject,visit\nS99,W4\n", r"platelets.csv line 2: the study has no subject 'S99'; correct it"),
        ("visit\nW4\n", r"platelets.csv line 1: has no column subject"),
        ("subject,visit\nS00,W4,5\n", r"platelets.csv line 2: 3 cells, but the header has 2 columns"),
        ('subject,visit\nS00,"W4\n', r"platelets.csv line 2: not CSV: .*; check the quotes"),
    ],
)
def test_an_assessment_that_cannot_be_is_refused_with_its_line(make_run, database, content, said):
    with pytest.raises(ExportFailed, match=said):
        export_run(in_study(make_run, platelets=content), database)


def test_the_audit_trail_and_the_deliveries_in_it_are_in_the_database(make_run, database, asked):
    run = make_run()
    trail = with_trail(run, "deliver")
    export_run(run, database)
    rows = asked.rows("SELECT number, action, by_whom, hash, previous_hash FROM audit ORDER BY number")
    assert [(row["number"], row["action"]) for row in rows] == [(1, "run"), (2, "deliver")]
    assert [row["hash"] for row in rows] == [entry["hash"] for entry in trail.entries()[:2]]  # the export is the third
    assert rows[1]["previous_hash"] == rows[0]["hash"]
    delivered = asked.one("SELECT kind, manifest_sha256, made_by FROM deliveries")
    assert delivered == {"kind": "csv", "manifest_sha256": "f" * 64, "made_by": "Ana"}


def test_an_export_is_an_entry_of_the_audit_trail_without_the_password(make_run, postgresql, capsys):
    run = make_run(name="TRAIL")
    trail = with_trail(run)
    export_database(run, postgresql, by="Ana", reason="first look")
    entry = trail.entries()[-1]
    assert (entry["action"], entry["by"], entry["reason"]) == ("export", "Ana", "first look")
    assert entry["target"].startswith("postgresql://owner:***@")
    assert "s3cret" not in trail.path.read_text(encoding="utf-8") + capsys.readouterr().out


def test_the_same_run_again_changes_nothing_though_the_export_is_in_its_trail(make_run, database, asked, capsys):
    run = make_run()
    with_trail(run)
    export_database(run, database)
    before = asked.dump()
    export_database(run, database)
    assert asked.dump() == before
    assert "nothing was changed" in capsys.readouterr().out


def test_what_happened_to_a_run_since_its_export_is_added_by_the_next(make_run, database, asked, capsys):
    run = make_run()
    trail = with_trail(run)
    export_database(run, database)
    trail.append("deliver", by="Ana", reason="", target="delivery sdtm", manifest="0" * 64)
    export_database(run, database)
    assert "only new entries of its audit trail were added" in capsys.readouterr().out
    assert [row["action"] for row in asked.rows("SELECT action FROM audit ORDER BY number")] == [
        "run",
        "export",
        "deliver",
    ]
    assert asked.one("SELECT count(*) AS n FROM runs")["n"] == 1


def test_an_export_of_new_entries_alone_is_an_entry_too_and_calls_for_no_other(make_run, database, capsys):
    run = make_run()
    trail = with_trail(run)
    export_database(run, database)
    trail.append("deliver", by="Ana", reason="", target="delivery sdtm", manifest="0" * 64)
    for outcome in ("only new entries", "nothing was changed"):
        capsys.readouterr()
        export_database(run, database, by="Ana")
        assert outcome in capsys.readouterr().out
        assert [entry["action"] for entry in trail.entries()] == ["run", "export", "deliver", "export"]
    entry = trail.entries()[-1]
    assert entry["seal"].startswith("2:")
    assert audit_database(database, entries=False, head=entry["seal"]) == 0


def test_a_trail_that_was_changed_since_it_was_exported_is_refused(make_run, database, asked):
    run = make_run()
    trail = with_trail(run, "override", "deliver")
    export_run(run, database)
    before = asked.dump()
    lines = trail.path.read_text(encoding="utf-8").splitlines(keepends=True)
    trail.path.write_text("".join(lines[:2]), encoding="utf-8")
    with pytest.raises(ExportFailed, match="the run's audit trail was changed: entry 3 is missing"):
        export_run(run, database)
    trail.append("override", by="Eve", reason="nothing")
    with pytest.raises(ExportFailed, match="entry 3 is another than the one that was exported before"):
        export_run(run, database)
    assert asked.dump() == before


def test_a_password_that_somebody_wrote_into_a_reason_does_not_get_into_the_database(make_run, database, asked):
    run = make_run()
    with_trail(run)
    AuditTrail(run).append("export", by="Ana", reason="to postgresql://me:hush-hush@host/db", target="x")
    export_run(run, database)
    assert "hush" not in repr(asked.dump())
    assert "postgresql://me:***@host/db" in repr(asked.rows("SELECT reason FROM audit"))
