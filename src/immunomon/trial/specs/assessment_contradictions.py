"""What the rows of a file of other assessments say against each other, or one column against another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from immunomon.errors import nearest
from immunomon.findings import shown
from immunomon.study.model.endpoints import Analyte

__all__ = ["Contradiction", "contradictions", "undeclared"]

Row = Mapping[str, Any]
Contradiction = tuple[int, str, str, str]
"""The line, the column, what is wrong, and the remedy."""
_MOST_PLATELETS_1E9_PER_L = (
    2000.0  # 9000 per microlitre is 9; no such count in 10^9/L is one of a patient to be treated
)
_MOST_CELLS_PER_ML = 1e6  # 5 * 10^9 cells in 5 L of blood: more than any dose


def contradictions(table: str, rows: Sequence[Row]) -> Iterator[Contradiction]:
    """Yield what the rows of a table contradict; rows: as read, with ``line``, in the order of the file.

    >>> test = {"subject": "S01", "timepoint": "before", "titre": 40.0, "result": "negative"}
    >>> rows = [{"line": 2, "study_day": 1, "date": None, **test}]
    >>> [contradiction[1:3] for contradiction in contradictions("antibodies", rows)]
    [('result', 'negative, but the titre is 40')]
    """
    for rule in _RULES.get(table, ()):
        yield from rule(rows)


def _platelets_per_ul(rows: Sequence[Row]) -> Iterator[Contradiction]:
    for row in rows:
        count = row["platelets_1e9_per_l"]
        if count is not None and count > _MOST_PLATELETS_1E9_PER_L:
            message = f"{count:g} * 10^9 per litre is hardly possible; in platelets per microlitre it would be"
            yield row["line"], "platelets_1e9_per_l", f"{message} {count / 1000:g}", "give 10^9 per litre"


def _cells_per_litre(rows: Sequence[Row]) -> Iterator[Contradiction]:
    for row in rows:
        for column in ("concentration_cells_per_ml", "lloq"):
            if (level := row[column]) is not None and level > _MOST_CELLS_PER_ML:
                message = f"{level:g} cells per mL is hardly possible; in cells per litre it would be {level / 1000:g}"
                yield row["line"], column, message, "give cells per mL"


def _limits(rows: Sequence[Row]) -> Iterator[Contradiction]:
    for row in rows:
        level, limit, below = row["concentration_cells_per_ml"], row["lloq"], row["below_quantification"]
        if level is None or limit is None:
            continue
        if below and level >= limit:
            message = f"{level:g} is not below the limit of quantification {limit:g}"
        elif not below and level < limit:
            message = (
                f"the concentration {level:g} is below the limit of quantification {limit:g}, but this is not true"
            )
        else:
            continue
        yield row["line"], "below_quantification", message, "correct one of them"


def _concentrations_at_one_time(rows: Sequence[Row]) -> Iterator[Contradiction]:
    """Two samples of a subject at one time: which of them an area goes through would depend on the rows' order."""
    first: dict[tuple[str, float], Row] = {}
    for row in rows:
        if row["concentration_cells_per_ml"] is None and not row["below_quantification"]:
            continue
        hours = row["planned_time_h"] if row["actual_time_h"] is None else row["actual_time_h"]
        earlier = first.setdefault((row["subject"], hours), row)
        if earlier is not row:
            column = "planned_time_h" if row["actual_time_h"] is None else "actual_time_h"
            message = f"{row['subject']} has another concentration at {hours:g} h, on line {earlier['line']}"
            yield row["line"], column, message, "correct the time, or keep one of the rows"


def _times_out_of_order(rows: Sequence[Row]) -> Iterator[Contradiction]:
    by_subject: dict[str, list[Row]] = {}
    for row in rows:
        if row["actual_time_h"] is not None:
            by_subject.setdefault(row["subject"], []).append(row)
    for samples in by_subject.values():
        ordered = sorted(samples, key=lambda row: row["planned_time_h"])
        for earlier, later in pairwise(ordered):
            if (
                later["actual_time_h"] < earlier["actual_time_h"]
                and later["planned_time_h"] > earlier["planned_time_h"]
            ):
                message = (
                    f"the sample planned at {later['planned_time_h']:g} h was taken at {later['actual_time_h']:g} h, "
                    f"before the one planned at {earlier['planned_time_h']:g} h (line {earlier['line']})"
                )
                yield later["line"], "actual_time_h", message, "are the two exchanged? Correct the times"


def _titres(rows: Sequence[Row]) -> Iterator[Contradiction]:
    for row in rows:
        titre, result = row["titre"], row["result"]
        if titre is not None and 0 < titre < 1:
            yield (
                row["line"],
                "titre",
                f"{titre:g} is no titre",
                f"write the last dilution: {1 / titre:.0f} for 1:{1 / titre:.0f}",
            )
        elif titre and result == "negative":
            yield row["line"], "result", f"negative, but the titre is {titre:g}", "correct one of them"
        elif titre == 0 and result == "positive":
            yield row["line"], "result", "positive, but the titre is 0", "correct one of them"
        elif titre and result is None:
            yield row["line"], "result", f"is blank (not done), but the titre is {titre:g}", "write the result"


def _counts_on_one_day(rows: Sequence[Row]) -> Iterator[Contradiction]:
    """Two different counts of a subject on one day: which is the last would depend on the rows' order."""
    yield from _differing(rows, ("subject",), "platelets_1e9_per_l", "platelet count")


def _tests_on_one_day(rows: Sequence[Row]) -> Iterator[Contradiction]:
    yield from _differing(rows, ("subject", "timepoint"), "result", "result")


def _viruses_on_one_day(rows: Sequence[Row]) -> Iterator[Contradiction]:
    yield from _differing(rows, ("subject", "virus"), "result", "result")


def _differing(rows: Sequence[Row], key: tuple[str, ...], column: str, noun: str) -> Iterator[Contradiction]:
    """Yield rows that differ from an earlier one of the same study day or date; the day may be unknown."""
    first: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        if row[column] is None:
            continue
        for unit, word in (("study_day", "day "), ("date", "")):
            if row[unit] is None:
                continue
            earlier = first.setdefault((unit, row[unit], *(row[name] for name in key)), row)
            if earlier[column] != row[column]:
                message = f"{_text(row[column])}, but line {earlier['line']} has another {noun} on {word}{row[unit]}"
                yield row["line"], column, f"{message}: {_text(earlier[column])}", "keep the one that counts"
                break


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _deaths(rows: Sequence[Row]) -> Iterator[Contradiction]:
    for row in rows:
        if row["grade"] == 5 and row["serious"] is False:
            yield row["line"], "serious", "false, but grade 5 is death, which is serious", "correct one of them"


def _times_of_events(rows: Sequence[Row]) -> Iterator[Contradiction]:
    for row in rows:
        start, end = row.get("start_time"), row.get("end_time")
        on_one_day = row["start_day"] is not None and row["start_day"] == row["end_day"]
        if start and end and on_one_day and end < start:
            yield row["line"], "end_time", f"{end} is before {start} on the same day", "correct one of them"


def _grades_of_bleeding(rows: Sequence[Row]) -> Iterator[Contradiction]:
    for row in rows:
        grade, bleeding = row.get("bleeding_grade"), row["bleeding"]
        if grade is not None and bleeding is not None and bleeding != (grade > 0):
            message = f"grade {grade}, but bleeding is {str(bleeding).lower()}"
            yield row["line"], "bleeding_grade", message, "correct one of them"


def _infusion_times(rows: Sequence[Row]) -> Iterator[Contradiction]:
    for row in rows:
        start, end = row["start_time"], row["end_time"]
        if start and end and end <= start:
            message = f"the infusion ends at {end}, and starts at {start}"
            yield row["line"], "end_time", message, "correct one of them"


def _doses(rows: Sequence[Row]) -> Iterator[Contradiction]:
    """A dose per kg, the cells and the weight are three figures of which two give the third, within rounding."""
    for row in rows:
        dose, cells, weight = row["dose_1e6_per_kg"], row.get("cells_1e6"), row["weight_kg"]
        if None in (dose, cells, weight) or abs(cells / weight - dose) <= 0.05 * max(dose, cells / weight):
            continue
        message = f"{dose:g}, but {cells:g} x 10^6 cells for {weight:g} kg are {cells / weight:.3g}"
        yield row["line"], "dose_1e6_per_kg", message, "correct the dose, the cells or the weight"


def _answers(rows: Sequence[Row]) -> Iterator[Contradiction]:
    for row in rows:
        given = [row[name] is not None for name in ("answer", "answered", "answered_by")]
        if any(given) and not all(given):
            yield row["line"], "answer", "an answer needs words, a date and a name", "complete it, or leave all blank"
        elif row["answered"] and row["answered"] < row["opened"]:
            message = f"{row['answered']} is before the question of {row['opened']}"
            yield row["line"], "answered", message, "correct one of them"


def _one_result_a_visit(rows: Sequence[Row]) -> Iterator[Contradiction]:
    """Two results of a subject and analyte at one visit: which of them is compared would depend on the rows' order."""
    first: dict[tuple[str, str, str], int] = {}
    for row in rows:
        if not row["visit"] or row["result"] is None:
            continue
        key = (row["subject"], row["visit"], row["analyte"])
        if (earlier := first.setdefault(key, row["line"])) != row["line"]:
            message = f"{row['analyte']} of {row['subject']} at {row['visit']} has a result on line {earlier}, too"
            yield row["line"], "result", message, "keep the one that counts, and leave the visit of the other blank"


def undeclared(rows: Sequence[Row], analytes: Sequence[Analyte]) -> Iterator[Contradiction]:
    """Yield where laboratory values are not as the study declares them: analyte, unit, limits of quantification.

    >>> row = {"line": 2, "analyte": "il10", "unit": "ng/mL", "result": "3.9", "lloq": None, "uloq": None}
    >>> [problem[1:3] for problem in undeclared([row], [Analyte("il10", "IL-10", "pg/mL", lloq=7.8)])]
    [('unit', 'ng/mL, but study.yaml declares il10 in pg/mL')]
    """
    declared = {analyte.name: analyte for analyte in analytes}
    for row in rows:
        name, line = row["analyte"], row["line"]
        if (analyte := declared.get(name)) is None:
            remedy = nearest(name[:80], declared) if declared else "add it to study.yaml: assessments: laboratory:"
            yield line, "analyte", f"study.yaml declares no laboratory value {shown(name)}", remedy
        elif row["unit"] != analyte.unit:
            message = f"{row['unit']}, but study.yaml declares {name} in {analyte.unit}"
            yield line, "unit", message, "convert the result, or declare another analyte in this unit"
        else:
            yield from _beyond_limits(row, row.get("lloq") or analyte.lloq, row.get("uloq") or analyte.uloq)


def _beyond_limits(row: Row, lloq: float | None, uloq: float | None) -> Iterator[Contradiction]:
    result, line = row["result"] or "", row["line"]
    for word, limit, name in (("<LLOQ", lloq, "lloq"), (">ULOQ", uloq, "uloq")):
        if result == word and limit is None:
            message = f"{word}, but no limit is known"
            yield line, "result", message, f"fill in the column {name}, or declare {name} in study.yaml"
    if not result or result[0] in "<>":
        return
    value = float(result)
    if lloq is not None and value < lloq:
        message = f"{result} is below the lower limit of quantification {lloq:g}"
        yield line, "result", message, f"write <{lloq:g}, or correct the limit (column lloq, or study.yaml)"
    if uloq is not None and value > uloq:
        message = f"{result} is above the upper limit of quantification {uloq:g}"
        yield line, "result", message, f"write >{uloq:g}, or correct the limit (column uloq, or study.yaml)"


_RULES: Mapping[str, tuple[Callable[[Sequence[Row]], Iterator[Contradiction]], ...]] = {
    "msc_concentration": (_cells_per_litre, _limits, _concentrations_at_one_time, _times_out_of_order),
    "antibodies": (_titres, _tests_on_one_day),
    "platelets": (_platelets_per_ul, _counts_on_one_day, _grades_of_bleeding),
    "laboratory": (_one_result_a_visit,),
    "viruses": (_viruses_on_one_day,),
    "adverse_events": (_deaths, _times_of_events),
    "infusions": (_infusion_times, _doses),
    "queries": (_answers,),
}
