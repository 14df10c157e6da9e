"""Data inside a page: nothing is lost, nothing breaks out."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.model.populations import DOUBTS, SAMPLES, Column, Table
from immunomon.errors import BadSpec
from immunomon.outputs.report.overview import study_overview
from immunomon.outputs.report.packed import pack_table, safe_json
from immunomon.outputs.report.run_folder import ReportedRun, read_run

TABLE = Table(
    "t",
    "one thing",
    ("name",),
    (
        Column("name", "string", ""),
        Column("count", "Int64", ""),
        Column("share", "Float64", ""),
        Column("reportable", "boolean", ""),
    ),
)
ROWS = st.lists(
    st.tuples(
        st.none() | st.text(max_size=6),
        st.none() | st.integers(-(2**53), 2**53),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.booleans(),
    ),
    max_size=8,
)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_safe_json_is_the_same_data_without_a_letter_that_ends_a_script(data):
    text = str(safe_json(data))
    assert json.loads(text) == data
    assert not set("<>&\u2028\u2029") & set(text)


@given(ROWS)
def test_a_packed_table_gives_back_every_value(rows):
    frame = pd.DataFrame(rows, columns=list(TABLE.names), dtype=object).astype(TABLE.dtypes)
    packed = json.loads(str(safe_json(pack_table(frame, TABLE))))
    columns = []
    for column in packed["columns"]:
        words = column.get("words")
        columns.append(column["values"] if words is None else [None if at < 0 else words[at] for at in column["at"]])
    back = list(zip(*columns, strict=True)) if rows else []
    assert back == rows


def test_a_run_whose_tables_are_only_csv_is_read_with_the_same_types(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    header = "sample_id,population,count,reportable,percent_of_parent\nNA,treg,5,False,0.25\nb,nk,,true,\n"
    (tmp_path / "tables" / "populations.csv").write_text(header, encoding="utf-8")
    frame = read_run(tmp_path).tables["populations"]
    assert frame["sample_id"].tolist() == ["NA", "b"]
    assert frame["reportable"].tolist() == [False, True]
    assert frame["count"].isna().tolist() == [False, True]
    assert frame["percent_of_parent"].iloc[0] == 0.25


def test_a_table_without_its_key_is_refused_by_name(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    (tmp_path / "tables" / "samples.csv").write_text("file\na.fcs\n", encoding="utf-8")
    with pytest.raises(BadSpec, match=r"samples\.csv: has no column sample_id"):
        read_run(tmp_path)


def test_two_files_of_one_visit_are_marked_and_subjects_come_in_the_order_of_their_doses(tmp_path):
    whose = {"panel": "treg", "role": "sample", "visit": "W2", "status": "gated"}
    rows = [
        {**whose, "sample_id": name, "subject": subject} for name, subject in (("a", "S1"), ("b", "S1"), ("c", "S2"))
    ]
    samples = pd.DataFrame(rows).reindex(columns=list(SAMPLES.names)).astype(SAMPLES.dtypes)
    empty = pd.DataFrame({"sample_id": [], "reportable": []}).astype({"sample_id": "string", "reportable": "boolean"})
    study = {
        "dose_groups": [{"name": "low"}, {"name": "high"}],
        "subjects": [{"id": "S1", "dose_group": "high"}, {"id": "S2", "dose_group": "low"}],
    }
    overview = study_overview(
        ReportedRun(
            tmp_path, {"study": study}, tables={"samples": samples, "populations": empty, "doubts": DOUBTS.frame()}
        )
    )
    assert [row.id for row in overview.subjects] == ["S2", "S1"]
    assert [row.cells[0][0].status for row in overview.subjects] == ["gated", "doubled"]
