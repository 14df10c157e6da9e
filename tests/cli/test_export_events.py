"""``immunomon export-events`` and ``immunomon info``, as a user calls them."""

import json

import flowio
import numpy as np
import pytest
from support.odd_fcs import write_plain

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.assurance.verify.recompute import read_with_fcsparser
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.memberships import read_memberships


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events") / "trial"
    return simulate_trial(folder, events=2500, visits=["D-1"], subjects_per_group=1, panels=["treg"], seed=8)


@pytest.fixture(scope="module")
def file(trial):
    return trial / "fcs" / "treg" / "S01_D-1_treg.fcs"


def test_a_population_is_written_as_its_raw_events_with_all_keywords(file, tmp_path, command):
    out = tmp_path / "new" / "cd4.fcs"
    status, _, err = command("export-events", "treg", file, "--population", "cd4", "--out", out)
    assert status == 0
    command("gate", "treg", file, "--out", tmp_path / "t.csv", "--memberships", tmp_path / "m")
    mask = read_memberships(tmp_path / "m" / f"{file.stem}.npz")["/singlets/live/lymphocytes/t_cells/cd4"]
    header, raw = read_fcs(file)
    written, events = read_fcs(out)
    np.testing.assert_array_equal(events.values, raw.values[mask])
    np.testing.assert_array_equal(flowio.FlowData(out).as_array(), raw.values[mask])
    np.testing.assert_array_equal(read_with_fcsparser(out)[0], raw.values[mask])
    assert f"{mask.sum()} of {raw.count} events, /singlets/live/lymphocytes/t_cells/cd4" in err
    assert written.keyword("IMMUNOMON POPULATION") == "/singlets/live/lymphocytes/t_cells/cd4"
    for key in ("$SPILLOVER", "$DATE", "$CYT", "$P3V", "$P4S"):
        assert written.keyword(key) == header.keyword(key)


def test_a_run_gives_the_events_of_its_own_placed_gates(trial, file, tmp_path, command):
    assert command("run", trial, "--out", tmp_path / "run")[0] == 0
    for source, out in ((tmp_path / "run", "a.fcs"), ("treg", "b.fcs")):
        assert command("export-events", source, file, "--population", "treg", "--out", tmp_path / out)[0] == 0
    np.testing.assert_array_equal(read_fcs(tmp_path / "a.fcs")[1].values, read_fcs(tmp_path / "b.fcs")[1].values)
    stranger = tmp_path / "stranger.fcs"
    stranger.write_bytes(file.read_bytes())
    status, _, err = command(
        "export-events", tmp_path / "run", stranger, "--population", "treg", "--out", tmp_path / "c"
    )
    assert (status, "this run gated no file named stranger.fcs" in err) == (1, True)


def test_an_unknown_population_is_named_with_the_nearest(file, tmp_path, command):
    status, _, err = command("export-events", "treg", file, "--population", "cd44", "--out", tmp_path / "a.fcs")
    assert status == 1
    assert "no population 'cd44'; did you mean 'cd4'?" in err
    assert not (tmp_path / "a.fcs").exists()


def test_the_file_that_is_read_is_never_overwritten(file, command):
    before = file.read_bytes()
    status, _, err = command("export-events", "treg", file, "--population", "root", "--out", file)
    assert (status, "would overwrite" in err) == (1, True)
    assert file.read_bytes() == before


def test_info_lists_what_was_repaired(tmp_path, command):
    path = write_plain(tmp_path / "a.fcs", bytes(8), 2, 1, MODE=None, TIMESTEP="x")
    facts = json.loads(command("info", path, "--json")[1])
    assert (facts["events"], facts["data_set"], facts["data_sets"]) == (1, 1, 1)
    assert [said.split(":")[0] for said in facts["deviations"]] == [
        "$MODE is missing",
        "$TIMESTEP is 'x', not a number",
    ]
    assert "deviates   $MODE is missing" in command("info", path)[1]
    status, _, err = command("info", path, "--data-set", "2")
    assert (status, "it has no data set 2" in err) == (1, True)
