"""The command to type next, for each command that did what it was asked to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["NEXT", "following"]

# Command -> the words of the next one, and what it is for; the words in braces are what the first was given.
NEXT: dict[str, tuple[str, str]] = {
    "propose-panel": ("check {out}", "what is left blank or wrong"),
    "simulate": ("all {folder}", "check it, run it, answer, report"),
    "check": ("run {study}", "gate every file"),
    "run": ("review {run}", "look at every gate, move and approve them; or all {study}, to the report"),
    "import": ("compare {run}", "what changed, in whom and at which dose"),
    "report": ("review {run}", "look at every gate, move and approve them"),
    "override": ("report {run}", "the page anew"),
    "lock": ("verify {run}", "every number a second time, by other code"),
    "quality": ("review {run}", "look at the gates of these samples"),
    "steadiness": ("normalise {run}", "bring batches together, if the study asks for it"),
    "normalise": ("compare {run}", "what changed, in whom and at which dose"),
    "embed": ("explore {run} --panel {panel}", "the atlas as a page"),
    "project": ("explore {run} --panel {panel}", "the atlas as a page"),
    "explore": ("cluster {run} --panel {panel}", "name cells without gates, and list what changed"),
    "cluster": ("explore {run} --panel {panel}", "the clusters on the atlas"),
    "assess": ("compare {run}", "what changed, in whom and at which dose"),
    "compare": ("report {run}", "all of it as a page; mechanism before it, if there are platelets"),
    "mechanism": ("report {run}", "all of it as a page"),
    "power": ("report {run}", "all of it as a page"),
    "export": ("report {run}", "all of it as a page"),
    "deliver": ("check-delivery {out}", "hold it against the rules"),
    "specify-transfer": ("deliver {run} --as csv --test --out NEW", "a test transfer"),
    "info": ("gate treg {file}", "gate it by a shipped strategy: treg, thelper, bcell, nk"),
    "gate": ("init NEW --from FOLDER", "a study of such files, with visits and doses"),
    "compensate": ("gate STRATEGY FILES --compensation {out}", "gate with this matrix"),
    "export-events": ("info {out}", "what the new file says of itself"),
    "verify": ("lock {run} --by NAME --reason TEXT", "freeze what was verified"),
    "trace": ("verify {run}", "every number a second time, by other code"),
    "all": ("review {run}", "look at every gate, move and approve them"),
    "demo": ("review {run}", "look at every gate, move and approve them"),
}


def following(name: str, given: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the words of the command to type next and what it is for, None if there is none to name.

    given: what the command was given, by the names of its parameters.

    >>> following("simulate", {"folder": Path("demo")})
    ('all demo', 'check it, run it, answer, report')
    >>> following("check", {"paths": [Path("panels/treg.yaml")]}) is None
    True
    """
    words, what = NEXT.get(name, ("", ""))
    if given.get("preview"):  # nothing was done: the next is the same command without it
        return None
    if given.get("only_say"):  # a dry run
        words, what = "run {study}", "do it"
    known = {key: _quoted(value) for key, value in _named(name, given).items() if value not in (None, [], ())}
    try:
        # A panel that was not named is the study's first for the next command, too.
        words = words if "panel" in known else words.replace(" --panel {panel}", "")
        return (words.format_map(known), what.format_map(known)) if words else None
    except KeyError:
        return None


def _named(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a command was given under the names that the next one is asked by."""
    named = dict(given)
    paths = list(given.get("paths") or ([given["path"]] if given.get("path") else []))
    if name == "check":
        named["study"] = next((path for path in paths if _is_study(path)), None)
    elif name in ("assess", "quality"):
        is_study = len(paths) == 1 and (paths[0] / "run" / "run.json").is_file()
        is_run = len(paths) == 1 and (paths[0] / "run.json").is_file()
        named["run"] = paths[0] / "run" if is_study else paths[0] if is_run else None
    elif name in ("run", "all", "demo"):
        study = given.get("study") or given.get("folder") or Path()
        named["run"] = given.get("out") or (study.parent if study.name == "study.yaml" else study) / "run"
    elif name == "import":
        named["run"] = given.get("out")
    elif name == "trace":
        source = str(given.get("source"))
        named["run"] = source if "://" not in source and (Path(source) / "run.json").is_file() else None
    return named


def _is_study(path: Path) -> bool:
    return path.name == "study.yaml" or (path / "study.yaml").is_file()


def _quoted(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text else text
