"""``make docs``: JSON Schemas of the YAML files, and the made parts of the documents, written again from the code."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import typer

import immunomon
from immunomon import errors
from immunomon.assurance.validation.in_words import validation_in_words
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.populations import DOUBTS, TABLES, Table
from immunomon.cytometry.model.run_tables import QUALITY
from immunomon.cytometry.specs.gatecall import Methods, gate_schema
from immunomon.cytometry.specs.strategy import StrategySpec
from immunomon.errors import ImmunomonError
from immunomon.files import write_whole
from immunomon.maps.model.tables import PROJECTED_SAMPLES
from immunomon.outputs.conformance.registry import write_rules_document
from immunomon.outputs.cp_map import CpMapSpec
from immunomon.shape import SpecModel
from immunomon.study.model.trust import DOUBTS as DOUBT_KINDS
from immunomon.study.specs.catalog import shipped_folder
from immunomon.study.specs.panel import PanelSpec
from immunomon.study.specs.samples import COLUMNS, OPTIONAL_COLUMNS
from immunomon.study.specs.study import StudySpec
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS, InputColumn, InputTable
from immunomon.trial.model.tables import ASSESSMENT_TABLES, MECHANISM_TABLES, STATISTICS_TABLES

__all__ = [
    "json_schemas",
    "refreshed",
    "rooms_table",
    "wings_drawing",
    "write_docs",
    "write_file_formats",
    "write_schemas",
]

# The parts of documents that are made from the code: the drawing of the wings, tables, gate methods, CSV columns.

# From the ground up; that no import points up is proven by import-linter (pyproject.toml).
WINGS = ("study", "cytometry", "plots", "trial", "runs", "maps", "outputs", "assurance", "api", "cli")
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


def refreshed(text: str, *, methods: Methods) -> str:
    """Return the document with each part between ``<!-- made: NAME -->`` and ``<!-- end -->`` made anew.

    >>> print(refreshed("<!-- made: samples -->old<!-- end -->", methods={}).splitlines()[4])
    | `file` | FCS file, relative to the sample list |
    """
    parts = {
        "wings": wings_drawing(),
        "rooms": rooms_table(),
        "tables": _tables(),
        "gates": _gates(methods),
        "samples": _columns(),
        "doubts": _doubts(),
        "errors": _errors(),
        "validation": validation_in_words((shipped_folder("docs") / "validation.md").read_text(encoding="utf-8")),
        "assessment_inputs": "\n\n".join(_input(table) for table in ASSESSMENT_INPUTS.values()),
        "statistics": "\n\n".join(_table(table) for table in STATISTICS_TABLES.values()),
        "mechanism": "\n\n".join(_table(table) for table in MECHANISM_TABLES.values()),
        "projected_samples": _table(PROJECTED_SAMPLES),
        "assessment_tables": "\n\n".join(_table(table) for table in ASSESSMENT_TABLES.values()),
    }

    def made(match: re.Match[str]) -> str:
        return f"<!-- made: {match[1]} -->\n\n{parts[match[1]]}\n\n<!-- end -->"

    return re.sub(r"<!-- made: (\w+) -->.*?<!-- end -->", made, text, flags=re.DOTALL)


def write_file_formats(path: Path, *, methods: Methods) -> None:
    """Bring the made parts of a document up to date, in place."""
    text = refreshed(path.read_text(encoding="utf-8"), methods=methods)
    write_whole(path, text)


def _tables() -> str:
    return "\n\n".join(_table(table) for table in (*TABLES.values(), DOUBTS, QUALITY))


def _table(table: Table) -> str:
    rows = [f"| `{column.name}` | {column.dtype} | {column.meaning} |" for column in table.columns]
    head = f"### {table.name}\n\nOne row: {table.row}. Identified by {', '.join(f'`{name}`' for name in table.key)}."
    return "\n".join([head, "", "| column | type | meaning |", "|---|---|---|", *rows])


def _doubts() -> str:
    rows = [
        f"| `{kind.code}` | {'yes' if kind.withholds else 'no: a remark'} | {kind.meaning} | {kind.remedy} |"
        for kind in DOUBT_KINDS.values()
    ]
    return "\n".join(["| code | withholds | what it means | what to do |", "|---|---|---|---|", *rows])


def _errors() -> str:
    rows = ["| error | what it means | what to do |", "|---|---|---|"]
    for error in (vars(errors)[name] for name in errors.__all__):
        if not (isinstance(error, type) and issubclass(error, ImmunomonError)) or error is ImmunomonError:
            continue
        meaning, remedy, *_ = (_in_markdown(part) for part in inspect.cleandoc(error.__doc__ or "").split("\n\n"))
        rows.append(f"| `{error.__name__}` | {meaning} | {remedy} |")
    return "\n".join(rows)


def _in_markdown(text: str) -> str:
    linked = re.sub(r"docs/([\w-]+\.md)", r"[\1](\1)", text.replace("``", "`"))
    return " ".join(linked.split())


def _input(table: InputTable) -> str:
    rows = [f"| `{column.name}` | {_fits(column)} | {column.meaning} |" for column in table.columns]
    head = f"### {table.name}.csv\n\nOne row: {table.row}."
    return "\n".join([head, "", "| column | holds | meaning |", "|---|---|---|", *rows])


def _fits(column: InputColumn) -> str:
    kinds = {"truth": "true or false", "day": "study day, no 0", "whole": "whole number", "date": "year-month-day"}
    kinds["time"] = "hours:minutes"
    words = ", ".join(column.kind) if isinstance(column.kind, tuple) else kinds.get(column.kind, column.kind)
    return words + ("; needed" if column.needed else "; the column may be left out" if column.optional else "")


def _columns() -> str:
    rows = [f"| `{name}` | {meaning} |" for name, meaning in COLUMNS.items()]
    optional = ", ".join(f"`{name}`" for name in OPTIONAL_COLUMNS)
    return "\n".join(["| column | meaning |", "|---|---|", *rows, "", f"These columns may be left out: {optional}."])


def _gates(methods: Methods) -> str:
    return "\n\n".join(_gate(name, methods) for name in sorted(methods))


def _gate(name: str, methods: Methods) -> str:
    schema, _ = gate_schema(name, methods[name])
    words = inspect.cleandoc(methods[name].__doc__ or "").partition("\n>>>")[0].strip().replace("``", "`")
    required = [key for key in schema["required"] if key != "method"]
    defaults = {key: option["default"] for key, option in schema["properties"].items() if "default" in option}
    arguments = [f"`{key}`" for key in required]
    arguments += [f"`{key}`" + ("" if value is None else f" ({value})") for key, value in defaults.items()]
    return f"#### {name}\n\n{words}\n\nArguments: {', '.join(arguments)}."


# JSON Schemas of the YAML files, so that an editor completes and explains them while they are written.

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schemas(methods: Methods) -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas (draft 2020-12) by file name; the strategy's lists the gate methods with their arguments.

    >>> sorted(json_schemas({}))
    ['cp-map.schema.json', 'panel.schema.json', 'strategy.schema.json', 'study.schema.json']
    """
    strategy = _schema(StrategySpec, "immunomon gating strategy")
    _add_gates(strategy, methods)
    return {
        "cp-map.schema.json": _schema(CpMapSpec, "immunomon map of populations to CDISC's tests"),
        "panel.schema.json": _schema(PanelSpec, "immunomon panel"),
        "strategy.schema.json": strategy,
        "study.schema.json": _schema(StudySpec, "immunomon study"),
    }


def _schema(model: type[SpecModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    for key, info in model.model_fields.items():  # pydantic leaves the description of a referred model to that model
        schema["properties"][info.alias or key].setdefault("description", info.description)
    return {"$schema": _DIALECT, **schema, "title": title}


def _add_gates(schema: dict[str, Any], methods: Methods) -> None:
    definitions = schema["$defs"]
    kinds = []
    for name in sorted(methods):
        kind, used = gate_schema(name, methods[name])
        definitions |= {f"Gate_{name}": kind, **used}
        kinds.append({"$ref": f"#/$defs/Gate_{name}"})
    definitions["Gate"] = {
        "title": "Gate",
        "description": "A gate method with its arguments.",
        **({"anyOf": kinds} if kinds else {"type": "object", "required": ["method"]}),
    }
    gate: Mapping[str, Any] = {"$ref": "#/$defs/Gate"}
    schema["properties"]["gates"]["additionalProperties"] = gate
    population = definitions["PopulationSpec"]["properties"]
    population["gate"] = {
        "title": "Gate",
        "description": population["gate"]["description"],
        "anyOf": [{"type": "string"}, gate],
    }


def write_schemas(folder: Path, *, methods: Methods) -> tuple[Path, ...]:
    """Write the JSON Schemas into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in json_schemas(methods).items():
        path = folder / name
        text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        write_whole(path, text)
        written.append(path)
    return tuple(written)


def write_docs(docs: Path) -> None:
    """Write ``schemas/``, the made parts of the documents, and the rules of deliveries."""
    for path in write_schemas(docs / "schemas", methods=GATE_METHODS):
        typer.echo(f"wrote {path}")
    for name in (
        "architecture.md",
        "file-formats.md",
        "assessments.md",
        "statistics.md",
        "mechanism.md",
        "atlas.md",
        "trust.md",
        "errors.md",
        "how-well.md",
    ):
        write_file_formats(docs / name, methods=GATE_METHODS)
        typer.echo(f"wrote {docs / name}")
    write_rules_document(docs / "delivery-rules.md")
    typer.echo(f"wrote {docs / 'delivery-rules.md'}")


if __name__ == "__main__":
    write_docs(Path("docs"))
