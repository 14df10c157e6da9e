"""Names of fluorochromes, and which one a file's name is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

__all__ = ["KNOWN_FLUOROCHROMES", "fluorochrome_key", "names_unstained", "simple_name", "stain_named_in"]

KNOWN_FLUOROCHROMES: tuple[str, ...] = tuple(
    """
    FITC|PE|APC|PerCP|7-AAD|PI|DAPI|ECD|GFP|CFSE|V450|V500|Pacific Blue|Pacific Orange|BB515|BB700|BYG584|RB545|RB780
    Alexa Fluor 350|Alexa Fluor 405|Alexa Fluor 488|Alexa Fluor 532|Alexa Fluor 546|Alexa Fluor 561|Alexa Fluor 594
    Alexa Fluor 647|Alexa Fluor 660|Alexa Fluor 700|eFluor 450|eFluor 506|eFluor 660
    PE-Cy5|PE-Cy5.5|PE-Cy7|PE-CF594|PE-Texas Red|PE-Dazzle 594|PE-Vio770|PE-Fire 640|PE-Fire 700
    PE-Fire 810|PerCP-Cy5.5|PerCP-eFluor 710|PerCP-Vio700|APC-Cy7|APC-H7|APC-R700|APC-eFluor 780|APC-Vio770
    APC-Fire 750|APC-Fire 810|Spark Blue 550|Spark Blue 574|Spark NIR 685|Spark UV 387|Spark Violet 538
    BUV395|BUV496|BUV563|BUV615|BUV661|BUV737|BUV805|BV421|BV480|BV510|BV570|BV605|BV650|BV711|BV750|BV785|BV786
    Super Bright 436|Super Bright 600|Super Bright 645|Super Bright 702|Super Bright 780|cFluor V450|cFluor B515
    VioBlue|VioGreen|VioBright FITC|Vio770|Cy5|Cy7|Texas Red|Zombie Aqua|Zombie NIR|Zombie UV|Zombie Violet
    LIVE DEAD Blue|LIVE DEAD Aqua|LIVE DEAD Near IR|Ghost Dye Red 780|Ghost Dye Violet 510|FVS510|FVS620|FVS780
    """.strip()
    .replace("\n", "|")
    .replace("    ", "")
    .split("|")
)


def simple_name(name: str) -> str:
    """Return a name without case and without anything that is not a letter or a digit.

    >>> simple_name("PerCP-Cy5.5 "), simple_name("APC-Fire_750")
    ('percpcy55', 'apcfire750')
    """
    return re.sub(r"[^a-z0-9]", "", name.casefold())


_SHORT_NAMES = {
    "pb": "pacificblue",
    "pacblue": "pacificblue",
    "pacb": "pacificblue",
    "po": "pacificorange",
    "paco": "pacificorange",
    "pacorange": "pacificorange",
    "txred": "texasred",
    "petxred": "petexasred",
    "percpcy": "percpcy55",
    "percp55": "percpcy55",
    "pc5": "pecy5",
    "pc55": "pecy55",
    "pc7": "pecy7",
    "apca700": "apcalexafluor700",
    "apca750": "apcalexafluor750",
    "rpe": "pe",
    "phycoerythrin": "pe",
    "allophycocyanin": "apc",
    "fluorescein": "fitc",
    "propidiumiodide": "pi",
}
_UNSTAINED = re.compile(
    r"un?st(?:ain(?:ed)?|d)?[0-9]*|unstained[a-z]*|no[nt]?stain(?:ed)?|unlabell?ed|ungef(?:ä|ae|a)rbt"
)
_PERHAPS_UNSTAINED = {"us", "uns", "blank", "neg", "negative", "af", "autofluorescence", "autofluo"}
_ALEXA = re.compile(r"(?:alexafluor|alexa|af|ax)([0-9]{3})")
_BRILLIANT = re.compile(r"brilliant(violet|ultraviolet|blue)([0-9]{3})")


def fluorochrome_key(name: str) -> str:
    """Return a name by which two ways to write a fluorochrome are one: without case, blanks and short forms.

    >>> fluorochrome_key("PB") == fluorochrome_key("Pacific Blue"), fluorochrome_key("AF700")
    (True, 'alexafluor700')
    >>> fluorochrome_key("Brilliant Violet 421"), fluorochrome_key("PE Cy5.5")
    ('bv421', 'pecy55')
    """
    simple = "".join(letter for letter in name.casefold() if letter.isalnum())
    if match := _ALEXA.fullmatch(simple):
        return f"alexafluor{match[1]}"
    if match := _BRILLIANT.fullmatch(simple):
        return {"violet": "bv", "ultraviolet": "buv", "blue": "bb"}[match[1]] + match[2]
    return _SHORT_NAMES.get(simple, simple)


def stain_named_in(text: str, names: Mapping[str, str]) -> str | None:
    """Return what a text is about: the value of the longest of the names that stands in it as whole words.

    names: any spelling -> what it means. None if there is none, or the longest ones mean different things.

    >>> names = {name: name for name in ("PE", "PE-Cy5", "APC")}
    >>> stain_named_in("CD25_PE-Cy5_cells.fcs", names), stain_named_in("specimen_001.fcs", names)
    ('PE-Cy5', None)
    >>> stain_named_in("PE and APC.fcs", {"PE1": "x", "PE": "PE", "APC": "APC"})
    'APC'
    """
    meaning: dict[str, set[str]] = {}
    for spelling, meant in names.items():
        for key in {simple_name(spelling), fluorochrome_key(spelling)} - {""}:
            meaning.setdefault(key, set()).add(meant)
    words = re.findall(r"[a-z0-9]+", text.casefold())
    keys_by_length: dict[int, set[str]] = {}
    for first in range(len(words)):
        for last in range(first + 1, min(len(words), first + 5) + 1):
            joined = "".join(words[first:last])
            key = joined if joined in meaning else fluorochrome_key(joined)
            if key in meaning:
                keys_by_length.setdefault(len(joined), set()).update(meaning[key])
    longest = keys_by_length[max(keys_by_length)] if keys_by_length else set()
    return next(iter(longest)) if len(longest) == 1 else None


def names_unstained(text: str, names: Mapping[str, str]) -> bool:
    """Say whether a tube's name says that nothing is stained in it: Unstained, UNST, US, blank, neg.

    names: as in ``stain_named_in``; a short word such as ``neg`` says nothing beside the name of a stain.

    >>> known = {"PE": "PE"}
    >>> [names_unstained(text, known) for text in ("Ctrl_Unstained", "UNST 01", "blank", "PE neg beads", "US")]
    [True, True, True, False, True]
    """
    words = re.findall(r"[^\W_]+", text.casefold())
    pairs = [first + second for first, second in pairwise(words)]
    if any(_UNSTAINED.fullmatch(word) for word in (*words, *pairs)):
        return True
    return bool(_PERHAPS_UNSTAINED & set(words)) and stain_named_in(text, names) is None
