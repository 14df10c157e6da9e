import errno
import os
import signal
import socket
from pathlib import Path

import pytest

from immunomon import files
from immunomon.assurance.verify.recompute import read_with_fcsparser
from immunomon.csvfile import read_csv
from immunomon.cytometry.formats.fcs import read_fcs, read_header
from immunomon.cytometry.formats.matrix_csv import read_matrix_csv
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.cytometry.formats.workspaces import is_workspace, read_workspace
from immunomon.cytometry.formats.xmltree import read_xml, root_tag
from immunomon.cytometry.formats.zip_archive import ZipSource
from immunomon.errors import ImmunomonError
from immunomon.files import InputChanged, file_digest, open_input, read_input, write_whole
from immunomon.study.specs.panel import load_panel
from immunomon.study.specs.samples import read_samples

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes and devices in its folders")


@pytest.fixture(params=["a folder", "a named pipe", "a device", "a socket"])
def odd(request, tmp_path, monkeypatch) -> tuple[Path, str]:
    """A path that leads to no regular file, and what it leads to."""
    path = tmp_path / "odd"
    if request.param == "a folder":
        path.mkdir()
    elif request.param == "a named pipe":
        os.mkfifo(path)
    elif request.param == "a device":
        path.symlink_to("/dev/zero")
    else:
        monkeypatch.chdir(tmp_path)  # the name of a socket must be short
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("odd")
    return path, request.param


@pytest.fixture
def in_time():
    """Stop a reader that waits for ever."""

    def stop(*_):
        raise TimeoutError("it waits for what never comes")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


READERS = {
    "bytes": read_input,
    "digest": file_digest,
    "header": read_header,
    "events": read_fcs,
    "second reader": read_with_fcsparser,
    "memberships": read_memberships,
    "xml": read_xml,
    "workspace": read_workspace,
    "archive": ZipSource,
    "csv": lambda path: read_csv(path, 1000),
    "matrix": lambda path: read_matrix_csv(path, ()),
    "sample list": read_samples,
    "panel": load_panel,
}


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits_for_what_is_no_regular_file(odd, reader):
    path, kind = odd
    with pytest.raises((OSError, ImmunomonError), match=f"not a regular file but {kind}") as caught:
        READERS[reader](path)
    assert str(path) in str(caught.value)


@pytest.mark.usefixtures("in_time")
def test_the_kind_of_a_file_is_not_asked_of_a_pipe(odd):
    path, _ = odd
    assert root_tag(path) is None
    assert not is_workspace(path)


def test_a_link_to_a_file_is_read_as_the_file(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x")
    (tmp_path / "b.csv").symlink_to("a.csv")
    assert read_input(tmp_path / "b.csv") == b"x"


def test_a_name_that_no_file_can_have_is_an_error_of_the_system():
    with pytest.raises(OSError, match="no file can have this name"):
        read_input(Path("a\0b"))


@pytest.mark.parametrize("more", [b"", b"more"])
def test_a_file_that_is_written_while_it_is_read_is_refused(tmp_path, more):
    path = tmp_path / "a.fcs"
    path.write_bytes(b"twelve bytes")

    def read():
        with open_input(path) as file:
            file.read(6)
            path.write_bytes(b"other bytes!" + more)
            os.utime(path, (1, 1))

    with pytest.raises(InputChanged, match=r"changed while it was being read: .*a\.fcs"):
        read()


def test_a_file_that_vanishes_while_it_is_read_is_read_to_its_end(tmp_path):
    path = tmp_path / "a.fcs"
    path.write_bytes(b"twelve bytes")
    with open_input(path) as file:
        path.unlink()
        assert file.read() == b"twelve bytes"


def test_a_part_of_a_large_file_is_read(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert len(read_input(path, max_bytes=3_000_000)) == 3_000_001


def test_what_a_scanner_holds_for_a_moment_is_replaced_all_the_same(tmp_path, monkeypatch):
    """Windows refuses to replace a file that a virus scanner has open."""
    held = [PermissionError(errno.EACCES, "held")] * 2
    replace = Path.replace

    def held_at_first(self, target):
        if held:
            raise held.pop()
        return replace(self, target)

    monkeypatch.setattr(files, "_IS_WINDOWS", True)
    monkeypatch.setattr(files, "_WAITS", (0, 0, 0))
    monkeypatch.setattr(Path, "replace", held_at_first)
    write_whole(tmp_path / "a.csv", b"1")
    assert (tmp_path / "a.csv").read_bytes() == b"1"
    held += [PermissionError(errno.EACCES, "held")] * 4
    with pytest.raises(PermissionError, match=r"a\.csv"):
        write_whole(tmp_path / "a.csv", b"2")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
