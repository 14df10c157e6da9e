"""What names of FCS files say without a pattern: the words in which they differ, as far as they agree in form."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from immunomon.csvfile import BadCell, date_in
from immunomon.findings import shown
from immunomon.runs.checks.file_names import FileName

__all__ = ["guessed_names", "is_baseline", "visit_order"]

_COUNTER = re.compile(
    r"(?:specimen|tube|sample|export|group|plate|well|run|file)?\d{0,3}|[A-H](?:0?[1-9]|1[0-2])", re.IGNORECASE
)
_STIMULUS = re.compile(
    r"(?:pma|iono(?:mycin)?|stim(?:ulated)?|seb|pha|lps|anti-?cd3|cd3[-/]?cd28|stimulus)+", re.IGNORECASE
)
_Order = Callable[[re.Match[str]], float]
_VISITS: tuple[tuple[re.Pattern[str], _Order], ...] = (
    (re.compile(r"(?:screening|screen|scr)", re.IGNORECASE), lambda _: -1000.0),
    (re.compile(r"(?:baseline|bl|base|pre|predose|pretreatment|before)", re.IGNORECASE), lambda _: -500.0),
    (re.compile(r"(?:day|d)[-_ ]?(-?\d{1,4})", re.IGNORECASE), lambda match: float(match[1])),
    (re.compile(r"(?:week|wk|w)[-_ ]?(-?\d{1,3})", re.IGNORECASE), lambda match: 7.0 * float(match[1])),
    (re.compile(r"(?:month|mo|m)[-_ ]?(\d{1,3})", re.IGNORECASE), lambda match: 30.4 * float(match[1])),
    (re.compile(r"(?:year|y)[-_ ]?(\d{1,2})", re.IGNORECASE), lambda match: 365.25 * float(match[1])),
    (re.compile(r"c(\d{1,2})d(\d{1,3})", re.IGNORECASE), lambda match: 28.0 * (float(match[1]) - 1) + float(match[2])),
    (re.compile(r"(?:visit|v|timepoint|tp|t)[-_ ]?(\d{1,3})", re.IGNORECASE), lambda match: float(match[1])),
    (re.compile(r"(?:post|postdose|posttreatment|after)", re.IGNORECASE), lambda _: 20_000.0),
    (re.compile(r"(?:eot|eos|fu|followup|follow-up|end)\d{0,2}", re.IGNORECASE), lambda _: 30_000.0),
)
_BASELINES = re.compile(
    r"(?:baseline|bl|base|pre|predose|pretreatment|d-1|d0|day-1|day0|w0|week0|m0|v0|t0)", re.IGNORECASE
)


def visit_order(label: str) -> float | None:
    """Return a number by which usual labels of visits are in order, None for a label that tells none.

    >>> sorted(["W4", "Baseline", "D15", "D-1", "EOS"], key=visit_order)
    ['Baseline', 'D-1', 'D15', 'W4', 'EOS']
    """
    bare = label.strip()
    return next((order(match) for pattern, order in _VISITS if (match := pattern.fullmatch(bare))), None)


def is_baseline(label: str) -> bool:
    """Say whether a visit's label says that it is before treatment.

    >>> is_baseline("Baseline"), is_baseline("W4")
    (True, False)
    """
    return _BASELINES.fullmatch(label.strip()) is not None


def guessed_names(names: Sequence[FileName], panels: Mapping[str, str]) -> tuple[list[FileName], str]:
    """Return the names with their fields as far as they agree in form, and why that could not be; '' if it could.

    panels: file -> what its kind of channels is called by; a word that goes with the kind is the panel's.

    >>> from immunomon.runs.checks.file_names import read_name
    >>> files = [read_name(f"{who}_{when}_treg.fcs") for who in ("S01", "S02") for when in ("D-1", "W4")]
    >>> named, why = guessed_names(files, {name.file: "kind 1" for name in files})
    >>> dict(named[0].fields), why
    ({'subject': 'S01', 'visit': 'D-1', 'panel': 'treg'}, '')
    """
    persons = [name for name in names if not name.is_control]
    words = {name.file: _words_of(name.rest) for name in persons}
    counts = Counter(word.casefold() for own in words.values() for word in set(own))
    common = {word for word, number in counts.items() if number == len(persons) and len(persons) > 1}
    of_panel = _words_of_panels(words, panels)
    read: dict[str, dict[str, str]] = {}
    subjects: dict[str, list[str]] = {}
    for name in persons:
        fields, left = _sorted(words[name.file], common, of_panel.get(panels.get(name.file, ""), set()))
        read[name.file], subjects[name.file] = fields, left
    if len(persons) == 1 and not subjects[persons[0].file]:
        subjects[persons[0].file] = [PurePosixPath(persons[0].rest).name]
    odd = [name for name in persons if len(subjects[name.file]) != 1]
    if odd:
        return list(names), f"it is not clear which part of {shown(odd[0].file)} is the subject"
    named = [
        _of_person(name, {"subject": subjects[name.file][0], **read[name.file]}) if name.file in read else name
        for name in names
    ]
    return [_of_control(name, read, subjects) if name.is_control else name for name in named], ""


def _of_person(name: FileName, fields: Mapping[str, str]) -> FileName:
    own_words = {PurePosixPath(name.rest).name, *_words_of(PurePosixPath(name.rest).name)}
    guess = "a word of the files' names" if fields["subject"] in own_words else "the name of a folder"
    return replace(name, fields=fields, guess=guess)


def _of_control(
    name: FileName, read: Mapping[str, Mapping[str, str]], subjects: Mapping[str, Sequence[str]]
) -> FileName:
    """Return a control with the subject, visit and panel that persons' files name by the same words."""
    known = {own[0] for own in subjects.values()}
    visits = {fields["visit"] for fields in read.values() if "visit" in fields}
    panels = {fields["panel"] for fields in read.values() if "panel" in fields}
    words = _words_of(name.rest)
    fields: dict[str, str] = {}
    for key, values in (("subject", known), ("visit", visits), ("panel", panels)):
        own = [word for word in words if word in values]
        fields |= {key: own[0]} if len(own) == 1 else {}
    if name.role == "bridge" and "subject" not in fields:
        left = [
            word
            for word in words
            if word not in visits | panels and not _COUNTER.fullmatch(word) and not _is_date(word)
        ]
        fields |= {"subject": left[0]} if len(left) == 1 else {}
    return replace(name, fields=fields)


def _words_of(rest: str) -> list[str]:
    return [word for word in re.split(r"[_\s./]+", rest) if word]


def _words_of_panels(words: Mapping[str, Sequence[str]], panels: Mapping[str, str]) -> dict[str, set[str]]:
    """Return for each kind of files the words that all of its files have, and no file of another kind."""
    by_kind: dict[str, list[set[str]]] = {}
    for file, own in words.items():
        by_kind.setdefault(panels.get(file, ""), []).append({word.casefold() for word in own})
    common = {kind: set.intersection(*sets) for kind, sets in by_kind.items()}
    anywhere = {kind: set.union(*sets) for kind, sets in by_kind.items()}
    if len(common) < 2:
        return {}
    return {
        kind: {word for word in own if not any(word in anywhere[other] for other in anywhere if other != kind)}
        for kind, own in common.items()
    }


def _sorted(words: Sequence[str], common: set[str], of_panel: set[str]) -> tuple[dict[str, str], list[str]]:
    """Return the fields that words say, and the words that may be the subject."""
    fields: dict[str, str] = {}
    left: list[str] = []
    visits: list[str] = []
    for word in words:
        key = word.casefold()
        if key in of_panel:
            fields.setdefault("panel", word)
        elif _is_date(word):
            fields.setdefault("date", word)
        elif visit_order(word) is not None:
            visits.append(word)
        elif key not in common and not _COUNTER.fullmatch(word) and not _STIMULUS.fullmatch(word):
            left.append(word)
    told_apart = [word for word in visits if word.casefold() not in common] or visits[:1]
    if len(told_apart) == 1:
        fields["visit"] = told_apart[0]
    elif told_apart:  # one of them may be a subject, such as M01
        left += told_apart
    shared = [word for word in words if word.casefold() in common and _may_be_panel(word)]
    if not of_panel and shared and "panel" not in fields:
        fields["panel"] = shared[-1]
    return fields, left


def _may_be_panel(word: str) -> bool:
    return word[0].isalpha() and not _COUNTER.fullmatch(word) and visit_order(word) is None


def _is_date(word: str) -> bool:
    try:
        date_in(word)
    except BadCell as refusal:
        return "may be" in refusal.what and len(word) >= 6
    return True
