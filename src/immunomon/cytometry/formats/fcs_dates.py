"""The date in an FCS file's header, in the languages that cytometers' computers are set to."""

from __future__ import annotations

import datetime
import re
import unicodedata

from immunomon.study.model.fcs import unmangled

__all__ = ["fcs_date", "names_a_month"]

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
