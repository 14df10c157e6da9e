"""What README and docs tell people to type is there: commands, options, values, Python names, settings, files, extras.

Nothing is run: the command line's own parser reads each example, and Python's own reads each script.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path
from typing import get_args, get_type_hints

import jsonschema
import pytest
import typer
import yaml

import immunomon
from immunomon.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
GROUP = typer.main.get_command(app)
COMMANDS = {name: GROUP.get_command(None, name) for name in GROUP.list_commands(None)}
HINTS = {
    command.name or command.callback.__name__.replace("_", "-"): get_type_hints(command.callback)
    for command in app.registered_commands
}
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
SECTIONS = {"assessments", "compensation", "identifiers", "normalisation", "quality", "reportability", "steadiness"}
STUDY = json.loads((ROOT / "docs/schemas/study.schema.json").read_text(encoding="utf-8"))


def blocks(text: str, *languages: str) -> list[str]:
    """Fenced blocks in any of these languages; '' stands for indented blocks, too, and for fences without a name."""
    found = [block for _, language, block in FENCED.findall(text) if language in languages]
    return found + INDENTED.findall(FENCED.sub("", text)) if "" in languages else found


def spans(text: str) -> list[str]:
    """Inline code, each on one line."""
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", FENCED.sub("", text))]


def typed(text: str) -> list[str]:
    """Lines of shell, continued ones as one."""
    lines = "\n".join(blocks(text, "", "sh")).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip()]


def arguments(line: str) -> list[str] | None:
    """What stands behind ``immunomon`` in a line, without a comment; None where the line does not call it."""
    called = re.match(r"(?:time )?(?:\S*[/\\])?immunomon +(?=[a-z])(.*)", line)
    if called is None:
        return None
    words = shlex.split(re.sub(r"[\[\]](?!.*')", "", called[1]), comments=True)
    words = words[: words.index(">")] if ">" in words else words
    return [word for word in words if word != "..."]


def read_by_parser(words: list[str]) -> tuple[typer.core.TyperCommand, dict[str, object]]:
    """The command and its values, read as the command line would; a wrong name or one word too many raises."""
    command = COMMANDS[words[0]]
    context = command.make_context(words[0], [], resilient_parsing=True)
    context.resilient_parsing = False
    values, beyond, _ = command.make_parser(context).parse_args(words[1:])
    assert not beyond, f"immunomon {words[0]} does not take {beyond}"
    for name, value in values.items():
        choices = [one for one in get_args(HINTS[words[0]][name]) if isinstance(one, str)]
        assert not choices or value is None or set(str(value).split("|")) <= set(choices)
    return command, values


EXAMPLES = sorted({(page, line) for page, text in TEXTS.items() for line in typed(text) if arguments(line)})
MENTIONS = sorted({(page, span) for page, text in TEXTS.items() for span in spans(text) if arguments(span)})


@pytest.mark.parametrize(("page", "line"), EXAMPLES)
def test_every_example_of_a_command_is_read_with_nothing_lacking(page, line):
    command, values = read_by_parser(arguments(line))
    lacking = [one.name for one in command.params if one.required and values.get(one.name) in (None, ())]
    assert not lacking


@pytest.mark.parametrize(("page", "span"), MENTIONS)
def test_every_command_that_is_mentioned_has_these_options(page, span):
    read_by_parser(arguments(span))


@pytest.mark.parametrize("page", TEXTS)
def test_every_option_that_is_mentioned_alone_belongs_to_a_command_or_benchmark_of_the_page(page):
    text = TEXTS[page]
    named = {words[0] for words in map(arguments, [*typed(text), *spans(text)]) if words}
    options = {
        one for name in named for option in COMMANDS[name].params for one in (*option.opts, *option.secondary_opts)
    }
    for script in set(re.findall(r"benchmarks/\w+\.py|\b\w+\.py(?=:)", text)):
        path = ROOT / "benchmarks" / Path(script).name
        options |= set(re.findall(r'"(--[\w-]+)"', path.read_text(encoding="utf-8"))) if path.exists() else set()
    remarks = [line.partition("# ")[2] for line in typed(text)]
    alone = [span for span in spans(text) if span.startswith("-")] + remarks
    assert set(re.findall(r"(?<!\S)--[a-z][\w-]*", "\n".join(alone))) <= options | {"--help"}


KNOWN = {
    "immunomon": immunomon,
    "im": immunomon,
    "run": immunomon.StudyRun,
    "sample": immunomon.Sample,
    "gated": immunomon.Gated,
}


@pytest.mark.parametrize(
    ("page", "script"), [(page, block) for page, text in TEXTS.items() for block in blocks(text, "python")]
)
def test_every_name_that_a_script_imports_or_takes_from_immunomon_exists(page, script):
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("immunomon"):
            module = import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in KNOWN:
            assert hasattr(KNOWN[node.value.id], node.attr)


@pytest.mark.parametrize("page", TEXTS)
def test_every_call_of_immunomon_that_is_mentioned_exists(page):
    for name in re.findall(r"\bimmunomon\.(\w+)\(", TEXTS[page]):
        assert hasattr(immunomon, name)


SETTINGS = [
    (page, block)
    for page, text in TEXTS.items()
    for block in blocks(text, "yaml")
    if set(yaml.safe_load(block)) & SECTIONS
]


@pytest.mark.parametrize(("page", "block"), SETTINGS)
def test_every_setting_that_is_shown_is_one_that_the_schemas_know(page, block):
    shown = yaml.safe_load(block)
    for key in shown.keys() & SECTIONS:
        jsonschema.validate(shown[key], {**STUDY["properties"][key], "$defs": STUDY["$defs"]})


@pytest.mark.parametrize("page", TEXTS)
def test_every_file_extra_and_make_target_that_is_named_exists(page):
    text = TEXTS[page]
    folder = (ROOT / page).parent
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (folder / link).exists()] == []
    paths = re.findall(r"`((?:tests|docs|src|benchmarks|notebooks|panels|gating)/[\w./-]*\w)`", text)
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"immunomon\[(\w+)\]", text)) <= extras.keys()
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?:`|^    )make (\w+)", text, re.MULTILINE)) <= set(targets)


def test_the_pages_are_read_at_all():
    assert len(EXAMPLES) > 80
    assert len(MENTIONS) > 60
    assert len(SETTINGS) > 4


def test_the_index_leads_to_every_page():
    linked = set(re.findall(r"\]\(([\w/-]+\.md)\)", TEXTS["docs/index.md"]))
    pages = {name.removeprefix("docs/") for name in TEXTS if name.startswith("docs/")}
    assert linked == pages - {"index.md", "schemas/README.md"}
