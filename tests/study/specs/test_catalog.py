import pytest
import yaml

from immunomon.errors import BadSpec
from immunomon.study.specs import catalog


def test_a_study_s_own_panel_takes_the_place_of_the_shipped_one(tmp_path):
    own = tmp_path / "panels" / "treg.yaml"
    own.parent.mkdir()
    own.write_text("", encoding="utf-8")
    assert catalog.find_panel("treg", tmp_path) == own
    assert catalog.find_panel("nk", tmp_path) == catalog.shipped_panels()["nk"]


def test_a_shipped_strategy_is_of_a_shipped_panel_or_of_any_that_has_its_markers():
    declared = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in catalog.shipped_strategies().values()]
    of_a_panel = [strategy["panel"] for strategy in declared if "panel" in strategy]
    assert set(of_a_panel) == set(catalog.shipped_panels())
    assert len(of_a_panel) >= 5


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(BadSpec, match="gating: no strategy named 'tregs'; did you mean 'treg'"):
        catalog.find_strategy("tregs")


@pytest.mark.parametrize("name", ["../treg", "/etc/passwd", "", "treg\x00"])
def test_a_name_never_leads_out_of_the_folders(tmp_path, name):
    (tmp_path / "treg.yaml").write_text("", encoding="utf-8")
    with pytest.raises(BadSpec):
        catalog.find_panel(name, tmp_path / "study")


def test_an_installed_package_finds_the_files_inside_itself(tmp_path, monkeypatch):
    inside = tmp_path / "immunomon" / "_shipped" / "panels" / "only.yaml"
    inside.parent.mkdir(parents=True)
    inside.write_text("", encoding="utf-8")
    monkeypatch.setattr(catalog, "files", lambda package: tmp_path / package)
    assert catalog.shipped_panels() == {"only": inside}
