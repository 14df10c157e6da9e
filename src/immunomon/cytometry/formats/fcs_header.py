"""The HEADER segment of an FCS file, and the data sets that follow each other in one file."""

from __future__ import annotations

import datetime
import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from immunomon.cytometry.formats.fcs_text import ODD_FILE, Keywords, delimited, parse_text
from immunomon.errors import BadFcs
from immunomon.study.model.fcs import unmangled

__all__ = ["DataSet", "OpenFile", "Span", "fcs_date", "names_a_month", "read_data_sets", "whole_number"]

_LENGTH = 58
_COPY_AGAIN = "copy it again from the cytometer"
_VERSIONS = ("2.0", "3.0", "3.1", "3.2")
_MOST_DATA_SETS = 2000
_MOST_KEYWORDS = 50_000  # of all data sets together
Span = tuple[int, int]  # first and last byte, counted from where the data set begins


@dataclass(frozen=True)
class OpenFile:
    """A file that is being read: its bytes, its path for messages, and its size."""

    stream: BinaryIO
    path: Path
    size: int

    def bytes_at(self, begin: int, count: int) -> bytes:
        """Return some bytes; fewer if the file ends before."""
        self.stream.seek(begin)
        return self.stream.read(count)


@dataclass(frozen=True)
class DataSet:
    """One data set: where it begins in the file, its version, its segments as HEADER gives them, its keywords."""

    start: int
    version: str
    text: Span
    data: Span | None
    keywords: Keywords

    @property
    def event_count(self) -> int | None:
        """The number of events that $TOT promises, None if it does not say."""
        return whole_number(self.keywords.get("$TOT"))


def whole_number(text: str | bytes) -> int | None:
    """Return a number of at most 18 digits, None for anything else; blanks and zeros around it do not matter.

    >>> whole_number(b"    0042"), whole_number(""), whole_number("-1"), whole_number("9" * 5000)
    (42, None, None, None)
    """
    bare = (text.decode("latin-1") if isinstance(text, bytes) else text).strip(" \0\t")
    return int(bare) if len(bare) < 100 and re.fullmatch(r"0*[0-9]{1,18}", bare) else None


def read_data_sets(file: OpenFile) -> tuple[list[DataSet], tuple[str, ...]]:
    """Return every data set of a file, in order, and what is wrong with the chain of $NEXTDATA.

    Raises BadFcs if the first is none; a later one that is none is left out and said.
    """
    data_sets = [_data_set(file, 0)]
    notes: list[str] = []
    text_bytes = keywords = 0
    while len(data_sets) < _MOST_DATA_SETS:
        last = data_sets[-1]
        text_bytes += last.text[1] - last.text[0] + 1
        keywords += len(last.keywords.values)
        step = whole_number(last.keywords.get("$NEXTDATA")) or 0
        if step == 0:
            break
        start = last.start + step
        if text_bytes > file.size or keywords > _MOST_KEYWORDS:
            notes.append(f"the data sets after the {len(data_sets)}th overlap each other or are too many to be read")
            break
        try:
            following = _data_set(file, start)
        except BadFcs:
            notes.append(f"$NEXTDATA points to byte {start}, where no data set begins (the file has {file.size} bytes)")
            break
        data_sets.append(following)
    return data_sets, tuple(notes)


def _data_set(file: OpenFile, start: int) -> DataSet:
    prefix = file.bytes_at(start, _LENGTH)
    if prefix[:3] != b"FCS":
        problem = f"it is not an FCS file: it does not begin with 'FCS' but with {prefix[:6]!r}"
        raise BadFcs(file.path, problem if prefix else "it is empty", ODD_FILE)
    version = prefix[3:6].decode("latin-1")
    if version not in _VERSIONS:
        raise BadFcs(file.path, f"FCS {version!r} is not among the versions read: {', '.join(_VERSIONS)}", ODD_FILE)
    if len(prefix) < _LENGTH:
        raise BadFcs(file.path, f"cut off: its header has {len(prefix)} of {_LENGTH} bytes", _COPY_AGAIN)
    text_begin, text_end, data_begin, data_end, *_ = (
        whole_number(prefix[begin : begin + 8]) for begin in range(10, _LENGTH, 8)
    )
    text, keywords = _text(_Segment(file, start, text_begin, text_end, data_begin))
    data = (data_begin, data_end) if data_begin and data_end else None
    data_set = DataSet(start, version, text, data, keywords)
    return replace(data_set, keywords=_with_supplement(file, data_set))


@dataclass(frozen=True)
class _Segment:
    file: OpenFile
    start: int
    begin: int | None
    end: int | None
    data: int | None


def _text(segment: _Segment) -> tuple[Span, Keywords]:
    file, begin, end = segment.file, segment.begin, segment.end
    notes: list[str] = []
    if not begin or begin < _LENGTH:
        raise BadFcs(file.path, f"HEADER bytes 10 to 17 say that TEXT begins at {begin}, which cannot be", ODD_FILE)
    if not end and segment.data:
        end = segment.data - 1
        notes.append(f"HEADER does not say where TEXT ends: read up to DATA at {segment.data}")
    if not end or end <= begin:
        raise BadFcs(
            file.path, f"HEADER bytes 18 to 25 say that TEXT ends at {end}, and it begins at {begin}", ODD_FILE
        )
    if segment.start + end >= file.size:
        problem = f"cut off: TEXT ends at byte {segment.start + end}, the file has {file.size}"
        raise BadFcs(file.path, problem, _COPY_AGAIN)
    for first in (begin, begin - 1, begin + 1):  # some programs count from 1
        keywords = _plain(parse_text(file.bytes_at(segment.start + first, end - first + 1), file.path))
        if keywords.get("$PAR") or keywords.get("$DATATYPE"):
            moved = [] if first == begin else [f"TEXT begins at byte {first}, not at {begin} as HEADER says"]
            return (first, end), replace(keywords, deviations=(*notes, *moved, *keywords.deviations))
    raise BadFcs(file.path, f"no keywords $PAR and $DATATYPE in TEXT, bytes {begin} to {end} by its HEADER", ODD_FILE)


def _plain(keywords: Keywords) -> Keywords:
    """Return the keywords with the ``$`` that a few programs leave out before the required ones."""
    lacking = [
        key
        for key in keywords.values
        if re.fullmatch(r"PAR|TOT|DATATYPE|BYTEORD|MODE|NEXTDATA|P\d+[BRENSG]", key)
        and f"${key}" not in keywords.values
    ]
    if not lacking or "$PAR" in keywords.values:
        return keywords
    added = {f"${key}": keywords.values[key] for key in lacking}
    note = f"keywords without their $: {', '.join(lacking[:4])} ..."
    return Keywords({**keywords.values, **added}, (*keywords.deviations, note))


def _with_supplement(file: OpenFile, data_set: DataSet) -> Keywords:
    """Return the keywords with those of the supplemental TEXT segment, where there is one that can be one."""
    begin, end = (whole_number(data_set.keywords.get(name)) or 0 for name in ("$BEGINSTEXT", "$ENDSTEXT"))
    if begin == 0 or end <= begin:
        return data_set.keywords

    def noted(note: str) -> Keywords:
        return replace(data_set.keywords, deviations=(*data_set.keywords.deviations, note))

    if (begin, end) == data_set.text:
        return noted("$BEGINSTEXT and $ENDSTEXT give the primary TEXT again, not a supplemental one")
    left_out = f"the supplemental TEXT, bytes {begin} to {end}, is left out"
    if data_set.start + end >= file.size:
        return noted(f"{left_out}: the file ends before it")
    delimiter = file.bytes_at(data_set.start + data_set.text[0], 1)
    segment, repaired = delimited(file.bytes_at(data_set.start + begin, end - begin + 1), delimiter)
    if segment is None:
        return noted(f"{left_out}: {repaired}")
    try:
        supplement = parse_text(segment, file.path)
    except BadFcs as error:
        return noted(f"{left_out} ({str(error).removeprefix(f'{file.path}: ')})")
    repairs = (f"the supplemental TEXT, bytes {begin} to {end}, {repaired}",) if repaired else ()
    return data_set.keywords.merged(replace(supplement, deviations=(*repairs, *supplement.deviations)))


# The date in an FCS file's header, in the languages that cytometers' computers are set to.

# English, German, French, Spanish, Italian, Dutch, Portuguese and the Nordic languages, without accents.
_MONTHS = (
    "january januar janvier enero gennaio januari janeiro",
    "february februar fevrier febrero febbraio februari fevereiro",
    "march marz maerz mrz mars marzo maart mrt marco",
    "april avril abril aprile",
    "may mai mayo maggio mei maio maj",
    "june juni juin junio giugno junho",
    "july juli juillet julio luglio julho",
    "august aout agosto augustus augusti",
    "september septembre septiembre settembre setembro",
    "october oktober octobre octubre ottobre outubro",
    "november novembre noviembre novembro",
    "december dezember decembre diciembre dicembre dezembro desember",
)
_LOST = "?\ufffd"  # what programs write for a letter that they could not


def fcs_date(text: str) -> datetime.date | None:
    """Return the date of a $DATE keyword: day, month by name, year, in either order, or ISO; None if it is neither.

    >>> [str(fcs_date(text)) for text in ("13-JAN-2025", "2-Mär-2025", "1-févr.-2025", "1-M?r-2025")]
    ['2025-01-13', '2025-03-02', '2025-02-01', '2025-03-01']
    >>> fcs_date("01/02/2025") is None  # the first of February, or the second of January
    True
    """
    parts = _parts(text)
    if len(parts) != 3:
        return None
    year, month, day = parts if len(parts[0]) == 4 else reversed(parts)
    number = _month(month)
    if month.isdigit() and re.fullmatch(r"[\d\s-]+", text.strip()):
        number = int(month)
    if number is None or not (year.isdigit() and day.isdigit()):
        return None
    century = 2000 if len(year) == 2 else 0
    try:
        return datetime.date(century + int(year), number, int(day))
    except ValueError:
        return None


def names_a_month(text: str) -> bool:
    """Say whether a text is built as a date whose month is a word, whether or not there is such a month.

    >>> names_a_month("13-ABC-2025"), names_a_month("01/02/2025")
    (True, False)
    """
    parts = _parts(text)
    return len(parts) == 3 and re.fullmatch(rf"[^\W\d_]+|[^\d-]*[{_LOST}][^\d-]*", parts[1]) is not None


def _parts(text: str) -> list[str]:
    """Return the parts of a date, without accents and the dots of abbreviations."""
    letters = unicodedata.normalize("NFKD", unmangled(text.strip()[:60])).casefold()
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return [part for part in re.split(r"[-\s./]+", bare) if part]


def _month(word: str) -> int | None:
    """Return a month by its name or the beginning of it; None where that fits none, or two (jui: juin or juillet)."""
    pattern = re.compile("".join("." if letter in _LOST else re.escape(letter) for letter in word))
    fitting = {
        number
        for number, names in enumerate(_MONTHS, start=1)
        for name in names.split()
        if len(word) >= 3 and pattern.match(name)
    }
    return fitting.pop() if len(fitting) == 1 else None
