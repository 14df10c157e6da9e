"""What ``immunomon export`` says."""

from __future__ import annotations

import pytest

from immunomon.cli.export import export_database
from immunomon.errors import BadRun


def test_the_command_tells_what_was_written_and_what_was_not(make_run, capsys):
    run = make_run()
    assert export_database(run, None) == 0
    first = capsys.readouterr().out
    assert "DEMO is now in sqlite:///" in first
    assert [line.split()[:2] for line in first.splitlines() if "frequencies" in line] == [["frequencies", "18"]]
    assert export_database(run, None) == 0
    assert "already holds this run; nothing was changed" in capsys.readouterr().out
    assert export_database(make_run(shift=2), None) == 0
    third = capsys.readouterr().out
    assert "now holds this run; what it replaces is kept as earlier versions" in third
    told = next(line for line in third.splitlines() if "frequencies" in line)
    assert told.endswith("18 rows  (0 new, 15 changed, 0 withdrawn)")


def test_the_command_never_shows_a_password(make_run, postgresql, capsys):
    export_database(make_run(), postgresql)
    said = capsys.readouterr().out
    assert "postgresql://owner:***@127.0.0.1" in said
    assert "s3cret" not in said


def test_a_folder_that_is_no_run_is_an_error(tmp_path):
    with pytest.raises(BadRun, match=r"no run.json.*immunomon run"):
        export_database(tmp_path, None)
