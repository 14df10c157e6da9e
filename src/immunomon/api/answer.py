"""What a run answers: the tables, the page of plain sentences, where both were written; and read again."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from immunomon.errors import BadRun, ImmunomonError, UnknownName, nearest
from immunomon.files import read_input
from immunomon.runs.folder import read_held, write_json
from immunomon.runs.opened import Run
from immunomon.runs.status import read_status
from immunomon.runs.trail_review import note_shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Answer", "Asked", "read_answer", "recorded_answer"]

Asked = Literal["assess", "compare", "mechanism"]
# Command -> its folder in the run, its record, and its page.
_WRITTEN: Mapping[str, tuple[str, str, str]] = {
    "assess": ("assessments", "assessments.json", "assessments.md"),
    "compare": ("statistics", "analysis.json", "summary.md"),
    "mechanism": ("mechanism", "mechanism.json", "mechanism.md"),
}


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

    def section(self, title: str) -> str:
        r"""Return a section of the page by its title, as Markdown; raises UnknownName with the nearest.

        >>> page = "# Change\n\n## Primary endpoints\n\nNone.\n\n## What is missing\n\nNothing.\n"
        >>> Answer(Path(), {}, page, Path("summary.md")).section("Primary endpoints")
        '## Primary endpoints\n\nNone.'
        """
        lines = self.page.splitlines()
        titles = {number: line.lstrip("#").strip() for number, line in enumerate(lines) if line.startswith("#")}
        begin = next((number for number, known in titles.items() if known == title), None)
        if begin is None:
            raise UnknownName(f"{self.file}: no section '{title}'; {nearest(title, titles.values(), in_order=True)}")
        depth = _depth(lines[begin])
        end = next((number for number in titles if number > begin and _depth(lines[number]) <= depth), len(lines))
        return "\n".join(lines[begin:end]).strip()

    def __repr__(self) -> str:
        return "\n".join([*self.lines, self.written, f"Tables: {', '.join(self.tables)}"])

    def _repr_markdown_(self) -> str:
        return self.page

    @property
    def written(self) -> str:
        """Where the page and the tables are, in a sentence."""
        return f"Written: {self.file}, and {len(self.tables)} tables beside it."


def _depth(heading: str) -> int:
    return len(heading) - len(heading.lstrip("#"))


def recorded_answer(
    run: Run | None,
    asked: Asked,
    folder: Path,
    *,
    tables: Mapping[str, pd.DataFrame],
    page: str,
    record: Mapping[str, Any],
    lines: Iterable[str],
) -> Answer:
    """Write the record of an answer whose tables and page are in a folder, enter it into the run's trail, return it.

    run: None for a study without one. lines: the most important of it; why it could not be entered is added to them.
    """
    _, record_name, page_name = _WRITTEN[asked]
    write_json(folder / record_name, record)
    unnoted = "" if run is None else note_shown(run.folder, asked)
    return Answer(folder, tables, page, folder / page_name, tuple(filter(None, (*lines, unnoted))))


def read_answer(run: Run, asked: Asked) -> Answer:
    """Return the answer that a command left in a run folder, if it is of the run and the study as they are now.

    asked: assess, compare or mechanism. Raises UnknownName for another, ImmunomonError if there is none yet, BadRun if
    it is stale or was changed, each with the command that makes it.
    """
    import pandas as pd

    if asked not in _WRITTEN:
        raise UnknownName(f"no answer '{asked}'; {nearest(asked, get_args(Asked))}")
    remedy = f"make it with: immunomon {asked} {run.folder}"
    made = read_status(run.folder, run.study_folder).made_by(asked)
    if made is None:
        raise ImmunomonError(f"{run.folder}: {asked} has written no answer of this run yet; {remedy}")
    if made.reasons:
        raise BadRun(f"{run.folder}: its {made.what}: {'; '.join(made.reasons)}; {remedy}")
    name, record, page = _WRITTEN[asked]
    folder = run.folder / name
    files = dict(json.loads(read_input(folder / record)).get("files") or {})
    data = {
        file.removesuffix(".parquet"): read_held(folder / file, digest, record=record, remedy=remedy)
        for file, digest in files.items()
        if file.endswith(".parquet")
    }
    tables = {table: pd.read_parquet(io.BytesIO(content)) for table, content in data.items()}
    text = read_held(folder / page, files.get(page), record=record, remedy=remedy).decode("utf-8")
    return Answer(folder, tables, text, folder / page)
