import numpy as np
import pytest

from immunomon.assurance.validation import quality
from immunomon.assurance.validation.quality import FileTally, Score, scores, section
from immunomon.assurance.validation.sections import Settings
from immunomon.study.model.quality import Verdict


def tally(kind, flagged, spoiled, both):
    return FileTally(kind, 1000, flagged, spoiled, both, 0, 0, 0, Verdict.WARN)


def test_scores_pool_events_over_the_files_of_a_kind_and_count_files_half_found():
    found = scores([tally("step", 100, 100, 90), tally("step", 10, 100, 0), tally("none", 5, 0, 0)])
    assert found == [Score("step", 2, 1, 0.45, 90 / 110)]
    assert not found[0].met


def test_recall_and_precision_must_both_reach_their_targets():
    assert Score("clog", 1, 1, 0.90, 0.80).met
    assert not Score("clog", 1, 1, 0.89, 0.99).met
    assert not Score("clog", 1, 1, 0.99, 0.79).met


def test_the_section_states_its_command_its_numbers_and_what_it_does_not_show(tmp_path, monkeypatch):
    every = quality._tubes
    monkeypatch.setattr(quality, "SEEDS", 1)
    monkeypatch.setattr(quality, "_tubes", lambda settings, seed: every(settings, seed)[::6])
    monkeypatch.setattr(quality, "_GAINS", (0.7,))
    monkeypatch.setattr(quality, "_FILES_A_GAIN", 4)
    monkeypatch.delenv("IMMUNOMON_REAL_DATA", raising=False)
    found = section(Settings(events=4000, seed=2, folder=tmp_path, jobs=2))
    assert found.text.startswith("## Acquisition quality")
    assert "`immunomon validate --quality --events 4000 --seed 2`" in found.text
    assert "What this does not show" in found.text
    assert "IMMUNOMON_REAL_DATA names no folder" in found.text
    assert [line.split()[-1] for line in found.lines[:-1]] == ["found"] * (len(found.lines) - 1)


@pytest.mark.real_data
def test_real_files_are_judged_where_their_folder_is_named(real_data, monkeypatch):
    monkeypatch.setenv("IMMUNOMON_REAL_DATA", str(real_data))
    rows = list(quality._real_files())
    assert sum(name.startswith("time-quality") for name, *_ in rows) == 5
    assert all(np.isfinite(percent) for _, _, percent, _ in rows)
