"""What a marker is called: one table of spellings, and what the label of a channel says by it.

``markers.csv``: a row for each marker, with what it usually is for, its gene and its other spellings. Sources: HLDA,
the CD nomenclature of the workshops on human leucocyte differentiation antigens; HGNC, approved gene symbols and
aliases; IUPHAR, the nomenclature of chemokine receptors; makers, names in catalogues of antibodies; files, names met in
FCS files.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from immunomon.study.model.fcs import unmangled
from immunomon.study.model.fluorochromes import KNOWN_FLUOROCHROMES, fluorochrome_key

__all__ = ["DUMP", "VIABILITY", "Label", "known_marker", "marker_names", "plain", "read_label", "usual_kind"]

VIABILITY, DUMP = "viability", "dump"
_GREEK = str.maketrans("αβγδεζηθικλμπσςτυφχωß", "abgdezetiklmpsstufcob")
_GREEK_WORDS = re.compile(r"(?<=[a-z0-9])(alpha|beta|gamma|delta|epsilon|zeta|kappa|lambda)")
_TRADE_MARKS = re.compile("[™®©]")
_MOST_KEPT = 10_000  # the files of a study have the same few names
_SEPARATORS = re.compile("[ _-]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[ _-]+(?=\d)")  # CD3_8 is no CD38


@lru_cache(_MOST_KEPT)
def plain(name: str) -> str:
    """Return a marker name without case, spaces, hyphens and underscores, however its letters were stored.

    Numbers stay apart. Greek letters are written as the Latin ones that stand for them, whether letters or words.

    >>> plain("HLA-DR "), plain("TCR-Î³Î´") == plain("TCR γδ") == plain("TCR gd")
    ('hladr', True)
    >>> plain("IFN-γ"), plain("IFN-gamma"), plain("CD3_8")
    ('ifng', 'ifng', 'cd3 8')
    """
    letters = unicodedata.normalize("NFKC", _TRADE_MARKS.sub("", unmangled(name))).replace("ß", "b").casefold()
    bare = " ".join(_SEPARATORS.sub("", part) for part in _BETWEEN_DIGITS.split(letters)).translate(_GREEK)
    return _GREEK_WORDS.sub(lambda word: word[1][0], bare)


class _Known(NamedTuple):
    """A row of the table."""

    marker: str
    kind: str
    spellings: tuple[str, ...]


@cache
def _table() -> tuple[_Known, ...]:
    rows = csv.DictReader(Path(__file__).with_name("markers.csv").read_text(encoding="utf-8").splitlines())
    spelled = ((row, (row["marker"], row["gene"], *row["spellings"].split("|"))) for row in rows)
    return tuple(_Known(row["marker"], row["kind"], tuple(filter(None, dict.fromkeys(s)))) for row, s in spelled)


@cache
def _by_spelling() -> Mapping[str, tuple[str, ...]]:
    """Return the markers that each spelling may mean, by its plain form and by its letters and digits alone."""
    markers: dict[str, dict[str, None]] = {}
    for known in _table():
        for spelling in known.spellings:
            for key in {plain(spelling), _letters(spelling)}:
                markers.setdefault(key, {})[known.marker] = None
    return {key: tuple(names) for key, names in markers.items()}


def _letters(name: str) -> str:
    return "".join(letter for letter in plain(name) if letter.isalnum())


def known_marker(name: str) -> str:
    """Return the table's name of a marker, '' for one that is not in it or that may be two.

    >>> known_marker("CD183"), known_marker("IL7R"), known_marker("CD8α"), known_marker("Granzyme"), known_marker("X")
    ('CXCR3', 'CD127', 'CD8', '', '')
    """
    names = _by_spelling().get(plain(name), ())
    if not names and _is_dye_of_dead_cells(name):
        return VIABILITY
    return names[0] if len(names) == 1 else ""


def _is_dye_of_dead_cells(name: str) -> bool:
    label = read_label(name)  # such dyes come in all colours: Zombie NIR, Live/Dead Aqua
    return label.markers == (VIABILITY,) and not label.unknown


def marker_names(name: str) -> tuple[str, ...]:
    """Return all spellings of a marker that the table has, its own name first; the name alone if it has none.

    >>> marker_names("CD194")
    ('CCR4', 'CD194', 'CC-R4')
    """
    known = known_marker(name)
    return next((row.spellings for row in _table() if row.marker == known), (name,))


def usual_kind(name: str) -> str:
    """Return what a marker is usually for: type, state, viability or dump; type for one that the table has not.

    >>> usual_kind("Ki67"), usual_kind("Zombie NIR"), usual_kind("CD4")
    ('state', 'viability', 'type')
    """
    known = known_marker(name)
    return next((row.kind for row in _table() if row.marker == known), "type")


@dataclass(frozen=True)
class Label:
    """What a channel's label says: markers (two, if it may be either or names both), its fluorochrome, what is unknown.

    both: whether it names several markers, not one that may be two.
    """

    markers: tuple[str, ...] = ()
    fluorochrome: str = ""
    unknown: tuple[str, ...] = ()
    both: bool = False

    @property
    def marker(self) -> str:
        """The one marker that it says, else ''."""
        return self.markers[0] if len(self.markers) == 1 and not self.unknown else ""


_COMPENSATED = re.compile(r"^(?:fj)?comp[-_ ]", re.IGNORECASE)
_SIGNAL = re.compile(r"[-_ ](?:area|height|width|[ahw])$", re.IGNORECASE)
_FILTER = re.compile(r"^\d{3}/\d{2,3}(?:@.*)?$")
_ELEMENTS = "Y|Rh|Pd|Ag|Cd|In|Sn|Te|I|Xe|Cs|Ba|La|Ce|Pr|Nd|Sm|Eu|Gd|Tb|Dy|Ho|Er|Tm|Yb|Lu|Os|Ir|Pt|Pb|Bi"
_METAL = re.compile(rf"^(?:(?:{_ELEMENTS})\d{{2,3}}|\d{{2,3}}(?:{_ELEMENTS})|\d{{2,3}}:\d{{2,3}})(?:D[id])?$")
_CLONE = re.compile(r"^(?!m?ig[adegm]\d)(?!(?:cd|il|ccr|cxcr|hla|tcr|p?stat)-?\d)(?=.*\d)[\w.-]{2,12}$", re.IGNORECASE)
_NOISE = frozenset(
    "anti human hum hu mouse mus ms rat h m comp fjcomp clone ab mab surface intra intracellular ic dd di yg".split()  # noqa: SIM905
)
_DYES_OF_DEAD_CELLS = frozenset(("7aad", "dapi", "pi", "propidiumiodide"))
_COLOURS = frozenset(
    "aqua nir near ir infrared far red blue violet uv green yellow orange fixable dye stain amine".split()  # noqa: SIM905
)
_PREFIX = re.compile(r"^(?:anti|hum|hu|h|mu|m|a)(?=(?:cd|ccr|cxcr|cx3cr|il|hla|tcr|ifn|tnf|ig|foxp)[a-z]*\d*)")
_NO_DECIMAL_POINT = re.compile(r"(?<!\d)\.|\.(?!\d)")  # IL.17A is IL-17A, CD3.1 is no CD31
_MOST_WORDS = 6
_OF_DEAD_CELLS = re.compile(r"(?:zombie|live[ /]?dead|ghost|fvs)", re.IGNORECASE)
_DYES = re.compile(
    r"^(?:buv|bv|bb|rb|ry|rr|bybg|byg|sb|sn|su|sv|nb|vio|cf|cfluor[a-z]?|spark[a-z]*|realblue|realyellow|qd|qdot|q|at|"
    r"dylight|novafluor[a-z]*|kiravia[a-z]*|efluor|ef|atto|alexafluor|superbright|starbright[a-z]*|kro|krome[a-z]*)\d{3}$"
)


@cache
def _dyes() -> frozenset[str]:
    more = (
        "Krome Orange",
        "Pacific Green",
        "PC5",
        "PC5.5",
        "PC7",
        "AmCyan",
        "Qdot 605",
        "APC-A750",
        "APC-A700",
        "A647",
    )
    names = [name for name in (*KNOWN_FLUOROCHROMES, *more) if not _OF_DEAD_CELLS.match(name)]
    return frozenset(fluorochrome_key(name) for name in names) | {"pecy55", "percpcy55", "rpe", "kro", "a488", "a700"}


@dataclass(frozen=True)
class _Word:
    """Letters and digits of a label, and the number of the token, between blanks, that they stand in."""

    text: str
    token: int
    written: str
    original: str


def read_label(text: str, own: Iterable[str] = ()) -> Label:
    """Return what the label of a channel says: the marker, its fluorochrome, and words that say neither.

    Passed over are ``Comp-`` and what stands before ``::``, species, ``anti``, clones, filters, metals, and whether it
    is area, height or width. own: spellings of further markers, which are their own names.

    >>> [read_label(text).marker for text in ("CD25 (M-A251)", "anti-CD4", "hCD127", "CD45RA_FITC", "Zombie NIR")]
    ['CD25', 'CD4', 'CD127', 'CD45RA', 'viability']
    >>> read_label("Comp-BV421-A :: CD183"), read_label("CD14/CD19 PE")
    (Label(markers=('CXCR3',), fluorochrome='BV421', unknown=(), both=False),
     Label(markers=('CD14', 'CD19'), fluorochrome='PE', unknown=(), both=True))
    >>> read_label("Granzyme FITC").markers, read_label("Syto 41").unknown
    (('Granzyme A', 'Granzyme B', 'Granzyme K'), ('Syto 41',))
    """
    return _label(text, tuple(own))


@lru_cache(_MOST_KEPT)
def _label(text: str, own: tuple[str, ...]) -> Label:
    extra = {key: (name,) for name in own for key in (plain(name), _letters(name))}
    table = {**_by_spelling(), **extra}
    channel, parted, named = unmangled(text)[:200].partition("::")
    label = _read(named if parted and named.strip() else channel, table)
    dye = label.fluorochrome or (_read(channel, table).fluorochrome if parted and named.strip() else "")
    return Label(label.markers, dye, label.unknown, label.both)


def _read(text: str, table: Mapping[str, tuple[str, ...]]) -> Label:
    whole = table.get(plain(text))
    if whole and _letters(text) not in _DYES_OF_DEAD_CELLS:
        return Label(whole)
    bare = _SIGNAL.sub("", _COMPENSATED.sub("", text.strip()).strip("<> "))
    outside, inside = re.sub(r"\([^()]*\)?", " ", bare), re.findall(r"\(([^()]*)", bare)
    groups, dyes, unknown = _spans(outside, table)
    for remark in inside:
        more, more_dyes, _ = _spans(remark, table)  # a clone, a metal, or another name of the same marker
        groups, dyes = [*groups, *more], [*dyes, *more_dyes]
    stained = list(dict.fromkeys(group for group in groups if group != (VIABILITY,)))
    if not stained and groups:
        return Label((VIABILITY,), dyes[0] if dyes else "", _unlike(unknown, _COLOURS))
    if len(groups) > len(stained) and stained:
        doubtful = [group for group in groups if group == (VIABILITY,)]
        stained = list(dict.fromkeys([*stained, *doubtful]))
    markers = tuple(dict.fromkeys(name for group in stained for name in group))
    return Label(markers, dyes[0] if dyes else "", unknown if markers or unknown else (), len(stained) > 1)


def _unlike(words: Sequence[str], known: frozenset[str]) -> tuple[str, ...]:
    return tuple(word for word in words if not set(re.findall(r"[a-z]+", word.casefold())) <= known)


def _words(text: str) -> Iterator[_Word]:
    for number, token in enumerate(re.split(r"[\s_;,|]+", text)):
        if token and not _FILTER.match(token) and not _METAL.match(token):
            written = re.sub(r"(?<=\d)[/+&](?=\d{1,3}(?:\D|$))", "/CD", token) if token[:2].upper() == "CD" else token
            for word in re.findall(r"[^\W_]+(?:\.\d+)?", written):
                yield _Word(plain(word), number, token, word)


def _spans(text: str, table: Mapping[str, tuple[str, ...]]) -> tuple[list[tuple[str, ...]], list[str], tuple[str, ...]]:
    """Return the groups of markers that words of a text may mean, the dyes, and the tokens that say nothing known."""
    words = list(_words(text))
    groups: list[tuple[str, ...]] = []
    dyes: list[str] = []
    of_dead_cells: list[tuple[tuple[str, ...], str]] = []
    left: dict[int, str] = {}
    said: set[int] = set()
    position = 0
    while position < len(words):
        length, markers, dye = _longest(words[position : position + _MOST_WORDS], table)
        if markers and dye:  # what stains dead cells alone is a dye beside a marker
            of_dead_cells.append((markers, dye))
        elif markers:
            groups += [markers] if markers not in groups else []
        elif dye:
            dyes.append(dye)
        else:
            left.setdefault(words[position].token, words[position].written)
        if length and not (markers or dye):
            left.pop(words[position].token, None) if words[position].text in _NOISE else None
        if markers or dye:
            said.add(words[position].token)
        position += max(1, length)
    if not groups and of_dead_cells:
        groups.append(of_dead_cells[0][0])
        dyes.insert(0, of_dead_cells[0][1])
    elif groups:
        dyes += [dye for _, dye in of_dead_cells]
    # Beside the name of a marker or a dye a word with a digit is a clone; standing alone it is nothing known.
    unknown = [
        token for number, token in left.items() if not ((groups or dyes) and _CLONE.match(token)) or number in said
    ]
    return groups, dyes, (" ".join(unknown),) if unknown else ()


def _longest(words: Sequence[_Word], table: Mapping[str, tuple[str, ...]]) -> tuple[int, tuple[str, ...], str]:
    """Return how many of the first words are a name, and the markers or the dye that it means; 1 for noise."""
    for length in range(len(words), 0, -1):
        part = [word.text for word in words[:length]]
        spelled = _NO_DECIMAL_POINT.sub("", plain(" ".join(part)))
        for name in (spelled, _PREFIX.sub("", spelled)):
            if name in table:
                return length, table[name], _dye(words[:length]) if name in _DYES_OF_DEAD_CELLS else ""
        if (key := fluorochrome_key("".join(part).replace(".", ""))) in _dyes() or _DYES.match(key):
            return length, (), _dye(words[:length])
    return (1 if words[0].text in _NOISE else 0), (), ""


def _dye(words: Sequence[_Word]) -> str:
    known = {fluorochrome_key(name): name for name in KNOWN_FLUOROCHROMES}
    key = fluorochrome_key("".join(word.text for word in words).replace(".", ""))
    if alexa := re.fullmatch(r"alexafluor(\d{3})", key):
        return f"Alexa Fluor {alexa[1]}"
    return known.get(key, "-".join(word.original for word in words))
