import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.made_once import made_once

from immunomon.cytometry.formats import fcs
from immunomon.errors import BadSpec
from immunomon.runs import at_hand
from immunomon.runs.folder import RunFolder
from immunomon.runs.run import run_study
from immunomon.study.specs.catalog import shipped_strategies
from immunomon.study.specs.study import load_study

ACTIVATED = """
  - id: cd4_activated
    label: Activated CD4
    parent: cd4
    gate: {method: valley, axis: HLA-DR, fallback: {above_negative: 5}, consensus: true}
    keep: high
report:
  t_cells: [lymphocytes]
  cd4: [lymphocytes]
  cd4_activated: [cd4]
"""


def with_two_strategies(one_panel: Path, folder: Path) -> Path:
    """Copy a study of regulatory T cells and let a second strategy look at its tubes."""
    study = Path(shutil.copytree(one_panel, folder))
    (study / "gating").mkdir()
    head, _, _ = shipped_strategies()["treg"].read_text(encoding="utf-8").partition("  - id: treg\n")
    text = head.replace("name: treg", "name: activated").rstrip("\n") + ACTIVATED
    (study / "gating" / "activated.yaml").write_text(text, encoding="utf-8", newline="\n")
    text = (study / "study.yaml").read_text(encoding="utf-8")
    assert "strategy: treg}" in text
    (study / "study.yaml").write_text(
        text.replace("strategy: treg}", "strategy: [treg, activated]}"), encoding="utf-8", newline="\n"
    )
    return study


@pytest.fixture(scope="session")
def two_strategies(one_panel, tmp_path_factory) -> Path:
    """The study of one panel whose tubes two strategies look at, with its run inside. Not to be changed."""

    def make(folder: Path) -> None:
        assert run_study(with_two_strategies(one_panel, folder), jobs=2).complete

    return made_once(tmp_path_factory, "two-strategies", make)


def table(run: Path, name: str) -> pd.DataFrame:
    return RunFolder(run).read_table(name)


def test_each_strategy_of_a_tube_gives_what_it_gives_alone(two_strategies, finished_one_panel):
    mine, alone = table(two_strategies / "run", "populations"), table(finished_one_panel, "populations")
    mine = mine[mine["panel"] == "treg~treg"].reset_index(drop=True)
    assert (mine["sample_id"] == alone["sample_id"] + "~treg").all()
    same = [name for name in alone.columns if name not in ("sample_id", "panel")]
    pd.testing.assert_frame_equal(mine[same], alone[same])


def test_every_table_knows_the_strategies_of_a_tube_apart(two_strategies):
    panels = {name: set(table(two_strategies / "run", name)["panel"]) for name in ("populations", "changes", "medians")}
    assert set(map(frozenset, panels.values())) == {frozenset({"treg~treg", "treg~activated"})}
    samples = table(two_strategies / "run", "samples")
    assert set(samples.loc[samples["role"].str.startswith("fmo"), "panel"]) == {"treg"}
    assert not samples["sample_id"].duplicated().any()


def test_a_file_is_read_once_for_all_its_strategies(one_panel, tmp_path, monkeypatch):
    study, reads = with_two_strategies(one_panel, tmp_path / "study"), []

    def counting(path, **options):
        reads.append(Path(path).name)
        return fcs.read_fcs(path, **options)

    monkeypatch.setattr(at_hand, "read_fcs", counting)
    summary = run_study(study, jobs=1)
    gated = {name for name in reads if "fmo" not in name}
    assert summary.gated == len(gated)
    assert {name: reads.count(name) for name in gated} == dict.fromkeys(gated, 1)


def test_what_two_strategies_give_of_one_tube_is_no_second_witness(two_strategies):
    doubts = table(two_strategies / "run", "doubts")
    assert "tubes_disagree" not in set(doubts["code"])


def test_a_strategy_named_twice_or_unknown_is_told(two_strategies, tmp_path):
    text = (two_strategies / "study.yaml").read_text(encoding="utf-8")
    shutil.copytree(two_strategies / "gating", tmp_path / "gating")
    (tmp_path / "study.yaml").write_text(text.replace("[treg, activated]", "[treg, treg, nkk]"), encoding="utf-8")
    with pytest.raises(BadSpec) as told:
        load_study(tmp_path / "study.yaml")
    assert "panels[0].strategy[1]: strategy 'treg' is in the list twice; remove one" in str(told.value)
    assert "panels[0].strategy[2]: no strategy (shipped" in str(told.value)


def test_the_record_names_each_use(two_strategies):
    record = json.loads((two_strategies / "run" / "run.json").read_text(encoding="utf-8"))
    uses = [{"panel": f"treg~{name}", "strategy": name} for name in ("treg", "activated")]
    assert record["study"]["panels"] == uses
    assert set(record["reported"]) == {"treg~treg", "treg~activated"}
