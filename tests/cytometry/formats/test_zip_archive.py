"""Archives that unpack to more than they say, or share their bytes, are refused before they are unpacked."""

import struct
import zipfile

import pytest

from immunomon.cytometry.formats import zip_archive
from immunomon.cytometry.formats.zip_archive import ZipSource
from immunomon.errors import BadSpec


def _archive(path, **entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    """Ten entries of the list name one block of data: each is within the limits, all together are not."""
    raw = _archive(tmp_path / "a.zip", a=bytes(range(256)) * 40).read_bytes()
    end = raw.rindex(b"PK\x05\x06")
    start = struct.unpack("<I", raw[end + 16 : end + 20])[0]
    listed = raw[start:end]
    copies = b"".join(listed.replace(b"a", bytes([letter]), 1) for letter in range(98, 108))
    tail = bytearray(raw[end:])
    struct.pack_into("<HHI", tail, 8, 10, 10, len(copies))
    (tmp_path / "b.zip").write_bytes(raw[:start] + copies + tail)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert len(archive.namelist()) == 10
    with pytest.raises(BadSpec, match="its entries lie over each other"):
        ZipSource(tmp_path / "b.zip")


def test_what_is_read_of_one_archive_is_limited_over_all_entries(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_archive, "_MOST_READ", 100)
    with ZipSource(_archive(tmp_path / "a.zip", a=b"x" * 60, b=b"y" * 60)) as archive:
        assert archive.read("a", 1_000) == b"x" * 60
        with pytest.raises(BadSpec, match="entry 'b': it has more than 40 bytes"):
            archive.read("b", 1_000)


def test_a_bomb_is_refused_by_how_small_it_is_packed(tmp_path):
    with (
        ZipSource(_archive(tmp_path / "a.flowjo", bomb=b"\0" * 20_000_000)) as archive,
        pytest.raises(BadSpec, match="packed more than 500 times smaller"),
    ):
        archive.read("bomb", 1 << 30)
