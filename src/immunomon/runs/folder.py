"""The run folder: results by sample, written whole or not at all, kept by the digest of what made them."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunomon.csvfile import cell_of_text
from immunomon.errors import BadRun, ImmunomonError, NotARunFolder, RunFolderInUse
from immunomon.files import NotARegularFile, is_temporary, read_input, refuse_irregular, write_whole

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AGAIN",
    "RESULTS",
    "SEALED_FIRST",
    "RunFolder",
    "no_run",
    "read_held",
    "read_record",
    "result_names",
    "table_csv",
    "write_json",
    "write_table",
]

RUN_FORMAT = "immunomon.run/1"
AGAIN = "finish the run with: immunomon run"
# What a run writes and seals as a whole; earlier versions sealed the first five.
SEALED_FIRST = ("run.json", "tables/*.parquet", "tables/*.csv", "samples/*.json", "gates/*.json")
RESULTS = (
    *SEALED_FIRST,
    "noise/*.json",
    "estimates/*.json",
    "estimates/*.npz",
    "set-aside/*/*/*.json",
    "set-aside/*/import/*.csv",
)


def result_names(root: Path, patterns: Sequence[str] = RESULTS) -> list[str]:
    """Return the files that a run's numbers stand in, by their paths in the run folder."""
    files = sorted(path for pattern in patterns for path in root.glob(pattern) if not is_temporary(path))
    return [path.relative_to(root).as_posix() for path in files]


def no_run(folder: Path) -> BadRun:
    """Return the error that a folder holds no finished run; it names the run in it if that is the study's folder."""
    inside = (folder / "run" / "run.json").is_file()
    remedy = f"did you mean {folder / 'run'}?" if inside else "make it with: immunomon run STUDY"
    return BadRun(f"{folder}: there is no run.json, so no finished run here; {remedy}")


def read_record(folder: Path) -> tuple[dict[str, Any], str]:
    """Return a run's record, ``run.json``, and the SHA-256 of its bytes; raises BadRun if it cannot be read."""
    path = folder / "run.json"
    try:
        data = read_input(path)
        record = json.loads(data.decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise no_run(folder) from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadRun(f"{path}: cannot be read ({error}); {AGAIN}") from error
    if not isinstance(record, dict):
        raise BadRun(f"{path}: cannot be read (it is not an object); {AGAIN}")
    return record, hashlib.sha256(data).hexdigest()


def read_held(path: Path, digest: str | None, *, record: str = "run.json", remedy: str = AGAIN) -> bytes:
    """Return the bytes of a table of a run, held against the digest that a record has of it; None: it has none.

    path: the table in a folder of the run. record: the record's name. Raises BadRun if it is missing, or another.
    """
    try:
        data = read_input(path)
    except FileNotFoundError:
        raise BadRun(f"{path}: is missing; {remedy}") from None
    except OSError as error:
        raise BadRun(f"{path}: cannot be read ({error}); {remedy}") from error
    if digest not in (None, hashlib.sha256(data).hexdigest()):
        run = path.parent.parent
        raise BadRun(
            f"{run}: table '{path.stem}' is not the one {record} was written for: it was changed since then; "
            f"see what: immunomon audit {run}; {remedy}"
        )
    return data


def write_json(path: Path, data: object, *, indent: int | None = 1) -> None:
    """Write plain data as JSON, whole or not at all; indented, so that a person can read it."""
    write_whole(path, json.dumps(data, indent=indent, sort_keys=False, ensure_ascii=False) + "\n")


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write a table as Parquet and as CSV, each whole or not at all; the same table gives the same bytes."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    write_whole(folder / f"{name}.parquet", buffer.getvalue())
    write_whole(folder / f"{name}.csv", table_csv(table))


def table_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV; texts that a spreadsheet would run begin with an apostrophe (``csvfile.cell_of_text``)."""
    plain = table.copy(deep=False)
    for place, (_, column) in enumerate(table.items()):
        texts = {text for text in column.dropna().unique() if isinstance(text, str)} if column.dtype.kind == "O" else ()
        odd = {text: cell for text in texts if (cell := cell_of_text(text)) != text}
        if odd:
            plain.isetitem(place, column.map(lambda value, odd=odd: odd.get(value, value), na_action="ignore").array)
    return str(plain.to_csv(index=False, lineterminator="\n"))


@dataclass(frozen=True)
class RunFolder:
    """The places in a run folder, and how they are read and written."""

    root: Path

    @property
    def manifest(self) -> Path:
        """``run.json``: what made the run."""
        return self.root / "run.json"

    def sample_file(self, sample_id: str) -> Path:
        """Where one file's whole result is kept."""
        return self.root / "samples" / f"{sample_id}.json"

    def gates_file(self, sample_id: str) -> Path:
        """Where one file's placed gates are kept."""
        return self.root / "gates" / f"{sample_id}.json"

    def table_file(self, name: str, suffix: str) -> Path:
        """Where a table is kept, as ``.parquet`` or ``.csv``."""
        return self.root / "tables" / f"{name}{suffix}"

    def read_sample(self, sample_id: str, key: str | None = None) -> dict[str, Any] | None:
        """Return one file's result, or None if there is none, it is broken, or it was made from something else."""
        data = self.read_json(self.sample_file(sample_id))
        return data if data is not None and (key is None or data.get("key") == key) else None

    def read_json(self, path: Path) -> dict[str, Any] | None:
        """Return a JSON object that this folder holds, or None if there is none or it is broken."""
        try:
            data = json.loads(read_input(path))
        except (OSError, ValueError):
            return None
        return data if isinstance(data, dict) else None

    def write_json(self, path: Path, data: object, *, indent: int | None = None) -> None:
        """Write plain data as JSON, whole or not at all."""
        write_json(path, data, indent=indent)

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table as Parquet and as CSV, each whole or not at all; the same table gives the same bytes."""
        write_table(self.root / "tables", name, table)

    def read_table(self, name: str) -> pd.DataFrame:
        """Return a table; raises ImmunomonError if the folder holds no finished run."""
        import pandas as pd

        path = self.table_file(name, ".parquet")
        if not path.is_file():
            raise ImmunomonError(f"{self.root}: there is no table '{name}'; finish the run with: immunomon run")
        return pd.read_parquet(path, dtype_backend="numpy_nullable")

    @property
    def is_imported(self) -> bool:
        """Whether what the folder holds was gated elsewhere."""
        return bool((self.read_json(self.manifest) or {}).get("imported"))

    def refuse_imported(self) -> None:
        """Raise NotARunFolder if what the folder holds was gated elsewhere: a run would take its place unseen."""
        if self.is_imported:
            raise NotARunFolder(f"{self.root}: it holds values that were imported; give another folder with --out")

    def _refuse_odd(self) -> None:
        """Raise NotARunFolder for what is neither file nor folder, or a link out: nobody may read or write there."""
        inside = self.root.resolve()
        folders = [self.root]
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif not entry.is_file(follow_symlinks=False) and (fault := _fault(Path(entry.path), inside)):
                        remedy = "take it away, or give a new run folder with --out"
                        raise NotARunFolder(f"{entry.path}: {fault}; {remedy}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this thread; the system lets go of it when the process ends, however it ends.

        Who holds it already goes on: a step that decides and then runs holds it from its first look to the end.
        Raises RunFolderInUse if another process holds it, NotARunFolder if it holds something else than a run, a link
        out of it, or what is neither file nor folder.
        """
        from filelock import FileLock, Timeout

        lock_file = self.root / ".lock"
        if self.root.is_dir() and any(self.root.iterdir()) and not (lock_file.exists() or self.manifest.exists()):
            raise NotARunFolder(f"{self.root}: the folder holds other things than a run; give a new folder with --out")
        self.root.mkdir(parents=True, exist_ok=True)
        self._refuse_odd()
        lock = FileLock(lock_file.resolve(), timeout=0, is_singleton=True)
        try:
            with lock:
                yield
        except Timeout as error:
            raise RunFolderInUse(
                f"{self.root}: another immunomon run is writing this folder; wait for it, or give another --out"
            ) from error


def _fault(path: Path, inside: Path) -> str:
    """Return why what is no plain file cannot stand in a run folder; nothing for a link to what is in it."""
    target = path.resolve()
    if path.is_symlink() and not target.is_relative_to(inside):
        return f"it is a link out of the run folder, to {target}"
    try:
        refuse_irregular(target)
    except NotARegularFile as error:
        return "" if target.is_dir() else f"it is {error.strerror}"
    except OSError as error:
        return f"it leads nowhere ({error.strerror})"
    return ""
