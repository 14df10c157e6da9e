import json
from pathlib import Path

import pytest

from immunomon.cli.docs import json_schemas, write_schemas
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.study.specs.catalog import shipped_panels, shipped_strategies
from immunomon.yamlfile import read_yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = json_schemas(GATE_METHODS)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_schemas_in_docs_are_up_to_date(name):
    """If not: docs/schemas/README.md says how to make them again."""
    assert json.loads((ROOT / "docs/schemas" / name).read_text(encoding="utf-8")) == SCHEMAS[name]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_key_is_described(name):
    def undescribed(schema, path):
        if isinstance(schema, dict):
            properties = schema.get("properties")
            for key, one in properties.items() if isinstance(properties, dict) else ():
                if not one.get("description"):
                    yield f"{path}.{key}"
            for key, one in schema.items():
                yield from undescribed(one, f"{path}.{key}")

    assert list(undescribed(SCHEMAS[name], name)) == []


def test_the_strategy_s_schema_lists_every_gate_method():
    definitions = SCHEMAS["strategy.schema.json"]["$defs"]
    assert {f"Gate_{name}" for name in GATE_METHODS} <= set(definitions)
    assert "fallback" in definitions["Gate_valley"]["properties"]


def test_a_written_schema_is_the_schema(tmp_path):
    for path in write_schemas(tmp_path / "new", methods=GATE_METHODS):
        assert json.loads(path.read_text(encoding="utf-8")) == SCHEMAS[path.name]


@pytest.mark.parametrize("path", [*shipped_panels().values(), *shipped_strategies().values()], ids=str)
def test_every_shipped_file_names_a_schema_that_is_there_and_fits(path):
    jsonschema = pytest.importorskip("jsonschema")
    first = path.read_text(encoding="utf-8").splitlines()[0]
    schema = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(read_yaml(path).data)
