"""``make docs``: the schemas and the made parts of the documents, written again from the code."""

from __future__ import annotations

from pathlib import Path

import typer

from immunomon.cli.formats import write_file_formats
from immunomon.cli.schemas import write_schemas
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.outputs.conformance.document import write_rules_document

__all__ = ["write_docs"]


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
