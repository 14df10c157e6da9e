"""The grammar of marker strings in CP: names of letters and digits, each followed by -, lo, mid, + or hi."""

from __future__ import annotations

__all__ = ["marker_problem", "markers_of"]

_LEVELS = ("lo", "mid", "hi")


def markers_of(text: str) -> tuple[tuple[str, str], ...]:
    """Return the markers of a string, each with its level; raises ValueError if it is no marker string.

    A level stands where a name ends: before the next capital letter, or at the end.

    >>> markers_of("CD3+CD25hiCD127loViability-")
    (('CD3', '+'), ('CD25', 'hi'), ('CD127', 'lo'), ('Viability', '-'))
    """
    markers: list[tuple[str, str]] = []
    name = ""
    for index, letter in enumerate(text):
        if letter in "+-":
            markers.append((_named(name, text), letter))
            name = ""
            continue
        if not (letter.isascii() and letter.isalnum()):
            raise ValueError(f"'{letter}' stands in the marker string '{text}'")
        name += letter
        ends = index + 1 == len(text) or text[index + 1].isupper()
        level = next((level for level in _LEVELS if ends and name.endswith(level)), "")
        if level and len(name) > len(level):
            markers.append((name.removesuffix(level), level))
            name = ""
    if name:
        raise ValueError(f"'{name}' has no level in the marker string '{text}'")
    return tuple(markers)


def _named(name: str, text: str) -> str:
    if not name:
        raise ValueError(f"a level without a marker stands in the marker string '{text}'")
    return name


def marker_problem(text: str) -> str:
    """Return what is wrong with a marker string, or an empty text: its grammar, a marker twice, viability not last.

    >>> marker_problem("HLA-DR+"), marker_problem("CD3+CD4+")
    ("marker 'DR' may belong to 'HLA': names have no hyphen", '')
    """
    try:
        markers = markers_of(text)
    except ValueError as error:
        return str(error)
    names = [name for name, _ in markers]
    if not names:
        return "the marker string is empty"
    if "HLA" in names:
        return "marker 'DR' may belong to 'HLA': names have no hyphen"
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        return f"marker '{doubled[0]}' stands twice in '{text}'"
    if "Viability" in names[:-1]:
        return f"viability does not stand last in '{text}'"
    return ""
