"""The lines of docs/python.md, on a sample and a study, as a person types them."""

import os
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from support.small_run import copied_run, shared_run
from typer.testing import CliRunner

import immunomon as im
from immunomon.cli.main import app
from immunomon.errors import BadRun
from immunomon.maps.atlas.embed import embed_run

PAGE = Path(__file__).parents[3] / "docs" / "python.md"
LINES = PAGE.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0].splitlines()


@pytest.fixture(scope="module")
def shown(compiled, tmp_path_factory) -> dict[str, object]:
    """Run the page's lines in a folder with a file and a study; return what each left or showed."""
    folder = tmp_path_factory.mktemp("ten-lines")
    study = copied_run(shared_run(tmp_path_factory, events=3000), folder / "study").parent
    declared = study / "study.yaml"
    text = declared.read_text(encoding="utf-8").replace("lloq_events: 50", "lloq_events: 20")
    declared.write_text(text, encoding="utf-8", newline="\n")  # so small files have too few regulatory T cells else
    embed_run(im.run(study, jobs=2).folder, cells=300)
    shutil.copy(next((study / "fcs" / "treg").glob("S01_W4*.fcs")), folder / "a.fcs")
    before, names, values = Path.cwd(), {}, {}
    plt.switch_backend("Agg")
    os.chdir(folder)
    try:
        for line in filter(None, LINES):
            if line.startswith("import") or " = " in line:
                exec(line, names)
            else:
                values[line] = eval(line, names)
    finally:
        os.chdir(before)
    plt.close("all")
    return {**names, **values, "folder": folder}


def test_a_sample_is_a_table_on_any_scale_and_shows_itself(shown):
    sample, table = shown["sample"], shown['sample.to_dataframe(scale="display")']
    assert list(table.columns) == list(sample.channels)
    assert len(table) == len(sample) == 3000
    assert table["CD25"].between(-0.5, 1.5).all()
    assert "a.fcs: 3,000 events" in repr(sample)
    assert "CD25 (PE-A)" in sample._repr_html_()
    assert shown['sample.plot("CD127", "CD25")'].get_xlabel() == "CD127 (APC-A)"


def test_counts_are_those_of_the_command(shown):
    gated, counts = shown["gated"], shown["gated.counts"]
    assert list(counts.columns[:4]) == ["population", "parent", "count", "parent_count"]
    rows, failures = im.gate_files([str(shown["folder"] / "a.fcs")], "treg")
    assert not failures
    assert [row["count"] for row in rows] == list(counts["count"])
    treg = gated["treg"]
    assert len(shown['gated["treg"].events']) == treg.count == int(counts.set_index("population")["count"]["treg"])
    assert shown['gated.plot("treg")'].get_xlabel().startswith("CD127")


def test_both_ways_lead_to_the_same_run(shown):
    run = shown["run"]
    assert type(run) is im.StudyRun
    assert set(shown["run.samples"]["panel"]) == {"treg"}
    assert shown['run.sample("S01", "W4", "treg")'].id == "fcs__treg__S01_W4_treg"
    assert len(shown['run.plot_gate("treg", sort="doubt")'].axes) >= 6
    assert shown['run.trajectories("treg")'].get_title() == "Treg"


def test_answers_have_tables_and_a_page(shown):
    for line, table in (("run.assess()", "incidence"), ("run.compare()", "estimates"), ("run.mechanism()", "lags")):
        answer = shown[line]
        assert len(answer[table].columns)
        assert answer.page.startswith("#")
        again = im.open_run(shown["folder"] / "study").answer(line.removeprefix("run.").removesuffix("()"))
        assert again.page == answer.page
        assert list(again[table].columns) == list(answer[table].columns)
        assert "Written:" in repr(answer)


def test_cells_and_map(shown):
    assert "X_umap" in shown['run.cells("treg")'].obsm
    assert repr(shown['run.explore("treg")']).startswith("Explorer(")


def test_what_is_of_an_earlier_state_of_the_run_is_refused_or_said_to_be_stale(shown):
    run = im.open_run(shown["folder"] / "study")
    page = run.folder / "atlas" / "treg.html"
    assert CliRunner().invoke(app, ["explore", str(run.folder)]).exit_code == 0
    assert page.read_bytes().lstrip().startswith(b"<!DOCTYPE html>")
    assert {made.key for made in run.status().derived if not made.reasons} >= {"embed", "explore", "anndata", "compare"}
    record = run.folder / "atlas" / "treg.json"
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace(run.digest, "0" * 64), encoding="utf-8", newline="\n")
    try:
        for look in (run.explore, run.atlas, lambda: im.explore_atlas(str(run.folder))):
            with pytest.raises(BadRun, match="of another state of the run; renew with: immunomon embed --refit"):
                look()
        with (run.folder / ".." / "platelets.csv").open("a", encoding="utf-8") as file:
            file.write("\n")
        for asked in ("assess", "mechanism"):
            with pytest.raises(BadRun, match=f"platelets.csv|stale itself.*immunomon {asked}"):
                run.answer(asked)
        stale = {made.key: made.reasons for made in run.status().stale}
        assert "it rests on what is stale itself: atlas of treg" in stale["explore"]
    finally:
        record.write_text(text, encoding="utf-8", newline="\n")
    page.unlink()


def test_what_is_mistyped_is_refused_with_the_nearest(shown):
    run, sample, gated = im.open_run(shown["folder"] / "study"), shown["sample"], shown["gated"]
    file = shown["folder"] / "a.fcs"
    assert im.gate_files([file], "bcell")[1][0].startswith(f"{file}: ")
    for mistyped, sentence in (
        (lambda: run.sample("S1"), "no subject 'S1'; did you mean 'S01'"),
        (lambda: run.sample("S01"), "2 samples are of S01; add visit and panel"),
        (lambda: run.plot_gate("trge"), "no population 'trge'; did you mean 'treg'"),
        (lambda: run.plot_gate("treg", sort="doubts"), "no order 'doubts'; did you mean 'doubt'"),
        (lambda: run.trajectories("treg", measure="chnge"), "no measure 'chnge'; did you mean 'change'"),
        (lambda: run.compare()["estimate"], "no table named 'estimate'; did you mean 'estimates'"),
        (lambda: sample.plot("CD28"), "no channel 'CD28'"),
        (lambda: sample.to_dataframe("rw"), "no scale named 'rw'; did you mean 'raw'"),
        (lambda: gated["tregs"], "no population 'tregs'; did you mean 'treg'"),
        (lambda: im.read_fcs(file, "bcell"), r"a\.fcs: it is no tube of panel bcell"),
        (lambda: im.gate(file, "tregg"), "no strategy named 'tregg'; did you mean 'treg'"),
        (lambda: im.gate([file], "treg"), "for several files: immunomon.gate_files"),
        (lambda: im.gate_files(str(file), "treg"), "it takes a list of str or Path"),
        (lambda: im.simulate(run.folder.parent), "a trial was simulated here before"),
    ):
        with pytest.raises(im.ImmunomonError, match=sentence):
            mistyped()


def test_gates_of_other_programs_and_of_the_run_lead_to_the_same_events(shown, tmp_path):
    run = im.open_run(shown["folder"] / "study")
    sample = run.sample("S01", "W4", "treg")
    for kind, out in (("flowjo", "gates.wsp"), ("gatingml", "gates")):
        words = ["export-gates", str(run.folder), "--as", kind, "--out", str(tmp_path / out)]
        assert CliRunner().invoke(app, words).exit_code == 0
    gatingml = next((tmp_path / "gates").glob("*S01_W4_treg*.xml"))
    ways = {"flowjo": tmp_path / "gates.wsp", "gatingml": gatingml}
    expected = sample.counts.set_index("population")["count"]["treg"]
    assert len(sample.gated["treg"].events) == expected
    for gates in ways.values():
        gated = im.gate(str(run.fcs_file(sample.id)), str(gates))
        assert gated["treg"].count == expected
        assert "APC-A" in gated.plot("treg").get_xlabel()
    plt.close("all")
