"""The report in a browser, as it is read: on a desk, on a tablet and on a telephone."""

from __future__ import annotations

import pytest
from outputs.report.fake_run import fake_run
from outputs.report.test_compared_page import compared
from outputs.report.test_told_pages import stored, visits, with_pages
from support.browser import OVERFLOW, SMALLEST, opened_browser, opened_page

from immunomon.outputs.report import write_report

NASTY = "</script><script>document.documentElement.dataset.broken='yes'</script><img src=x onerror=alert(1)>\"'&\u2028"
READABLE = 9.0  # pixels


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a run with all that other commands make of one."""
    run = compared(with_pages(fake_run(tmp_path_factory.mktemp("whole") / "run"), stored()))
    visits().to_parquet(run / "assessments" / "platelet_visits.parquet")
    return write_report(run)


def show(page, state):
    page.evaluate(f"location.hash = {state!r}")
    page.wait_for_timeout(60)


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


def test_sections_show_what_their_address_names(browser, report):
    page, faults = opened_page(browser, report)
    for state, sign in {
        "tab=overview": ".cell.gated",
        "tab=samples&sample=S01__W2__thelper": "svg.gating image",
        "tab=trajectories&population=treg&measure=log_odds_change": "svg.chart",
        "tab=tables&table=frequencies&sort=-percent&q=treg": "text=page 1 of",
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
    need = page.locator(".needs li", has_text="files failed")
    assert need.locator("b").inner_text() == "1"
    need.locator("a").click()
    page.wait_for_selector("#samples [data-shown]")
    assert page.locator(".stepper .field span").first.inner_text() == "Sample (1 of 18)"
    assert page.locator("#samples").get_by_text("the file ends early").first.is_visible()
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
