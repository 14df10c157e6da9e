"""The command to type next, for each command that did what it was asked to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["NEXT", "following"]

# Command -> the words of the next one, and what it is for; the words in braces are what the first was given, those in
# square brackets stand only if it was.
NEXT: dict[str, tuple[str, str]] = {
    "propose-panel": ("check {out}", "what is left blank or wrong"),
    "simulate": ("all {folder}", "check it, run it, answer, report"),
    "check": ("run {study}", "gate every file"),
    "run": ("review {run}", "look at every gate, move and approve them; or all {study}[ --out {out}], to the report"),
    "import": ("compare {run}", "what changed, in whom and at which dose"),
    "report": ("review {run}", "look at every gate, move and approve them"),
    "override": ("report {run}", "the page anew"),
    "lock": ("verify {run}", "every number a second time, by other code"),
    "quality": ("review {run}", "look at the gates of these samples"),
    "steadiness": ("normalise {run}", "bring batches together, if the study asks for it"),
    "normalise": ("compare {run}", "what changed, in whom and at which dose"),
    "embed": ("explore {run}[ --panel {panel}]", "the atlas as a page"),
    "project": ("explore {run}[ --panel {panel}] --projected", "these cells as a page"),
    "explore": ("cluster {run}[ --panel {panel}]", "name cells without gates, and list what changed"),
    "cluster": ("explore {run}[ --panel {panel}]", "the clusters on the atlas"),
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
# There are no gates to review where they were drawn elsewhere.
_WITHOUT_GATES = ("lock {run} --by NAME --reason TEXT", "freeze what was imported")
_AFTER_DRY_RUN = ("run {study}[ --out {out}]", "do it")


def following(name: str, given: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the words of the command to type next and what it is for, None if there is none to name.

    given: what the command was given, by the names of its parameters.

    >>> following("simulate", {"folder": Path("demo")})
    ('all demo', 'check it, run it, answer, report')
    >>> following("run", {"study": Path("trial"), "out": Path("second"), "only_say": True})
    ('run trial --out second', 'do it')
    >>> following("check", {"paths": [Path("panels/treg.yaml")]}) is None
    True
    """
    if given.get("preview") or given.get("list_conditions"):  # nothing was done: the next is the same without it
        return None
    words, purpose = _AFTER_DRY_RUN if given.get("only_say") else NEXT.get(name, ("", ""))
    named = dict(given)
    if name in _NAMED:
        key, value_of = _NAMED[name]
        named[key] = value_of(given)
    known = {key: _quoted(value) for key, value in named.items() if value not in (None, [], ())}
    if words.startswith("review ") and isinstance(named.get("run"), Path) and _is_imported(named["run"]):
        words, purpose = _WITHOUT_GATES
    try:
        return (_filled(words, known), _filled(purpose, known)) if words else None
    except KeyError:
        return None


def _is_imported(run: Path) -> bool:
    from immunomon.runs.folder import RunFolder

    return RunFolder(run).is_imported


def _filled(words: str, known: Mapping[str, str]) -> str:
    """Return words with what is known in its places; raises KeyError for what is not, but between brackets.

    A panel that was not named is the study's first for the next command, too.
    """
    kept = re.sub(r"\[([^]]*\{(\w+)\})\]", lambda option: option[1] if option[2] in known else "", words)
    return kept.format_map(known)


def _checked_study(given: Mapping[str, Any]) -> Path | None:
    paths: list[Path] = given.get("paths") or []
    return next((path for path in paths if path.name == "study.yaml" or (path / "study.yaml").is_file()), None)


def _finished_run(given: Mapping[str, Any]) -> Path | None:
    """Return the run that a command was given, itself or by the folder of its study."""
    paths: list[Path] = given.get("paths") or [path for path in [given.get("path")] if path]
    folders = (paths[0] / "run", paths[0]) if len(paths) == 1 else ()
    return next((folder for folder in folders if (folder / "run.json").is_file()), None)


def _run_of_study(given: Mapping[str, Any]) -> Path:
    study: Path = given.get("study") or given.get("folder") or Path()
    out: Path | None = given.get("out")
    return out or (study.parent if study.name == "study.yaml" else study) / "run"


def _traced_run(given: Mapping[str, Any]) -> str | None:
    source = str(given.get("source"))
    return source if "://" not in source and (Path(source) / "run.json").is_file() else None


# Command -> what the next one is asked by, and how it is known from what the command was given.
_NAMED: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Path | str | None]]] = {
    "check": ("study", _checked_study),
    "assess": ("run", _finished_run),
    "quality": ("run", _finished_run),
    "run": ("run", _run_of_study),
    "all": ("run", _run_of_study),
    "demo": ("run", _run_of_study),
    "import": ("run", lambda given: given.get("out")),
    "trace": ("run", _traced_run),
}


def _quoted(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text else text
