"""Files of strangers opened so that nothing hangs, and files of ours written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import shutil
import stat
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from io import BufferedReader
from pathlib import Path
from typing import cast

from immunomon.remote import RemotePath, fetched

__all__ = [
    "InputChanged",
    "NotARegularFile",
    "digests_of_what_is_written",
    "file_digest",
    "is_running",
    "is_temporary",
    "is_there",
    "library_writing",
    "naming",
    "open_input",
    "read_input",
    "refuse_irregular",
    "remove_leftovers",
    "temporary_beside",
    "whole_file",
    "write_whole",
]

_PART = 1 << 20
_IS_WINDOWS = os.name == "nt"
_WAITS = (0.02, 0.1, 0.5, 1.0)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# Without O_NONBLOCK, opening a named pipe that nobody writes into never returns; a regular file does not mind it.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))


# Path -> digest of what is written, while somebody asks for it.
_DIGESTS: ContextVar[dict[Path, str] | None] = ContextVar("digests", default=None)
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_TEMPORARY = re.compile(r"\..+\.([0-9a-f]{8})-([0-9]{1,10})\.tmp")


class NotARegularFile(OSError):
    """A path leads to something that cannot be read to an end: a named pipe, a device, a socket, a folder."""


class InputChanged(OSError):
    """A file was written to while it was being read, so that what was read is no state that it ever had."""


@contextmanager
def open_input(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file for reading bytes, following links; at the end, make sure that it did not change meanwhile.

    Raises NotARegularFile for anything else than a file, InputChanged if its size or time of change is another after
    reading, and OSError as ``open`` does; all of them name the file.

    >>> with open_input(Path(".")) as file:
    ...     file.read()
    Traceback (most recent call last):
        ...
    immunomon.files.NotARegularFile: [Errno 22] not a regular file but a folder: '.'
    """
    if isinstance(path, RemotePath):
        with fetched(path) as copy:
            yield cast(BufferedReader, copy)
        return
    try:
        refuse_irregular(path)  # before opening: to open a device may set it going
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:
        raise OSError(errno.EINVAL, "no file can have this name", str(path)) from error
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        _must_be_regular(before, path)
        yield file
        after = path.stat() if file.closed else os.fstat(descriptor)  # FlowIO closes what it has read
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputChanged(errno.EBUSY, "changed while it was being read", str(path))


def read_input(path: Path, max_bytes: int | None = None) -> bytes:
    """Return a regular file's bytes, at most ``max_bytes`` and one more; raises what ``open_input`` raises.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.csv").write_bytes(b"sample_id,percent")
    ...     read_input(Path(folder, "a.csv")), read_input(Path(folder, "a.csv"), max_bytes=3)
    (b'sample_id,percent', b'samp')
    """
    parts: list[bytes] = []
    left = sys.maxsize if max_bytes is None else max_bytes + 1
    with open_input(path) as file:
        # A buffer of all that is allowed would take as much memory, however small the file is.
        size = os.fstat(file.fileno()).st_size + 1
        while left and (part := file.read(min(size if not parts else _PART, left))):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal; raises OSError if it cannot be read."""
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_there(path: Path) -> bool:
    """Say whether there is anything of this name, be it a pipe or a link to nothing: a file that somebody put there.

    What may be left out is looked for with this and then read, so that what cannot be read is said, not passed over.

    >>> is_there(Path("no-such-overrides.yaml"))
    False
    """
    return path.exists() if isinstance(path, RemotePath) else os.path.lexists(path)


def refuse_irregular(path: Path) -> None:
    """Raise NotARegularFile for a path, links followed, that is no file to be read to an end; OSError if none is there.

    >>> refuse_irregular(Path("."))
    Traceback (most recent call last):
        ...
    immunomon.files.NotARegularFile: [Errno 22] not a regular file but a folder: '.'
    """
    _must_be_regular(path.stat(), path)


def _must_be_regular(about: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(about.st_mode):
        kind = next((word for is_kind, word in _KINDS if is_kind(about.st_mode)), "something else")
        raise NotARegularFile(errno.EINVAL, f"not a regular file but {kind}", str(path))


def temporary_beside(path: Path) -> Path:
    """Return the name under which a file or folder is written until it is whole; it tells machine and process.

    >>> temporary_beside(Path("run", "run.json")).parent.name, temporary_beside(Path("run", "run.json")).suffix
    ('run', '.tmp')
    """
    return path.with_name(f".{path.name}.{_HOST}-{os.getpid()}.tmp")


def is_temporary(path: Path) -> bool:
    """Say whether a file has the name of one that is being written, or that a stopped program left.

    >>> is_temporary(temporary_beside(Path("samples", "S01.json"))), is_temporary(Path("samples", "..__fcs__S01.json"))
    (True, False)
    """
    return _TEMPORARY.fullmatch(path.name) is not None


@contextmanager
def naming(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Let errors of the system name a file that they do not name: to write to a full disk fails without a name."""
    try:
        yield
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), str(path)) from error


@contextmanager
def library_writing() -> Iterator[None]:
    """Let what a library raises because it cannot write be an error of the system, which ``naming`` gives its name."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:  # lxml's and readstat's errors have no kind in common
        raise OSError(errno.EIO, f"cannot be written ({error})") from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name to write a file under, and rename it when it is whole: no reader ever sees half of it.

    Folders that lack are made. A pipe or device that has the name is written into. Errors of the system (disk full, no
    permission) name ``path``, whoever raised them without a name.
    """
    is_special = path.exists() and not path.is_file() and not path.is_dir()
    temporary = path if is_special else temporary_beside(path)
    try:
        with naming(path, temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if not is_special:
                _replace(temporary, path)
    finally:
        if not is_special:
            with suppress(OSError):  # a disk that cannot be written cannot be cleaned, and the first error is the news
                temporary.unlink(missing_ok=True)


def _replace(temporary: Path, path: Path) -> None:
    """Rename a file over another; on Windows a virus scanner or indexer may hold either for a moment."""
    for seconds in _WAITS if _IS_WINDOWS else ():
        with suppress(PermissionError):
            temporary.replace(path)
            return
        time.sleep(seconds)
    temporary.replace(path)


@contextmanager
def digests_of_what_is_written(folder: Path) -> Iterator[dict[str, str]]:
    """Collect the SHA-256 of every file that is written below a folder meanwhile, by its path there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name, digests_of_what_is_written(Path(name)) as digests:
    ...     write_whole(Path(name, "tables", "a.csv"), b"percent")
    >>> {name: digest[:8] for name, digest in digests.items()}
    {'tables/a.csv': 'fd86717a'}
    """
    written: dict[Path, str] = {}
    digests: dict[str, str] = {}
    before = _DIGESTS.set(written)
    try:
        yield digests
    finally:
        _DIGESTS.reset(before)
        inside = (path for path in written if path.is_relative_to(folder))
        digests |= {path.relative_to(folder).as_posix(): written[path] for path in sorted(inside)}


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file, whole or not at all, text as UTF-8; raises OSError, which names the file, if it cannot be."""
    content = data.encode("utf-8") if isinstance(data, str) else data
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    if (written := _DIGESTS.get()) is not None:
        written[path] = hashlib.sha256(content).hexdigest()


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove those of some paths that a process of this machine was writing when it was stopped.

    What a process that still runs is writing stays, and what another machine may be writing.
    """
    for path in paths:
        named = _TEMPORARY.fullmatch(path.name)
        if named is None or named[1] != _HOST or is_running(int(named[2])):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Say whether a process of this machine is still there, or nobody can tell.

    >>> is_running(os.getpid())
    True
    """
    if _IS_WINDOWS:  # where there is no asking without disturbing it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
