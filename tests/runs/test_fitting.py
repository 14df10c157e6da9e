"""A workspace's gates on one file: units of Time and of gain, compensated names, names of two spellings, matrices."""

import unicodedata

import numpy as np
import pytest
from support.fcs_files import write_fcs
from support.workspaces import flowjo_sample, flowjo_workspace, population, rectangle_xml

from immunomon.cytometry.formats.workspaces import read_workspace
from immunomon.runs.single import FROM_FILE, Compensation
from immunomon.runs.workspaces import gate_with_workspace

TICKS = np.linspace(0, 9000, 1001)  # 90 s in steps of 0.01 s; the clock says 93 s
CLOCK = {"$TIMESTEP": "0.01", "$BTIM": "10:00:00", "$ETIM": "10:01:33"}
SQUARE = {"A": {"A": 1, "B": 0.5}, "B": {"A": 0, "B": 1}}
BIEX = (
    '<transforms:biex transforms:maxRange="1000" transforms:neg="0" transforms:width="-10" transforms:pos="3" gain="1">'
)


def linear(top, gain="1"):
    return f'<transforms:linear transforms:minRange="0" transforms:maxRange="{top}" gain="{gain}">'


def gated(folder, columns, gates, *, file_keywords=None, markers=None, compensation=FROM_FILE, **sample):
    """Gate a file of these columns with one rectangle a population; return the rows' counts and the notes."""
    written = {key.lower(): value for key, value in (file_keywords or {}).items()}
    path = write_fcs(folder / "a.fcs", np.column_stack(list(columns.values())), list(columns), markers, **written)
    populations = [population(name, rectangle_xml(**sides)) for name, sides in gates.items()]
    workspace = folder / "w.wsp"
    workspace.write_text(flowjo_workspace(flowjo_sample(*populations, **sample)), encoding="utf-8")
    result = gate_with_workspace([path], read_workspace(workspace), compensation=compensation)
    assert result.failures == ()
    return {row["population"]: row["count"] for row in result.rows}, " ".join(result.notes)


def time_gate(folder, top, gain="1", *, name="Time", below=45.0, scale=None, keywords=None, file_keywords=CLOCK):
    counts, notes = gated(
        folder,
        {name: TICKS, "A": TICKS},
        {"early": {name: (0, below)}},
        file_keywords=file_keywords,
        scales={name: scale or linear(top, gain)},
        keywords=keywords,
    )
    return counts["early"], notes


def expected(seconds_a_tick, below=45.0):
    return int((TICKS.astype("f4") * seconds_a_tick <= below).sum())


@pytest.mark.parametrize("name", ["Time", "TIME", "HDR-T"])
@pytest.mark.parametrize("gain", [93 / 9000, 0.005])
def test_a_time_axis_counts_ticks_times_the_gain_of_the_workspace(tmp_path, name, gain):
    assert time_gate(tmp_path, 93, gain, name=name)[0] == expected(gain)
    assert expected(gain) != expected(0.01)


def test_a_gain_unlike_the_time_step_is_said(tmp_path):
    assert "0.005 a tick, the workspace's gain, where $TIMESTEP is 0.01" in time_gate(tmp_path, 47, 0.005)[1]
    assert "$TIMESTEP" not in time_gate(tmp_path, 93, 0.0103)[1]


@pytest.mark.parametrize(
    ("top", "unit", "a_tick", "below"),
    [
        (93, "seconds", 0.01, 45.0),
        (120, "seconds", 0.01, 45.0),
        (9000, "ticks", 1, 4500),
        (93000, "millisec", 10, 45e3),
    ],
)
def test_a_gain_of_1_is_understood_by_the_range(tmp_path, top, unit, a_tick, below):
    count, notes = time_gate(tmp_path, top, below=below)
    assert count == expected(a_tick, below) == 501
    assert f"is taken to be in {unit}" in notes


def test_without_a_time_step_seconds_come_from_the_times_of_day(tmp_path):
    clock = {key: CLOCK[key] for key in ("$BTIM", "$ETIM")}
    count, notes = time_gate(tmp_path, 93, file_keywords=clock)
    assert count == expected(93 / 9000)
    assert "of $ETIM - $BTIM" in notes
    assert time_gate(tmp_path, 93, file_keywords={}, keywords=clock)[0] == count


def test_the_amplifiers_gain_of_a_time_channel_does_not_count(tmp_path):
    assert time_gate(tmp_path, 93, 0.0103, file_keywords=CLOCK | {"$P1G": "0.01"})[0] == expected(0.0103)


@pytest.mark.parametrize("gain", ["0", "-0.01"])
def test_a_gain_that_runs_backward_costs_the_population_and_says_the_remedy(tmp_path, gain):
    count, notes = time_gate(tmp_path, 93, gain)
    assert count is None
    assert "w.wsp line" in notes
    assert "its gain is" in notes
    assert "draw the gate again in FlowJo" in notes


def test_a_range_that_tells_no_unit_costs_the_population_and_says_the_remedy(tmp_path):
    count, notes = time_gate(tmp_path, 900)
    assert count is None
    assert "neither seconds nor ticks" in notes
    assert "set the axis of Time to its full range in FlowJo" in notes


def test_a_time_axis_that_is_not_linear_has_no_unit(tmp_path):
    count, notes = time_gate(tmp_path, 93, scale=BIEX)
    assert count is None
    assert "a time axis on the scale 'biex' has no unit; choose linear" in notes


RAMP = np.arange(100.0)


def test_a_linear_axis_counts_the_stored_numbers_times_its_gain(tmp_path):
    # $PnG is 4: the file's numbers are read as stored / 4, and FlowJo's axis is stored x the workspace's gain.
    columns, gates = {"A": RAMP, "B": RAMP}, {"a": {"A": (0, 10)}, "b": {"B": (0, 10)}}
    counts, _ = gated(tmp_path, columns, gates, file_keywords={"$P2G": "4"}, scales={"A": linear(1000, 2)})
    assert counts == {"a": 6, "b": 11}


def test_a_matrix_of_the_workspace_compensates_the_stored_numbers(tmp_path):
    columns, gates = {"A": RAMP, "B": np.full(100, 60.0)}, {"b": {"Comp-B": (0, 50)}}
    stored = int((60 - 0.5 * RAMP <= 50).sum())
    assert gated(tmp_path, columns, gates, matrix=SQUARE)[0] == {"b": stored}
    assert gated(tmp_path, columns, gates, matrix=SQUARE, file_keywords={"$P1G": "8", "$P2G": "2"})[0] == {"b": stored}
    own = {"$SPILLOVER": "2,A,B,1,0.5,0,1"}
    assert gated(tmp_path, columns, gates, file_keywords=own)[0] == {"b": stored}
    scales = {"Comp-B": linear(1000)}
    keywords = own | {"$P1G": "8", "$P2G": "2"}
    assert gated(tmp_path, columns, gates, file_keywords=keywords, scales=scales)[0] == {"b": stored}


@pytest.mark.parametrize("name", ["Comp-A", "<A>"])
def test_a_channel_under_its_compensated_name_is_taken_as_it_is(tmp_path, name):
    assert gated(tmp_path, {name: RAMP, "B": RAMP}, {"a": {name.replace("<", "&lt;"): (0, 9)}}) == ({"a": 10}, "")


def test_a_file_that_flowjo_exported_compensated_is_not_compensated_again(tmp_path):
    columns = {"A": RAMP + 50, "B": RAMP, "Comp-A": RAMP, "Comp-B": RAMP}
    counts, notes = gated(tmp_path, columns, {"a": {"Comp-A": (0, 9)}}, matrix=SQUARE)
    assert counts == {"a": 10}
    assert "'Comp-A' is taken as compensated already" in notes
    counts, _ = gated(tmp_path, columns, {"a": {"Comp-A": (0, 9)}}, file_keywords={"$SPILLOVER": "2,A,B,1,0.5,0,1"})
    assert counts == {"a": 10}


def test_a_compensated_channel_without_any_matrix_is_not_gated_raw(tmp_path):
    columns, gates = {"A": RAMP, "B": RAMP}, {"a": {"Comp-A": (0, 9)}, "b": {"B": (0, 9)}}
    counts, notes = gated(tmp_path, columns, gates)
    assert counts == {"a": None, "b": 10}
    assert "neither the workspace nor the file has a matrix; give one with --compensation" in notes
    assert gated(tmp_path, columns, gates, compensation=Compensation(from_file=False))[0] == {"a": 10, "b": 10}


def test_a_compensated_channel_that_the_files_matrix_lacks_is_not_gated_raw(tmp_path):
    columns, gates = {"A": RAMP, "B": RAMP, "C": RAMP}, {"c": {"Comp-C": (0, 9)}}
    counts, notes = gated(tmp_path, columns, gates, file_keywords={"$SPILLOVER": "2,A,B,1,0.5,0,1"})
    assert counts == {"c": None}
    assert "the matrix has no 'C'" in notes


NFC, NFD = (unicodedata.normalize(form, "Prüfung-A") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("asked", "channel"),
    [
        (NFD, NFC),
        (NFC, NFD),
        ("pe_cy7-a", "PE/Cy7-A"),
        ("PE%2FCy7-A", "PE/Cy7-A"),
        ("BV  421-A ", "BV 421-A"),
        ("100%-A", "100%-A"),
        ("CD4", "PE-A"),
        ("cd4", "PE-A"),
    ],
)
def test_a_channel_is_known_under_other_spellings(tmp_path, asked, channel):
    counts, _ = gated(tmp_path, {channel: RAMP, "B": RAMP + 50}, {"a": {asked: (0, 9)}}, markers=["CD4", "CD8"])
    assert counts == {"a": 10}


@pytest.mark.parametrize(("one", "other"), [(NFC, NFD), ("PE/Cy7-A", "PE_Cy7-A")])
def test_channels_of_like_names_are_told_apart_by_their_exact_names(tmp_path, one, other):
    columns = {one: RAMP, other: RAMP + 5}
    counts, _ = gated(tmp_path, columns, {"a": {one: (0, 9)}, "b": {other: (0, 9)}})
    assert counts == {"a": 10, "b": 5}
    counts, notes = gated(tmp_path, columns, {"a": {one.upper(): (0, 9)}})
    assert counts == {"a": None}
    assert "may be any of the file's channels" in notes


def test_a_marker_of_two_channels_names_neither(tmp_path):
    counts, notes = gated(tmp_path, {"A": RAMP, "B": RAMP}, {"a": {"CD4": (0, 9)}}, markers=["CD4", "CD4"])
    assert counts == {"a": None}
    assert "'CD4' may be any of the file's channels 'A', 'B'" in notes


def test_a_channel_that_the_file_lacks_is_named(tmp_path):
    counts, notes = gated(tmp_path, {"A": RAMP, "B": RAMP}, {"a": {"APC-A": (0, 9)}})
    assert counts == {"a": None}
    assert "the file has no channel 'APC-A'; known are: A, B" in notes


def test_channels_that_differ_only_in_case_are_named(tmp_path):
    counts, notes = gated(tmp_path, {"FITC-A": RAMP, "fitc-a": RAMP + 5}, {"a": {"FITC-A": (0, 9)}})
    assert counts == {"a": None}
    assert "the file has no channel 'FITC-A'; did you mean 'FITC-A (P1)'" in notes


def test_the_gain_of_another_samples_file_is_said(tmp_path):
    time_gate(tmp_path, 93, 0.0103)
    (tmp_path / "a.fcs").rename(tmp_path / "other.fcs")
    result = gate_with_workspace([tmp_path / "other.fcs"], read_workspace(tmp_path / "w.wsp"), sample="a.fcs")
    assert "its axis 'Time' has the gain of 'a.fcs', which is another file's" in " ".join(result.notes)


COMPENSATED = {"a": {"Comp-A": (0, 9)}, "b": {"B": (0, 9)}}
EMPTY = '<transforms:spilloverMatrix prefix="Comp-" name="{}"/>'


def with_matrices(folder, monkeypatch, *matrices, **file_keywords):
    """Gate a file by a workspace whose sample holds these matrices, as XML."""
    plain = flowjo_sample

    def changed(*populations, **more):
        return plain(*populations, **more).replace("<Transformations>", f"{''.join(matrices)}<Transformations>", 1)

    monkeypatch.setitem(globals(), "flowjo_sample", changed)
    return gated(folder, {"A": RAMP, "B": RAMP}, COMPENSATED, file_keywords=file_keywords)


def test_a_matrix_that_is_named_and_absent_is_not_replaced_by_the_files(tmp_path, monkeypatch):
    own = {"$spillover": "2,A,B,1,0.5,0,1"}
    counts, notes = with_matrices(tmp_path, monkeypatch, EMPTY.format("mine"), **own)
    assert counts == {"a": None, "b": 10}
    assert "w.wsp line" in notes
    assert "'mine' is named, and has no values; apply one to the sample in FlowJo" in notes


def test_the_matrix_of_the_acquisition_is_the_files(tmp_path, monkeypatch):
    own = {"$spillover": "2,A,B,1,0,0,1"}
    assert with_matrices(tmp_path, monkeypatch, EMPTY.format("Acquisition-defined"), **own)[0] == {"a": 10, "b": 10}


def test_two_matrices_of_the_file_are_said_where_the_workspace_asks_for_its_own(tmp_path, monkeypatch):
    two = {"$spillover": "2,A,B,1,0,0,1", "spill": "2,A,B,1,0.5,0,1"}
    notes = with_matrices(tmp_path, monkeypatch, EMPTY.format("Acquisition-defined"), **two)[1]
    assert "a.fcs: $SPILLOVER and SPILL hold different spillover matrices: $SPILLOVER is used" in notes


def test_of_several_matrices_none_is_taken(tmp_path, monkeypatch):
    counts, notes = with_matrices(tmp_path, monkeypatch, EMPTY.format("m1"), EMPTY.format("m2"))
    assert counts == {"a": None, "b": 10}
    assert "the sample has 2 compensation matrices" in notes


def test_a_channel_that_the_workspaces_matrix_lacks_is_not_compensated_by_the_files(tmp_path):
    columns, gates = {"A": RAMP, "B": RAMP, "C": RAMP}, {"c": {"Comp-C": (0, 9)}}
    own = {"$spillover": "2,A,C,1,0.5,0,1"}
    counts, notes = gated(tmp_path, columns, gates, matrix=SQUARE, file_keywords=own)
    assert counts == {"c": None}
    assert "'Comp-C' is compensated, and the matrix 'm' does not have it" in notes


@pytest.mark.parametrize("name", ["A", "ratio"])
def test_a_derived_parameter_is_not_gated_by_a_channel_of_its_name(tmp_path, monkeypatch, name):
    plain = flowjo_sample
    derived = f'<DerivedParameters><DerivedParameter name="{name}" formula="A/B"/></DerivedParameters>'

    def changed(*populations, **more):
        return plain(*populations, **more).replace("<Transformations>", f"{derived}<Transformations>", 1)

    monkeypatch.setitem(globals(), "flowjo_sample", changed)
    counts, notes = gated(tmp_path, {"A": RAMP, "B": RAMP}, {"a": {name: (0, 9)}, "b": {"B": (0, 9)}})
    assert counts == {"a": None, "b": 10}
    assert "w.wsp line" in notes
    assert f"'{name}': it is a derived parameter (A/B), not computed here; draw the gate on channels" in notes


@pytest.mark.parametrize("scale", [None, BIEX, '<transforms:log transforms:offset="1" transforms:decades="3">'])
def test_stored_numbers_are_gated_on_every_scale_and_where_the_workspace_has_none(tmp_path, scale):
    # $PnG is 2, and FlowJo does not divide by it.
    scales = {} if scale is None else {"C": scale}
    columns, gates = {"C": RAMP, "B": RAMP}, {"c": {"C": (2, 20)}}
    counts, _ = gated(tmp_path, columns, gates, file_keywords={"$P1G": "2"}, scales=scales)
    assert counts == {"c": 19}


def test_a_files_matrix_that_is_left_out_is_said(tmp_path):
    columns, gates = {"A": RAMP, "B": RAMP}, {"a": {"Comp-A": (0, 9)}}
    own, none = {"$SPILLOVER": "2,A,B,1,0.5,0,1"}, Compensation(from_file=False)
    counts, notes = gated(tmp_path, columns, gates, file_keywords=own, compensation=none)
    assert counts == {"a": 10}
    assert "applied to the values as they are, though the file has a matrix (--compensation none)" in notes
    assert "--compensation none" not in gated(tmp_path, columns, gates, compensation=none)[1]


@pytest.mark.parametrize("ranged", ["$PnR", "a power of two"])
@pytest.mark.parametrize(
    ("unit", "a_tick", "below"),
    [("seconds", 0.01, 45.0), ("ticks", 1, 4000), ("milliseconds", 10, 60e3)],
)
def test_where_the_range_is_any_channels_the_gates_tell_the_unit(tmp_path, ranged, unit, a_tick, below):
    top, keywords = (262144, CLOCK) if ranged != "$PnR" else (300000, CLOCK | {"$P1R": "300000"})
    count, notes = time_gate(tmp_path, top, below=below, file_keywords=keywords)
    assert count == expected(a_tick, below)
    assert f"is taken to be in {unit}" in notes
    assert "in no other unit do its gates divide the recording" in notes


@pytest.mark.parametrize("below", [3.0, 8500.0, 262144.0])
def test_a_population_whose_unit_neither_range_nor_gates_tell_is_not_gated(tmp_path, below):
    # 3 s of 90 keep little, 8,500 are most ticks or 9 % of the milliseconds, and what ends with the axis cuts nothing.
    count, notes = time_gate(tmp_path, 262144, below=below)
    assert count is None
    assert "its range ends at 262144, as that of any channel may, and its gates fit" in notes
    assert "set the axis of Time to its full range in FlowJo" in notes


def test_a_time_axis_without_a_scale_is_not_taken_in_ticks(tmp_path):
    columns, gates = {"Time": TICKS, "A": TICKS}, {"early": {"Time": (0, 45.0)}}
    counts, notes = gated(tmp_path, columns, gates, file_keywords=CLOCK)
    assert counts == {"early": expected(0.01)}
    assert "is taken to be in seconds" in notes


@pytest.mark.parametrize(("top", "unit", "a_tick", "below"), [(90, "seconds", 0.01, 45.0), (9e4, "milli", 10, 45e3)])
def test_a_time_of_day_that_contradicts_the_time_step_does_not_change_the_unit(tmp_path, top, unit, a_tick, below):
    count, notes = time_gate(tmp_path, top, below=below, file_keywords=CLOCK | {"$ETIM": "10:00:09"})
    assert count == expected(a_tick, below)
    assert f"is taken to be in {unit}" in notes
