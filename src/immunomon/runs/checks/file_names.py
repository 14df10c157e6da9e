"""What names of FCS files say: subject, visit, panel and batch by a pattern, and by its words what a tube is for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import PurePosixPath

from immunomon.errors import nearest
from immunomon.findings import shown
from immunomon.shape import BLANK
from immunomon.study.model.fluorochromes import KNOWN_FLUOROCHROMES, stain_named_in
from immunomon.study.model.marker_names import read_label

__all__ = [
    "FIELDS",
    "BadPattern",
    "FileName",
    "Pattern",
    "patterned_names",
    "read_name",
    "well_formed",
]

FIELDS = ("subject", "visit", "panel", "batch", "date")
_MOST_LETTERS = 60
_MOST_WAYS = 300
_FIELD = re.compile(r"\{([^{}]*)\}")


class BadPattern(ValueError):
    """A pattern of file names that cannot be used; the message says why."""


@dataclass(frozen=True)
class FileName:
    """What a file's name says; role: as in a sample list, with ``?`` for what it does not say.

    rest: the name without what says the role; why: the reason why it does not fit, if it does not. guess: what the
    subject was taken from, '' if a pattern says it.
    """

    file: str
    rest: str
    role: str = "sample"
    fields: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    guess: str = ""

    def get(self, name: str) -> str:
        """Return a field's text, or ''."""
        return self.fields.get(name, "")

    @property
    def is_control(self) -> bool:
        """Whether it is a tube that belongs to nobody, or needs no visit."""
        return self.role not in ("sample", "unstimulated")


@dataclass(frozen=True)
class Pattern:
    """A pattern of file names such as ``{subject}_{visit}_{panel}.fcs``; fields of other names are passed over.

    >>> pattern = Pattern.parse("{subject}_{visit}_{panel}.fcs")
    >>> dict(pattern.read("S01_D-1_treg"))
    {'subject': 'S01', 'visit': 'D-1', 'panel': 'treg'}
    >>> pattern.read("S01_treg") is None
    True
    """

    text: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Return the pattern that a text means; raises BadPattern."""
        bare = re.sub(r"\.(fcs|lmd)$", "", text, flags=re.IGNORECASE)
        names = _FIELD.findall(bare)
        known = [name for name in names if name in FIELDS]
        if "subject" not in known:
            near = next((f"; {nearest(name, FIELDS)}" for name in names if name not in FIELDS), "")
            raise BadPattern(f"{shown(text)} has no {{subject}}{near}")
        if twice := [name for name, number in Counter(known).items() if number > 1]:
            raise BadPattern(f"{shown(text)} has {{{twice[0]}}} twice")
        if len(text) > 200 or "{" in (left := _FIELD.sub("", bare)) or "}" in left:
            raise BadPattern(f"{shown(text)} is no pattern such as {{subject}}_{{visit}}_{{panel}}.fcs")
        return cls(text, tuple(_FIELD.split(bare)))

    def read(self, stem: str, known: Mapping[str, Collection[str]] | None = None) -> Mapping[str, str] | None:
        """Return the fields of a name, without its ending; None if it does not fit, or fits in more than one way.

        known: texts that fields have in other names, by which one of several ways may be the only one.
        """
        readings = list(self.readings(stem))
        if len(readings) > 1 and known:
            readings = [read for read in readings if all(read[name] in texts for name, texts in known.items())]
        return readings[0] if len(readings) == 1 else None

    def readings(self, stem: str) -> Iterator[Mapping[str, str]]:
        """Yield every way in which a name fits, of a name that fits in very many the first ones."""
        name = stem if "/" in self.text else PurePosixPath(stem).name
        unlike: dict[tuple[tuple[str, str], ...], None] = {}
        for found in islice(_ways(self.parts, name), _MOST_WAYS):
            unlike[tuple(found.items())] = None
        yield from map(dict, unlike)


def _ways(parts: Sequence[str], name: str) -> Iterator[dict[str, str]]:
    """Yield the fields for each way to lay a pattern, literal, field, literal ..., over a name."""
    literal = parts[0]
    if name[: len(literal)].casefold() != literal.casefold():
        return
    rest = name[len(literal) :]
    if len(parts) == 1:
        if not rest:
            yield {}
        return
    following = parts[2]
    starts = range(1, len(rest) + 1) if following else [len(rest)] if len(parts) == 3 else range(1, len(rest) + 1)
    for end in starts:
        text = rest[:end]
        if "/" in text:
            return
        if following and rest[end : end + len(following)].casefold() != following.casefold():
            continue
        for found in _ways(parts[2:], rest[end:]):
            yield {parts[1]: text.strip(), **found} if parts[1] in FIELDS else found


# What a tube is for, by words of its name.

_FMO = re.compile(r"(?<![a-z])(fmo|minus)(?![a-z])", re.IGNORECASE)
_UNSTAINED = re.compile(r"(?<![a-z])(un-?st(?:ain(?:ed)?|d)?|un-?labell?ed|no[- _]?stain)(?![a-z])", re.IGNORECASE)
_SINGLE = re.compile(
    r"(?<![a-z])(single[-_ ]?stain(?:ed|s)?|singles?|comp(?:ensation)?(?:[-_ ]?(?:beads?|controls?|ctrls?|cells))?)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_BRIDGE = re.compile(r"(?<![a-z])(bridge|bridging|anchor|qc|batch[-_ ]?control)(?![a-z])", re.IGNORECASE)
_ISOTYPE = re.compile(r"(?<![a-z])(iso(?:type)?(?:[-_ ]?(?:control|ctrl))?)(?![a-z])", re.IGNORECASE)
_UNSTIMULATED = re.compile(r"(?<![a-z])(un-?stim(?:ulated)?|no[-_ ]?stim)(?![a-z])", re.IGNORECASE)


def read_name(file: str) -> FileName:
    """Return what a file's name says of its role, and the rest of the name; file: relative, with ``/``.

    >>> [read_name(name).role for name in ("S01_D-1_treg_FMO-CD25.fcs", "Compensation/PE Control.fcs", "Unstained.fcs")]
    ['fmo:CD25', 'single-stain:PE', 'unstained']
    >>> read_name("S01_D-1_treg_FMO-CD25.fcs").rest, read_name("S01_treg.fcs").role
    ('S01_D-1_treg', 'sample')
    """
    stem = re.sub(r"\.[A-Za-z0-9]{1,4}$", "", file)
    if match := _FMO.search(stem):
        return _fmo(file, stem, match)
    if match := _UNSTAINED.search(stem):
        return FileName(file, _without(stem, match), "unstained")
    if match := _SINGLE.search(stem):
        dye = _dye_in(PurePosixPath(stem).name)
        return FileName(file, _without(stem, match), f"single-stain:{dye or BLANK}")
    for words, role in ((_BRIDGE, "bridge"), (_ISOTYPE, "isotype"), (_UNSTIMULATED, "unstimulated")):
        if match := words.search(stem):
            return FileName(file, _without(stem, match), role)
    return FileName(file, stem)


def _fmo(file: str, stem: str, match: re.Match[str]) -> FileName:
    """Return what the name of an FMO tube says: the marker is the word after it, else the one before it."""
    after = re.match(r"[-_ :]*([^_/\s]+(?:[ ][^_/\s]+)?)", stem[match.end() :])
    before = re.search(r"([^_/\s-]+)[-_ :]*$", stem[: match.start()])
    for found, begin, end in (
        (after, match.start(), match.end() + (after.end() if after else 0)),
        (before, before.start(1) if before else 0, match.end()),
    ):
        label = read_label(found[1]) if found else read_label("")
        name = label.markers[0] if len(label.markers) == 1 else label.fluorochrome if not label.markers else ""
        if name:
            rest = re.sub(r"[-_ ]{2,}", "_", stem[:begin] + stem[end:])
            return FileName(file, rest.strip(" _-/."), f"fmo:{name}")
    return FileName(file, _without(stem, match), f"fmo:{BLANK}")


def _without(stem: str, match: re.Match[str]) -> str:
    return re.sub(
        r"[-_ ]{2,}", "_", stem[: match.start()].rstrip("-_ ") + "_" + stem[match.end() :].lstrip("-_ ")
    ).strip("_")


def _dye_in(name: str) -> str:
    return stain_named_in(name, {dye: dye for dye in KNOWN_FLUOROCHROMES}) or ""


def patterned_names(names: Sequence[FileName], pattern: Pattern) -> tuple[list[FileName], list[FileName]]:
    """Return the names with the fields that a pattern finds, and those that do not fit, each with the reason.

    A control may lack what belongs to a person: it is listed without.

    >>> files = [read_name(f"{name}.fcs") for name in ("S01_W2_treg", "S02_W2_treg", "odd", "Unstained")]
    >>> fitting, odd = patterned_names(files, Pattern.parse("{subject}_{visit}_{panel}.fcs"))
    >>> [name.file for name in fitting], odd[0].why
    (['S01_W2_treg.fcs', 'S02_W2_treg.fcs', 'Unstained.fcs'], 'does not fit the pattern')
    """
    sure = {name.file: fields for name in names if (fields := pattern.read(name.rest)) is not None}
    known = {key: {fields[key] for fields in sure.values() if fields.get(key)} for key in ("panel", "visit", "subject")}
    fitting: list[FileName] = []
    odd: list[FileName] = []
    for name in names:
        fields = sure.get(name.file) or _by_known(pattern, name.rest, known)
        faults = list(well_formed(fields)) if fields else []
        if fields and not faults:
            fitting.append(replace(name, fields=fields))
        elif name.is_control and not fields:
            fitting.append(name)
        else:
            ways = len(list(pattern.readings(name.rest)))
            why = faults[0] if faults else f"fits in {ways} ways" if ways > 1 else "does not fit the pattern"
            odd.append(replace(name, why=why))
    return fitting, odd


def _by_known(pattern: Pattern, stem: str, known: Mapping[str, Collection[str]]) -> Mapping[str, str] | None:
    """Return the only way in which a name fits whose panel, or visit, or subject other names have, too."""
    for key, texts in known.items():
        if f"{{{key}}}" in pattern.text and (fields := pattern.read(stem, {key: texts})) is not None:
            return fields
    return None


def well_formed(fields: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with fields as names of a study."""
    for key, text in fields.items():
        if not text or len(text) > _MOST_LETTERS or not text.isprintable() or BLANK in text:
            yield f"{shown(text)} cannot be the {key}"
