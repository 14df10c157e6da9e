import pytest

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.runs.run import run_study


@pytest.fixture(scope="module")
def batches(tmp_path_factory):
    """Six batches of one panel, run."""
    folder = simulate_trial(
        tmp_path_factory.mktemp("steady") / "trial",
        events=4000,
        visits=["D-1", "W4"],
        subjects_per_group=1,
        panels=["treg"],
        seed=3,
    )
    assert run_study(folder, jobs=2).complete
    return folder


def test_bridge_samples_are_judged(batches, command):
    status, out, _ = command("steadiness", batches / "run", "--warnings")
    assert status == 0
    assert "6 bridge samples of 1 panel(s)" in out
    assert "where chance alone puts about" in out


def test_a_panel_that_is_not_there_is_named(batches, command):
    status, _, err = command("steadiness", batches / "run", "--panel", "tregs")
    assert status == 1
    assert "no panel 'tregs' in this run; did you mean 'treg'" in err


def test_normalisation_is_off_until_a_study_declares_it_and_then_judged(batches, tmp_path, command):
    status, _, err = command("normalise", batches / "run")
    assert status == 1
    assert "it declares no normalisation, which is off by default; add to it, for example:" in err
    study = batches / "study.yaml"
    text = study.read_text(encoding="utf-8")
    section = "normalisation:\n  panels:\n    - {panel: treg, cell_types: [cd4], markers: [CD127, CD4]}\n"
    study.write_text(text + section, encoding="utf-8")
    try:
        status, out, err = command("normalise", batches / "run", "--out", tmp_path / "out", "--no-regate")
    finally:
        study.write_text(text, encoding="utf-8")
    assert (status, err.count("Traceback")) == (0, 0)
    assert "treg cd4 CD4: refused in all 6 batches: the gate of 'cd4' is on CD4" in out
    assert "treg cd4 CD127: " in out
    assert sorted(path.name for path in (tmp_path / "out" / "tables").glob("*.csv")) == [
        "normalisation_judgement.csv",
        "normalised_medians.csv",
    ]
