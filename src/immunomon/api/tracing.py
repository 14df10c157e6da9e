"""Trace: the whole way of a number, from its file to what was delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from immunomon.outputs.trace.trace import Asked, trace

__all__ = ["Asked", "misfits", "trace_number"]


def trace_number(
    source: str | Path,
    *,
    subject: str,
    visit: str,
    population: str,
    denominator: str | None = None,
    panel: str | None = None,
    study: str | Path | None = None,
    delivery: str | Path | None = None,
) -> dict[str, Any]:
    """Return the whole way of a number, from its file to what was delivered, as ``immunomon trace --json`` prints it.

    source: a run folder or a database's URL. denominator, panel: of these only; default: all. study: the
    folder of the run's study, or the study's name in the database. delivery: a delivery's folder, whose records of the
    number are added. Raises ImmunomonError for what there is not.
    """
    number = Asked(subject, visit, population, denominator, panel)
    if "://" in str(source):
        record, folder = _from_database(str(source), number, None if study is None else str(study)), None
    else:
        folder = None if study is None else Path(study)
        record = _from_run(Path(source), number, folder)
    if delivery is not None:
        from immunomon.outputs.trace.delivery import delivered

        record["delivery"] = delivered(Path(delivery), record, folder)
    return record


def _from_run(run: Path, query: Asked, study: Path | None) -> dict[str, Any]:
    from immunomon.outputs.trace.of_run import RunRecords

    return trace(RunRecords(run, study), query)


def _from_database(source: str, query: Asked, study: str | None) -> dict[str, Any]:
    from immunomon.outputs.database.connection import database_url, reading, shown
    from immunomon.outputs.trace.of_run import DatabaseRecords

    url = database_url(source, "trace in")
    with reading(url) as connection:
        return trace(DatabaseRecords(connection, shown(url), study), query)


def misfits(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not fit on the way of a number, a sentence each."""
    for number in record["numbers"]:
        yield from number["seal"]
        for name in ("worked_out", "absolute"):
            if (number[name] or {}).get("agrees") is False:
                yield f"{number['sample']['sample_id']}: {number[name]['formula']}, but the table says otherwise"
        if "OTHER BYTES" in number["file_now"]:
            yield f"{number['sample']['file']}: it is not the file that was gated"
    for row in (*record["changes"], *record["responses"]):
        if not row["worked_out"]["agrees"]:
            message = f"{row['population']} of {row['denominator'] or 'blood'}"
            yield f"{message}: {row['worked_out']['formula']}, but the table says otherwise"
    delivery = record.get("delivery") or {}
    yield from (
        f"{delivery['folder']}: {name} was changed after the delivery" for name in delivery.get("changed_files", ())
    )
    if delivery and delivery["trail_entry"] is None:
        message = "no entry of the trail has its manifest: it was changed, or is of another run folder"
        yield f"{delivery['folder']}: {message}"
