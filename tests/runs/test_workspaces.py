"""Files through workspaces: which sample a file is, channels under other spellings, counts beside counts."""

import json
import warnings

import numpy as np
import pytest
from support.fcs_files import write_fcs
from support.workspaces import flowjo_sample, flowjo_workspace, population, rectangle_xml

from immunomon.cytometry.formats.fcs import read_header
from immunomon.cytometry.formats.flowjo_writing import write_flowjo
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.cytometry.formats.workspaces import read_workspace
from immunomon.cytometry.model.placed import OWN_MATRIX, GateAxis, PlacedStrategy
from immunomon.cytometry.model.scales import Logicle
from immunomon.errors import UnknownName
from immunomon.runs.placed import apply_to_file
from immunomon.runs.single import FROM_FILE, Compensation
from immunomon.runs.workspaces import find_sample, gate_with_workspace, samples_of_run

LOW = population("low", rectangle_xml(A=(0, 9.5)), count=11)
HIGH = population("high", rectangle_xml(A=(9.5, 99)), count=10)
ACQUIRED = {"$TOT": "20", "$FIL": "original.fcs", "$DATE": "13-JAN-2025", "$BTIM": "10:00:00"}


def file(folder, name, **keywords):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    values = np.column_stack([np.arange(20.0), np.zeros(20)])
    write_fcs(path, values, ["A", "B"], **{key.lower(): value for key, value in keywords.items()})
    return path


def workspace(tmp_path, *samples, groups=None):
    path = tmp_path / "w.wsp"
    path.write_text(flowjo_workspace(*samples, groups=groups), encoding="utf-8")
    return read_workspace(path)


def sample_of(found, path):
    return find_sample(found, read_header(path)).id


def test_a_file_is_known_by_the_name_at_the_end_of_the_workspaces_path(tmp_path):
    found = workspace(
        tmp_path,
        flowjo_sample(LOW, name="one", number="1", uri="file:/C:/My%20Data/A%201.fcs"),
        flowjo_sample(HIGH, name="two", number="2", uri="file:/data/b.fcs"),
    )
    assert sample_of(found, file(tmp_path, "a 1.fcs")) == "1"
    assert sample_of(found, file(tmp_path, "b.fcs")) == "2"


def test_a_file_under_another_name_is_known_by_what_its_header_says(tmp_path):
    found = workspace(
        tmp_path,
        flowjo_sample(LOW, name="x.fcs", number="1", keywords=ACQUIRED | {"$BTIM": "11:00:00", "$FIL": "x.fcs"}),
        flowjo_sample(HIGH, name="original.fcs", number="2", keywords=ACQUIRED),
    )
    renamed = file(tmp_path, "renamed.fcs", **{"$FIL": "original.fcs", "$DATE": "13-JAN-2025", "$BTIM": "10:00:00"})
    assert sample_of(found, renamed) == "2"


def test_two_samples_of_one_name_are_told_apart_by_the_header(tmp_path):
    found = workspace(
        tmp_path,
        flowjo_sample(LOW, name="a.fcs", number="1", keywords=ACQUIRED | {"$BTIM": "11:00:00", "$FIL": "p"}),
        flowjo_sample(HIGH, name="a.fcs", number="2", keywords=ACQUIRED | {"$FIL": "q"}),
    )
    path = file(tmp_path, "a.fcs", **{"$DATE": "13-JAN-2025", "$BTIM": "11:00:00", "$FIL": "r"})
    assert sample_of(found, path) == "1"
    with pytest.raises(UnknownName, match="2 samples of the workspace fit"):
        sample_of(found, file(tmp_path / "other", "a.fcs"))


def test_a_file_that_no_sample_fits_is_a_failure_with_the_remedy(tmp_path):
    found = workspace(tmp_path, flowjo_sample(LOW, name="a.fcs"))
    result = gate_with_workspace([file(tmp_path, "zzz.fcs")], found)
    assert result.rows == ()
    assert "no sample of this file" in result.failures[0]
    assert "--sample" in result.failures[0]


def test_a_named_sample_or_group_gates_every_file(tmp_path):
    found = workspace(tmp_path, flowjo_sample(LOW, name="a.fcs"), groups={"Blood": HIGH})
    strangers = [file(tmp_path, "y.fcs"), file(tmp_path, "z.fcs")]
    for named, expected in (("a.fcs", ("low", 10)), ("Blood", ("high", 10))):
        rows = gate_with_workspace(strangers, found, sample=named).rows
        assert [(row["population"], row["count"]) for row in rows] == [expected] * 2
    assert "did you mean 'Blood'" in gate_with_workspace(strangers, found, sample="Blod").failures[0]


def test_of_two_samples_of_one_name_the_id_says_whose_gates_are_meant(tmp_path):
    samples = flowjo_sample(LOW, name="a.fcs", number="1"), flowjo_sample(HIGH, name="a.fcs", number="2")
    found, stranger = workspace(tmp_path, *samples), [file(tmp_path, "y.fcs")]
    said = gate_with_workspace(stranger, found, sample="a.fcs").failures[0]
    assert "2 samples or groups are called 'a.fcs'; give the id of one with --sample: '1', '2'" in said
    for number, label in (("1", "low"), ("2", "high")):
        assert [row["population"] for row in gate_with_workspace(stranger, found, sample=number).rows] == [label]


def test_stored_counts_stand_beside_ours_with_the_difference_in_percent_of_the_parent(tmp_path):
    found = workspace(tmp_path, flowjo_sample(LOW, name="a.fcs"))
    (row,) = gate_with_workspace([file(tmp_path, "a.fcs")], found).rows
    assert (row["count"], row["reference_count"], row["difference_percent_of_parent"]) == (10, 11, -5.0)


def test_a_sample_of_another_size_and_one_without_gates_are_noted(tmp_path):
    found = workspace(tmp_path, flowjo_sample(name="a.fcs"))
    notes = gate_with_workspace([file(tmp_path, "a.fcs")], found).notes
    assert any("no gates" in note for note in notes)
    assert any("20 events" in note and "100" in note for note in notes)


def test_a_population_on_a_channel_that_the_file_lacks_is_noted_and_the_others_stand(tmp_path):
    found = workspace(tmp_path, flowjo_sample(LOW + population("c", rectangle_xml(C=(0, 1))), name="a.fcs"))
    result = gate_with_workspace([file(tmp_path, "a.fcs")], found)
    assert [row["count"] for row in result.rows] == [10, None]
    assert any("no channel 'C'" in note for note in result.notes)


def test_memberships_are_written_under_the_populations_paths(tmp_path):
    found = workspace(tmp_path, flowjo_sample(LOW, name="a.fcs"))
    gate_with_workspace([file(tmp_path, "a.fcs")], found, memberships=tmp_path / "m")
    assert read_memberships(tmp_path / "m" / "a.npz")["/low"].sum() == 10


def test_files_of_one_name_are_told_apart_in_the_table_and_the_memberships(tmp_path):
    found = workspace(tmp_path, flowjo_sample(LOW, name="a.fcs"))
    files = [file(tmp_path / folder, "a.fcs") for folder in ("p", "q")]
    result = gate_with_workspace(files, found, memberships=tmp_path / "m")
    assert [row["file"] for row in result.rows] == [path.as_posix() for path in files]
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["p__a.npz", "q__a.npz"]


def test_a_runs_gates_exported_as_a_workspace_give_the_runs_counts_again(trial, finished, tmp_path):
    samples = samples_of_run(finished)
    gated = [trial / item["file"] for item in manifest_files(finished) if item["status"] == "gated"]
    assert len(samples) == len(gated)
    path = tmp_path / "gates.wsp"
    path.write_bytes(write_flowjo(samples))
    result = gate_with_workspace(gated[:4], read_workspace(path))
    assert result.failures == ()
    compared = [row for row in result.rows if row["reference_count"] is not None]
    assert len(compared) > 4 * 7
    assert [row["path"] for row in compared if row["count"] != row["reference_count"]] == []


def manifest_files(run):
    return json.loads((run / "run.json").read_text(encoding="utf-8"))["files"]


@pytest.mark.parametrize("panel", ["treg", "thelper"])
def test_flowkit_finds_a_runs_events_in_the_exported_workspace(trial, finished, tmp_path, panel):
    import flowkit

    chosen = next(sample for sample in samples_of_run(finished) if f"D-1_{panel}" in sample.id)
    path = tmp_path / "gates.wsp"
    path.write_bytes(write_flowjo([chosen]))
    file = next(trial / item["file"] for item in manifest_files(finished) if item["sample_id"] == chosen.id)
    ours = apply_to_file(file, chosen.placed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = flowkit.Workspace(str(path), fcs_samples=[str(file)], filename_as_id=True)
        theirs.analyze_samples(sample_id=chosen.name)
    assert len(ours.memberships) > 5
    for placed in ours.populations:
        *above, name = placed.path.strip("/").split("/")
        found = theirs.get_gate_membership(chosen.name, name, gate_path=("root", *above))
        assert (np.asarray(found) == ours.memberships[placed.id]).all(), placed.id


@pytest.mark.parametrize(
    ("keywords", "compensation", "said"),
    [
        ({}, FROM_FILE, ["not compensated: the file has no spillover matrix of its own"]),
        ({"spillover": "2,A,B,1,0.1,0,1"}, FROM_FILE, []),
        (
            {"spillover": "2,A,B,1,0.1,0,1", "spill": "2,A,B,1,0,0,1"},
            FROM_FILE,
            ["$SPILLOVER and SPILL hold"],
        ),
        ({"spillover": "2,B,C,1,0.1,0,1"}, FROM_FILE, ["the matrix in use lacks stained detectors"]),
        ({}, Compensation(from_file=False), []),
    ],
)
def test_gates_that_ask_for_the_files_matrix_say_what_it_lacks(tmp_path, keywords, compensation, said):
    path = write_fcs(tmp_path / "a.fcs", np.arange(60.0).reshape(20, 3), ["A", "B", "C"], **keywords)
    placed = PlacedStrategy("s", {"A": GateAxis("A", OWN_MATRIX, Logicle())}, ())
    heard = []
    apply_to_file(path, placed, compensation=compensation, say_note=heard.append)
    assert [remark.removeprefix(f"{path}: ")[: len(start)] for remark, start in zip(heard, said, strict=True)] == said
