"""A command parses, calls functions that Python's users have too, and prints: nothing is put together in ``cli``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import immunomon
from immunomon.cli.app import COMMANDS

CLI = Path(immunomon.__file__).parent / "cli"
GROUND = {"errors", "files", "csvfile"}  # errors and texts to print, files to write a printed table into
# Names of the wings that commands use beside the api and what the package offers, each with its reason. All of them are
# words: what an option or a printed line is made of. None of them does a part of the work.
WORDS = {
    "study.model.fcs.AS_JUDGED": "the default of --data-set and --data-offset",
    "study.model.fcs.DataOffset": "the type of --data-offset",
    "study.model.fcs.Reading": "what --data-set and --data-offset say, as one value",
    "runs.folder.RunFolder": "reads whether a run was imported, for the next command to name",
    "runs.folder.table_csv": "a table as the text of --out",
    "runs.jobs.default_jobs": "the default of --jobs, said before the work begins",
    "runs.status.Going": "a type, whose figures are put into words",
}


def imported_beside_the_api(text: str) -> set[str]:
    """Return what a module imports of the wings and the package does not offer, without ``immunomon.``."""
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    names = {(node.module or "", alias.name) for node in imports for alias in node.names}
    own = {(module, name) for module, name in names if module.startswith("immunomon.")}
    offered = {(module, name) for name, module in immunomon._MODULES.items()}
    shown = {f"{module}.{name}".removeprefix("immunomon.") for module, name in own - offered}
    return {name for name in shown if name.split(".")[0] not in {"api", "cli"} | GROUND}


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ("from immunomon.api.compare import compare_run\nfrom immunomon.errors import counted", set()),
        ("from immunomon.runs.run import run_study", set()),  # offered as immunomon.run_study
        ("def f():\n    from immunomon.runs.run import overridden_plan", {"runs.run.overridden_plan"}),
        ("from immunomon.plots import quality_control", {"plots.quality_control"}),
        ("from pathlib import Path", set()),
    ],
)
def test_what_a_module_imports_beside_the_api_is_found(text, beside):
    assert imported_beside_the_api(text) == beside


@pytest.mark.parametrize("path", sorted(CLI.glob("*.py")), ids=lambda path: path.stem)
def test_a_command_imports_the_api_and_words_only(path):
    if path.stem == "docs":  # not a command: it writes what documents are made of
        return
    text = path.read_text(encoding="utf-8")
    assert imported_beside_the_api(text) <= set(WORDS)
    assert "import immunomon" not in text.replace("from immunomon import __version__", "")


def test_every_word_is_in_use():
    texts = [path.read_text(encoding="utf-8") for path in CLI.glob("*.py") if path.stem != "docs"]
    assert set().union(*map(imported_beside_the_api, texts)) == set(WORDS)


def test_every_command_is_a_file_of_its_own_or_stands_in_one():
    commands = {name for group in COMMANDS.values() for name in group}
    assert {"import", "precision", "reconcile", "audit", "trace", "verify"} <= commands
