"""The TEXT segment of an FCS file: delimiters and bytes in, keywords and values out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from immunomon.errors import BadFcs

__all__ = ["ODD_FILE", "Keywords", "delimited", "is_utf8", "parse_text"]

ODD_FILE = "write the file again from the cytometer's software, or leave it out of the sample list"
# The largest real files have 1,500; a file of nothing but delimiters would fill the memory.
_MOST = 20_000
_STANDARD_KEY = re.compile(rb"\s*\$[A-Za-z][A-Za-z0-9_]+\s*")
Pair = tuple[bytes, bytes]


@dataclass(frozen=True)
class Keywords:
    """What a TEXT segment says: values by keyword in upper case, and what was repaired to read them."""

    values: dict[str, str]
    deviations: tuple[str, ...] = ()

    def get(self, name: str) -> str:
        """Return a value without surrounding blanks, or an empty string.

        >>> Keywords({"$TOT": " 10 "}).get("$TOT")
        '10'
        """
        return self.values.get(name, "").strip()

    def merged(self, more: Keywords) -> Keywords:
        """Return these and the supplemental ones; where both have a keyword, these hold."""
        return Keywords({**more.values, **self.values}, self.deviations + more.deviations)


def parse_text(segment: bytes, path: Path) -> Keywords:
    r"""Return the keywords of a TEXT segment, which begins with its delimiter.

    A doubled delimiter inside a value stands for itself (FCS 3.1, 3.2.9); right behind a keyword, or right before a
    standard one, it can only be an empty value, which the standard forbids and several vendors write.
    Raises BadFcs if there are no pairs, far too many, or a keyword of the data's structure twice with two values.

    >>> parse_text(b"/$TOT/2/$P1F/530//30/CELLS//$PAR/1/", Path("a.fcs")).values
    {'$TOT': '2', '$P1F': '530/30', 'CELLS': '', '$PAR': '1'}
    """
    notes: list[str] = []
    values: dict[str, str] = {}
    foreign: dict[str, list[str]] = {}
    padded, doubled = [], []
    for raw_key, raw_value in _pairs(segment, notes):
        name, key_encoding = _decoded(raw_key)
        value, value_encoding = _decoded(raw_value)
        key = name.strip().upper()
        if not key:
            continue
        if key_encoding or value_encoding:
            foreign.setdefault(value_encoding or key_encoding, []).append(key)
        if name != name.strip():
            padded.append(key)
        if key in values:
            doubled.append((key, values[key], value))
        elif len(values) >= _MOST:
            raise BadFcs(path, f"its TEXT segment has more than {_MOST} keywords", ODD_FILE)
        else:
            values[key] = value
    notes += [f"not UTF-8, read as {encoding}: {_listed(names)}" for encoding, names in foreign.items()]
    if padded:
        notes.append(f"blanks around keywords were taken off: {_listed(padded)}")
    notes += _about_doubled(doubled, path)
    return Keywords(values, tuple(notes))


def delimited(segment: bytes, delimiter: bytes) -> tuple[bytes | None, str]:
    """Return a supplemental TEXT as ``parse_text`` needs it, beginning with its delimiter, and what was odd about it.

    delimiter: that of the primary TEXT; a supplement may lack it at its beginning, or have another one of its own.
    None, with the reason, where no reading gives whole pairs of keyword and value.

    >>> delimited(b"$SPILLOVER/2,A,B,1,0,0,1/X/y/", b"/")
    (b'/$SPILLOVER/2,A,B,1,0,0,1/X/y/', 'lacks its first delimiter')
    >>> delimited(b"|X|y|", b"/")
    (b'|X|y|', "has a delimiter of its own, '|'")
    """
    bare = segment.lstrip(b" \t\r\n\0") or segment[:1]
    if segment[:1] == delimiter or bare[:1] == delimiter:
        moved = "" if segment[:1] == delimiter else "begins with blanks before its delimiter"
        return (segment if not moved else bare), moved
    own = bare[:1]
    is_mark = own not in b"$_-+." and not own.isalnum() and own < b"\x80"
    if is_mark and _is_whole(bare):
        return bare, f"has a delimiter of its own, '{own.decode('latin-1')}'"
    if not is_mark and _is_whole(delimiter + bare):
        return delimiter + bare, "lacks its first delimiter"
    return None, f"it begins with {segment[:2]!r}, not with the delimiter {delimiter!r}"


def _is_whole(segment: bytes) -> bool:
    """Say whether a segment is pairs to its end, none of whose values is a standard keyword that has slipped."""
    if segment.rstrip(b" \t\r\n\0")[-1:] != segment[:1]:
        return False
    notes: list[str] = []
    pairs = list(_pairs(segment.rstrip(b" \t\r\n\0"), notes))
    keys_are_words = all(re.fullmatch(rb"[\x20-\x7e]{1,100}", key) for key, _ in pairs)
    return (
        bool(pairs) and not notes and keys_are_words and not any(_STANDARD_KEY.fullmatch(value) for _, value in pairs)
    )


def _pairs(segment: bytes, notes: list[str]) -> Iterator[Pair]:
    """Yield keywords and values; the delimiters between two texts are counted, for an odd number ends a text."""
    delimiter = segment[:1]
    key: bytes | None = None
    value: list[bytes] = []
    runs = _runs(segment, delimiter)
    run_end, following = next(runs, (len(segment), b""))
    if run_end > 1:
        notes.append("the TEXT segment begins with more than one delimiter")
    end = run_end
    empty, broken = 0, 0
    while following or end < len(segment):
        text, begin = following, end + len(following)
        end, upcoming = next(runs, (begin, b""))
        run = end - begin
        if run == 0:
            break
        if key is None:
            if run % 2:
                key, value = text, [delimiter * (run // 2)]
            else:
                empty += run == 2
                yield text, delimiter * (run // 2 - 1)
        elif run % 2 or _STANDARD_KEY.fullmatch(upcoming):
            broken += run % 2 == 0
            yield key, b"".join([*value, text, delimiter * ((run - 1) // 2)])
            key = None
        else:
            value += [text, delimiter * (run // 2)]
        following = upcoming
    if empty:
        notes.append(f"{empty} empty values, which the standard forbids")
    if broken:
        notes.append(f"{broken} values end with two delimiters instead of one")
    if key is not None:
        notes.append("the TEXT segment does not end with its delimiter")
        yield key, b"".join([*value, following])
    elif following.strip(b" \t\r\n\0"):
        notes.append(f"{len(following)} bytes at the end of the TEXT segment are no keyword")


def _runs(segment: bytes, delimiter: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield for each run of delimiters where it ends, and the text up to the next one."""
    ends = -1
    for run in re.finditer(re.escape(delimiter) + b"+", segment) if segment else ():
        if ends >= 0:
            yield ends, segment[ends : run.start()]
        ends = run.end()
    if ends >= 0:
        yield ends, segment[ends:]


def _decoded(raw: bytes) -> tuple[str, str]:
    """Return a text, and the name of the encoding it was read by where that is not UTF-8."""
    try:
        return raw.decode("utf-8"), ""
    except UnicodeDecodeError:
        pass
    if re.search(rb"[\x80-\x9f]", raw):  # control characters in Latin-1, dashes and quotes in Windows-1252
        try:
            return raw.decode("cp1252"), "Windows-1252"
        except UnicodeDecodeError:
            pass
    return raw.decode("latin-1"), "Latin-1"


def _about_doubled(doubled: list[tuple[str, str, str]], path: Path) -> list[str]:
    different = [(key, first, second) for key, first, second in doubled if first.strip() != second.strip()]
    for key, first, second in different:
        if re.fullmatch(r"\$(PAR|TOT|DATATYPE|BYTEORD|MODE|NEXTDATA|BEGINDATA|ENDDATA|P\d+[BREN])", key):
            raise BadFcs(path, f"the keyword {key} stands twice, as '{first[:40]}' and as '{second[:40]}'", ODD_FILE)
    return [
        f"{key} stands twice, the first value holds: '{first[:40]}', not '{second[:40]}'"
        for key, first, second in different
    ]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def is_utf8(head: bytes) -> bool:
    """Say whether bytes are UTF-8, but for a letter that is cut off at the end.

    >>> is_utf8(bytes([97, 195])), is_utf8(bytes([195, 97]))
    (True, False)
    """
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and "end of data" in error.reason
    return True
