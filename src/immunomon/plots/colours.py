"""The colours of a study: one for each dose group, the same in every plot and every run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "ALL_TOGETHER",
    "DENSITY_STOPS",
    "DENSITY_STOPS_DARK",
    "Colour",
    "dose_group_colours",
    "page_colours",
    "with_sisters",
    "word_colours",
]


@dataclass(frozen=True)
class Colour:
    """One colour for light pages and its sister for dark ones."""

    light: str
    dark: str


ALL_TOGETHER = Colour("#4a4a4a", "#d0d0d0")

# Okabe & Ito's set, which people with any of the common colour blindnesses tell apart; orange and green a little
# darkened so that a thin line keeps its contrast on white.
_CYCLE = (
    Colour("#0072b2", "#56a8e4"),
    Colour("#d98200", "#f0b040"),
    Colour("#008a64", "#35c79b"),
    Colour("#b8568c", "#e292bf"),
    Colour("#c04a00", "#f08a50"),
    Colour("#3a8fc0", "#8fd0f5"),
    Colour("#7a6a00", "#d8c840"),
)

INK, FAINT, PAPER = Colour("#000000", "#e4e9f0"), Colour("#8a94a3", "#8a94a3"), Colour("#ffffff", "#161b22")
GOOD, BAD, NEUTRAL = Colour("#1d6f4e", "#6fd0a2"), Colour("#a32626", "#f49090"), Colour("#b9c2cd", "#4a5563")
"""Of pictures: lines and text, what stands back, the page; response, what is adverse, and neither."""

_ON_PAGES = (*_CYCLE, ALL_TOGETHER, INK, PAPER, GOOD, BAD, NEUTRAL, Colour("#6b6b6b", "#a0a9b5"))

DENSITY_STOPS = ("#c3d4e6", "#7fb2d6", "#3d84bd", "#3a4fa3", "#5b2a86", "#a3246c", "#e2563b", "#f6b52c")
"""From few events to many, on white; what is empty has no colour."""

DENSITY_STOPS_DARK = ("#2d4a73", "#2f6f9c", "#2f97a8", "#46b98f", "#93d06a", "#dce35b", "#fff6b0")
"""The same on a dark page."""

_GREY = "#b9bec4"
# Seaborn's "colorblind" without its grey, which stands for what is in no group.
_APART = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#ece133", "#56b4e9")


def dose_group_colours(names: Iterable[str]) -> dict[str, Colour]:
    """Return each dose group's colour, by its place in the study's list; ``all`` is grey.

    >>> dose_group_colours(["A", "B"])["A"].light
    '#0072b2'
    """
    colours = {name: _CYCLE[number % len(_CYCLE)] for number, name in enumerate(names)}
    return {**colours, "all": ALL_TOGETHER}


def with_sisters(style: str) -> str:
    """Return a style of a drawing whose colours have sisters, as CSS variables that ``page_colours`` declares.

    >>> with_sisters("fill: #0072b2; stroke: #123456")
    'fill: var(--p0072b2, #0072b2); stroke: #123456'
    """
    for colour in _ON_PAGES:
        style = style.replace(f": {colour.light}", f": var(--p{colour.light[1:]}, {colour.light})")
    return style


def page_colours() -> str:
    """Return the declarations of the sisters of colours, for the style sheet of a dark page."""
    return " ".join(f"--p{colour.light[1:]}: {colour.dark};" for colour in _ON_PAGES)


def word_colours(column: str, words: Sequence[str], *, grey: str | None = None) -> dict[str, str]:
    """Return a colour, "#rrggbb", for each word of a column of an atlas: one apart for dose groups, visits by time.

    Up to nine others are told apart with any of the common colour blindnesses; more take hues and three lightnesses in
    turn, so that neighbours in a legend differ in both. grey: the word for what is in no group.

    >>> word_colours("dose_group", ["A", "B"])
    {'A': '#0072b2', 'B': '#d98200'}
    """
    import seaborn as sns

    if column == "dose_group":
        known = dose_group_colours(words)
        return {word: known[word].light for word in words}
    if column == "visit":
        return dict(zip(words, sns.color_palette("viridis", len(words)).as_hex(), strict=True))
    coloured = [word for word in words if word != grey]
    colours = list(_APART) if len(coloured) <= len(_APART) else _many(len(coloured))
    return {word: _GREY if word == grey else colours[coloured.index(word)] for word in words}


def _many(count: int) -> list[str]:
    import seaborn as sns

    return [
        sns.husl_palette(count, l=(0.38, 0.58, 0.76)[number % 3], s=0.85).as_hex()[number] for number in range(count)
    ]
