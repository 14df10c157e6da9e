"""The audit trail as people review it: what was entered since the last review, and what of it is unusual.

A trail that nobody reads protects nobody: the EMA's guideline on computerised systems (2023) and ICH E6(R3) ask for its
review by plan and risk. What is unusual here is what a reviewer asks about first; it is no accusation.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunomon.errors import ImmunomonError, counted
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder
from immunomon.runs.opened import note_in_trail

__all__ = ["REVIEWED", "SHOWN", "TrailReview", "Unusual", "note_shown", "record_review", "review_trail"]

REVIEWED = "trail reviewed"
_DECISIONS = {"override", "override withdrawn"}
SHOWN = "results shown"  # the action of an entry that says that results were analysed or shown
_SEEN_BY = {"deliver", "export", SHOWN}  # who decides after these knows results
# Files of analyses by the command that writes them: where it left no entry, the date of the file is all there is.
_MADE = {
    "compare": "statistics/analysis.json",
    "mechanism": "mechanism/mechanism.json",
    "assess": "assessments/assessments.json",
}
_FEWEST, _SHARE = 5, 0.1  # decisions of one person on so many samples, and on such a share of them, are many

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Unusual:
    """Something that a reviewer should ask about: of which entries, by their numbers, and what it is."""

    entries: tuple[int, ...]
    what: str


@dataclass(frozen=True)
class TrailReview:
    """A review of a trail: who reviewed it last and when, the entries since then, and what is unusual about them.

    reviewed: the entry of the last review, None if there was none.
    """

    reviewed: Entry | None
    entries: tuple[Entry, ...]
    unusual: tuple[Unusual, ...]

    @property
    def last_seen(self) -> int:
        """The number of the last entry that this review or the one before it saw; 0 if there was none."""
        return max((int(entry["number"]) for entry in (self.reviewed, *self.entries) if entry is not None), default=0)


def review_trail(run: Path) -> TrailReview:
    """Return what was entered into a run's trail since its last review, and what is unusual about it.

    Raises ImmunomonError if the trail, or what it seals, was changed: that comes before any review.
    """
    trail = AuditTrail(run)
    problems = trail.problems()
    if problems:
        more = f"; {counted(len(problems), 'problem')} in all" if len(problems) > 1 else ""
        raise ImmunomonError(f"{problems[0]}{more}: see immunomon audit {run}, then review")
    entries = [{**entry, "number": int(entry["number"])} for entry in trail.entries()]
    last = next((entry for entry in reversed(entries) if entry["action"] == REVIEWED), None)
    since = 0 if last is None else int(last["number"])
    new = tuple(entry for entry in entries if entry["number"] > since)
    unusual = [item for item in _unusual(run, entries) if max(item.entries) > since]
    return TrailReview(last, new, tuple(unusual))


def _unusual(run: Path, entries: Sequence[Entry]) -> Iterator[Unusual]:
    seen, files = _shown(entries), _made(run, entries)
    locked = next((entry["number"] for entry in entries if entry["action"] == "lock"), None)
    code = results = ""
    for entry in entries:
        number, by = entry["number"], entry["by"]
        is_decision = entry["action"] in _DECISIONS
        after = _known_by(entry, seen, files)
        if is_decision and after:
            about = f"{entry.get('target') or entry['action']}, by {by}"
            yield Unusual((number,), f"decided after results had been seen ({after}): {about}")
        if entry["action"] == "changed after lock" or (is_decision and locked is not None and number > locked):
            yield Unusual((number,), f"changed after the run was locked (entry {locked}), by {by}")
        if is_decision and not str(entry["reason"]).strip():
            yield Unusual((number,), f"a decision without a reason, by {by}")
        if entry.get("made_anew"):
            samples = ", ".join(map(str, entry["made_anew"][:5]))
            yield Unusual((number,), f"results that had been changed by hand were made anew: {samples}")
        if entry["action"] == "run":
            if after and results and entry.get("digest") != results:
                yield Unusual((number,), f"run anew, with other results, after they had been seen ({after})")
            results = str(entry.get("digest") or "")
            if code and entry["code_digest"] != code:
                yield Unusual((number,), f"run with other software than before ({entry['software']})")
            code = str(entry["code_digest"])
    yield from _many(run, entries)


def _shown(entries: Sequence[Entry]) -> Entry | None:
    """Return the first entry by which results left the run, were analysed or shown; None if there is none.

    The order of entries counts and not their times: clocks are set back.
    """
    return next((entry for entry in entries if entry["action"] in _SEEN_BY), None)


def _known_by(entry: Entry, seen: Entry | None, files: Sequence[tuple[str, datetime.datetime]]) -> str:
    """Return what showed results before an entry was made; blank if nothing did."""
    if seen is not None and entry["number"] > seen["number"]:
        return f"{seen['target'] if seen['action'] == SHOWN else seen['action']}, entry {seen['number']}"
    when = datetime.datetime.fromisoformat(str(entry["utc"]))
    made = next((name for name, date in files if when > date), "")
    return f"{made}, by the date of the file" if made else ""


def _made(run: Path, entries: Sequence[Entry]) -> list[tuple[str, datetime.datetime]]:
    """Return the files of analyses that left no entry, with their dates; the earliest first."""
    entered = {str(entry.get("target")) for entry in entries if entry["action"] == SHOWN}
    paths = [(name, run / name) for command, name in _MADE.items() if command not in entered]
    dates = [
        (name, datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC))
        for name, path in paths
        if path.is_file()
    ]
    return sorted(dates, key=lambda item: item[1])


def note_shown(run: Path, command: str) -> str:
    """Enter into a run's trail that a command analysed or showed its results, once for each state of the run.

    command: such as ``compare``. Return why it could not be entered, if it could not.
    """
    trail = AuditTrail(run)
    if not trail.path.is_file():
        return ""
    try:
        entries = trail.entries()
    except (ImmunomonError, OSError) as error:
        return f"could not be noted in {trail.path}: {error}"
    for entry in reversed(entries):
        if entry.get("action") == SHOWN and entry.get("target") == command:
            return ""
        if entry.get("action") in {"run", *_DECISIONS}:
            break
    return note_in_trail(run, SHOWN, target=command)


def _many(run: Path, entries: Sequence[Entry]) -> Iterator[Unusual]:
    samples_by: dict[str, dict[str, int]] = defaultdict(dict)
    names: dict[str, str] = {}
    for entry in entries:
        decision = entry.get("decision") or entry.get("decision_before")
        if entry["action"] in _DECISIONS and isinstance(decision, dict):
            person = " ".join(str(entry["by"]).split()).casefold()  # one person, however the name is typed
            by = names.setdefault(person, str(entry["by"]))
            samples_by[by].setdefault(str(decision.get("sample")), entry["number"])
    sample_count = len((RunFolder(run).read_json(run / "run.json") or {}).get("files", ()))
    for by, samples in samples_by.items():
        if len(samples) >= max(_FEWEST, _SHARE * sample_count):
            numbers = tuple(sorted(samples.values()))
            yield Unusual(numbers, f"one person decided on {len(samples)} of {counted(sample_count, 'sample')}: {by}")


def record_review(run: Path, review: TrailReview, *, by: str, note: str = "") -> str:
    """Enter into the trail that it was reviewed, to which entry and by whom; return the entry's hash.

    Raises ImmunomonError if nobody is named, if something unusual is left without a word, or if there are entries that
    the review did not see.
    """
    if not by.strip():
        raise ImmunomonError("a review needs the name of who made it: --by")
    if review.unusual and not note.strip():
        number_listed = counted(len(review.unusual), "unusual thing is", "unusual things are")
        raise ImmunomonError(f"{number_listed} listed: say what you made of it with --reason")
    folder = RunFolder(run)
    with folder.locked():
        trail = AuditTrail(run)
        head = trail.head()
        if head is None or head.entries != review.last_seen:
            raise ImmunomonError(f"{trail.path}: entries were added meanwhile; review them, too")
        first = review.entries[0]["number"] if review.entries else head.entries
        reviewed = {"first": first, "last": head.entries, "head": str(head)}
        unusual = [{"entries": list(item.entries), "what": item.what} for item in review.unusual]
        return trail.append(REVIEWED, by=by.strip(), reason=note.strip(), reviewed=reviewed, unusual=unusual)
