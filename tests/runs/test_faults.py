"""What goes wrong around a run, each with the real program in a process of its own."""

import marshal
import os
import re
import shutil
import signal
import socket
import sys
from functools import partial
from importlib.util import cache_from_source
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.program import alone, bound_by_permissions, immunomon, stopped, with_memory, with_room

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.write_fcs import write_fcs
from immunomon.outputs.database import migrating
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder

pytestmark = [
    pytest.mark.no_cover,
    pytest.mark.skipif(os.name == "nt", reason="named pipes, limits and signals are POSIX systems'"),
]


SAMPLE = "fcs__treg__S01_W4_treg"
LONG = "so it was decided " * 60  # a decision of more bytes than there is room for
KINDS = ("csv", "excel", "sdtm", "dataset-json", "redcap", "immport", "adam", "miflowcyt")


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


def holds(run: Path, pattern: str, count: int) -> bool:
    return len(list(run.glob(pattern))) >= count


def tables_of(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "tables").iterdir())}


def temporary_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in {".tmp", ".part"}]


@pytest.mark.parametrize(
    ("number", "name", "code"),
    [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143), (signal.SIGHUP, "SIGHUP", 129)],
)
def test_a_run_that_is_stopped_says_how_to_go_on(study, undisturbed, number, name, code):
    run = study / "run"
    ended = stopped(["run", study, "--jobs", 2], number, partial(holds, run, "samples/*.json", 2))
    assert ended.returncode == code
    assert f"stopped by {name}" in ended.stderr
    assert "start it again with the same command" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not temporary_files(study)
    again = immunomon("run", study, "--jobs", 2)
    assert again.returncode == 0
    kept = int(re.search(r"(\d+) kept from before", again.stdout)[1])
    assert kept >= 2
    assert tables_of(run) == tables_of(undisturbed / "run")


def test_a_simulation_that_is_stopped_is_begun_anew_by_the_same_command(tmp_path):
    words = ["simulate", tmp_path / "trial", "--panel", "nk", "--events", 500, "--jobs", 1]
    ended = stopped(words, signal.SIGTERM, lambda: len(list(tmp_path.rglob("*.fcs"))) >= 3)
    assert ended.returncode == 143
    assert not temporary_files(tmp_path)
    again = immunomon(*words)
    assert again.returncode == 0, again.stderr
    assert immunomon(*words).returncode == 1  # that one is whole: it may have been edited


# The moment of a kill: how many files of which kind are there.
MOMENTS = [
    ("none", 0),
    ("noise/*.json", 5),
    ("estimates/*.json", 1),
    ("estimates/*.json", 12),
    ("samples/*.json", 1),
    ("gates/*.json", 8),
    ("tables/*.csv", 1),
]


def test_a_run_killed_at_many_points_ends_with_the_same_bytes(study, undisturbed):
    run = study / "run"
    for pattern, count in MOMENTS:
        stopped(["run", study, "--jobs", 2], signal.SIGKILL, partial(holds, run, pattern, count))
    ended = immunomon("run", study, "--jobs", 2)
    assert ended.returncode == 0
    assert tables_of(run) == tables_of(undisturbed / "run")
    assert not temporary_files(study)
    assert immunomon("audit", run).returncode == 0


def large_fcs(path: Path, like: Path, events: int) -> None:
    """Write a file of so many events, all zero, that takes no room on the disk, with the keywords of another."""
    header, raw = read_fcs(like)
    small = path.with_suffix(".small")
    write_fcs(small, raw.take(np.arange(2)), header.keywords)
    content = small.read_bytes()
    small.unlink()
    begin = int(content[26:34])
    size = 4 * len(header.channels) * events
    tot, more = b"$TOT|2|", f"$TOT|{events}|$BEGINDATA|{begin + 4096}|$ENDDATA|{begin + 4096 + size - 1}|".encode()
    assert content.count(tot) == 1
    text = re.sub(rb"\$(BEGIN|END)DATA\|[0-9 ]+\|", b"", content[58:begin]).replace(tot, more).rstrip(b" ")
    head = b"FCS3.1    " + b"".join(b"%8d" % number for number in (58, 58 + len(text) - 1, 0, 0, 0, 0))
    with path.open("wb") as file:
        file.write(head + text)
        file.truncate(begin + 4096 + size)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep the limit")
@pytest.mark.parametrize(
    ("events", "says"), [(30_000_000, "enough memory|of memory, and"), (2_000_000_000, "of memory, and")]
)
def test_a_file_that_needs_more_memory_than_there_is_fails_and_the_others_go_on(study, undisturbed, events, says):
    large = study / "fcs" / "treg" / "S01_W4_treg.fcs"
    large_fcs(large, undisturbed / "fcs" / "treg" / "S01_W4_treg.fcs", events)
    ended = alone("run", study, "--jobs", 1, limit=with_memory(2_500_000_000))
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr, ended.stderr
    samples = samples_of(study)
    row = samples.loc["fcs/treg/S01_W4_treg.fcs"]
    assert row["status"] == "failed"
    assert re.search(says, row["reason"]), row["reason"]
    assert "--jobs" in row["reason"]
    assert set(samples.drop("fcs/treg/S01_W4_treg.fcs")["status"]) == {"gated", "control"}


@pytest.mark.parametrize(
    "words",
    [
        ["report", "RUN"],
        ["compare", "RUN"],
        ["export", "RUN"],
        ["export-gates", "RUN"],
        ["simulate", "OUT", "--panel", "nk", "--events", 500],
        ["run", "STUDY", "--out", "OUT"],
        ["lock", "RUN", "--by", "A. Person", "--reason", "the end"],
        [
            "override",
            "RUN",
            "--sample",
            "fcs__treg__S01_W4_treg",
            "--action",
            "drop-sample",
            "--by",
            "A",
            "--reason",
            LONG,
        ],
        ["assess", "RUN"],
        ["mechanism", "RUN"],
        *(["deliver", "RUN", "--as", kind, "--out", "OUT"] for kind in KINDS),
    ],
    ids=lambda words: "-".join(str(word) for word in words[:4] if str(word).islower()),
)
def test_a_full_disk_is_said_with_the_file_that_has_no_room(undisturbed, tmp_path, words):
    study = Path(shutil.copytree(undisturbed, tmp_path / "trial"))
    places = {"RUN": study / "run", "STUDY": study, "OUT": tmp_path / "out"}
    if words[0] == "mechanism":  # which rests on the other assessments
        assert immunomon("assess", study / "run").returncode == 0
    sealed = {path: path.read_bytes() for path in (study / "run").rglob("*") if path.is_file()}
    ended = immunomon(*(places.get(word, word) for word in words), limit=with_room(1000))
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    assert str(tmp_path) in ended.stderr
    assert not temporary_files(tmp_path)
    assert {path: path.read_bytes() for path in sealed} == sealed
    assert not (study / "run" / "lock.json").exists()  # what is said to have failed has failed
    assert not (study / "overrides.yaml").exists()


def test_a_lock_whose_entry_has_no_room_in_the_trail_is_none(undisturbed, tmp_path):
    run = Path(shutil.copytree(undisturbed, tmp_path / "trial")) / "run"
    trail = AuditTrail(run)
    while trail.path.stat().st_size < 20_000:  # more than lock.json needs
        trail.append("export", by="A. Person", reason="", target="sqlite:///a.sqlite")
    words = ["lock", run, "--by", "A. Person", "--reason", "the end"]
    ended = immunomon(*words, limit=with_room(trail.path.stat().st_size + 10))
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False), ended.stderr
    assert str(trail.path) in ended.stderr
    assert not (run / "lock.json").exists()
    assert trail.problems() == []
    assert immunomon(*words).returncode == 0


def test_what_is_no_file_in_a_run_folder_is_named_and_nothing_waits_for_it(undisturbed, tmp_path):
    run = Path(shutil.copytree(undisturbed, tmp_path / "trial")) / "run"
    sample, table, gates = (run / "samples" / f"{SAMPLE}.json", run / "tables" / "samples.parquet", run / "gates")
    (tmp_path / "elsewhere.json").write_text("{}", encoding="utf-8")
    for path, spoil, fault in (
        (sample, os.mkfifo, "not a regular file but a named pipe"),
        (table, lambda path: path.symlink_to("/dev/zero"), "a link out of the run folder, to /dev/zero"),
        (gates / f"{SAMPLE}.json", lambda path: path.symlink_to(tmp_path / "elsewhere.json"), "a link out of the run"),
        (run / "run.json", os.mkfifo, "not a regular file but a named pipe"),
    ):
        kept = path.read_bytes()
        path.unlink()
        spoil(path)
        ended = immunomon("run", run.parent)
        assert (ended.returncode, "Traceback" in ended.stderr) == (1, False), ended.stderr
        assert f"{path}: it is {fault}" in ended.stderr
        for command in ("audit", "report", "verify", "status", "compare"):
            ended = immunomon(command, run)
            assert "Traceback" not in ended.stderr, ended.stderr
            assert ended.returncode != 0 or command in ("status", "compare", "report", "verify")
            if command == "audit":
                assert str(path) in ended.stdout + ended.stderr
        path.unlink()
        path.write_bytes(kept)
    assert immunomon("audit", run).returncode == 0


@pytest.mark.parametrize("words", [["gate", "treg", "ODD"], ["gate", "ODD", "FILE"], ["info", "ODD"]], ids=" ".join)
def test_what_is_no_file_is_named_by_commands_for_files(undisturbed, tmp_path, words):
    os.mkfifo(tmp_path / "pipe")
    file = undisturbed / "fcs" / "treg" / "S01_W4_treg.fcs"
    for odd in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        ended = immunomon(*({"ODD": odd, "FILE": file}.get(word, word) for word in words))
        assert (ended.returncode != 0, "Traceback" in ended.stderr) == (True, False), ended.stderr
        assert str(odd) in ended.stdout + ended.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_redirection_into_a_full_disk_is_an_error(undisturbed):
    ended = immunomon("audit", undisturbed / "run", stdout="/dev/full")
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)
    assert "standard output: No space left" in ended.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="root gives up its privilege in Linux's way")
def test_a_folder_that_may_not_be_written_is_said(study, undisturbed):
    run = Path(shutil.copytree(undisturbed / "run", study / "run"))
    folders = [study, *(path for path in study.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        (study / "samples.csv").chmod(0o444)
        for words in (
            ["run", study, "--out", study / "again"],
            ["report", run],
            ["deliver", run, "--as", "csv", "--out", study / "new"],
        ):
            ended = immunomon(*words, limit=bound_by_permissions)
            assert (ended.returncode, "Traceback" in ended.stderr) == (1, False), ended.stderr
            assert re.search(r"trial/\S*: Permission denied", ended.stderr), ended.stderr
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_a_file_that_a_link_leads_out_of_the_study_fails_and_the_others_go_on(study):
    outside = study.parent / "elsewhere"
    outside.mkdir()
    file = study / "fcs" / "treg" / "S01_W4_treg.fcs"
    file.rename(outside / file.name)
    file.symlink_to(outside / file.name)
    ended = immunomon("run", study, "--jobs", 2)
    assert ended.returncode == 1
    samples = samples_of(study)
    row = samples.loc["fcs/treg/S01_W4_treg.fcs"]
    assert row["status"] == "failed"
    assert "data_folders: [../elsewhere]" in row["reason"]
    assert set(samples.drop("fcs/treg/S01_W4_treg.fcs")["status"]) == {"gated", "control"}
    checked = immunomon("check", study)
    assert re.search(r"samples.csv line \d+: file: .*data_folders: \[../elsewhere\]", checked.stdout + checked.stderr)
    with (study / "study.yaml").open("a", encoding="utf-8") as text:
        text.write("data_folders: [../elsewhere]\n")
    assert immunomon("run", study, "--jobs", 2).returncode == 0
    audited = immunomon("audit", study / "run")
    assert audited.returncode == 0, audited.stdout


def test_files_in_an_allowed_folder_are_sealed_and_read_by_other_commands(study):
    (study / "fcs").rename(study.parent / "fcs")
    lists = (study / "samples.csv").read_text(encoding="utf-8").replace("fcs/", "../fcs/")
    (study / "samples.csv").write_text(lists, encoding="utf-8")
    refused = immunomon("run", study, "--jobs", 2)
    assert refused.returncode == 1
    assert "data_folders: [../fcs/treg]" in refused.stderr
    with (study / "study.yaml").open("a", encoding="utf-8") as text:
        text.write("data_folders: [../fcs]\n")
    assert immunomon("run", study, "--jobs", 2).returncode == 0
    audited = immunomon("audit", study / "run")
    assert audited.returncode == 0, audited.stdout
    (study / "run" / "samples" / "..__fcs__treg__S01_W4_treg.json").write_text("{}", encoding="utf-8")
    assert "S01_W4_treg.json: it was changed after" in immunomon("audit", study / "run").stdout
    verified = immunomon("verify", study / "run", "--samples", 1)
    assert "Traceback" not in verified.stderr


def test_a_link_in_place_of_a_folder_of_the_run_is_refused(study, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (study / "run").mkdir()
    (study / "run" / ".lock").touch()
    (study / "run" / "samples").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    ended = immunomon("run", study)
    assert ended.returncode == 1
    assert "it is a link out of the run folder" in ended.stderr
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_process_without_room_leaves_no_module_cut_short(undisturbed, tmp_path):
    compiled = Path(cache_from_source(str(Path(migrating.__file__).parent / "migrations" / "env.py")))
    compiled.unlink(missing_ok=True)
    immunomon("export", undisturbed / "run", "--to", f"sqlite:///{tmp_path / 'a.sqlite'}", limit=with_room(1000))
    if compiled.exists():  # another test has written it meanwhile
        marshal.loads(compiled.read_bytes()[16:])
