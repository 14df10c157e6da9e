"""``make docs``: JSON Schemas of the YAML files, and the made parts of the documents, written again from the code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from immunomon.cli.formats import write_file_formats
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.gatecall import Methods, gate_schema
from immunomon.cytometry.specs.strategy import StrategySpec
from immunomon.files import write_whole
from immunomon.outputs.conformance.registry import write_rules_document
from immunomon.outputs.cp_map import CpMapSpec
from immunomon.shape import SpecModel
from immunomon.study.specs.panel import PanelSpec
from immunomon.study.specs.study import StudySpec

__all__ = ["json_schemas", "write_docs", "write_schemas"]

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
    ):
        write_file_formats(docs / name, methods=GATE_METHODS)
        typer.echo(f"wrote {docs / name}")
    write_rules_document(docs / "delivery-rules.md")
    typer.echo(f"wrote {docs / 'delivery-rules.md'}")


if __name__ == "__main__":
    write_docs(Path("docs"))
