"""The annotated mapping: every column that a study and a run have, and the variables of SDTM and ADaM made of it.

It is read out of the same tables that the datasets are made from (``variables.csv``, ``qualifiers.csv``), the contracts
of the study's files and the run's tables, so that it cannot say otherwise than they do.
"""

from __future__ import annotations

import fnmatch
import functools
import html
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from pydantic import BaseModel

from immunomon.cytometry.model.populations import TABLES
from immunomon.outputs.cp_map import CpMapSpec
from immunomon.outputs.delivery.dataset import Dataset, Variable, dataset_of
from immunomon.outputs.delivery.frames import frames, qualifiers, table_rows
from immunomon.study.specs.samples import COLUMNS
from immunomon.study.specs.study import StudySpec
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS
from immunomon.trial.model.tables import KINETICS

__all__ = [
    "annotated_mapping",
    "mapping_page",
    "reached",
    "source_columns",
    "source_words",
    "sources_in_words",
    "sources_of",
    "unmapped",
]

_FILES = {"study": "study.yaml", "map": "export/cp-map.yaml", "kinetics": "assessments/kinetics.csv of the run"}
_RUN_TABLES = {"run-samples": "samples"} | {name: name for name in ("frequencies", "populations", "medians", "changes")}


@functools.cache
def source_columns() -> Mapping[str, str]:
    """Return every source column as ``table.column``, with what it means, in the order of the files.

    >>> source_columns()["platelets.bleeding"]
    'whether there was bleeding; blank if not recorded'
    """
    columns = {f"samples.{name}": meaning for name, meaning in COLUMNS.items()}
    columns |= {f"study.{name}": meaning for name, meaning in _fields(StudySpec)}
    for table in ASSESSMENT_INPUTS.values():
        columns |= {f"{table.name}.{column.name}": column.meaning for column in table.columns}
    for name, written in _RUN_TABLES.items():
        columns |= {f"{name}.{column.name}": column.meaning for column in TABLES[written].columns}
    columns |= {f"kinetics.{column.name}": column.meaning for column in KINETICS.columns}
    return columns | {f"map.{name}": meaning for name, meaning in _fields(CpMapSpec)}


def _fields(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the fields of a file's form that hold values, with their descriptions: ``subjects.sex``."""
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is None:
            yield f"{before}{field.alias or name}", field.description or ""
        else:
            yield from _fields(inner, f"{before}{name}.")


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


@functools.cache
def sources_of(dataset: str, variable: str) -> tuple[str, ...]:
    """Return what a variable, or a supplemental qualifier, is made of: source columns, and variables of datasets.

    >>> sources_of("SUPPLB", "BLEED"), sources_of("ADLB", "AVAL")
    (('platelets.bleeding',), ('LB.LBSTRESN',))
    """
    written: Sequence[str] = ()
    if variable in qualifiers(dataset):
        written = qualifiers(dataset)[variable].sources
    elif dataset in frames() and variable in frames()[dataset].names:
        written = frames()[dataset].variable(variable).sources
    return tuple(name for source in written for name in _expanded(source))


def _expanded(source: str) -> list[str]:
    return fnmatch.filter(source_columns(), source) if "*" in source else [source]


@functools.cache
def _targets() -> tuple[tuple[str, str], ...]:
    plain = [(name, variable.name) for name, frame in frames().items() for variable in frame.variables]
    return (*plain, *((name, qualifier) for name in frames() for qualifier in qualifiers(name)))


@functools.cache
def reached(source: str) -> Mapping[tuple[str, str], str]:
    """Return every variable that a source column ends up in, with the variable it comes through; blank if by itself.

    >>> reached("platelets.bleeding")["ADEFF", "AVAL"]
    'SUPPLB.BLEED'
    """
    through: dict[tuple[str, str], str] = {}
    waiting = [(source, "")]
    while waiting:
        name, before = waiting.pop(0)
        for target in _made_of().get(name, ()):
            if target not in through:
                through[target] = before
                waiting.append((".".join(target), ".".join(target)))
    return through


@functools.cache
def _made_of() -> Mapping[str, tuple[tuple[str, str], ...]]:
    targets: dict[str, tuple[tuple[str, str], ...]] = {}
    for target in _targets():
        for source in sources_of(*target):
            targets[source] = (*targets.get(source, ()), target)
    return targets


@functools.cache
def unmapped(source: str) -> tuple[str, str]:
    """Return the entry that says why no variable is made of a source column by itself: its pattern, and why.

    >>> unmapped("samples.data_set"), unmapped("study.donors.note")[0]
    (('samples.data_set', 'says how the FCS file is to be read'), 'study.donors.*')
    """
    rows = table_rows("unmapped.csv")
    entries = ((row["source"], row["why"]) for row in rows if fnmatch.fnmatchcase(source, row["source"]))
    return next(entries, ("", ""))


def source_words(source: str) -> tuple[str, str]:
    """Return the file or dataset of a source and the column in it, in words for people.

    >>> source_words("study.subjects.sex"), source_words("LB.LBDTC")
    (('study.yaml', 'subjects.sex'), ('LB', 'LBDTC'))
    """
    table, _, column = source.partition(".")
    if table in _FILES or table in frames():
        return _FILES.get(table, table), column
    return (f"table {_RUN_TABLES[table]} of the run" if table in _RUN_TABLES else f"{table}.csv"), column


def sources_in_words(sources: Sequence[str]) -> str:
    """Return what a variable is made of, in words: the files and datasets, each with its columns.

    >>> sources_in_words(["platelets.date", "platelets.study_day", "DM.RFSTDTC"])
    'platelets.csv: date, study_day; DM: RFSTDTC'
    """
    columns: dict[str, list[str]] = {}
    for source in sources:
        file, column = source_words(source)
        columns.setdefault(file, []).append(column)
    return "; ".join(f"{file}: {', '.join(names)}" for file, names in columns.items())


_COLUMNS = {
    "source": "File or table that the value comes from; blank: assigned",
    "column": "Column or entry",
    "meaning": "What it is",
    "dataset": "Dataset; blank: none is made of it",
    "variable": "Variable, or qualifier of a supplemental dataset",
    "label": "Label",
    "through": "Variable that it comes through; blank: by itself",
    "origin": "Origin, as in Define-XML",
    "how": "How it is made, or why nothing is made of it",
}


def annotated_mapping(datasets: Sequence[Dataset]) -> Dataset:
    """Return the mapping for a delivery of these datasets: a row a source column and variable made of it.

    A source column without any has a row that says why, alone or with those of the same reason; so has a variable that
    no source column is in.
    """
    there = dict(_described(datasets))
    rows = list(
        dict.fromkeys(row for source, meaning in source_columns().items() for row in _rows_of(source, meaning, there))
    )
    mapped = {row[3:5] for row in rows}
    rows += [_row(("", "", ""), target, about, "") for target, about in there.items() if target not in mapped]
    variables = tuple(Variable(name, label) for name, label in _COLUMNS.items())
    keys = ("source", "column", "dataset", "variable")
    empty = Dataset("annotated_mapping", "Where each variable comes from", variables, (), keys)
    return dataset_of(empty, [dict(zip(_COLUMNS, row, strict=True)) for row in rows])


def _described(datasets: Sequence[Dataset]) -> Iterator[tuple[tuple[str, str], Variable]]:
    for dataset in datasets:
        for variable in dataset.variables:
            if any(value is not None for value in dataset.column(variable.name)):
                yield (dataset.name, variable.name), variable
        known = qualifiers(dataset.name)
        for name in sorted({str(name) for name in dataset.column("QNAM")} if known else ()):
            yield (dataset.name, name), known[name]


def _rows_of(source: str, meaning: str, there: Mapping[tuple[str, str], Variable]) -> Iterator[tuple[str, ...]]:
    words = (*source_words(source), meaning)
    targets = {target: through for target, through in reached(source).items() if target in there}
    targets |= dict.fromkeys((target for target, about in there.items() if source in about.sources), "")
    for target, through in sorted(targets.items(), key=lambda item: (item[1] != "", item[0])):
        yield _row(words, target, there[target], through)
    if targets:
        return
    pattern, why = unmapped(source)
    if source in _made_of():
        yield (*words, "", "", "", "", "", "the variables made of it have no value in this delivery")
    elif "*" in pattern:
        yield (words[0], pattern.partition(".")[2], "", "", "", "", "", "", why)
    else:
        yield (*words, "", "", "", "", "", why)


def _row(words: tuple[str, str, str], target: tuple[str, str], about: Variable, through: str) -> tuple[str, ...]:
    how = about.method or ("" if words[0] else "assigned: it is in no source")
    return (*words, *target, about.label, through, about.origin, how)


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Annotated mapping</title>
<style>body{font:14px/1.4 sans-serif;margin:2em}table{border-collapse:collapse;width:100%}
td,th{border:1px solid #bbb;padding:3px 6px;text-align:left;vertical-align:top}th{background:#eee}</style></head>
<body><h1>Annotated mapping</h1>
"""


def mapping_page(mapping: Dataset) -> str:
    """Return the mapping as a page: by file, a line a column, the variables made of it and those that these feed."""
    columns: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for record in mapping.records():
        row = {name: str(value or "") for name, value in record.items()}
        columns.setdefault((row["source"], row["column"], row["meaning"]), []).append(row)
    parts, file = [_PAGE], None
    for (source, column, meaning), rows in columns.items():
        if source != file:
            parts.append(f"{'</table>' if file is not None else ''}<h2>{html.escape(source or 'Assigned')}</h2>")
            parts.append("<table><tr><th>column</th><th>is</th><th>variables</th><th>further on</th></tr>")
            file = source
        parts.append(f"<tr><td>{html.escape(column)}</td><td>{html.escape(meaning)}</td>{_cells(rows)}</tr>")
    return "\n".join([*parts, "</table></body></html>"]) + "\n"


def _cells(rows: Sequence[Mapping[str, str]]) -> str:
    named = [(f"{row['dataset']}.{row['variable']}", row["through"]) for row in rows if row["dataset"]]
    own = ", ".join(name for name, through in named if not through) or rows[0]["how"]
    further = ", ".join(name for name, through in named if through)
    return f"<td>{html.escape(own)}</td><td>{html.escape(further)}</td>"
