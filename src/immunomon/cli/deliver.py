"""``immunomon deliver``: a run becomes files for a data manager, a repository or a sponsor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.delivering import Delivered, deliver_run
from immunomon.cli.app import RunArgument, StudyOption, app
from immunomon.cli.audit import say_noted
from immunomon.cli.check_delivery import report_json, said_of
from immunomon.cli.saying import JsonOption, say_json
from immunomon.errors import counted

__all__ = ["deliver"]


@app.command()
def deliver(
    run: RunArgument,
    kind: Annotated[
        str,
        typer.Option("--as", help="csv, excel, redcap, immport, sdtm, adam, dataset-json or miflowcyt."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the delivery.")],
    study: StudyOption = None,
    previous: Annotated[
        Path | None, typer.Option("--previous", help="The delivery before, to say what is new, changed or withdrawn.")
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="Mark it as a test transfer.")] = False,
    key: Annotated[
        Path | None,
        typer.Option(
            "--blinded",
            help="No dose and no dates; subjects, visits, panels and samples under codes, kept in this file.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Deliver a run as files with a manifest: tables, SDTM, ADaM, Dataset-JSON, REDCap, ImmPort, MIFlowCyt."""
    codes_known = key is not None and key.is_file()
    made = deliver_run(run, out, kind=kind, study=study, previous=previous, test=test, key=key)
    if as_json:
        told = {name: getattr(made, name) for name in _TOLD}
        say_json("deliver", kind=kind, key=key, **told, broken=made.broken, check=report_json(made.checked))
    for line in () if as_json else _lines(made, kind, key, codes_known=codes_known):
        typer.echo(line)
    if made.broken:
        typer.echo(
            f"This delivery is not ready to leave: it breaks {', '.join(made.broken)}. "
            f"See immunomon check-delivery {out}; mend what it names, and deliver again.",
            err=True,
        )
    if not made.unchanged:
        say_noted(run, "The delivery", made.unnoted, err=as_json)
    return 1 if made.broken else 0


_TOLD = ("folder", "unchanged", "records", "absent", "blanks", "guides", "differences", "unnoted")


def _lines(made: Delivered, kind: str, key: Path | None, *, codes_known: bool) -> Iterator[str]:
    outcome = "already holds this delivery; nothing was changed" if made.unchanged else f"{kind}, with a manifest"
    yield f"{made.folder}: {outcome}"
    if key is not None:
        yield f"Blinded. The key is in {key}: keep it apart, and never send it with the transfer."
    if codes_known:
        yield "Its codes are those of the transfers before: who has both sees which samples came later."
    width = max(map(len, made.records), default=0)
    for name, records in made.records.items():
        yield f"  {name:<{width}} {records:>9,} {'record' if records == 1 else 'records'}"
    for name, reason in made.absent.items():
        yield f"  {name:<{width}}    absent: {reason}"
    if made.blanks:
        yield f"No value at all in: {', '.join(made.blanks)}."
    for file, blanks in made.guides.items():
        yield f"Draft of a reviewer's guide: {file}, with {counted(len(blanks), 'blank')} to fill in."
    if made.differences is not None:
        kinds = ("new", "changed", "withdrawn")
        records_of = {k: {(each.dataset, each.key) for each in made.differences if each.kind == k} for k in kinds}
        numbers = ", ".join(f"{len(keys)} {name}" for name, keys in records_of.items())
        yield f"Records against the previous delivery: {numbers}; see differences.txt and differences.csv."
    yield f"Checked by {said_of(made.checked)}"
