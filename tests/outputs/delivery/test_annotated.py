"""The annotated mapping says of every variable where it comes from, and is held against what changes what."""

from __future__ import annotations

import copy
import datetime
import re
from collections import Counter
from dataclasses import replace

import pytest

from immunomon.outputs.delivery.adam import adam_datasets
from immunomon.outputs.delivery.annotated import reached, source_columns, sources_of, unmapped
from immunomon.outputs.delivery.frames import frames, qualifiers, table_rows
from immunomon.outputs.delivery.sdtm import Sdtm, study_domains
from immunomon.outputs.delivery.trial import trial_of
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS

TARGETS = [(name, variable) for name, frame in frames().items() for variable in frame.variables]
TARGETS += [(name, variable) for name in frames() for variable in qualifiers(name).values()]
KNOWN = {f"{dataset}.{variable.name}" for dataset, variable in TARGETS} | set(source_columns())


def test_every_variable_has_an_origin_that_fits_its_sources():
    kinds = {"Assigned", "Collected", "Derived", "Not Available", "Predecessor", "Protocol"}
    for dataset, variable in TARGETS:
        sources, name = sources_of(dataset, variable.name), f"{dataset}.{variable.name}"
        assert variable.origin in kinds, name
        assert set(sources) <= KNOWN, name
        assert variable.origin != "Predecessor" or len(sources) == 1, name
        assert variable.origin != "Derived" or variable.method, name
        assert variable.origin != "Not Available" or sources == (), name


def test_every_dataset_but_supplements_has_a_comment_for_the_reviewer():
    silent = [name for name, frame in frames().items() if not frame.comment and not name.startswith("SUPP")]
    assert silent == []


def test_every_source_column_is_mapped_or_said_to_be_unused():
    mapped = {source for dataset, variable in TARGETS for source in sources_of(dataset, variable.name)}
    assert [source for source in source_columns() if source not in mapped and not unmapped(source)[1]] == []
    used = {unmapped(source)[0] for source in source_columns() if source not in mapped}
    assert [row["source"] for row in table_rows("unmapped.csv") if row["source"] not in used] == []


OTHER = {"analyte", "visit", "virus"}  # of these another value of the column


def other_value(column, row, rows):
    value = row[column.name]
    if column.name in OTHER:
        names = sorted({one[column.name] for one in rows if one[column.name] is not None})
        return names[(names.index(value) + 1) % len(names)] if value is not None else None
    if isinstance(column.kind, tuple):
        return column.kind[(column.kind.index(value) + 1 if value is not None else 0) % len(column.kind)]
    if column.kind == "measured":
        return "7.25" if value != "7.25" else "8.25"
    if column.kind == "text":
        return f"{value or ''}X"
    if column.kind == "date":
        return later(value or "2025-01-01")
    if column.kind == "time":
        return "03:33" if value != "03:33" else "03:34"
    if column.kind == "truth":
        return not value
    if value is None:
        return 3
    return value - 1 if column.high is not None and value + 1 > column.high else value + 1 if value + 1 != 0 else 1


def later(date):
    return (datetime.date.fromisoformat(date) + datetime.timedelta(days=1)).isoformat()


def made(content, study, tables, samples):
    """Return every value of the datasets that are made of the study's own files, by dataset and variable."""
    trial = trial_of(study, tables, content.cp_map.spec.sponsor, content.trial.protocol)
    changed = replace(content, trial=trial, assessments=tables)
    sdtm = Sdtm(tuple(one for one in study_domains(trial, tables, samples).values() if len(one)), (), {})
    values = {}
    for dataset in (*sdtm.datasets, *adam_datasets(changed, sdtm)):
        for name in dataset.names:
            values[dataset.name, name] = Counter(map(str, dataset.column(name)))
        for record in dataset.records() if qualifiers(dataset.name) else ():
            values.setdefault((dataset.name, str(record["QNAM"])), Counter())[str(record["QVAL"])] += 1
    return values


@pytest.fixture(scope="module")
def plain(content):
    return made(content, content.source.study, content.assessments, list(content.samples.values()))


def compare(plain, after, source):
    """Hold what changed with a source column against the mapping, both ways."""
    numbers = re.compile(r".*(SEQ|IDVARVAL|PARAMN)$")
    differing = {
        target
        for target in plain.keys() | after.keys()
        if plain.get(target) != after.get(target)
        and not (numbers.match(target[1]) or target[1] in {"QVAL", "QNAM", "QLABEL", "QORIG"})
    }
    sizes = {name: sum(counts.values()) for (name, _), counts in plain.items()}
    same_size = {target for target in differing if sum(after.get(target, Counter()).values()) == sizes[target[0]]}
    known = reached(source)
    wrong = sorted(target for target in same_size if target not in known)
    assert wrong == [], f"{source} changes {wrong}, which the mapping does not name"
    direct = [target for target, through in known.items() if not through]
    assert any(target in differing for target in direct), f"{source} changes none of {direct}"


# Whose a row is decides every value of it: rows that change their subject change all of a dataset.
COLUMNS = [
    (table.name, column)
    for table in ASSESSMENT_INPUTS.values()
    for column in table.columns
    if column.name != "subject" and any(not through for through in reached(f"{table.name}.{column.name}").values())
]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda one: getattr(one, "name", one))
def test_a_column_changes_the_variables_that_the_mapping_names_and_no_others(content, plain, table, column):
    rows = [{**row, **WHERE_USED.get((table, column.name), {})} for row in content.assessments.rows(table)]
    rows = [{**row, "date": None} if column.name == "study_day" else row for row in rows]
    assert rows, table
    if (table, column.name) in WHERE_USED or column.name == "study_day":
        plain = made_with(content, table, rows)
    count = 1 if column.name in OTHER else len(rows)  # all rows that exchange visits would be as many of each as before
    changed = [{**row, column.name: other_value(column, row, rows)} for row in rows[:count]]
    compare(plain, made_with(content, table, [*changed, *rows[count:]]), f"{table}.{column.name}")


WHERE_USED = {
    ("antibodies", "titre"): {"result": "positive", "titre": 40.0},
    ("laboratory", "reason"): {"result": None},
}


def made_with(content, table, rows):
    tables = replace(content.assessments, tables={**content.assessments.tables, table: rows})
    return made(content, content.source.study, tables, list(content.samples.values()))


def on_each(part, name, change):
    def work(study):
        for entry in study[part]:
            entry[name] = change(entry[name])

    return work


STUDY = {
    "study.title": lambda study: study.update(title="Another title"),
    "study.subjects.sex": on_each("subjects", "sex", lambda sex: "F" if sex == "M" else "M"),
    "study.subjects.cohort": on_each("subjects", "cohort", lambda cohort: f"{cohort}X"),
    "study.subjects.infusion_dates": on_each("subjects", "infusion_dates", lambda dates: [later(dates[0]), *dates[1:]]),
    "study.dose_groups.cells_per_kg": on_each("dose_groups", "cells_per_kg", lambda cells: 2 * cells),
    "study.dose_groups.infusion_days": on_each("dose_groups", "infusion_days", lambda days: [days[0], *days[2:]]),
    "study.cohorts.planned_subjects": on_each("cohorts", "planned_subjects", lambda number: number + 1),
    "study.cohorts.expansion": on_each("cohorts", "expansion", lambda expansion: not expansion),
    "study.visits.planned_day": on_each("visits", "planned_day", lambda day: day + 1 if day != -1 else 1),
}


@pytest.mark.parametrize("source", STUDY)
def test_an_entry_of_the_study_changes_the_variables_that_the_mapping_names_and_no_others(content, plain, source):
    study = copy.deepcopy(dict(content.source.study))
    STUDY[source](study)
    compare(plain, made(content, study, content.assessments, list(content.samples.values())), source)


SAMPLES = {
    "samples.collection_date": lambda row: {"collection_date": later(row["collection_date"])},
    "samples.lymphocytes_per_ul": lambda row: {"lymphocytes_per_ul": row["lymphocytes_per_ul"] + 1},
    "samples.visit": lambda row: {"visit": "D-1" if row["visit"] == "W4" else "W4"},
}


@pytest.mark.parametrize("source", SAMPLES)
def test_a_column_of_the_sample_list_changes_the_variables_that_the_mapping_names(content, plain, source):
    samples = [{**row, **(SAMPLES[source](row) if row["subject"] else {})} for row in content.samples.values()]
    compare(plain, made(content, content.source.study, content.assessments, samples), source)


def test_the_delivery_has_the_mapping_of_what_it_holds(delivered, received):
    mapping = received("adam")["annotated_mapping"]
    named = {(row["dataset"], row["variable"]) for row in mapping.records()}
    for dataset in received("adam").values():
        if dataset.name in frames():
            filled = {name for name in dataset.names if any(value is not None for value in dataset.column(name))}
            assert {(dataset.name, name) for name in filled} <= named
    rows = {(row["column"], row["dataset"], row["variable"]): row for row in mapping.records()}
    assert rows["bleeding", "SUPPLB", "BLEED"]["origin"] == "Collected"
    assert rows["subjects.flags", "ADSL", "SPLENEFL"]["source"] == "study.yaml"
    page = (delivered("adam") / "annotated_mapping.html").read_text(encoding="utf-8")
    assert "SUPPLB.BLEED" in page
    define = (delivered("adam") / "sdtm" / "define.xml").read_text(encoding="utf-8")
    assert "disposition.csv: date, study_day; DM: RFSTDTC; demographics.csv: consent_date" in define
