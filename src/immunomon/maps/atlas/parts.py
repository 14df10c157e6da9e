"""Parts: a folder of Parquet files, one a sample, that takes the place of an earlier one when it is whole."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from immunomon.files import temporary_beside, write_whole
from immunomon.runs.provenance import file_digest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Parts"]


class Parts:
    """A folder that is written beside its place, and moved there when whole; on an error the earlier one stays.

    digests: sample id -> SHA-256 of its part.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.digests: dict[str, str] = {}
        self._new = temporary_beside(folder)

    def __enter__(self) -> Parts:
        self._new.mkdir(parents=True, exist_ok=True)
        return self

    def write(self, sample_id: str, table: pd.DataFrame) -> None:
        """Write one sample's part; several threads may write different ones."""
        path, buffer = self._new / f"{sample_id}.parquet", io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_whole(path, buffer.getvalue())
        self.digests[sample_id] = file_digest(path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            # What says which parts there are goes first: it must not speak of others.
            self.folder.with_name(f"{self.folder.name}.json").unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
            self._new.rename(self.folder)
        else:
            shutil.rmtree(self._new, ignore_errors=True)
