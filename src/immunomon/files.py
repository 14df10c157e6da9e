"""Files of strangers opened so that nothing hangs: a named pipe, a device, a socket or a folder is refused."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

__all__ = ["InputChanged", "NotARegularFile", "is_there", "open_input", "read_input"]

_PART = 1 << 20
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# Without O_NONBLOCK, opening a named pipe that nobody writes into never returns; a regular file does not mind it.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))


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
    try:
        _must_be_regular(path.stat(), path)  # before opening: to open a device may set it going
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:
        raise OSError(errno.EINVAL, "no file can have this name", str(path)) from error
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        _must_be_regular(before, path)
        yield file
        after = os.fstat(descriptor)
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
    parts: list[bytes] = []  # a buffer of all that is allowed would take as much memory, however small the file is
    left = sys.maxsize if max_bytes is None else max_bytes + 1
    with open_input(path) as file:
        while left and (part := file.read(min(_PART, left))):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def is_there(path: Path) -> bool:
    """Say whether there is anything of this name, be it a pipe or a link to nothing: a file that somebody put there.

    What may be left out is looked for with this and then read, so that what cannot be read is said, not passed over.

    >>> is_there(Path("no-such-overrides.yaml"))
    False
    """
    return os.path.lexists(path)


def _must_be_regular(about: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(about.st_mode):
        kind = next((word for is_kind, word in _KINDS if is_kind(about.st_mode)), "something else")
        raise NotARegularFile(errno.EINVAL, f"not a regular file but {kind}", str(path))
