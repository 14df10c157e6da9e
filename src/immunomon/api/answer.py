"""What a run answers: the tables, the page of plain sentences, and where both were written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immunomon.errors import UnknownName, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Answer"]


@dataclass(frozen=True, eq=False)
class Answer:
    """The tables that were worked out of a run, by name (``answer["estimates"]``), and a page about them in Markdown.

    folder: where they were written. file: of the page. lines: the most important of it, as the command prints it.
    """

    folder: Path
    tables: Mapping[str, pd.DataFrame]
    page: str
    file: Path
    lines: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self.tables:
            raise UnknownName(f"{self.folder}: no table named '{name}'; {nearest(name, self.tables)}")
        return self.tables[name]

    def __repr__(self) -> str:
        return "\n".join([*self.lines, self.written, f"Tables: {', '.join(self.tables)}"])

    def _repr_markdown_(self) -> str:
        return self.page

    @property
    def written(self) -> str:
        """Where the page and the tables are, in a sentence."""
        return f"Written: {self.file}, and {len(self.tables)} tables beside it."
