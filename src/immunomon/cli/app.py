"""The ``immunomon`` command itself: what every command is registered with, and the options that several share."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

import typer

from immunomon.errors import nearest

__all__ = ["DataOffset", "DataSet", "Jobs", "app", "one_of"]

app = typer.Typer(
    name="immunomon",
    help="Flow cytometry and immune monitoring: FCS files in, subset frequencies and their change from baseline out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Files worked on at once; default: one a processor.")
]


def _data_set(given: str) -> int | None:
    if given.casefold() == "auto":
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,5}", given):
        raise typer.BadParameter(f"'{given[:20]}' is no data set; they are counted from 1, or write auto")
    return int(given)


def one_of(kinds: object) -> dict[str, Any]:
    """Return what lets an option be one of some words, a Literal: its help lists them, a refusal names the nearest.

    >>> from typing import Literal
    >>> one_of(Literal["database", "anndata"])["metavar"]
    '[database|anndata]'
    """
    known = get_args(kinds)

    def parsed(given: str) -> str:
        if given not in known:
            raise typer.BadParameter(f"there is no '{given}'; {nearest(given, known)}")
        return given

    return {"parser": parsed, "metavar": f"[{'|'.join(known)}]"}


DataSet = Annotated[
    Any,
    typer.Option(
        "--data-set",
        parser=_data_set,
        metavar="N|auto",
        help="Which one of several; auto (default): the first with events, of an LMD's the FCS 3.0 one.",
    ),
]
DataOffset = Annotated[
    Any,
    typer.Option(
        "--data-offset",
        help="Whose word on where DATA begins, if HEADER and TEXT disagree and the values do not tell.",
        **one_of(Literal["header", "text"]),
    ),
]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        from immunomon import __version__

        typer.echo(f"immunomon {__version__}")
        raise typer.Exit
