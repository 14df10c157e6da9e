"""Every message of the program with its remedy, read from the code: what is raised, and what ``check`` notes."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from immunomon import errors

# Of these, what comes before the message: a file, a line, a place in the file.
_BEFORE = {"Problem": 3, "BadFcs": 1, "ChangedFile": 1, "add": 1}
_KINDS = {name for name in errors.__all__ if inspect.isclass(vars(errors)[name])}
_HEAD = """# All messages, with their remedies

Read from the code of this version; "…" stands for what differs from case to case: a name, a number, a file. Search for
words of your message with the browser (Ctrl-F). What each *kind* of error means is in [errors.md](errors.md).
"""


def messages_page(package: Path) -> str:
    """Return the page of all messages of a package, by the part of the program that says them."""
    sections: dict[str, set[tuple[str, str]]] = {}
    for path in sorted(package.rglob("*.py")):
        rooms = path.relative_to(package).parts
        head = HEADS.get("/".join(rooms[:2]), HEADS.get(rooms[0], HEADS["study"]))
        sections.setdefault(head, set()).update(_messages(path))
    parts = [_HEAD]
    for head, found in sections.items():
        rows = [f"| {_cell(message)} | {_cell(remedy)} |" for message, remedy in sorted(found, key=_plainly)]
        if rows:
            parts.append("\n".join([f"## {head}", "", "| it says | what to do |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


# Wing of the code, or a room of one -> what a person was doing when it said so.
HEADS = {
    "study": "Reading a study's files",
    "runs/checks": "Checking and proposing a study",
    "cytometry": "FCS files, matrices, gates",
    "runs": "Running",
    "trial": "Answers: statistics and assessments",
    "maps": "Maps and clusters",
    "plots": "Pictures",
    "outputs": "Database, deliveries, report, review",
    "assurance": "Simulating, validating, verifying",
    "api": "From Python",
    "cli": "On the command line",
}


def _messages(path: Path) -> Iterator[tuple[str, str]]:
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            named = _named_texts(function)
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and (message := _message(call, named)):
                    yield message


def _message(call: ast.Call, named: dict[str, str]) -> tuple[str, str] | None:
    """Return what a call says is wrong and what to do, None if it says nothing of the kind."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name not in _KINDS | _BEFORE.keys() or (name == "add" and "findings" not in ast.unparse(call.func)):
        return None
    words = [_text(argument, named) for argument in call.args[_BEFORE.get(name, 0) :]]
    if not words or not words[0].strip("…:; "):
        return None
    message, _, remedy = words[0].removeprefix("…: ").rpartition("; ") if len(words) < 2 else (words[0], "", words[1])
    return (message, remedy) if message else (remedy, "")


def _named_texts(function: ast.FunctionDef) -> dict[str, str]:
    """Return the texts that a function gives names to."""
    named: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, _text(node.value, named))
    return named


def _text(node: ast.expr, named: dict[str, str]) -> str:
    """Return an expression's text, what is not known before it runs as three dots."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, named) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, named) + _text(right, named)
        case ast.IfExp(body=body, orelse=other):
            texts = [text for text in (_text(body, named), _text(other, named)) if text.strip("…")]
            return " / ".join(texts) or "…"
        case ast.Name(id=name):
            return named.get(name, "…")
        case _:
            return "…"


def _plainly(message: tuple[str, str]) -> str:
    return message[0].strip("…:'\" ").casefold()


def _cell(text: str) -> str:
    special = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|$#"})
    return " ".join(text.translate(special).split()).replace("……", "…")
