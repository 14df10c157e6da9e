"""``immunomon status``: how a run stands, from another terminal while it is going, or afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from immunomon.api.reviewing import progress_words
from immunomon.cli.app import RunArgument, StudyOption, app
from immunomon.cli.progress import WORDS
from immunomon.errors import counted
from immunomon.runs.status import Going, RunStatus, read_status

__all__ = ["status"]

_SHOWN = 20


@app.command()
def status(
    run: RunArgument,
    study: StudyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every failure.")] = False,
) -> int:
    """Say how far a run is: files, rate, time left, failures, what is stale and what renews it. Changes nothing."""
    now = read_status(run, study)
    if as_json:
        typer.echo(json.dumps(_plain(now), indent=1, default=str))
        return 0
    for line in (*_state(now), *_failures(now), *_stale(now)):
        typer.echo(line)
    return 0


def _plain(now: RunStatus) -> dict[str, Any]:
    plain = {"format": "immunomon.status/1", **asdict(now), "folder": str(now.folder)}
    if now.going is not None:
        plain["going"] |= {
            "events_per_second": now.going.events_per_second,
            "seconds_left": now.going.seconds_left if now.state == "going" else None,
        }
    return plain


def _state(now: RunStatus) -> Iterator[str]:
    if now.state == "going" and now.going is not None:
        process = f"process {now.going.process} on {now.going.host}"
        yield f"{now.folder}: going, {process}, since {_time(now.going.started_utc)}"
        yield f"  {_far(now.going)}{_left(now.going)}"
    elif now.state == "stopped":
        reason = (
            f"stopped ({now.stopped})" if now.stopped else "stopped without a word, as by kill -9 or a power failure"
        )
        heard = f", last heard of {_time(now.going.heard_utc)}" if now.going is not None else ""
        yield f"{now.folder}: {reason}{heard}. What was gated is kept. To go on: {now.command}"
        if now.going is not None:
            yield f"  {_far(now.going)}"
    if now.finished_utc:
        files = ", ".join(f"{number:,} {name}" for name, number in now.files.items()) or "none"
        earlier = "" if now.state == "finished" else "an earlier run "
        yield f"{now.folder}: {earlier}finished {_time(now.finished_utc)}; files: {files}" + (
            f"; {counted(now.events, 'event')}" if now.events is not None else ""
        )
    if now.review.get("samples"):
        remedy = (
            "" if now.review["approved"] == now.review["samples"] else f"; go on with: immunomon review {now.folder}"
        )
        yield f"  review: {progress_words(now.review)}{remedy}"
    if now.locked_utc:
        yield f"  locked {_time(now.locked_utc)}; a change needs --reason and --by"


def _time(utc: str) -> str:
    return f"{utc[:19].replace('T', ' ')} UTC"


def _far(going: Going) -> str:
    word = WORDS.get(going.stage, going.stage)
    kept = f" ({going.kept:,} more kept from before)" if going.kept else ""
    failed = f", {going.failed:,} failed" if going.failed else ""
    return f"{word}: {going.done:,} of {counted(going.total, 'file')}{kept}{failed}"


def _left(going: Going) -> str:
    rate = going.events_per_second
    events = f"; {counted(going.events, 'event')}, {rate:,.0f} a second" if rate is not None else ""
    left = going.seconds_left
    return events + (
        f"; about {_duration(left)} left of this step" if left is not None and going.stage != "tables" else ""
    )


def _duration(seconds: float) -> str:
    """Return seconds in words of a sensible size.

    >>> _duration(12.3), _duration(200), _duration(9000)
    ('12 s', '3 min 20 s', '2 h 30 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _failures(now: RunStatus) -> Iterator[str]:
    for name, reason in list(now.failures.items())[:_SHOWN]:
        yield f"  failed {name}: {reason}"
    if len(now.failures) > _SHOWN:
        yield f"  and {len(now.failures) - _SHOWN} more: --json names all"


def _stale(now: RunStatus) -> Iterator[str]:
    for line in now.changed[:_SHOWN]:
        yield f"Changed since: {line}"
    if len(now.changed) > _SHOWN:
        yield f"  and {len(now.changed) - _SHOWN} more: --json names all"
    if now.stale or now.changed:
        yield "Stale, with what renews it:"
    if now.changed:
        yield f"  the run itself: {now.command}"
    for made in now.stale:
        yield f"  {made.what}: {made.command}"
        yield from (f"    {reason}" for reason in made.reasons)
    fresh = [made.what for made in now.derived if not made.reasons]
    if fresh and now.state != "going":
        yield f"Up to date: {', '.join(fresh)}"
