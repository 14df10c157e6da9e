"""What one look at a file leaves for the next is what another look would find, and no more than there is room for."""

import os
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from support.fcs_files import some_values, write_fcs

from immunomon.cytometry.gates.singlet import Singlet
from immunomon.errors import BadFcs, ChangedFile
from immunomon.files import file_digest
from immunomon.runs import at_hand, single
from immunomon.runs.at_hand import AtHand
from immunomon.runs.jobs import _Shares
from immunomon.study.model.fcs import Reading
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population


@pytest.fixture
def file(tmp_path):
    return write_fcs(tmp_path / "a.fcs", some_values(1000))


@pytest.fixture
def readings(monkeypatch):
    """The paths that are really read."""
    paths, read = [], at_hand.read_anew
    monkeypatch.setattr(at_hand, "read_anew", lambda path, reading: paths.append(path) or read(path, reading))
    return paths


def reading_of(file):
    return Reading(sha256=file_digest(file))


def test_a_file_is_read_once(file, readings):
    kept, reading = AtHand(), reading_of(file)
    first, second = kept.read(file, reading), kept.read(file, reading)
    assert readings == [file]
    assert second[1] is first[1]
    kept.read(file, replace(reading, data_set=1))
    assert readings == [file, file]


def test_a_file_that_was_written_since_is_read_and_compared_again(file, readings):
    kept, reading = AtHand(), reading_of(file)
    kept.read(file, reading)
    write_fcs(file, some_values(1000, seed=2))
    with pytest.raises(ChangedFile, match="not those that were recorded"):
        kept.read(file, reading)
    assert len(readings) == 2


def test_a_file_that_was_exchanged_with_its_time_and_size_is_compared_again(file, tmp_path):
    kept, reading, about = AtHand(), reading_of(file), file.stat()
    kept.read(file, reading)
    other = write_fcs(tmp_path / "b.fcs", some_values(1000, seed=2))
    os.utime(other, ns=(about.st_atime_ns, about.st_mtime_ns))
    other.replace(file)
    with pytest.raises(ChangedFile):
        kept.read(file, reading)


def test_a_file_that_is_gone_is_missed(file):
    kept, reading = AtHand(), reading_of(file)
    kept.read(file, reading)
    file.unlink()
    with pytest.raises(BadFcs, match="no such file"):
        kept.read(file, reading)


def test_what_there_is_no_room_for_is_read_again(file, tmp_path, readings):
    other = write_fcs(tmp_path / "b.fcs", some_values(1000, seed=2))
    kept = AtHand(most_bytes=30_000)
    for path in (file, other, file, other):
        kept.read(path, reading_of(path))
    assert readings == [file, other, other]


def test_little_memory_is_left_to_the_file_that_is_read_next(file, tmp_path, readings, monkeypatch):
    kept = AtHand()
    kept.read(file, reading_of(file))
    monkeypatch.setattr(at_hand, "free_memory", lambda: 100_000)
    kept.read(write_fcs(tmp_path / "b.fcs", some_values(1000)), Reading())
    kept.read(file, reading_of(file))
    assert len(readings) == 3


def test_another_process_begins_with_nothing(file, readings):
    kept, reading = AtHand(), reading_of(file)
    kept.read(file, reading)
    pickle.loads(pickle.dumps(kept)).read(file, reading)
    assert readings == [file, file]


def strategy():
    singlets = GateDeclaration("singlet", {})
    bright = GateDeclaration("valley", {"axis": "PE-A", "fallback": 1000.0}, consensus=True)
    low = GateDeclaration("tail", {"axis": "FITC-A"})
    populations = (
        Population("singlets", "Singlets", "root", singlets, "inside"),
        Population("bright", "Bright", "singlets", bright, "high"),
        Population("tailed", "Tailed", "bright", low, "high"),
    )
    return GatingStrategy("s", "S", 1, None, populations)


@pytest.fixture
def cells(tmp_path):
    rng = np.random.default_rng(1)
    area = np.exp(rng.normal(10.5, 0.3, 3000))
    colours = np.exp(rng.normal(6.0, 0.5, (3000, 2)))
    colours[:1200] *= 40
    table = np.column_stack([area, 0.7 * area * rng.normal(1, 0.02, 3000), area, colours, np.arange(3000)])
    return write_fcs(tmp_path / "cells.fcs", table)


def test_gates_of_the_first_look_that_nothing_moves_are_not_placed_again(cells, monkeypatch):
    look = single.first_look(cells, strategy())
    assert set(look.placed) == {"singlets", "tailed"}
    anew = single.analyse(cells, strategy())
    again = single.analyse(cells, strategy(), placed=look.placed)
    assert anew.tree.gates_to_dict() == again.tree.gates_to_dict()
    assert anew.measured == again.measured
    monkeypatch.setattr(Singlet, "fit", None)
    assert single.analyse(cells, strategy(), placed=look.placed).measured == anew.measured


def test_what_was_made_ready_serves_the_second_look_once(cells):
    kept, reading = AtHand(), reading_of(cells)
    look = single.first_look(cells, strategy(), reading=reading, read=kept.read)
    kept.keep_ready("s1", reading, look.ready)
    ready = kept.ready("s1", cells, reading)
    assert ready is look.ready
    assert kept.ready("s1", cells, reading) is None
    again = single.analyse(cells, strategy(), reading=reading, ready=ready)
    assert again.measured == single.analyse(cells, strategy(), reading=reading).measured
    kept.keep_ready("s1", reading, look.ready)
    cells.touch()
    assert kept.ready("s1", cells, reading) is None


def test_what_there_is_no_room_for_is_made_ready_again(cells):
    kept, reading = AtHand(most_bytes=cells.stat().st_size), reading_of(cells)
    look = single.first_look(cells, strategy(), reading=reading, read=kept.read)
    kept.keep_ready("s1", reading, look.ready)
    assert kept.ready("s1", cells, reading) is None


def test_all_work_in_another_process_has_the_same_at_hand():
    kept = pickle.dumps(AtHand())
    assert pickle.loads(kept) is pickle.loads(kept)


def test_files_go_to_whom_had_them_before_and_none_is_left_out():
    tasks = [SimpleNamespace(sample=SimpleNamespace(id=f"s{number}")) for number in range(7)]
    had = {"s0": 1, "s1": 1, "s2": 0}
    shares = _Shares(tasks, 2, had)
    assert [shares.next(1).sample.id for _ in range(2)] == ["s0", "s1"]
    assert shares.next(0).sample.id == "s2"
    rest = {shares.next(0).sample.id for _ in range(4)}
    assert rest == {"s3", "s4", "s5", "s6"}
    assert had["s3"] == 0
