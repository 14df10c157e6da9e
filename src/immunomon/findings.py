"""Collecting what is wrong with one file, in the order of its lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from immunomon.errors import BadSpec, Problem, counted, nearest

__all__ = ["DataPath", "Findings", "most_of", "path_text", "shown"]

DataPath = tuple[str | int, ...]
_MOST = 200  # nobody reads more, and finding the nearest name for a million typing errors would take hours


def shown(value: object, limit: int = 60) -> str:
    """Return a value as it is shown in a message: short, on one line, in quotes if it is text.

    >>> shown("Treg"), shown(5), shown([1, 2])
    ("'Treg'", '5', 'a list')
    """
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = value if isinstance(value, str) else str(value)
    short = text if len(text) <= limit else text[:limit] + "..."
    return repr(short) if isinstance(value, str) else short


def path_text(path: Iterable[str | int]) -> str:
    """Return a place inside a file the way a reader counts it out.

    >>> path_text(("populations", 4, "gate", "method"))
    'populations[4].gate.method'
    """
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step[:80]}" if text else step[:80]
    return text


def most_of(problems: Sequence[Problem]) -> list[Problem]:
    """Return as many of a file's problems as anybody reads, and how many more there are.

    >>> str(most_of([Problem("a.csv", line, "count", "is blank") for line in range(201)])[-1])
    'a.csv: 1 more problem; correct these first'
    """
    rest = len(problems) - _MOST
    return [*problems[:_MOST], *([_and_more(problems[0].file, rest)] if rest > 0 else [])]


def _and_more(file: str, number: int) -> Problem:
    return Problem(file, None, "", counted(number, "more problem"), "correct these first")


class Findings:
    """The problems of one file; ``line_of`` knows on which line a place inside it stands.

    >>> found = Findings("treg.yaml", lambda path: 7)
    >>> found.add(("version",), "is missing", "add it")
    >>> found.unknown(("panel",), "panel", name="trge", known=["treg"])
    >>> for problem in found.problems:
    ...     print(problem)
    treg.yaml line 7: panel: no panel named 'trge'; did you mean 'treg'?
    treg.yaml line 7: version: is missing; add it
    """

    def __init__(self, file: str, line_of: Callable[[DataPath], int | None] = lambda _: None) -> None:
        self.file = file
        self._line_of = line_of
        self._problems: set[Problem] = set()
        self._unsaid = 0

    def add(self, path: DataPath, what: str, remedy: str = "") -> None:
        """Note a problem at a place inside the file."""
        self.add_problem(Problem(self.file, self._line_of(path), path_text(path), what, remedy))

    def add_problem(self, problem: Problem) -> None:
        """Note a problem that knows its place already."""
        if self.is_full:
            self._unsaid += 1
        else:
            self._problems.add(problem)

    def unknown(self, path: DataPath, noun: str, *, name: str, known: Sequence[str], in_order: bool = False) -> None:
        """Note a name that does not exist, with the nearest one that does; in_order: as in ``nearest``."""
        remedy = "" if self.is_full else nearest(name[:80], known, in_order=in_order)
        self.add(path, f"no {noun} named {shown(name)}", remedy)

    @property
    def is_full(self) -> bool:
        """Whether so many problems are noted that more are only counted."""
        return len(self._problems) >= _MOST

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems in the order of their lines, the ones without a line first."""
        ordered = sorted(self._problems, key=lambda problem: (problem.line or 0, problem))
        if self._unsaid:
            return (*ordered, _and_more(self.file, self._unsaid))
        return tuple(ordered)

    def raise_any(self) -> None:
        """Raise BadSpec with all problems, if there are any."""
        if self._problems:
            raise BadSpec(self.problems)
