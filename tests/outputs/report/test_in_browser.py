"""The report in a browser, as it is read: on a desk, on a tablet and on a telephone."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from outputs.report.fake_run import fake_run
from outputs.report.test_compared_page import compared
from outputs.report.test_told_pages import stored, visits, with_pages
from support.browser import OVERFLOW, SMALLEST, opened_browser, opened_page

from immunomon.outputs.report import write_report
from immunomon.trial.model.tables import ADVERSE_EVENT_WORST, INCIDENCE

NASTY = "</script><script>document.documentElement.dataset.broken='yes'</script><img src=x onerror=alert(1)>\"'&\u2028"
READABLE = 9.0  # pixels


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a run with all that other commands make of one."""
    run = mapped(compared(assessed(fake_run(tmp_path_factory.mktemp("whole") / "run"))))
    return write_report(run)


CONCENTRATIONS = """subject,planned_time_h,actual_time_h,concentration_cells_per_ml,below_quantification,lloq
S01,2,2.1,90,false,10
S02,2,1.9,30,false,10
S01,48,47,,true,10
"""


def assessed(run):
    """Put beside a run what ``immunomon assess`` makes, and the study's file of concentrations."""
    pages = stored()
    kinetics = {"heading": "Kinetics of the cells", "paragraphs": [], "sheets": []}
    pages["pages"] = [{**page, "sections": [*page["sections"], kinetics]} for page in pages["pages"]]
    folder = with_pages(run, pages) / "assessments"
    (run.parent / "study.yaml").touch()
    (run.parent / "msc_concentration.csv").write_text(CONCENTRATIONS, encoding="utf-8", newline="\n")
    digest = hashlib.sha256(CONCENTRATIONS.encode()).hexdigest()
    inputs = {"msc_concentration.csv": digest}
    (folder / "assessments.json").write_text(json.dumps({"run_digest": "ab" * 32, "inputs": inputs}), encoding="utf-8")
    courses = [visits(subject).assign(baseline_1e9_per_l=8.0) for subject in ("S01", "S02", "S03")]
    pd.concat(courses).to_parquet(folder / "platelet_visits.parquet")
    event = {"subject": "S02", "dose_group": "B", "level": "term", "term": "Pyrexia", "worst_grade": 2, "first_day": 9}
    ADVERSE_EVENT_WORST.frame([event]).to_parquet(folder / "adverse_event_worst.parquet")
    rows = [
        {"topic": "platelets", "measure": "response (CR or R)", "dose_group": group, "n": n, "subjects_with": 1,
         "low": 0.8, "high": 90.6, "who": "S01"}
        for group, n in (("A", 1), ("all", 3))
    ]  # fmt: skip
    INCIDENCE.frame(rows).to_parquet(folder / "incidence.parquet")
    return run


LABELS = ("Lymphocytes, other", "CD4 T cells, other", "Treg, other", "Memory Treg")


def mapped(run):
    """Put an atlas of a panel beside a run, as ``immunomon embed`` does."""
    rng = np.random.default_rng(1)
    of_run = json.loads((run / "run.json").read_text(encoding="utf-8"))
    of_run["study"]["panels"] = [{"panel": "treg", "strategy": "treg"}]
    (run / "run.json").write_text(json.dumps(of_run), encoding="utf-8")
    digest = of_run["digest"]
    record = {"run_digest": digest, "cells": 400, "within": "lymphocytes", "markers": ["CD25"],
              "other_markers": ["HLA-DR"], "trustworthiness": {"value": 0.98}, "labels": LABELS}  # fmt: skip
    columns = {"umap1": rng.normal(size=400), "umap2": rng.normal(size=400), "CD25": rng.random(400),
               "HLA-DR": rng.random(400), "label": rng.choice(LABELS, 400), "visit": rng.choice(["D-1", "W2"], 400),
               "subject": rng.choice([f"S{number:02}" for number in range(1, 19)], 400)}  # fmt: skip
    (run / "atlas").mkdir()
    pd.DataFrame(columns).to_parquet(run / "atlas" / "treg.parquet")
    (run / "atlas" / "treg.json").write_text(json.dumps(record), encoding="utf-8")
    return run


SHOWN = """state => new Promise((done) => {
  addEventListener("hashchange", () => requestAnimationFrame(() => done()), { once: true });
  location.hash = state;
})"""


def show(page, state):
    """Go to a section and wait until it is drawn; its address must be another than the one before."""
    page.evaluate(SHOWN, state)


@pytest.mark.parametrize("width", [1400, 800, 400])
def test_every_page_is_readable_fits_the_window_and_has_no_fault(browser, report, width):
    page, faults = opened_page(browser, report, width=width)
    names = page.eval_on_selector_all("[role=tab]", "tabs => tabs.map(tab => tab.id.replace('tab-', ''))")
    assert {"overview", "compare", "samples", "trajectories", "efficacy", "tables", "provenance"} <= set(names)
    for name in names:
        show(page, f"tab={name}")
        assert page.locator(f"#panel-{name}").is_visible(), name
        size, words = page.evaluate(SMALLEST)
        assert size >= READABLE, f"{name}: {words!r} is {size:.1f} px high"
        assert page.evaluate(OVERFLOW) <= 0, f"{name} is wider than {width} px"
    assert faults == []
    page.close()


def test_an_atlas_is_a_picture_of_each_colouring_whose_words_are_text(browser, report):
    page, faults = opened_page(browser, report, width=400, state="#tab=atlas")
    captions = page.locator("#panel-atlas figcaption").all_inner_texts()
    assert [caption.partition(".")[0] for caption in captions] == ["Population", "Visit", "Subject", "CD25", "HLA-DR"]
    words = page.locator("#panel-atlas figure svg text").all_text_contents()
    assert {*LABELS, "D-1", "W2", "S01", "S18", "dim", "bright"} <= {word.strip() for word in words}
    points = page.locator("#panel-atlas figure").first.locator("svg image")
    assert points.count() >= 1
    assert faults == []
    page.close()


def test_sections_show_what_their_address_names(browser, report):
    page, faults = opened_page(browser, report)
    for state, sign in {
        "tab=overview": ".cell.gated",
        "tab=samples&sample=S01__W2__thelper": "svg.gating image",
        "tab=gates&on=thelper&population=th17": "#gallery figure svg.gating image",
        "tab=trajectories&population=treg&measure=log_odds_change": "svg.chart",
        "tab=tables&table=frequencies&sort=-percent&q=treg": "#tables >> text=page 1 of",
    }.items():
        show(page, state)
        assert page.locator(sign).first.is_visible(), state
    show(page, "tab=tables&table=frequencies&q=S01+W2+th17_1")
    row = page.locator("tr.hiddenvalue").first.inner_text()
    assert "n.r." in row
    assert "below LLOQ: 30 events" in row
    assert faults == []
    page.close()


def test_what_needs_a_person_leads_to_the_samples_it_counts(browser, report):
    page, faults = opened_page(browser, report)
    need = page.locator(".needs li", has_text="file failed")
    assert need.locator("b").inner_text() == "1"
    need.locator("a").click()
    page.wait_for_selector("#samples [data-shown]")
    assert page.locator(".stepper .field span").first.inner_text() == "Sample (1 of 18)"
    assert page.locator("#samples").get_by_text("the file ends early").first.is_visible()
    assert faults == []
    page.close()


def test_the_first_screen_says_what_was_found_and_who_it_was(browser, report):
    page, faults = opened_page(browser, report)
    tile = page.locator(".tiles > div", has_text="Platelet response")
    assert "1 of 3" in tile.inner_text()
    assert tile.get_attribute("title") == "S01"
    box = page.locator(".answer figure.picture svg").bounding_box()
    assert box["y"] + box["height"] < 900, "the primary endpoints are on the first screen"
    assert not page.locator("#caveats").evaluate("element => element.open")
    assert faults == []
    page.close()


def test_pictures_have_every_patient_and_exposure_by_nominal_time(browser, report):
    page, faults = opened_page(browser, report)
    show(page, "tab=efficacy")
    captions = page.locator("#panel-efficacy figcaption b").all_inner_texts()
    assert captions[:3] == ["Who, when.", "Best platelet count.", "Platelets by week and dose."]
    assert [text for text in captions if text.startswith("Concentration over time")] == [
        "Concentration over time, linear.",
        "Concentration over time, logarithmic.",
    ]
    lanes = page.locator("#panel-efficacy figure.picture svg").first.text_content()
    assert all(subject in lanes for subject in ("S01", "S02", "S03"))
    assert "BLQ (BLQ to BLQ), n = 1, 1 BLQ" in page.locator("#panel-efficacy table").last.inner_text()
    show(page, "tab=safety")
    assert "Pyrexia" in page.locator("#panel-safety figure.picture svg").text_content()
    assert faults == []
    page.close()


def test_a_filter_of_a_column_keeps_rows_within_its_bounds(browser, report):
    page, faults = opened_page(browser, report)
    show(page, "tab=tables&table=frequencies&f.percent=90+to+100&f.label=live")
    shown = page.locator("#tables tbody tr").count()
    assert 0 < shown < 50
    assert set(page.locator("#tables tbody tr td:nth-child(5)").all_inner_texts()) == {"Live"}
    assert all(90 <= float(text) <= 100 for text in page.locator("#tables tbody tr td:nth-child(7)").all_inner_texts())
    page.locator('[id="f.percent"]').fill("")
    assert page.locator("#tables tbody tr").count() >= shown
    assert faults == []
    page.close()


def test_names_full_of_markup_run_nothing_in_a_browser(browser, tmp_path):
    nasty = write_report(fake_run(tmp_path / "run", marker=NASTY))
    page, faults = opened_page(browser, nasty)
    show(page, "tab=trajectories&population=treg")
    assert page.locator("svg.chart").first.is_visible()
    assert page.evaluate("document.documentElement.dataset.broken") is None
    assert faults == []
    page.close()
