import pandas as pd
import pytest
from outputs.report.fake_run import fake_run

from immunomon.cytometry.model.run_tables import STEADINESS
from immunomon.outputs.report.page import write_report
from immunomon.outputs.report.run_folder import read_run
from immunomon.outputs.report.steadiness import read_steadiness


def table(label="Treg", last=("out of control", "1_2s 1_3s", 9.0)):
    values = [5.0, 6.0, 5.5, 5.2, 5.8, 5.4, last[2]]
    verdicts, rules = ["in control"] * 6 + [last[0]], [None] * 6 + [last[1]]
    rows = {
        "panel": "treg",
        "population": "treg",
        "label": label,
        "quantity": "percent_of_parent",
        "sample_id": [f"bridge{n}" for n in range(7)],
        "batch": [f"B{n}" for n in range(7)],
        "collection_date": [f"2025-01-0{n + 1}" for n in range(7)],
        "number": range(1, 8),
        "measured": values,
        "value": values,
        "unit": "%",
        "establishes": True,
        "z": [0.1] * 6 + [8.4],
        "rules": rules,
        "verdict": verdicts,
    }
    return pd.DataFrame(rows).reindex(columns=list(STEADINESS.names)).astype(STEADINESS.dtypes)


def written(folder, frame):
    frame.to_parquet(folder / "tables" / "steadiness.parquet", index=False)
    return folder


@pytest.fixture
def run(tmp_path):
    return fake_run(tmp_path / "run", subjects=1, visits=2, panels=("treg",))


def test_a_run_without_bridge_samples_has_no_such_section(run):
    assert read_steadiness(read_run(run)) is None
    assert 'id="tab-steadiness"' not in write_report(run).read_text(encoding="utf-8")
    assert read_steadiness(read_run(written(run, table().iloc[:0]))) is None


def test_a_value_out_of_control_is_drawn_and_listed_with_its_rules(run):
    steady = read_steadiness(read_run(written(run, table())))
    assert steady.violations == (("2025-01-07", "treg", "B6", "Treg, % of parent", "9", "+8.4", "1_2s 1_3s"),)
    ((panel, (chart,)),) = steady.panels
    assert panel == "treg"
    assert chart.count("<circle") == 7
    assert chart.count('class="out"') == 1
    page = write_report(run).read_text(encoding="utf-8")
    assert 'id="panel-steadiness"' in page
    assert "7 bridge samples, 7 of 7 values judged, 1 out of control" in page


def test_names_from_files_cannot_put_markup_into_the_page(run):
    evil = written(run, table(label="<script>alert(1)</script>"))
    assert "<script>alert(1)" not in write_report(evil).read_text(encoding="utf-8")
    ((_, (chart,)),) = read_steadiness(read_run(evil)).panels
    assert "<script>" not in chart
    assert "&lt;script&gt;alert(1)" in chart
