"""``immunomon docs``: the pages of the documentation, which come with the program."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from immunomon.api.documentation import documentation_page, documentation_pages
from immunomon.cli.app import app

__all__ = ["docs"]


@app.command()
def docs(
    page: Annotated[
        str | None, typer.Argument(help="A page: trust, trust.md or docs/trust.md; default: list all.")
    ] = None,
) -> None:
    """List the documentation's pages, or show one, such as the docs/trust.md that a message names."""
    pages = documentation_pages()
    if page is None:
        for name, path in pages.items():
            typer.echo(f"{name:<24}{_title(path.read_text(encoding='utf-8'))}")
        typer.echo(f"Markdown files in {pages['index'].parent}; immunomon docs PAGE shows one.")
        return
    file = documentation_page(page)
    _show(file.read_text(encoding="utf-8"))
    typer.echo(f"This is {file}", err=True)


def _title(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("# ")).removeprefix("# ")


def _show(text: str) -> None:
    if not sys.stdout.isatty():
        typer.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
