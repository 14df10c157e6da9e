"""The page in a browser: a person's gestures end as drafts and verdicts of the desk, and nothing goes wrong unsaid."""

import re
import time

import pytest
from support.browser import opened_browser, watched_page

from immunomon import open_run
from immunomon.outputs.report.page import write_report
from immunomon.outputs.review.server import served
from immunomon.runs.audit import AuditTrail

SAMPLE = "fcs__treg__S01_W4_treg"


@pytest.fixture
def address(desk):
    """Where the desk is served, with the token."""
    with served(desk) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    """A browser for all tests of the page."""
    with opened_browser() as browser:
        yield browser


@pytest.fixture
def page(request, address, browser):
    """The page, open at the gate of CD4 T cells; a test fails if a script of it did, or met what it does not expect."""
    page, faults = watched_page(browser)
    page.set_default_timeout(120_000)
    page.goto(address)
    page.wait_for_selector(".gallery .card")
    page.locator("#choices select").nth(1).select_option("cd4")
    page.wait_for_selector('.gallery[data-population="cd4"] .card')
    yield page
    page.close()
    expected = ("ERR_FAILED", *getattr(request, "param", ()))  # the first: what a test cut off on the way
    assert [fault for fault in faults if not any(words in fault for words in expected)] == []


def opened(page):
    page.locator(f'.card[data-sample="{SAMPLE}"]').first.click()
    page.wait_for_selector(".big svg .hand", state="attached")


def until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.1)


def test_a_border_is_dragged_kept_and_taken_back(page, desk):
    opened(page)
    before = desk.sample(SAMPLE)["counts"]["cd4"]
    hand = page.locator(".big .hand").first.bounding_box()
    x, y = hand["x"] + hand["width"] / 2, hand["y"] + hand["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y, steps=6)
    cell = page.locator('#moved tr[data-population="cd4"] .changed').first
    until(lambda: cell.inner_text().strip() not in ("", str(before)))  # it counts while the mouse holds the border
    page.mouse.up()
    until(lambda: len(desk.pending()) == 1)
    assert desk.pending()[0]["after"]["cd4"][0] < before
    page.wait_for_selector('#moved tr[data-population="cd4"] td:has-text("no longer")')  # what may be reported
    page.click("text=Same gate in the subject's other visits")
    until(lambda: {draft["sample"] for draft in desk.pending()} == {SAMPLE, SAMPLE.replace("W4", "D-1")})
    page.wait_for_selector("dialog td:has-text('S01 D-1')")  # what it changes there, before it is kept
    page.click("dialog button:has-text('Keep the drafts')")
    page.keyboard.press("z")
    until(lambda: {draft["sample"] for draft in desk.pending()} == {SAMPLE})
    page.wait_for_selector("text=Taken back: S01 W4")
    page.keyboard.press("z")
    until(lambda: desk.pending() == [])


def test_keys_approve_query_and_go_on(page, desk):
    opened(page)
    page.keyboard.press("q")
    page.fill("dialog textarea", "<b>clotted?</b>")
    page.click("dialog button.main")
    until(lambda: desk.progress()["queries"] == 1)
    page.wait_for_selector("text=<b>clotted?</b>")  # as text, never as markup
    page.keyboard.press("a")
    until(lambda: desk.progress()["approved"] == 1)
    page.keyboard.press("Escape")
    page.wait_for_selector(".gallery .card")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open] kbd")


def test_a_refusal_is_shown_to_whoever_asked(page):
    page.evaluate("() => { window.fetch = () => Promise.reject(new TypeError('gone')); }")
    page.locator(f'.card[data-sample="{SAMPLE}"]').first.click()
    page.wait_for_selector("text=No connection to the desk; trying again")
    page.wait_for_selector("text=is immunomon review still running?")


def test_an_answer_that_is_lost_on_the_way_is_asked_for_again_and_done_once(page, desk):
    opened(page)
    left = {"draft": 1, "judge": 1, "undo": 1}

    def lose_once(route):
        name = route.request.url.rpartition("/")[2]
        if left.get(name):
            left[name] -= 1
            route.fetch()  # it reaches the desk, and the answer does not come back
            route.abort()
        else:
            route.continue_()

    page.route("**/api/*", lose_once)
    hand = page.locator(".big .hand").first
    hand.focus()
    page.keyboard.press("ArrowRight")
    page.locator(".big .hand").first.press("Enter")
    page.wait_for_selector("text=Kept as a draft")
    assert len(desk.drafts.all) == 1
    page.keyboard.press("q")
    page.fill("dialog textarea", "clotted?")
    page.click("dialog button.main")
    until(lambda: desk.progress()["queries"] == 1)
    page.wait_for_selector("dialog", state="hidden")
    page.keyboard.press("z")
    page.wait_for_selector("text=Taken back")
    assert desk.pending() == []
    assert left == {"draft": 0, "judge": 0, "undo": 0}
    verdicts = [entry for entry in AuditTrail(desk.run.folder).entries() if entry["action"] == "review"]
    assert len(verdicts) == 1


def border(page):
    """Where the border under review is drawn."""
    return float(page.locator(".big .hand").first.get_attribute("x1"))


def test_a_gate_is_looked_at_closely(page):
    opened(page)
    page.locator(".views select").select_option("treg")
    page.wait_for_selector("#seen:has-text('Orange: Treg')")
    page.keyboard.press("Escape")
    opened(page)  # what is laid over stays from sample to sample
    page.wait_for_selector("#seen:has-text('Orange: Treg')")
    before = border(page)
    page.locator(".big svg").first.hover(position={"x": 200, "y": 200})
    page.mouse.wheel(0, -300)
    until(lambda: abs(border(page) - before) > 3)
    page.click("button:has-text('Whole')")
    until(lambda: abs(border(page) - before) < 1)
    page.click("button:has-text('FMO')")
    page.wait_for_selector("#seen:has-text('FMO tube')")


def test_a_selection_is_approved_at_once(page, desk):
    page.locator(".gallery .card").first.focus()
    for key in (" ", "ArrowRight", " "):
        page.keyboard.press(key)
    page.wait_for_selector("text=2 selected")
    page.keyboard.press("a")
    until(lambda: desk.progress()["approved"] == 2)
    page.wait_for_selector(".selection", state="hidden")


def test_a_sample_is_dropped_and_that_is_taken_back(page, desk):
    opened(page)
    page.click("text=Drop the sample")
    until(lambda: [draft["action"] for draft in desk.pending()] == ["drop-sample"])
    page.wait_for_selector("button:has-text('Drop the sample: a draft')")
    page.keyboard.press("r")
    page.wait_for_selector("dialog td:has-text('dropped')")
    page.click("dialog summary")
    page.wait_for_selector("dialog details .facts:has-text('values move')")
    page.keyboard.press("Escape")
    page.keyboard.press("z")
    until(lambda: desk.pending() == [])


def test_a_person_chooses_whether_the_others_hear_of_a_moved_border(page, desk):
    opened(page)
    page.locator(".big .hand").first.press("ArrowRight")
    page.locator(".big .hand").first.press("Enter")
    page.locator(".hear input").check()
    until(lambda: [draft["in_consensus"] for draft in desk.pending()] == [True])
    page.wait_for_selector(".hear input:checked")


def test_the_report_leads_to_the_desk(page, desk, address):
    write_report(desk.run.folder)
    page.goto(f"{address.partition('?')[0]}report#tab=samples&sample={SAMPLE}")
    page.click("text=Look at its gates in the review desk")
    page.wait_for_selector(".sample h2:has-text('S01 W4')")


def test_a_notebook_shows_the_gallery_and_decides_nothing(page, desk):
    page.goto("about:blank")
    page.set_content(open_run(desk.run.folder).review("treg", "cd4")._repr_html_())
    frame = page.frame_locator("iframe")
    frame.locator(".gallery[data-population='cd4'] .card").first.wait_for()
    assert frame.locator(".card").count() == len(desk.gallery("treg", "cd4"))
    frame.locator("#choices select").nth(1).select_option("treg")
    frame.locator(".gallery[data-population='treg'] .card").first.wait_for()


@pytest.mark.parametrize("blind", [True])
def test_a_blind_page_shows_codes_in_place_of_names(page, desk):
    codes = [card.get_attribute("data-sample") for card in page.locator(".gallery .card").all()]
    assert codes == [code for name, code in desk.blind.codes.items() if name in desk.run.gated]
    page.locator(".gallery .card").first.click()
    page.wait_for_selector(".big svg .hand", state="attached")
    page.click("button:has-text('FMO')")
    page.wait_for_selector("#seen:has-text('FMO tube')")
    text = page.inner_text("body")
    assert codes[0] in text
    besides = re.sub("|".join(desk.blind.codes.values()), "", text)  # a random code may well contain "W4"
    assert not [name for name in (*desk.run.gated, "S01", "W4", "D-1") if name in besides]
    page.keyboard.press("a")
    until(lambda: desk.progress()["approved"] == 1)


def test_a_slanted_border_is_turned_about_its_other_end(page, desk):
    page.locator("#choices select").nth(1).select_option("treg")
    page.wait_for_selector('.gallery[data-population="treg"] .card')
    page.locator(f'.card[data-sample="{SAMPLE}"]').first.click()
    page.wait_for_selector(".big svg .corner", state="attached")
    before = desk.sample(SAMPLE)["gates"]["treg"]["gate"]
    place = page.locator(".big .corner").last.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y + 10, steps=4)
    page.mouse.up()
    until(lambda: [draft["population"] for draft in desk.pending()] == ["treg"])
    after = desk.sample(SAMPLE)["drafts"][0]["gate"]
    slopes = [slope(gate["vertices"]) for gate in (before, after)]
    assert abs(slopes[0] - slopes[1]) > 0.01


def slope(corners):
    """The slope of the edge that is neither upright nor level."""
    pairs = zip(corners, [*corners[1:], corners[0]], strict=True)
    return next((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs if a[0] != b[0] and abs(b[1] - a[1]) > 1e-9)


def dragged_handle(page, handle, by):
    place = handle.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by[0], y + by[1], steps=4)
    page.mouse.up()


def test_the_cross_of_quadrants_and_the_axis_of_an_ellipse_are_dragged(page, desk):
    shape = {"center": [9e4, 3e4], "covariance": [[9e8, 1e8], [1e8, 1e8]], "distance_square": 1.0}
    desk.draft(SAMPLE, "lymphocytes", {"kind": "ellipse", "x": "FSC-A", "y": "SSC-A", **shape})
    page.locator("#choices select").nth(1).select_option("treg_memory")
    page.wait_for_selector('.gallery[data-population="treg_memory"] .card')
    opened(page)
    before = desk.sample(SAMPLE)["gates"]["treg_memory"]["gate"]["sides"]
    dragged_handle(page, page.locator(".big .corner"), (-20, 30))
    until(lambda: len(desk.pending()) == 2)
    after = [draft["gate"]["sides"] for draft in desk.sample(SAMPLE)["drafts"] if draft["population"] == "treg_memory"]
    assert all(now["low"] < was["low"] for now, was in zip(after[0], before, strict=True))
    page.wait_for_selector("text=Kept as a draft")
    page.locator("#choices select").nth(1).select_option("lymphocytes")
    page.wait_for_selector(".sample h2:has-text('Lymphocytes')")
    dragged_handle(page, page.locator("[aria-label='end of the short axis']"), (0, -30))
    until(lambda: desk.drafts.all[-1].gate.get("covariance", shape["covariance"]) != shape["covariance"])
    (a, b), (_, c) = desk.drafts.all[-1].gate["covariance"]
    assert a * c - b * b > 9e8 * 1e8 - 1e16  # larger: one half axis is longer, the other as it was


# What is asked of a sample just while its decisions are written is refused, in words on the page.
@pytest.mark.parametrize("page", [["409 (Conflict)"]], indirect=True)
def test_a_commit_is_made_while_the_reviewer_looks_on(page, desk):
    gate = desk.sample(SAMPLE)["gates"]["cd4"]["gate"]
    desk.draft(SAMPLE, "cd4", {**gate, "low": gate["low"] + 0.2})
    page.keyboard.press("c")
    page.click("dialog button.main")
    page.wait_for_selector("text=A decision needs a reason")
    page.fill("dialog textarea", "the border stood in the peak")
    page.click("dialog button.main")
    page.wait_for_selector("text=you may look on meanwhile")
    opened(page)
    page.wait_for_selector("text=1 decision written; the run is up to date.")
    assert (desk.pending(), len(desk.decisions())) == ([], 1)
