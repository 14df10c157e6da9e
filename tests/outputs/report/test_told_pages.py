from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from outputs.report.fake_run import fake_run
from PIL import Image

from immunomon.errors import BadSpec
from immunomon.outputs.report import write_report
from immunomon.outputs.report.told import picture_of, platelet_charts, read_told
from immunomon.trial.model.tables import PLATELET_VISITS

EVIL = '</script><b onload="x">'


def stored(**more):
    sheet = {"caption": "Shares", "heads": ["", "A"], "rows": [["serious", f"0 of 3 {EVIL}"]]}
    sections = [{"heading": "Platelets", "paragraphs": ["CR of 100", "CONVERSION: HBV"], "sheets": [sheet]}]
    pages = [{"name": name, "title": name.title(), "sections": sections} for name in ("safety", "efficacy")]
    return {"run_digest": "ab" * 32, "alarms": [f"HBV in S01 {EVIL}"], "pages": pages, **more}


def with_pages(run, content):
    (run / "assessments").mkdir(exist_ok=True)
    (run / "assessments" / "pages.json").write_text(json.dumps(content), encoding="utf-8")
    return run


def visits(subject="S01", note=None):
    rows = [
        {"subject": subject, "dose_group": "A", "study_day": day, "platelets_1e9_per_l": count, "state": state,
         "rescue_therapy": rescue, "note": note}
        for day, count, state, rescue in ((-1, 8, "baseline", False), (15, 50, "R", False), (29, 10, "loss", True))
    ]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=list(PLATELET_VISITS.names)).astype(PLATELET_VISITS.dtypes)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fake_run(tmp_path_factory.mktemp("assessed") / "run", subjects=3, visits=2, panels=("treg",))


def test_a_run_without_assessments_has_no_such_pages(run):
    assert read_told(run, "x") is None
    page = write_report(run).read_text(encoding="utf-8")
    assert 'id="tab-safety"' not in page
    assert "alarm" not in page.split("</style>")[1].split("<script")[0]


def test_a_conversion_stands_above_all_else_and_no_text_breaks_out(run, tmp_path):
    visits(EVIL, EVIL).to_parquet(with_pages(run, stored()) / "assessments" / "platelet_visits.parquet")
    page = write_report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    body = page.split("</style>")[1]
    assert EVIL not in body
    assert body.index("Virus conversion:") < body.index('class="verdict"') < body.index("Study at a glance")
    assert re.findall(r'id="panel-(safety|efficacy)"', body) == ["safety", "efficacy"]
    assert 'aria-label="platelets of &lt;/script&gt;' in body
    assert body.count('class="steadiness platelets"') == 1, "the charts stand on the efficacy page alone"


def test_pages_of_an_earlier_run_say_so(run, tmp_path):
    with_pages(run, stored(run_digest="cd" * 32))
    assert "made of an earlier run" in write_report(run, tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content",
    [[], {}, {"pages": 1}, stored(pages=[{"name": "../x", "title": "", "sections": []}]),
     stored(pages=[{"name": "safety", "title": "", "sections": [{"heading": "", "paragraphs": "x", "sheets": []}]}])],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_remedy(run, content):
    with pytest.raises(BadSpec, match=r"pages.json: cannot be read .* make it again: immunomon assess"):
        read_told(with_pages(run, content), "x")


def test_a_chart_marks_rescue_and_names_every_count():
    (chart,) = platelet_charts(visits())
    assert chart.count("<circle") == 3
    assert chart.count('class="rescued"') == 1
    assert "day 29: 10, loss, rescue therapy" in chart
    assert [day for day in (1, 8, 15, 22, 29) if f">{day}</text>" not in chart] == []


def test_no_counts_draw_no_chart():
    assert list(platelet_charts(visits().assign(platelets_1e9_per_l=pd.NA))) == []


def test_a_table_that_is_broken_is_said_with_its_remedy(run, tmp_path):
    pages = with_pages(run, stored()) / "assessments" / "platelet_visits.parquet"
    pages.write_bytes(b"PAR1")
    with pytest.raises(BadSpec, match=r"platelet_visits.parquet: cannot be read .* make it again: immunomon assess"):
        write_report(run, tmp_path / "report.html")
    pages.unlink()


def test_a_picture_in_fewer_colours_keeps_a_thin_line_apart_from_another(tmp_path):
    shades = np.random.default_rng(1).integers(40, 256, size=(300, 400), dtype=np.uint8)
    pixels = np.stack([shades, 255 - shades // 2, np.full_like(shades, 90)], axis=-1)
    pixels[100], pixels[200] = (0, 114, 178), (0, 138, 100)  # of two dose groups
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (shown,) = picture_of(tmp_path / "a.png", "two groups")
    data = base64.b64decode(str(shown).partition("base64,")[2].partition('"')[0])
    with Image.open(io.BytesIO(data)) as image:
        few = np.asarray(image.convert("RGB")).astype(int)
    assert len(data) < (tmp_path / "a.png").stat().st_size
    assert np.abs(few - pixels).max() < 24
