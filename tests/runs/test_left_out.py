import json
import shutil
from pathlib import Path

import pytest

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import UnknownChannel
from immunomon.runs.files import carried_by_file, gate_files
from immunomon.runs.folder import RunFolder
from immunomon.runs.named import read_panel, read_strategy
from immunomon.runs.run import run_study
from immunomon.study.specs.catalog import shipped_panels, shipped_strategies

SAYING = "panel 'flow7' has no CCR4: strategy 'treg' leaves out treg_memory"


def without_ccr4(folder: Path) -> Path:
    """Write the shipped panel under another name, without one of its markers."""
    lines = shipped_panels()["treg"].read_text(encoding="utf-8").replace("name: treg", "name: flow7").splitlines()
    folder.mkdir(exist_ok=True)
    path = folder / "flow7.yaml"
    path.write_text("\n".join(line for line in lines if "marker: CCR4" not in line), encoding="utf-8")
    return path


@pytest.fixture
def other_panel(one_panel, tmp_path) -> Path:
    trial = Path(shutil.copytree(one_panel, tmp_path / "trial"))
    without_ccr4(trial / "panels")
    for name, old, new in (
        ("study.yaml", "panel: treg", "panel: flow7"),
        ("samples.csv", ",treg,", ",flow7,"),
    ):
        text = (trial / name).read_text(encoding="utf-8")
        assert old in text
        (trial / name).write_text(text.replace(old, new), encoding="utf-8", newline="\n")
    return trial


def test_another_panel_carries_the_strategy_and_what_it_lacks_is_said_and_not_a_value(
    other_panel, finished_one_panel, tmp_path
):
    summary = run_study(other_panel, tmp_path / "run", jobs=2)
    assert summary.complete
    assert SAYING in summary.warnings
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    lacking = {"population": "treg_memory", "label": "Memory Treg", "lacking": ["CCR4"]}
    assert record["left_out"] == {"flow7": [lacking]}
    mine, whole = (RunFolder(folder).read_table("populations") for folder in (tmp_path / "run", finished_one_panel))
    assert set(whole["population"]) - set(mine["population"]) == {"treg_memory"}
    key, counted = ["sample_id", "population"], ["sample_id", "population", "count"]
    both = mine[counted].merge(whole[counted], on=key, suffixes=("", "_of_whole_panel"))
    assert len(both) == len(mine)
    assert both["count"].equals(both["count_of_whole_panel"])


def test_gate_leaves_out_what_the_file_has_no_channel_for_and_says_so_once(one_panel, tmp_path):
    files = sorted((one_panel / "fcs" / "treg").glob("S01*.fcs"))[:2]
    remarks: list[str] = []
    panel = read_panel(without_ccr4(tmp_path))
    text = shipped_strategies()["treg"].read_text(encoding="utf-8").replace("CCR4", "CCR44")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    strategy = load_strategy(tmp_path / "mine.yaml", methods=GATE_METHODS)
    rows, failures = gate_files(files, strategy, panel=panel, say_note=remarks.append)
    assert not failures
    assert "treg_memory" not in {row["population"] for row in rows}
    assert {"treg", "treg_activated"} <= {row["population"] for row in rows}
    assert [line for line in remarks if "leaves out" in line] == [SAYING.replace("CCR4", "CCR44")]


def test_a_file_that_shows_nothing_of_what_a_strategy_is_for_is_refused(one_panel):
    file = next((one_panel / "fcs" / "treg").glob("S01*.fcs"))
    with pytest.raises(UnknownChannel, match=r"has no .*CD56: nothing that strategy 'nk' is for can be found; name"):
        carried_by_file(file, read_strategy("nk"))
