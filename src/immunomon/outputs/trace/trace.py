"""The whole way of a number: file, panel, matrix, scales, gates, decisions, counts, formula, verdict, what left."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from immunomon.cytometry.kernels.proportions import logit_interval, wilson
from immunomon.cytometry.model.geometry import gate_from_dict
from immunomon.cytometry.model.scales import scale_from_dict
from immunomon.errors import ImmunomonError, nearest
from immunomon.runs.moved_borders import declared
from immunomon.study.model.uses import tube_of

__all__ = ["Asked", "Record", "Records", "trace"]

Record = Mapping[str, Any]
_ROOT = "root"
_ALIKE = 1e-9  # relative: the same formula in another order of operations


@dataclass(frozen=True)
class Asked:
    """Whose number, of when, and which; a denominator or a panel narrows it, without them all are told."""

    subject: str
    visit: str
    population: str
    denominator: str | None = None
    panel: str | None = None


class Records(Protocol):
    """What keeps a run's numbers: its folder, or a database that it was exported to."""

    def about(self) -> Record:
        """Return what made the run: digests, versions, times, inputs, limits."""

    def rows(self, table: str, **equal: str) -> list[Record]:
        """Return the rows of a table whose columns have these values, missing values as None."""

    def gates(self, sample_id: str) -> Record | None:
        """Return the axes and the populations' placed gates of a sample, parents first; None if it has none."""

    def matrix(self, sample_id: str) -> Record | None:
        """Return the spillover matrix that was used: detectors and values; None where it is not known or none was."""

    def panel(self, name: str) -> Sequence[Record]:
        """Return the markers of a panel with their detectors, empty where they are not known."""

    def file(self, sample: Record) -> str:
        """Return what can be said of the FCS file's bytes now."""

    def entries(self) -> Sequence[Record]:
        """Return the entries of the audit trail, oldest first."""

    def seal(self, sample_id: str) -> Sequence[str]:
        """Return what does not fit of the trail, and of the files that a sample's numbers stand in."""


def trace(records: Records, question: Asked) -> dict[str, Any]:
    """Return the way of every number that was asked for, as plain data.

    A visit without a sample has its changes, which say what is missing. Raises ImmunomonError, naming the nearest, for
    a subject, visit, population, denominator or panel that the run does not have.
    """
    whose = {"subject": question.subject, "visit": question.visit}
    changes = records.rows("changes", **whose, population=question.population)
    if question.panel:
        changes = [row for row in changes if question.panel in str(row["panel"]).split("/")]
    if question.denominator:
        changes = [row for row in changes if row["denominator"] in {question.denominator, None}]
    samples = [row for row in records.rows("samples", **whose) if question.panel in {None, row["panel"]}]
    numbers = [
        _number(records, sample, frequency)
        for sample in samples
        for frequency in records.rows("frequencies", sample_id=sample["sample_id"], population=question.population)
        if question.denominator in {None, frequency["denominator"]}
    ]
    is_other_quantity = question.denominator is not None and all(row["denominator"] is None for row in changes)
    if not numbers and (is_other_quantity or not changes):
        raise ImmunomonError(_unknown(records, question))
    return {
        "asked": {"subject": question.subject, "visit": question.visit, "population": question.population},
        "run": dict(records.about()),
        "numbers": numbers,
        "changes": [{**row, "worked_out": _difference(row, ("value", "baseline", "change"))} for row in changes],
        "responses": list(_responses(records, question)),
        "audit": _trail(records),
        "deliveries": _entries(records, "deliver"),
        "exports": _entries(records, "export"),
    }


def _entries(records: Records, action: str) -> list[dict[str, Any]]:
    return [dict(record) for record in records.entries() if record.get("action") == action]


def _responses(records: Records, question: Asked) -> Iterator[dict[str, Any]]:
    """Yield what the population makes because of a stimulus: with it, without it, and the difference."""
    for row in _optional(
        records, "responses", subject=question.subject, visit=question.visit, population=question.population
    ):
        if question.panel in {None, row["panel"]} and question.denominator in {None, row["denominator"]}:
            yield {**row, "worked_out": _difference(row, ("percent", "unstimulated_percent", "net_percent"))}


def _difference(row: Record, names: tuple[str, str, str]) -> dict[str, Any]:
    """Return a difference worked out again, and whether the table says the same; names: minuend, subtrahend, result."""
    value, before, stated = (row[name] for name in names)
    if stated is None or value is None or before is None:
        return {"formula": "no difference: a side of it is missing or not reportable", "agrees": stated is None}
    return {
        "formula": f"{value:.10g} - {before:.10g} = {value - before:.10g}",
        "agrees": _alike(value - before, stated),
    }


def _optional(records: Records, table: str, **equal: str) -> list[Record]:
    """Return the rows of a table that not every run has."""
    try:
        return records.rows(table, **equal)
    except ImmunomonError:
        return []


def _unknown(records: Records, question: Asked) -> str:
    """Return what of it the run does not have, with the nearest that it has."""
    samples, frequencies = records.rows("samples"), records.rows("frequencies", subject=question.subject)
    known = {
        "subject": {row["subject"] for row in samples},
        "visit": _by_day(records, {row["visit"] for row in samples}),
        "panel": {row["panel"] for row in samples},
        "population": {row["population"] for row in frequencies},
        "denominator": {row["denominator"] for row in frequencies if row["population"] == question.population},
    }
    for name, names in known.items():
        value, there = getattr(question, name), list(filter(None, names))
        if value is not None and value not in there:
            return f"there is no {name} '{value}' in the run; {nearest(value, there, in_order=name == 'visit')}"
    return (
        f"nothing of {question.subject} at {question.visit} has a number of '{question.population}'; "
        "see the table 'samples'"
    )


def _by_day(records: Records, visits: Collection[str | None]) -> list[str | None]:
    """Return visits in the order of their planned days."""
    days = {row["visit"]: row["planned_day"] for row in records.rows("changes")}
    return sorted(visits, key=lambda visit: (days.get(visit) or 0, str(visit)))


def _number(records: Records, sample: Record, frequency: Record) -> dict[str, Any]:
    sample_id, panel = str(sample["sample_id"]), str(sample["panel"])
    about, placed = records.about(), records.gates(sample_id)
    rows = {str(row["population"]): row for row in records.rows("populations", sample_id=sample_id)}
    quantity = (str(frequency["population"]), str(frequency["denominator"]))
    inputs: Mapping[str, str] = about.get("inputs") or {}
    return {
        "sample": dict(sample),
        "file_now": records.file(sample),
        "panel": {
            "name": panel,
            "markers": list(records.panel(panel)),
            "digest": inputs.get(_input(inputs, "panels", tube_of(panel))),
        },
        "strategy": {
            "name": sample["strategy"],
            "digest": inputs.get(_input(inputs, "gating", str(sample["strategy"]))),
        },
        "matrix": records.matrix(sample_id),
        "gates": [] if placed is None else list(_gates(placed, quantity, rows)),
        "decisions": [
            dict(record) for record in records.entries() if f" {sample_id} " in f" {record.get('target', '')} "
        ],
        "quality": [dict(row) for row in records.rows("quality", sample_id=sample_id)],
        "frequency": dict(frequency),
        "worked_out": _worked_out(frequency),
        "absolute": _absolute(sample, rows, quantity[0]),
        "medians": [dict(row) for row in records.rows("medians", sample_id=sample_id, population=quantity[0])],
        "normalised": _normalised(records, sample_id, quantity),
        "seal": list(records.seal(sample_id)),
    }


def _normalised(records: Records, sample_id: str, quantity: Sequence[str]) -> list[dict[str, Any]]:
    """Return what a normalisation of the run made of the number and its medians, if there was one."""
    of_it = {"sample_id": sample_id, "population": quantity[0]}
    frequencies = _optional(records, "normalised_frequencies", **of_it, denominator=quantity[1])
    return [dict(row) for row in (*frequencies, *_optional(records, "normalised_medians", **of_it))]


def _input(inputs: Mapping[str, str], folder: str, name: str) -> str:
    ends = (f"{folder}/{name}.yaml", f"{folder}/{name}.yml", f"/{name}.yaml", f"/{name}.yml")
    return next((path for end in ends for path in inputs if path.endswith(end)), "")


def _gates(placed: Record, populations: Sequence[str], rows: Mapping[str, Record]) -> Iterator[dict[str, Any]]:
    """Yield the gates from all events to the populations asked for, those that boolean gates refer to among them."""
    gates = {str(population["population"]): population for population in placed["populations"]}
    needed, waiting = set(), list(populations)
    while waiting:
        name = waiting.pop()
        if name in gates and name not in needed:
            needed.add(name)
            waiting += [str(gates[name]["parent"]), *map(str, (gates[name]["gate"] or {}).get("of", ()))]
    for name, item in gates.items():
        if name in needed:
            used = set(_words(item["gate"]))
            axes = {axis: how for axis, how in placed["axes"].items() if axis in used}
            row = rows.get(name, {})
            counts = {"count": row.get("count"), "parent_count": row.get("parent_count")}
            written = {"in_units": list(_in_units(item["gate"], axes)), "as_override": _as_override(item["gate"], axes)}
            yield {**item, "axes": axes, **written, **counts}


def _words(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _words(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _words(part)


def _in_units(gate: Record | None, axes: Mapping[str, Record]) -> Iterator[dict[str, Any]]:
    """Yield the borders of intervals and rectangles as the cytometer counts, compensated."""
    sides = [] if gate is None else gate.get("sides", [gate] if gate["kind"] == "interval" else [])
    for side in sides:
        scale = scale_from_dict(axes[side["axis"]]["scale"]) if side["axis"] in axes else None
        ends = {end: side[end] for end in ("low", "high") if side[end] is not None}
        if scale is not None:
            yield {"axis": side["axis"], **{end: float(scale.inverse(value)) for end, value in ends.items()}}


def _as_override(gate: Record | None, axes: Mapping[str, Record]) -> dict[str, Any] | None:
    """Return a gate as ``immunomon override --gate`` takes it; None for one without borders of its own."""
    if gate is None:
        return None
    try:
        scales = {axis: scale_from_dict(dict(how["scale"])) for axis, how in axes.items()}
        return declared(gate_from_dict(dict(gate)), scales)
    except (ImmunomonError, KeyError):
        return None


def _worked_out(row: Record) -> dict[str, Any]:
    """Return the percent and its intervals worked out again from the counts, and whether the table says the same."""
    count, total = row["count"], row["denominator_count"]
    if count is None or not total:
        formula = "no counts: there is nothing to divide"
        if row["percent"] is not None:  # imported so
            return {"formula": f"{formula}, the percent is as it was imported", "agrees": row["percent_low"] is None}
        return {"formula": formula, "agrees": True}
    percent = 100.0 * count / total
    result: dict[str, Any] = {"formula": f"100 x {count} / {total} = {percent:.10g} %", "percent": percent}
    if count <= total:
        low, high = wilson(count, total)
        result |= {"percent_low": 100 * float(low), "percent_high": 100 * float(high)}
        if row.get("percent_total_low") is not None:
            errors = [row.get(name) or 0.0 for name in ("gate_se", "border_se")]
            low, high = logit_interval(count, total, sum(error**2 for error in errors) ** 0.5)
            result |= {"percent_total_low": 100 * float(low), "percent_total_high": 100 * float(high)}
    names = [name for name in result if name != "formula"]
    return {**result, "agrees": all(_alike(result[name], row.get(name)) for name in names)}


def _alike(value: float, stated: float | None) -> bool:
    return stated is not None and abs(value - stated) <= _ALIKE * max(abs(value), 1.0)


def _absolute(sample: Record, rows: Mapping[str, Record], population: str) -> dict[str, Any] | None:
    row = rows.get(population)
    if row is None or row["cells_per_ul"] is None:
        return None
    absolute = {"cells_per_ul": row["cells_per_ul"], "method": row["cells_per_ul_method"], "agrees": None}
    by_beads, whole = row["cells_per_ul_method"] == "beads", rows.get("lymphocytes", {})
    lymphocytes, count = whole.get("cells_per_ul") if by_beads else sample.get("lymphocytes_per_ul"), whole.get("count")
    if lymphocytes is None or not count or (by_beads and population == "lymphocytes"):
        formula = "count / beads counted x beads added / volume, as the sample list or the gate says"
        return {**absolute, "formula": formula}
    value, how = lymphocytes * row["count"] / count, " (by beads)" if by_beads else ""
    formula = f"{lymphocytes:.10g} lymphocytes/uL{how} x {row['count']} / {count} lymphocytes = {value:.10g} cells/uL"
    return {**absolute, "formula": formula, "agrees": _alike(value, row["cells_per_ul"])}


def _trail(records: Records) -> dict[str, Any]:
    entries = records.entries()
    seal = next((entry for entry in reversed(entries) if entry.get("action") == "run"), None)
    if seal is None:
        return {"entries": len(entries), "run_entry": None, "head": None}
    return {
        "entries": len(entries),
        "run_entry": {name: seal.get(name) for name in ("number", "utc", "by", "user", "hash")},
        "head": f"{len(entries)}:{entries[-1].get('hash')}",
    }
