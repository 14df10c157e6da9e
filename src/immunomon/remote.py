"""Files that lie elsewhere, as ``s3://bucket/key``: read whole into a temporary file, through fsspec."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO, TYPE_CHECKING, Any, TypeVar

from immunomon.errors import ImmunomonError

__all__ = ["PROTOCOLS", "RemotePath", "as_path", "fetched", "fetched_copy", "is_address"]

PROTOCOLS = ("s3", "gs", "https", "ssh")
_ADDRESS = re.compile(rf"({'|'.join(PROTOCOLS)})://([^/@?#%\s]+)((?:/[^/?#\s\\]+)*)")
_TRIES = 6  # an object store refuses a request now and then
_FIRST_WAIT_SECONDS = 0.2
_PART = 1 << 22
Result = TypeVar("Result")
if TYPE_CHECKING:
    _LocalPath = Path
else:
    _LocalPath = type(Path())


class RemotePath(_LocalPath):
    """The address of a file elsewhere, as a path that no folder can be put before; what it holds is fetched to be read.

    >>> address = as_path("s3://lab/trial/S01.fcs")
    >>> str(Path("study") / address), str(address.parent), address.name
    ('s3://lab/trial/S01.fcs', 's3://lab/trial', 'S01.fcs')
    """

    def __str__(self) -> str:
        return f"{self.parts[0]}//{'/'.join(self.parts[1:])}"

    def __fspath__(self) -> str:
        return str(self)

    def __rtruediv__(self, folder: object) -> RemotePath:
        return self

    def as_posix(self) -> str:
        """Return the address."""
        return str(self)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:  # noqa: ARG002
        """Return size and time of change, as the store has them, and a number that differs with the content's tag.

        A store that does not say when a file was changed is taken to say: just now. Raises OSError.
        """
        about = _tried(self, lambda files, name: files.info(name))
        if about.get("type") == "directory":
            return os.stat_result((stat.S_IFDIR, 0, 0, 1, 0, 0, 0, 0, 0, 0))
        changed = _changed(about)
        tag = str(about.get("ETag") or about.get("etag") or about.get("md5Hash") or changed)
        number = int(hashlib.sha256(tag.encode()).hexdigest()[:15], 16)
        numbers = (stat.S_IFREG, number, 0, 1, 0, 0, int(about.get("size") or 0), *[int(changed)] * 3)
        ns = int(changed * 1e9)
        return os.stat_result(numbers, {"st_mtime": changed, "st_mtime_ns": ns, "st_ctime_ns": ns})

    def iterdir(self) -> Generator[RemotePath, None, None]:
        """Yield the addresses under this one, as under a folder."""
        for name in _tried(self, lambda files, folder: files.ls(folder, detail=False)):
            yield self / str(name).rstrip("/").rpartition("/")[2]


def as_path(text: str) -> Path:
    """Return the path that a record or a list names: a file's, or an address.

    >>> as_path("fcs/S01.fcs").as_posix(), as_path("https://lab.example/S01.fcs").as_posix()
    ('fcs/S01.fcs', 'https://lab.example/S01.fcs')
    """
    if not is_address(text):
        return Path(text)
    protocol, _, rest = text.partition("://")
    return RemotePath(f"{protocol}:", *rest.split("/"))


def is_address(text: str) -> bool:
    """Say whether a text is the address of a file elsewhere: no user, no password, no query, no step upwards.

    >>> [is_address(text) for text in ("s3://lab/S01.fcs", "s3://key:secret@lab/S01.fcs", "s3://lab/../S01.fcs", "a/b")]
    [True, False, False, False]
    """
    found = _ADDRESS.fullmatch(text)
    return found is not None and not {".", ".."} & set(found[3].split("/"))


@contextmanager
def fetched(path: RemotePath) -> Iterator[IO[bytes]]:
    """Yield a file of what an address holds, without a name, at its beginning; raises OSError, which names the address.

    What broke off is fetched again from its beginning: never two states of a file in one.
    """
    with TemporaryFile() as file:
        _tried(path, lambda files, name: _copied(files, name, file))
        file.seek(0)
        yield file


@contextmanager
def fetched_copy(path: Path) -> Iterator[Path]:
    """Yield a path on this machine of the same bytes, for readers that open their file themselves; raises OSError.

    >>> with fetched_copy(Path("fcs/S01.fcs")) as copy:
    ...     copy.as_posix()
    'fcs/S01.fcs'
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    with NamedTemporaryFile(suffix=path.suffix, delete=False) as file:
        try:
            _tried(path, lambda files, name: _copied(files, name, file))
            file.close()
            yield Path(file.name)
        finally:
            file.close()
            Path(file.name).unlink()


def _copied(files: Any, name: str, into: IO[bytes]) -> None:  # noqa: ANN401 - fsspec is untyped
    into.seek(0)
    into.truncate()
    with files.open(name, "rb", cache_type="none") as file:
        while part := file.read(_PART):
            into.write(part)
    into.flush()


def _tried(path: RemotePath, read: Callable[[Any, str], Result]) -> Result:
    """Return what is read of a file elsewhere; what may be an error of the moment is tried again."""
    wait = _FIRST_WAIT_SECONDS
    for left in range(_TRIES - 1, -1, -1):
        try:
            files, name = _files_of(path)
            return read(files, name)
        except ImmunomonError:
            raise
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path)) from None
        except PermissionError as error:
            message = f"it may not be read with the credentials of the environment ({error})"
            raise PermissionError(errno.EACCES, message, str(path)) from None
        except Exception as error:  # stores raise exceptions of their own
            if not left:
                message = f"it could not be fetched in {_TRIES} tries ({type(error).__name__}: {error})"
                raise OSError(errno.EIO, message, str(path)) from None
            with suppress(Exception):
                files.invalidate_cache()
            time.sleep(wait)
            wait *= 2
    raise AssertionError("unreachable")


def _files_of(path: RemotePath) -> tuple[Any, str]:
    """Return the store that an address lies in, and its name there; credentials are those of the environment."""
    try:
        from fsspec.core import url_to_fs

        files, name = url_to_fs(str(path))
    except (ImportError, ValueError) as error:
        message = f"{path}: files elsewhere need a library for '{path.parts[0]}//' ({error}); for s3:// and https://, "
        raise ImmunomonError(f'{message}install it with: pip install "immunomon[remote]"') from None
    return files, name


def _changed(about: dict[str, Any]) -> float:
    for key in ("LastModified", "last_modified", "updated", "mtime"):
        value = about.get(key)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, str):
            with suppress(ValueError):
                return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    return time.time()
