"""The drawing of the house in docs/architecture.md: its wings, their rooms, and who imports whom, from the code."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import immunomon

__all__ = ["rooms_table", "wings_drawing"]

# From the ground up; that no import points up is proven by import-linter (pyproject.toml).
WINGS = ("study", "cytometry", "plots", "trial", "checks", "runs", "maps", "outputs", "assurance", "cli")
_ROOT = Path(immunomon.__file__).parent


def wings_drawing() -> str:
    """Return a Mermaid graph of the wings: an arrow from each to those that it imports from.

    >>> "  cli --> runs" in wings_drawing()
    True
    """
    lines = ["```mermaid", "graph BT"]
    for wing in WINGS:
        rooms = ", ".join(path.name for path in _rooms(wing))
        lines.append(f'  {wing}["<b>{wing}</b>{f"<br/>{rooms}" if rooms else ""}"]')
    lines += [f"  {wing} --> {below}" for wing in WINGS for below in WINGS if below in _imports(wing)]
    return "\n".join([*lines, "```"])


def rooms_table() -> str:
    """Return a table of the wings and their rooms, with what each is for: the first sentence of its docstring.

    >>> rooms_table().splitlines()[0]
    '| room | what it holds |'
    """
    rows = ["| room | what it holds |", "|---|---|"]
    for wing in WINGS:
        for path in (_ROOT / wing, *_rooms(wing)):
            name = path.relative_to(_ROOT).as_posix()
            label = f"**{name}**" if path.parent == _ROOT else f"`{name}`"
            rows.append(f"| {label} | {_sentence(path)} |")
    return "\n".join(rows)


def _rooms(wing: str) -> list[Path]:
    return sorted(path.parent for path in (_ROOT / wing).glob("*/__init__.py"))


def _sentence(room: Path) -> str:
    document = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    return document.split("\n")[0]


@cache
def _imports(wing: str) -> frozenset[str]:
    """Return the wings that a wing's files import from."""
    return frozenset().union(*map(_imported, (_ROOT / wing).rglob("*.py"))) - {wing}


def _imported(path: Path) -> set[str]:
    """Return the wings that a file imports from."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    parts = (module.split(".") for module in modules)
    return {names[1] for names in parts if names[0] == "immunomon" and len(names) > 1 and names[1] in WINGS}
