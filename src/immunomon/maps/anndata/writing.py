"""Writing: cells appended block by block to a file in AnnData's own on-disk format, so that memory holds one block."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats32
from immunomon.errors import ImmunomonError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Block", "CellsFile", "Column", "Layout", "new_cells_file"]

ROWS = 16_384  # of one stored chunk: what a backed reader fetches at once
_ARRAY = {"encoding-type": "array", "encoding-version": "0.2.0"}
_STRINGS = {"encoding-type": "string-array", "encoding-version": "0.2.0"}


@dataclass(frozen=True)
class Column:
    """One column of ``obs``: words with codes into them, or numbers (``words`` None) of a dtype."""

    name: str
    words: tuple[str, ...] | None = None
    ordered: bool = False
    dtype: str = "float32"

    @property
    def stored(self) -> np.dtype[Any]:
        """The dtype of what is stored: the numbers, or codes just wide enough, of which -1 is missing."""
        if self.words is None:
            return np.dtype(self.dtype)
        return np.dtype(np.int8 if len(self.words) < 128 else np.int16 if len(self.words) < 32768 else np.int32)


@dataclass(frozen=True, eq=False)
class Layout:
    """What a file holds: ``var``, the names of layers beside X, the columns of ``obs``, the widths in ``obsm``."""

    var: pd.DataFrame
    layers: tuple[str, ...]
    obs: tuple[Column, ...]
    obsm: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Block:
    """Some cells: X and layers, (cells, variables); columns of ``obs``, (cells,): codes or numbers; ``obsm``."""

    matrices: Mapping[str, Floats32]
    obs: Mapping[str, NDArray[Any]]
    obsm: Mapping[str, Floats32] = field(default_factory=dict)


class CellsFile:
    """A file that is being written; what every cell has is appended, what all have is written once."""

    def __init__(self, file: Any, layout: Layout) -> None:  # noqa: ANN401 - h5py carries no types
        self._file, self._layout = file, layout
        self.cells = 0
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        write = _write_elem()
        for name in ("layers", "obsm", "obsp", "varm", "varp", "uns"):
            write(file, name, {})
        write(file, "var", layout.var)
        width = len(layout.var)
        self._sets = {"X": self._grown("X", width)}
        self._sets |= {name: self._grown(f"layers/{name}", width) for name in layout.layers}
        self._sets |= {f"obsm/{name}": self._grown(f"obsm/{name}", own) for name, own in layout.obsm.items()}
        self._start_obs()

    def _grown(self, name: str, width: int) -> Any:  # noqa: ANN401
        made = self._file.create_dataset(
            name, (0, width), maxshape=(None, width), dtype="float32", chunks=(ROWS, max(width, 1))
        )
        made.attrs.update(_ARRAY)
        return made

    def _start_obs(self) -> None:
        import h5py

        obs, text = self._file.create_group("obs"), h5py.string_dtype("utf-8")
        names = [column.name for column in self._layout.obs]
        obs.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
        obs.attrs.create("column-order", np.array(names, dtype=object), dtype=text)
        self._index = obs.create_dataset("_index", (0,), maxshape=(None,), dtype=text, chunks=(ROWS,))
        self._index.attrs.update(_STRINGS)
        for column in self._layout.obs:
            where, name = obs, column.name
            if column.words is not None:
                where, name = obs.create_group(column.name), "codes"
                where.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0"})
                where.attrs["ordered"] = column.ordered
                _write_elem()(where, "categories", np.array(column.words, dtype=object))
            # Codes hardly change from row to row: squeezed they need no room.
            made = where.create_dataset(
                name, (0,), maxshape=(None,), dtype=column.stored, chunks=(ROWS * 4,), compression="gzip",
                compression_opts=1, shuffle=True,
            )  # fmt: skip
            made.attrs.update(_ARRAY)
            self._sets[f"obs/{column.name}"] = made

    def append(self, block: Block) -> None:
        """Add cells; raises ValueError unless the block has exactly what the layout asks for, of one length."""
        parts: dict[str, NDArray[Any]] = {**block.matrices}
        parts |= {f"obs/{name}": values for name, values in block.obs.items()}
        parts |= {f"obsm/{name}": values for name, values in block.obsm.items()}
        lengths = {len(values) for values in parts.values()}
        if set(parts) != set(self._sets) or len(lengths) != 1:
            raise ValueError(f"a block of {sorted(parts)} with lengths {sorted(lengths)} for {sorted(self._sets)}")
        begin, end = self.cells, self.cells + lengths.pop()
        for name, values in parts.items():
            stored = self._sets[name]
            stored.resize(end, axis=0)
            stored[begin:end] = values
        self._index.resize(end, axis=0)
        self._index[begin:end] = np.arange(begin, end).astype(str).astype(object)
        self.cells = end

    def describe(self, uns: Mapping[str, Any]) -> None:
        """Write what is said of the whole: nested words, numbers, arrays and tables."""
        for name, value in uns.items():
            _write_elem()(self._file["uns"], name, value)


@contextmanager
def new_cells_file(path: Path, layout: Layout) -> Iterator[CellsFile]:
    """Yield a file to append cells to; it takes its name when it is whole, and what broke off leaves nothing.

    A process that is killed leaves its hidden temporary file beside it, never half a file of that name. Raises
    ImmunomonError if anndata is not installed.
    """
    _write_elem()
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with h5py.File(temporary, "w") as file:
            yield CellsFile(file, layout)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_elem() -> Any:  # noqa: ANN401 - anndata's own writer of one element
    try:
        from anndata.io import write_elem
    except ImportError:
        raise ImmunomonError(
            'AnnData needs anndata, which is not installed; install it with: pip install "immunomon[anndata]"'
        ) from None
    return write_elem
