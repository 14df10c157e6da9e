"""The body of ``immunomon trace``: the whole way of a number, to read or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from immunomon.api.tracing import Asked, misfits, trace_number
from immunomon.cli.app import app
from immunomon.errors import counted

__all__ = ["show", "trace", "trace_lines"]

Plain = Mapping[str, Any]


@app.command()
def trace(
    source: Annotated[str, typer.Argument(help="The run folder, or the URL of a database it was exported to.")],
    subject: Annotated[str, typer.Option("--subject", help="Whose number.")],
    visit: Annotated[str, typer.Option("--visit", help="Of which visit.")],
    population: Annotated[str, typer.Option("--population", help="Of which population, by its id.")],
    denominator: Annotated[
        str | None, typer.Option("--denominator", help="Percent of this only; default: all.")
    ] = None,
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="Of this panel only; default: all.")] = None,
    study: Annotated[
        str | None,
        typer.Option("--study", help="The study's folder (default: above the run), or name in the database."),
    ] = None,
    delivery: Annotated[
        Path | None, typer.Option("--delivery", help="A delivery's folder: its records of the number too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> int:
    """Print a number's whole way, from file to delivery. Exit 1 if something on it does not fit."""
    query = Asked(subject, visit, population, denominator, panel)
    return show(source, query, study=study, delivery=delivery, as_json=as_json)


def show(source: str, query: Asked, *, study: str | None, delivery: Path | None, as_json: bool) -> int:
    """Print the way of the numbers asked for; return 0, or 1 if something on it does not fit.

    source: a run folder or a database's URL. study: the folder of the run's study, or the study's name in the database.
    Raises ImmunomonError for what there is not.
    """
    record = trace_number(source, **asdict(query), study=study, delivery=delivery)
    typer.echo(
        json.dumps(record, indent=1, ensure_ascii=False, default=str) if as_json else "\n".join(trace_lines(record))
    )
    return 1 if any(misfits(record)) else 0


def trace_lines(record: Plain) -> Iterator[str]:
    """Yield the lines of a trace."""
    query, run = record["asked"], record["run"]
    yield f"{query['population']} of {query['subject']} at {query['visit']}"
    yield f"Run        {run['where']}, digest {run['digest']}"
    yield f"           immunomon {run['version']}, code {(run.get('software') or {}).get('code_digest')}"
    yield f"           finished {run['finished_utc']}"
    if run.get("sealed"):
        yield f"Sealed     {run['sealed']}"
    for number in record["numbers"]:
        yield ""
        yield from _number(number)
    yield ""
    yield from _changes(record["changes"])
    yield from _responses(record["responses"])
    yield from _trail(record["audit"])
    yield from _left(record)
    yield from _delivery(record.get("delivery"))
    wrong = list(misfits(record))
    yield from (f"DOES NOT FIT: {misfit}" for misfit in wrong)
    if not wrong:
        yield "Everything on this way fits."


def _number(number: Plain) -> Iterator[str]:
    sample, row, panel = number["sample"], number["frequency"], number["panel"]
    yield f"== {row['label']} of {row['denominator']}, sample {sample['sample_id']} ({sample['role']})"
    yield f"File       {sample['file']}, SHA-256 {sample['sha256']}"
    state = f"{_given(sample['events'])} events, {sample['status']}{_why(sample['reason'])}"
    yield f"           {number['file_now']}; {state}"
    markers = ", ".join(f"{marker['name']} on {marker['detector']}" for marker in panel["markers"])
    yield f"Panel      {panel['name']} ({panel['digest'] or 'digest not known'}): {markers}"
    yield f"Strategy   {number['strategy']['name']} ({number['strategy']['digest'] or 'digest not known'})"
    yield from _matrix(number["matrix"])
    yield from _axes(number["gates"])
    for gate in number["gates"]:
        yield from _gate(gate)
    yield from _decisions(number["decisions"])
    yield from _result(row, number)


def _matrix(matrix: Plain | None) -> Iterator[str]:
    if matrix is None or "detectors" not in matrix:
        yield f"Matrix     {(matrix or {}).get('note') or 'none: the events were not compensated'}"
        return
    yield f"Matrix     source: {matrix['source']}; rows are fluorochromes, by {', '.join(matrix['detectors'])}"
    for name, values in zip(matrix["detectors"], matrix["values"], strict=True):
        yield f"           {name:<14} {' '.join(f'{value:8.5f}' for value in values)}"


def _axes(gates: list[Plain]) -> Iterator[str]:
    axes = {name: axis for gate in gates for name, axis in gate["axes"].items()}
    for position, (name, axis) in enumerate(axes.items()):
        scale = ", ".join(f"{key} {value:g}" for key, value in axis["scale"].items() if key != "kind")
        word, kind = "Scales" if position == 0 else "", axis["scale"]["kind"]
        yield f"{word:<10} {name} on {axis['detector']}: {kind} {scale}".rstrip()


def _gate(gate: Plain) -> Iterator[str]:
    yield f"Gate       {gate['path']}: {gate['count']} of {gate['parent_count']} events"
    if gate["gate"] is None:
        yield f"           not placed: {gate.get('failure')}"
        return
    shape = {name: value for name, value in gate["gate"].items() if name != "kind"}
    yield f"           {gate['gate']['kind']} {json.dumps(shape)}"
    for side in gate["in_units"]:
        ends = ", ".join(f"{end} {side[end]:.6g}" for end in ("low", "high") if end in side)
        yield f"           {side['axis']} in units of the cytometer, compensated: {ends}"
    if gate["as_override"] is not None:
        yield f"           as an override: {json.dumps(gate['as_override'])}"
    weight = "" if gate.get("own_weight") is None else f"; weight of its own estimate {gate['own_weight']:.3g}"
    errors = ", ".join(f"{name} +- {value:.3g}" for name, value in gate["errors"].items() if value is not None)
    yield f"           placed by {gate['method']}, {gate['source']}{weight}{'; ' + errors if errors else ''}"
    if gate.get("outlier") or gate["note"]:
        yield f"           {'its own estimate was out of line; ' if gate.get('outlier') else ''}{gate['note']}"


def _decisions(decisions: list[Plain]) -> Iterator[str]:
    for decision in decisions:
        description = f"{decision['action']} {decision['target']}, by {decision['by']}{_why(decision['reason'])}"
        yield f"Decision   entry {decision['number']}, {decision['utc']}: {description}"
        for name in ("before", "after"):
            if decision.get(name):
                yield f"           {name}: {json.dumps(decision[name])}"
    if not decisions:
        yield "Decision   none: no person moved a gate of this sample, dropped it or accepted a warning"


def _result(row: Plain, number: Plain) -> Iterator[str]:
    worked = number["worked_out"]
    counts = _given(row["count"]), _given(row["denominator_count"])
    yield f"Counts     {counts[0]} {row['population']}, {counts[1]} {row['denominator']}"
    yield f"Formula    {worked['formula']}; the table says {_given(row['percent'])}"
    if row["percent"] is not None:
        intervals = f"by counting {_span(row, 'percent')}; with the gates' errors {_span(row, 'percent_total')}"
        yield f"Interval   95 % {intervals}"
        yield f"           gates: {row['gate_se']}, borders: {row.get('border_se')} (standard errors of the log-odds)"
    if number["absolute"]:
        yield f"Absolute   {number['absolute']['formula']}; the table says {number['absolute']['cells_per_ul']}"
    quality = number["sample"].get("quality")
    bad = [
        f"{check['check']} {check['verdict']}: {check['reason']}" for check in number["quality"] if check.get("reason")
    ]
    yield f"Quality    {quality or 'not judged'}{'; ' + '; '.join(bad) if bad else ''}"
    yield f"Verdict    {'reportable' if row['reportable'] else 'NOT REPORTABLE'}{_why(row['reason'])}"
    yield from _medians(number)


def _span(row: Plain, name: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return "not known" if low is None or high is None else f"{low:.6g} to {high:.6g}"


def _why(reason: object) -> str:
    return f": {reason}" if reason else ""


def _changes(rows: list[Plain]) -> Iterator[str]:
    for row in rows:
        word = "to" if row["quantity"] == "ratio" else "of"
        quantity = f"{row['quantity']} {word} {row['denominator'] or 'blood'} ({row['panel']})"
        value = f"{_given(row['value'])}, baseline {_given(row['baseline'])}, change {_given(row['change'])}"
        yield f"Change     {quantity}: {value}; {row['status']}{_why(row['reason'])}"
        yield f"           {row['worked_out']['formula']}; baseline from {row['baseline_sample_id'] or 'no sample'}"


def _responses(rows: list[Plain]) -> Iterator[str]:
    for row in rows:
        yield f"Response   of {row['denominator']} ({row['panel']}), percentage points: {row['worked_out']['formula']}"
        for word, name in (("with", ""), ("without", "unstimulated_")):
            counts = f"{_given(row[f'{name}count'])} of {_given(row[f'{name}denominator_count'])}"
            yield f"           {word} stimulus {counts}, {row[f'{name}sample_id'] or 'no tube'}"
        net, p_value = (f"{_given(row[name])}" for name in ("net_percent", "p_value"))
        judged = "not judged" if row["positive"] is None else "positive" if row["positive"] else "not positive"
        yield f"           net {net}, 95 % {_span(row, 'net')}; p {p_value}, {judged}"
        yield f"           {'reportable' if row['reportable'] else 'NOT REPORTABLE'}{_why(row['reason'])}"


def _medians(number: Plain) -> Iterator[str]:
    for row in number["medians"]:
        bad = "" if row["reportable"] else f"; NOT REPORTABLE{_why(row['reason'])}"
        yield f"Median     {row['marker']} on {row['detector']}: {_given(row['median_intensity'])}{bad}"
    for row in number["normalised"]:
        name = "percent" if "normalised_percent" in row else "median_intensity"
        quantity = row.get("marker") or f"percent of {row.get('denominator')}"
        values = f"{_given(row[name])} -> {_given(row[f'normalised_{name}'])}"
        yield f"Normalised {quantity}: {values}{_why(row.get('reason'))}"


def _given(value: object) -> str:
    return "none" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _trail(audit: Plain) -> Iterator[str]:
    seal = audit["run_entry"]
    if seal is None:
        yield "Audit      the trail has no finished run"
        return
    yield f"Audit      sealed by entry {seal['number']}, {seal['utc']}, by {seal['by']}, hash {seal['hash']}"
    yield f"           {counted(audit['entries'], 'entry', 'entries')}, head {audit['head']}"


def _left(record: Plain) -> Iterator[str]:
    """Yield what left the run, in the order of the trail's entries."""
    for entry in sorted((*record["deliveries"], *record["exports"]), key=lambda entry: int(entry["number"])):
        description = f"{entry.get('target')}, manifest {entry.get('manifest')}"
        if entry["action"] == "export":
            seal = f", head of its seals {entry['seal']}" if entry.get("seal") else ""
            description = f"export to {entry.get('target')}{seal}{_why(entry['reason'])}"
        yield f"Left       entry {entry['number']}, {entry['utc']}, by {entry['by']}: {description}"


def _delivery(delivery: Plain | None) -> Iterator[str]:
    if delivery is None:
        return
    entry = delivery["trail_entry"]
    known = f"entry {entry['number']} of the trail, by {entry['by']}" if entry else "in no entry of this trail"
    of_run = "of this run" if delivery["of_this_run"] else "of ANOTHER run"
    yield f"Delivery   {delivery['folder']} ({delivery['kind']}), {of_run}, {known}"
    yield f"           manifest {delivery['manifest_sha256']}"
    for delivered in delivery["records"]:
        values = ", ".join(f"{name}={value}" for name, value in delivered.items() if name != "dataset")
        yield f"  {delivered['dataset']}: {values}"
    if not delivery["records"]:
        yield "           no record of it: this kind of delivery does not name samples, or leaves the quantity out"
