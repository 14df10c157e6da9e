"""``immunomon docs``: the pages of the documentation, which come with the program."""

from __future__ import annotations

import sys
from pathlib import PurePosixPath
from typing import Annotated

import typer

from immunomon.cli.app import app
from immunomon.errors import UnknownName, nearest
from immunomon.study.specs.catalog import shipped_folder

__all__ = ["docs"]


@app.command()
def docs(
    page: Annotated[
        str | None, typer.Argument(help="A page: trust, trust.md or docs/trust.md; default: list all.")
    ] = None,
) -> None:
    """List the pages of the documentation, or show one: what messages mean by docs/trust.md."""
    folder = shipped_folder("docs")
    pages = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.md"))}
    if page is None:
        for name, path in pages.items():
            typer.echo(f"{name:<24}{_title(path.read_text(encoding='utf-8'))}")
        typer.echo(f"Markdown files in {folder}; immunomon docs PAGE shows one.")
        return
    name = PurePosixPath(page.replace("\\", "/").removeprefix("docs/")).with_suffix("").as_posix()
    if name not in pages:
        raise UnknownName(f"there is no page '{name}'; {nearest(name, pages)}")
    _show(pages[name].read_text(encoding="utf-8"))
    typer.echo(f"This is {pages[name]}", err=True)


def _title(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("# ")).removeprefix("# ")


def _show(text: str) -> None:
    if not sys.stdout.isatty():
        typer.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
