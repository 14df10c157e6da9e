"""What the audit trail of a run finds: every kind of file of a run is changed, cut, taken away or added to."""

import json
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from support.small_run import copied_run, shared_run

from immunomon.api.auditing import trail_head
from immunomon.cli.audit import audit_run
from immunomon.errors import ImmunomonError, RunLocked
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder
from immunomon.runs.lock import Reason, lock_run
from immunomon.runs.run import run_study

WHO = ", reason: clotted, by: A. Analyst, when: 2026-01-31T14:05:00Z}\n"
DROPPED = "{action: drop-sample, sample: fcs__treg__S02_W4_treg" + WHO
KINDS = ("tables", "samples", "gates", "estimates", "moved", "set-aside", "run.json", "lock.json", "audit")


@pytest.fixture(scope="module")
def accounted(tmp_path_factory):
    """A study whose run was locked, changed after that by a decision, and exported and delivered."""
    study = copied_run(shared_run(tmp_path_factory, events=3000), tmp_path_factory.mktemp("seals") / "study").parent
    lock_run(study / "run", Reason("database lock", "QA"))
    (study / "overrides.yaml").write_text(f"schema: immunomon.overrides/1\noverrides:\n  - {DROPPED}", encoding="utf-8")
    run_study(study, jobs=2, why=Reason("query 17", "A. Analyst"))
    for action in ("export", "deliver"):
        AuditTrail(study / "run").append(action, by="DM", reason="", target="somewhere")
    return study


@pytest.fixture
def study(accounted, tmp_path):
    return shutil.copytree(accounted, tmp_path / "trial")


@contextmanager
def spoiled(path, data):
    """A file with other bytes, or without it."""
    before = path.read_bytes()
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    yield
    path.write_bytes(before)


def test_a_changed_cut_emptied_or_missing_file_of_any_kind_is_found_and_named(study):
    run = study / "run"
    trail, rng, tries = AuditTrail(run), np.random.default_rng(3), dict.fromkeys(KINDS, 0)
    assert trail.problems() == []
    for kind in KINDS:
        files = sorted(path for path in run.rglob("*") if path.relative_to(run).as_posix().startswith(kind))
        files = [path for path in files if path.is_file()]
        for path in files if kind in {"moved", "set-aside", "audit"} else files[:2] + files[-2:]:
            data = path.read_bytes()
            place = int(rng.integers(len(data) - 1))
            flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            for other in (flipped, data[:place], data[:-2], b"", None):
                with spoiled(path, other):
                    named = [problem for problem in trail.problems() if path.name in problem]
                    assert named or (path == trail.contents and trail.problems()), (path, place)
                tries[kind] += 1
    assert trail.problems() == []
    assert min(tries.values()) >= 5
    assert sum(tries.values()) >= 100


def test_an_added_file_of_any_kind_is_found_and_named(study):
    run = study / "run"
    aside = next((run / "set-aside").iterdir()).name
    names = ("tables/more.csv", "samples/more.json", "gates/more.json", "estimates/more.npz", "moved/more.csv")
    for name in (*names, f"set-aside/{aside}/samples/more.json"):
        (run / name).write_bytes(b"{}")
        assert f"{run / name}: it was added" in AuditTrail(run).problems()[0]
        (run / name).unlink()
    (run / "lock.json").unlink()
    assert "lock.json: it is missing" in AuditTrail(run).problems()[0]


def test_entries_cut_off_after_any_entry_are_missed(study):
    trail = AuditTrail(study / "run")
    data = trail.path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
    assert len(ends) == 7
    for end in [0, *ends[:-1]]:
        with spoiled(trail.path, data[:end]):
            assert trail.problems(), end
    with spoiled(trail.path, data[: ends[-2]]):  # the delivery, after which no file was written
        assert "the end was cut off: 7 entries were written, 6 are there" in trail.problems()[0]


def test_a_flipped_byte_anywhere_in_the_trail_is_found(study):
    trail, rng = AuditTrail(study / "run"), np.random.default_rng(4)
    data = trail.path.read_bytes()
    for place in rng.choice(len(data) - 1, 150, replace=False):
        with spoiled(trail.path, data[:place] + bytes([data[place] ^ (1 << int(rng.integers(7)))]) + data[place + 1 :]):
            assert trail.problems(), place


def test_a_cut_that_a_later_entry_would_cover_stays_to_be_seen(study):
    trail = AuditTrail(study / "run")
    lines = trail.path.read_text(encoding="utf-8").splitlines(keepends=True)
    trail.path.write_text("".join(lines[:-1]), encoding="utf-8", newline="")
    trail.append("export", by="DM", reason="")
    assert "audit-head.json: it does not fit the trail" in trail.problems()[0]


def test_whoever_writes_everything_anew_is_found_by_the_head_that_was_written_down(study, capsys):
    run = study / "run"
    trail = AuditTrail(run)
    head = trail.head()
    assert trail_head(run) == f"7 entries, head {head}"
    trail.append("export", by="DM", reason="later")
    assert (trail.after(str(head)), trail.after(head.hash)) == (1, 1)
    trail.path.unlink()
    trail.head_file.unlink()
    (run / "lock.json").unlink()
    shutil.rmtree(run / "moved")
    trail.seal(by="QA", reason="")
    assert trail.problems() == []  # as far as the folder itself goes
    with pytest.raises(ImmunomonError, match="no entry is the one that was written down"):
        trail.after(str(head))
    assert audit_run(run, entries=False, head=str(head)) == 1
    assert "written anew or cut off" in capsys.readouterr().out
    assert audit_run(run, entries=False) == 0


@pytest.mark.parametrize("head", ["", ":", "3", "7:", "x:y", "1:" + "0" * 64])
def test_a_head_that_no_entry_has_is_refused(study, head):
    with pytest.raises(ImmunomonError, match="no entry is the one that was written down"):
        AuditTrail(study / "run").after(head)


def test_a_program_stopped_between_entry_and_head_leaves_nothing_to_complain_of(study):
    trail = AuditTrail(study / "run")
    before = trail.head_file.read_bytes()
    trail.append("export", by="DM", reason="")
    trail.head_file.write_bytes(before)
    assert trail.problems() == []
    trail.append("export", by="DM", reason="")
    assert trail.problems() == []


def test_a_dropped_sample_leaves_nothing_that_could_be_read_as_its_result(study):
    run = study / "run"
    name = "fcs__treg__S02_W4_treg.json"
    assert not any((run / kind / name).exists() for kind in ("samples", "gates", "estimates"))
    aside = sorted(path.relative_to(run / "set-aside").parts[1] for path in (run / "set-aside").rglob(name))
    assert aside == ["gates", "samples"]


def test_a_sample_that_is_no_longer_listed_is_set_aside_too(study):
    text = (study / "samples.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in text if "S03_W4_treg" not in line]
    (study / "samples.csv").write_text("".join(kept), encoding="utf-8", newline="")
    run_study(study, jobs=2, why=Reason("withdrawn consent", "QA"))
    assert not (study / "run" / "samples" / "fcs__treg__S03_W4_treg.json").exists()
    assert AuditTrail(study / "run").problems() == []


def test_a_result_changed_by_hand_is_made_anew_and_the_trail_names_its_sample(study):
    run = study / "run"
    tables = {path.name: path.read_bytes() for path in (run / "tables").iterdir()}
    path = RunFolder(run).sample_file("fcs__treg__S01_W4_treg")
    data = json.loads(path.read_text(encoding="utf-8"))
    data["measured"]["counts"]["treg"] += 100
    path.write_text(json.dumps(data), encoding="utf-8")
    summary = run_study(study, jobs=2)
    assert (summary.gated, summary.changed) == (1, ("fcs__treg__S01_W4_treg",))
    assert {path.name: path.read_bytes() for path in (run / "tables").iterdir()} == tables
    assert AuditTrail(run).entries()[-1]["made_anew"] == ["fcs__treg__S01_W4_treg"]
    assert AuditTrail(run).problems() == []


def test_taking_the_lock_away_does_not_unlock_the_run(study):
    run = study / "run"
    (run / "lock.json").unlink()
    with pytest.raises(RunLocked, match=r"lock\.json: it is missing .* and the run was locked"):
        run_study(study, jobs=2)
    run_study(study, jobs=2, why=Reason("lock lost with the disk", "QA"))
    assert AuditTrail(run).problems() == []
    assert run_study(study, jobs=2).complete
