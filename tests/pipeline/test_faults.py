"""What goes wrong around a run, each with the real program in a process of its own."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.small_run import small_run

from immunomon.pipeline.folder import RunFolder

pytestmark = [
    pytest.mark.no_cover,
    pytest.mark.skipif(os.name == "nt", reason="named pipes, limits and signals are POSIX systems'"),
]
COMMAND = [sys.executable, "-m", "immunomon.cli.main"]
LONGEST_SECONDS = 180


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A study of one panel with its run inside. Not to be changed."""
    return small_run(tmp_path_factory.mktemp("faults") / "trial", events=1500).parent


@pytest.fixture
def study(undisturbed, tmp_path) -> Path:
    """A copy of the study, without its run, that a test may spoil."""
    return Path(shutil.copytree(undisturbed, tmp_path / "trial", ignore=shutil.ignore_patterns("run")))


def immunomon(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the program; fails if it does not end."""
    command = [*COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False, **options)


def samples_of(study: Path) -> pd.DataFrame:
    return RunFolder(study / "run").read_table("samples").set_index("file")


def test_what_is_no_regular_file_fails_and_the_others_go_on(study, monkeypatch):
    odd = sorted((study / "fcs" / "treg").glob("S*_treg.fcs"))[:4]
    for path in odd:
        path.unlink()
    pipe, folder, device, socket_file = odd
    os.mkfifo(pipe)
    folder.mkdir()
    device.symlink_to("/dev/zero")
    monkeypatch.chdir(socket_file.parent)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(socket_file.name)
    ended = immunomon("run", study, "--jobs", 2)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    samples = samples_of(study)
    for path, kind in zip(odd, ("a named pipe", "a folder", "a device", "a socket"), strict=True):
        row = samples.loc[path.relative_to(study).as_posix()]
        assert (row["status"], f"it is not a regular file but {kind}; " in row["reason"]) == ("failed", True)
        assert f"not a regular file but {kind}" in " ".join(ended.stdout.split())
    others = samples.drop([path.relative_to(study).as_posix() for path in odd])
    assert set(others["status"]) == {"gated", "control"}
    checked = immunomon("check", study)
    assert checked.returncode == 1
    assert (checked.stdout + checked.stderr).count("not a regular file but") == 4


@pytest.mark.parametrize("name", ["study.yaml", "samples.csv", "platelets.csv", "overrides.yaml"])
def test_a_pipe_in_place_of_a_table_is_named(study, name):
    (study / name).unlink(missing_ok=True)
    os.mkfifo(study / name)
    readers = [
        ["check", study],
        *([["assess", study, "--out", study / "out"]] if name == "platelets.csv" else [["run", study]]),
    ]
    for words in readers:
        ended = immunomon(*words)
        assert (ended.returncode, "Traceback" in ended.stderr) == (1, False), ended.stderr
        assert "not a regular file but a named pipe" in " ".join((ended.stdout + ended.stderr).split())
