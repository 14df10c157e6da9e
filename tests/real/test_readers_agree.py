"""Two readers that share no code, on every real file that both cover."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from immunomon.assurance.verify.recompute import read_with_fcsparser
from immunomon.cytometry.formats.fcs import read_events
from immunomon.errors import BadFcs

pytestmark = pytest.mark.real_data


def assert_same(path: Path) -> None:
    values, names = read_with_fcsparser(path)
    events = read_events(path)
    assert tuple(channel.detector for channel in events.channels) == names
    np.testing.assert_array_equal(events.values, values)
    assert events.values.dtype == values.dtype


def files_of(folder: Path) -> list[Path]:
    # Old instruments number their files: a suffix says nothing, the first three bytes do.
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.read_bytes()[:3] == b"FCS")


@pytest.mark.parametrize(
    ("folder", "count"),
    [
        ("activation", 6),
        ("cohorts/itn", 15),
        ("cohorts/batch-controls", 6),
        ("cohorts/paired-cytof", 8),
        ("cohorts/gvhd-visits", 3),
        ("lyoplate-nk", 2),
        ("flowjo/spectral", 2),
        ("single-stains", 19),
        ("time-quality", 5),
        ("gatingml", 1),
    ],
)
def test_both_readers_give_the_same_values_and_names(real_data: Path, folder: str, count: int) -> None:
    files = files_of(real_data / folder)
    assert len(files) == count
    for path in files:
        assert_same(path)


def test_both_readers_agree_on_every_odd_file_that_both_read(real_data: Path) -> None:
    read_by_both = 0
    for path in files_of(real_data / "odd-files"):
        try:
            read_with_fcsparser(path)
            read_events(path)
        except BadFcs:
            continue
        assert_same(path)
        read_by_both += 1
    assert read_by_both >= 10
