"""ZIP archives from strangers: nothing is written under a name of theirs, and sizes are counted, not believed."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn, Self

from immunomon.errors import BadSpec, Problem
from immunomon.files import NotARegularFile, open_input

__all__ = ["ZipSource"]

_MOST_ENTRIES = 10_000
_LARGEST_DIRECTORY = 16 * 1024 * 1024
_END, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
_MOST_TIMES_SMALLER = 500  # no measurement packs so well; a megabyte of blanks packs 1,000 times
_MOST_READ = 1024 * 1024 * 1024
_SMALL = 1024 * 1024
_CHUNK = 1024 * 1024
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


class ZipSource:
    """An archive opened for reading; raises BadSpec, naming file and entry, for whatever is wrong with it.

    >>> ZipSource(Path("none.analysis"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none.analysis: no such file; check the path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._check_directory()
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError:
            self.refuse("", "no such file", "check the path")
        except NotARegularFile as error:
            self.refuse("", str(error.strerror), "name the archive itself")
        except _DAMAGE as error:
            self.refuse("", f"it is no ZIP archive that can be read ({error})", "export it again")
        listed = [item for item in self._zip.infolist() if not item.is_dir()]
        self._entries = {item.filename: item for item in listed}
        self._times = Counter(item.filename for item in listed)
        self._room = _MOST_READ
        # Entries that share their bytes unpack to any size, each by itself within the limits.
        if sum(item.compress_size for item in listed) > path.stat().st_size:
            self._zip.close()
            self.refuse("", "its entries lie over each other", "export it again")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._zip.close()

    def names(self, *endings: str) -> list[str]:
        """Return the names of the entries with one of the endings, whatever their case, in the archive's order."""
        return [name for name in self._entries if name.lower().endswith(endings)]

    def refuse(
        self, entry: str, problem: str, remedy: str = "export it again from the program that wrote it"
    ) -> NoReturn:
        """Give the archive up for what is wrong with it or one of its entries."""
        raise BadSpec([Problem(str(self.path), None, f"entry '{entry[:80]}'" if entry else "", problem, remedy)])

    def read(self, name: str, largest: int) -> bytes:
        """Return an entry's content; largest: bytes, as what is read of the whole archive is limited, too."""
        content = b"".join(self._chunks(name, min(largest, self._room)))
        self._room -= len(content)
        return content

    def copy(self, name: str, target: Path, largest: int) -> None:
        """Write an entry's content to a file of our own choice; largest: bytes."""
        with target.open("xb") as file:
            for chunk in self._chunks(name, largest):
                file.write(chunk)

    def size(self, name: str) -> int:
        """Return how large the archive says an entry is, in bytes."""
        return self._entries[name].file_size

    def _chunks(self, name: str, largest: int) -> Iterator[bytes]:
        item = self._entries[name]
        if self._times[name] > 1:
            self.refuse(name, f"it holds {self._times[name]} entries of this name, and which is meant is not known")
        if item.flag_bits & 1:
            self.refuse(name, "it is encrypted")
        if item.file_size > largest:
            self.refuse(name, f"it has more than {largest:,} bytes")
        if item.file_size > max(_SMALL, _MOST_TIMES_SMALLER * item.compress_size):
            self.refuse(name, f"it is packed more than {_MOST_TIMES_SMALLER} times smaller, as no measurement is")
        try:
            with self._zip.open(item) as file:
                yield from self._counted(file, name, min(largest, item.file_size))
        except _DAMAGE as error:
            self.refuse(name, f"it is damaged ({error})")

    def _counted(self, file: IO[bytes], name: str, largest: int) -> Iterator[bytes]:
        left = largest
        while chunk := file.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                self.refuse(name, f"it has more than the {largest:,} bytes that the archive says")
            yield chunk

    def _check_directory(self) -> None:
        """Refuse an archive whose list of entries would fill the memory, before that list is read."""
        with open_input(self.path) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
            tail = file.read()
        position = tail.rfind(_END)
        if position < 0 or len(tail) - position < _END_SIZE:
            self.refuse("", "it is no ZIP archive, or its end is missing", "copy or export it again")
        entries, directory = struct.unpack("<HI", tail[position + 10 : position + 16])
        if entries > _MOST_ENTRIES or directory > _LARGEST_DIRECTORY:
            self.refuse("", f"it has more than {_MOST_ENTRIES:,} entries", "split it into several analyses")
