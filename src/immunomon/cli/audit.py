"""``immunomon audit`` and ``immunomon lock``: what can be proven of a run, and freezing it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from immunomon.api.auditing import AuditedRun, database_of, trail_entries, trail_head
from immunomon.api.auditing import audit_database as audited_database
from immunomon.api.auditing import audit_run as audited_run
from immunomon.api.locking import lock_run, record_review, review_trail
from immunomon.cli.app import ByOption, ReasonOption, RunArgument, StudyOption, app
from immunomon.errors import counted

__all__ = ["audit", "audit_database", "audit_run", "lock", "say_noted"]

# ``immunomon audit URL``: every row of a database held against the seals of the exports that brought it.


def audit_database(source: str, *, entries: bool, head: str | None = None) -> int:
    """Print what in a database does not fit, or that everything does; return 0 if it does, else 1.

    head: one that was printed earlier and written down elsewhere; the chain of seals must still hold it.
    """
    audited = audited_database(source, head=head)
    for seal in audited.chain if entries else ():
        subject = "entries of the audit trail" if seal.run_id is None else f"export {seal.run_id}"
        typer.echo(f"{seal.number:>5}  {seal.sealed_at_utc:%Y-%m-%d %H:%M:%S}  {seal.study}  {subject}  {seal.hash}")
    for line in (*audited.notes, *audited.problems):
        typer.echo(line)
    if not audited.is_clean:
        typer.echo(f"{counted(len(audited.problems), 'problem')}: the database is not as its exports left it.")
        return 1
    if head is not None:
        typer.echo("The seal written down is there.")
    held = f"{counted(audited.rows, 'row')} held against {counted(audited.seals, 'seal')}"
    typer.echo(f"None changed: {held}. Head of the seals: {audited.head}")
    return 0


def say_noted(run: Path, what: str, unnoted: str, *, err: bool = False) -> None:
    """Say that something is in a run's trail, with its new head, or why it is not; nothing for a run without one.

    err: on standard error, where standard output holds JSON alone.
    """
    if unnoted:
        typer.echo(f"{what} was made, but {unnoted}", err=True)
    elif head := trail_head(run):
        typer.echo(f"Audit trail: {head}", err=err)


@app.command()
def audit(
    source: Annotated[
        str,
        typer.Argument(help="The run folder, or the URL (SQLite: or file) of a database that runs were exported to."),
    ],
    entries: Annotated[
        bool, typer.Option("--list", help="Print every entry of the trail, or every seal, too.")
    ] = False,
    head: Annotated[
        str | None, typer.Option("--head", help="A head printed earlier, written down elsewhere: number:hash.")
    ] = None,
    study: StudyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Of a run folder: as JSON.")] = False,
    review: Annotated[
        bool, typer.Option("--review", help="Of a run folder: what is new since the last review, and what is unusual.")
    ] = False,
    by: Annotated[str, typer.Option("--by", help="With --review: enter into the trail that this person did.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="With --by: what was made of it.")] = "",
) -> int:
    """Verify a run's trail, its files and what it was made from, or every row of a database. Exit 1 if any changed."""
    if database := database_of(source):
        return audit_database(database, entries=entries, head=head)
    if review:
        return _review(Path(source), by=by, reason=reason)
    return audit_run(Path(source), entries=entries, head=head, study=study, as_json=as_json)


def _review(run: Path, *, by: str, reason: str) -> int:
    found = review_trail(run)
    last = found.reviewed
    since = "never" if last is None else f"{last['utc']} by {last['by']} (entry {last['number']})"
    typer.echo(f"Last reviewed: {since}. Since then {counted(len(found.entries), 'entry', 'entries')}:")
    for entry in found.entries:
        typer.echo(f"  {_line(entry)}")
    for unusual in found.unusual:
        numbers = ", ".join(map(str, unusual.entries[:8])) + (" ..." if len(unusual.entries) > 8 else "")
        typer.echo(f"  UNUSUAL (entry {numbers}): {unusual.what}")
    if not found.unusual:
        typer.echo("Nothing unusual: no decision after results were seen or after the lock, none without a reason.")
    if not by:
        typer.echo("To enter that it was reviewed, add --by NAME" + (" --reason TEXT" if found.unusual else ""))
        return 0
    record_review(run, found, by=by, note=reason)
    typer.echo(f"Reviewed by {by}. Audit trail: {trail_head(run)}")
    return 0


def _line(entry: Mapping[str, Any]) -> str:
    about = entry.get("target") or entry.get("digest") or ""
    why = f": {entry['reason']}" if entry.get("reason") else ""
    return f"{entry['number']:>5}  {entry['utc']}  {entry['by']}  {entry['action']}  {about}{why}"


def audit_run(
    run: Path, *, entries: bool, head: str | None = None, study: Path | None = None, as_json: bool = False
) -> int:
    """Print what does not fit, or that everything does, and what was not looked at; return 0 if all fits, else 1.

    head: one that was printed earlier and written down elsewhere; the trail must still hold it. study: the study's
    folder, if it is not the one above the run.
    """
    audited = audited_run(run, study=study, head=head)
    if as_json:
        typer.echo(json.dumps(_plain(audited), indent=1))
        return 0 if audited.is_clean else 1
    for entry in trail_entries(run) if entries else ():
        typer.echo(_line(entry))
    for problem in audited.problems:
        typer.echo(problem)
    _say("Looked at", audited.looked_at)
    _say("Not looked at", audited.not_looked_at)
    if not audited.is_clean:
        number = counted(len(audited.problems), "problem")
        typer.echo(f"{number}: the run, or what it was made from, is not as recorded.")
        return 1
    if audited.entries_after is not None:
        later = counted(audited.entries_after, "entry", "entries")
        typer.echo(f"The entry written down is there; {later} came after it.")
    typer.echo(f"None changed; everything that was looked at is as recorded. Audit trail: {trail_head(run)}")
    return 0


def _plain(audited: AuditedRun) -> dict[str, Any]:
    plain = asdict(audited)
    return {name: plain[name] for name in ("problems", "looked_at", "not_looked_at", "head")}


def _say(title: str, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines):
        typer.echo(f"{title}: {line}" if number == 0 else f"{' ' * len(title)}  {line}")


@app.command()
def lock(
    run: RunArgument,
    reason: ReasonOption,
    by: ByOption,
    approved: Annotated[
        bool, typer.Option("--approved", help="Only if every sample was approved at the review desk.")
    ] = False,
) -> int:
    """Freeze a run: its strategies, overrides and gates; a later change needs a reason and lists what moved."""
    digest = lock_run(run, reason=reason, by=by, approved=approved)
    typer.echo(f"Locked. Everything its tables depend on: {digest}")
    typer.echo("A later change needs: immunomon run STUDY --reason ... --by ...; it lists every value that moved.")
    typer.echo(f"Audit trail: {trail_head(run)}")
    return 0
