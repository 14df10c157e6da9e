"""Everything that can go wrong, by name.

Each error's message names the file, the place and the remedy, so that it can be shown to a lab technician as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

__all__ = [
    "AmbiguousChannel",
    "BadAtlas",
    "BadFcs",
    "BadRun",
    "BadSpec",
    "BadSpillover",
    "ChangedFile",
    "DeliveryFailed",
    "ExportFailed",
    "FolderNotEmpty",
    "GateNotPlaced",
    "ImmunomonError",
    "LeavesStudy",
    "NotARunFolder",
    "NotForThisStudy",
    "NothingToDraw",
    "Problem",
    "RunFolderInUse",
    "RunLocked",
    "SingularSpillover",
    "UnknownChannel",
    "UnknownName",
    "WrongArgument",
    "WrongScale",
    "counted",
    "listed",
    "nearest",
]


def nearest(name: str, known: Iterable[str], *, in_order: bool = False) -> str:
    """Return `` did you mean 'x'?`` for the known name that is nearest, or the list of the known ones.

    in_order: whether the list stays in the order given, as for visits; otherwise it is sorted.

    >>> nearest("vally", ["valley", "singlet"])
    "did you mean 'valley'?"
    >>> nearest("CD4", ["cd4", "cd8"])
    "did you mean 'cd4'?"
    >>> nearest("qqq", ["valley", "singlet"])
    'known are: singlet, valley'
    >>> nearest("qqq", ["W2", "W12"], in_order=True)
    'known are: W2, W12'
    >>> nearest("qqq", map(str, range(42)))[-10:]
    'and 2 more'
    """
    names = list(dict.fromkeys(known)) if in_order else sorted(set(known))
    same_letters = [known_name for known_name in names if known_name.casefold() == name.casefold()]
    close = same_letters or get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known are: {listed(names, 40)}" if names else "none are known"


def listed(items: Sequence[str], most: int, between: str = ", ") -> str:
    """Return the first items in one line, and how many more there are than ``most``.

    >>> listed(["a", "b"], 3), listed(["a", "b", "c", "d"], 2), listed(["a: x", "b: y", "c: z"], 1, "; ")
    ('a, b', 'a, b and 2 more', 'a: x; and 2 more')
    """
    more = f"{between.rstrip(', ')} and {len(items) - most} more" if len(items) > most else ""
    return between.join(items[:most]) + more


def counted(number: int, noun: str, many: str = "") -> str:
    """Return a number with its noun; many: the plural where it is not the noun with an s.

    >>> counted(1, "entry", "entries"), counted(1200, "entry", "entries"), counted(0, "seal")
    ('1 entry', '1,200 entries', '0 seals')
    """
    return f"{number:,} {noun if number == 1 else many or f'{noun}s'}"


class ImmunomonError(Exception):
    """The base of every error that immunomon raises on purpose."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong with an input: where it is, what it is, and what to do about it.

    >>> print(Problem("gating/treg.yaml", 31, "populations[4].gate.method", "no such method", "did you mean 'valley'?"))
    gating/treg.yaml line 31: populations[4].gate.method: no such method; did you mean 'valley'?
    """

    file: str
    line: int | None
    path: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file} line {self.line}"
        parts = [place, *([self.path] if self.path else []), self.what]
        return ": ".join(parts) + (f"; {self.remedy}" if self.remedy else "")


class BadSpec(ImmunomonError):
    """A panel, strategy, study or sample list has problems; all of them are listed in ``problems``.

    Each line names the file, the line and the remedy. ``immunomon check STUDY`` shows them all before anything runs.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class NotForThisStudy(ImmunomonError):
    """A study lacks what is asked about (a baseline, several visits, other assessments); the message says what.

    Leave the step out, or give the study what is named; docs/study-forms.md has what each form of study can be asked.
    """


class BadAtlas(ImmunomonError):
    """A file is no atlas, was changed since it was fitted, or does not fit the run; the message says which.

    Take the atlas from its run folder again, or fit a new one with ``immunomon embed RUN --refit``.
    """


class BadRun(ImmunomonError):
    """A folder holds no finished run, or a file in it is not the one that the run's records name.

    Run the study again: what is done already is kept. ``immunomon audit RUN`` says which files were changed.
    """


class BadFcs(ImmunomonError):
    """An FCS file cannot be read: the message names the file, the keyword or offset, and the remedy.

    Export or copy the file again; docs/fcs.md lists what is repaired and what is refused.
    """

    def __init__(self, path: str | Path, what: str, remedy: str = "") -> None:
        self.path = str(path)
        super().__init__(f"{path}: {what}" + (f"; {remedy}" if remedy else ""))


class ChangedFile(BadFcs):
    """An FCS file does not have the bytes whose digest was recorded, or can no longer be read to compare them.

    Put the file back from a copy; if the new one is right, run the study again.
    """


class BadSpillover(ImmunomonError):
    """A spillover matrix is missing, malformed, or names detectors that the file lacks.

    Give the right matrix as CSV, or declare that none is needed; docs/compensation.md makes one of single stains.
    """


class SingularSpillover(BadSpillover):
    """A spillover matrix has no inverse, so that nothing can be compensated with it.

    Look for two rows that are alike or a row of zeros, and give another matrix as CSV.
    """


class WrongArgument(ImmunomonError, TypeError):
    """A function of ``immunomon`` was given an argument of a type that it does not take; nothing was done yet.

    From Python only: give what the message says it takes; ``help(immunomon.gate)`` shows all arguments of a function.
    """

    def __init__(self, given: str, accepted: str, remedy: str = "") -> None:
        super().__init__(f"{given}; it takes {accepted}" + (f"; {remedy}" if remedy else ""))


class WrongScale(ImmunomonError):
    """A step was given events on another scale than it needs.

    From Python only: give raw events, as a file holds them; gates compensate and scale them themselves.
    """


class UnknownChannel(ImmunomonError):
    """A channel or marker is asked for that the file or the panel does not have.

    Use a name that ``immunomon info FILE`` lists, or add the file's spelling to the panel's ``aliases``.
    """


class AmbiguousChannel(ImmunomonError):
    """A name fits more than one channel of a file.

    Name the detector ($PnN) instead.
    """


class UnknownName(ImmunomonError):
    """A name is not in the registry it was looked up in.

    Use the nearest name, which the message gives.
    """


class NothingToDraw(ImmunomonError, ValueError):
    """The rows, events or cells that were chosen cannot be drawn or described: there are none, or of several kinds.

    Choose others; the message says what there is, and what keeps a value from being drawn.
    """


class GateNotPlaced(ImmunomonError):
    """A gate could not be placed from the data; the message says why.

    Look at the plot, then give the gate a ``fallback``, or place it in ``immunomon review``; other gates keep theirs.

    doubts: what was found to be wrong with the file on the way (``model.trust.Doubt``).
    """

    def __init__(self, message: str, doubts: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.doubts = tuple(doubts)


class LeavesStudy(ImmunomonError):
    """A file that a study names lies outside of its folder, and the study does not allow that folder by name.

    Move the file into the study, or list its folder under ``data_folders`` in ``study.yaml``.
    """


class RunLocked(ImmunomonError):
    """A run that was locked would give other values now, and nobody said why it may.

    Give ``--reason`` and ``--by`` to change it and lock it anew; ``immunomon run STUDY --out FOLDER`` makes another.
    """


class RunFolderInUse(ImmunomonError):
    """Another process is writing the run folder.

    Wait for it; ``immunomon status RUN`` says how far it is. ``immunomon run STUDY --out FOLDER`` takes another folder.
    """


class NotARunFolder(ImmunomonError):
    """A folder that a run would write into holds something else.

    Name a new or empty one: ``immunomon run STUDY --out FOLDER``.
    """


class FolderNotEmpty(ImmunomonError):
    """A simulated trial would be written over something else.

    Name a new or empty folder.
    """


class ExportFailed(ImmunomonError):
    """Results could not be written to the database; nothing was changed there.

    Do what the message says, then export again: an export may be repeated.
    """


class DeliveryFailed(ImmunomonError):
    """Results could not be delivered; the delivery's folder holds what it held before.

    Correct what the message names, then deliver again.
    """
