"""The body of ``immunomon check-delivery``: a delivery held against every rule, said as a table or as JSON."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from immunomon.api.delivering import RULES, Breach, Report
from immunomon.api.delivering import check_delivery as held_against_rules
from immunomon.cli.app import app
from immunomon.errors import counted

__all__ = ["check_delivery", "report_json", "said_of"]

_FEW = 5  # findings that the table shows of a rule
_WIDE = 150  # letters of a line where nobody looks at a terminal


@app.command("check-delivery")
def check_delivery(
    folder: Annotated[Path, typer.Argument(help="The delivery's folder.")],
    beside: Annotated[
        Path | None,
        typer.Option("--beside", help="The same delivery in another form: its values are compared with these."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Show every finding, not the first five of each rule.")] = False,
) -> int:
    """Check a delivery against the rules of docs/delivery-rules.md; exit status 1 if a rule of severity error fails."""
    report = held_against_rules(folder, beside)
    if as_json:
        typer.echo(json.dumps(report_json(report), indent=1, ensure_ascii=False))
    else:
        _say(report, None if every else _FEW)
    return 1 if report.of("error") else 0


def report_json(report: Report) -> dict[str, object]:
    """Return a report for machines."""
    return {
        "format": "immunomon.delivery-check/1",
        "delivery": str(report.folder),
        "files": report.files,
        "records": report.records,
        "errors": len(report.of("error")),
        "warnings": len(report.of("warning")),
        "findings": [
            {
                "rule": breach.rule,
                "severity": breach.severity,
                "says": RULES[breach.rule].says,
                "dataset": breach.where,
                "record": breach.record,
                "what": breach.message,
                "remedy": breach.remedy,
            }
            for breach in report.breaches
        ],
        "more_findings": dict(report.untold),
        "rules_run": list(report.run),
        "rules_not_applicable": dict(report.not_applicable),
    }


def said_of(report: Report) -> str:
    """Return in a sentence how many rules were checked over what, and how many were broken."""
    rules = {kind: len({breach.rule for breach in report.of(kind)}) for kind in ("error", "warning")}
    broken = " and ".join(f"{count} of severity {kind}" for kind, count in rules.items() if count)
    idle = f" ({len(report.not_applicable)} had nothing to look at)" if report.not_applicable else ""
    over = f"{counted(report.records, 'record')} in {counted(report.files, 'file')}"
    rules_run = counted(len(report.run), "rule")
    return f"{rules_run}{idle} over {over}: {f'broken are {broken}' if broken else 'none is broken'}."


def _say(report: Report, most: int | None) -> None:
    plain = Console()
    console = plain if plain.is_terminal else Console(width=_WIDE)
    if report.breaches:
        console.print(_table(report, most))
    typer.echo(f"{report.folder}: {said_of(report)}")
    reasons = Counter(report.not_applicable.values())
    for reason, count in sorted(reasons.items()):
        numbers = [number for number, why in report.not_applicable.items() if why == reason]
        typer.echo(f"  not applicable, {reason}: {_ranges(numbers)}{f' ({count} rules)' if count > 1 else ''}")


def _table(report: Report, most: int | None) -> Table:
    table = Table(show_edge=False, pad_edge=False, expand=False)
    for name, most_letters in (("rule", 5), ("severity", 8), ("dataset", 24), ("record", 34)):
        table.add_column(name, max_width=most_letters, overflow="fold")
    for name in ("what is wrong", "what to do"):
        table.add_column(name, overflow="fold", ratio=1)
    for number in report.broken:
        breaches = [breach for breach in report.breaches if breach.rule == number]
        for breach in breaches[:most]:
            table.add_row(*_row(breach))
        more = len(breaches[most:] if most is not None else []) + report.untold.get(number, 0)
        if more:
            table.add_row(number, "", "", "", f"and {more:,} more; --all shows more, --json too", "")
    return table


def _row(breach: Breach) -> list[Text]:
    colour = "red" if breach.severity == "error" else "yellow"
    # Plain texts: what a stranger's file holds is no markup.
    styled = Text(breach.severity, style=colour)
    return [
        Text(breach.rule),
        styled,
        Text(breach.where),
        Text(breach.record),
        Text(breach.message),
        Text(breach.remedy),
    ]


def _ranges(numbers: list[str]) -> str:
    """Return rule numbers, those that follow each other as a range.

    >>> _ranges(["CP005", "CP006", "CP007", "DM001"])
    'CP005-CP007, DM001'
    """
    ordered, runs = sorted(RULES), list[list[str]]()
    for number in sorted(numbers):
        last = runs[-1][-1] if runs else ""
        follows = last[:2] == number[:2] and last and ordered.index(number) == ordered.index(last) + 1
        if follows:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
