"""Nobody but the page that was opened with the token may ask the desk, and nothing of it leaves this computer."""

import pytest
from starlette.testclient import TestClient

from immunomon.outputs.review.server import desk_app

ORIGIN = "http://127.0.0.1:8765"
TOKEN = "a-token-of-one-run"


@pytest.fixture
def client(desk):
    app = desk_app(desk, token=TOKEN, origin=ORIGIN)
    with TestClient(app, base_url=ORIGIN) as client:
        yield client


@pytest.fixture
def page(client):
    assert client.get(f"/?token={TOKEN}").status_code == 200
    client.headers["origin"] = ORIGIN
    return client


def test_the_page_opens_with_its_token_which_leaves_the_address(client):
    answer = client.get(f"/?token={TOKEN}")
    assert (answer.status_code, str(answer.url)) == (200, f"{ORIGIN}/")
    assert "Review desk" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    cookie = answer.history[0].headers["set-cookie"].casefold()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_the_token_opens_one_browser(client, page):
    assert page.get(f"/?token={TOKEN}").status_code == 200  # it has the cookie
    with TestClient(client.app, base_url=ORIGIN) as another:
        answer = another.get(f"/?token={TOKEN}")
        assert (answer.status_code, "another browser" in answer.text) == (403, True)
        assert another.post("/api/progress", json={}, headers={"origin": ORIGIN}).status_code == 403


@pytest.mark.parametrize("path", ["/", "/desk.js", "/desk.css", "/?token=wrong"])
def test_without_the_token_nothing_is_shown(client, path):
    answer = client.get(path)
    assert answer.status_code == 403
    assert "token" in answer.text


@pytest.mark.parametrize("host", ["attacker.example", "127.0.0.1", "localhost:8765", "127.0.0.1:9999"])
def test_another_host_is_refused(page, host):
    assert page.get("/", headers={"host": host}).status_code == 403
    assert page.post("/api/overview", json={}, headers={"host": host}).status_code == 403


@pytest.mark.parametrize("origin", ["https://attacker.example", "null", ""])
def test_another_page_is_refused(page, origin):
    assert page.post("/api/progress", json={}, headers={"origin": origin}).status_code == 403


def test_a_question_without_a_token_is_refused(client):
    assert client.post("/api/progress", json={}, headers={"origin": ORIGIN}).status_code == 403


def test_the_page_gets_answers(page):
    assert page.post("/api/overview", json={}).json()["progress"]["samples"] > 0
    gallery = page.post("/api/gallery", json={"panel": "treg", "population": "cd4"}).json()
    assert {entry["visit"] for entry in gallery} >= {"D-1", "W4"}
    assert "drawThumbnail" in page.get("/desk.js").text


@pytest.mark.parametrize(
    ("name", "asked", "status", "words"),
    [
        ("sample", {"sample": "../../../etc/passwd"}, 409, "no gated sample"),
        ("gallery", {"panel": "treg"}, 400, "population"),
        ("commit", {"reason": "none"}, 409, "no drafts"),
        ("judge", {"seen": {"fcs__treg__S01_W4_treg": "x"}, "verdict": "approved"}, 409, "changed since"),
        ("judge", {"seen": {}, "verdict": "fine"}, 409, "no verdict"),
        ("move", {"sample": "fcs__treg__S01_W4_treg", "population": "cd4", "gate": {"kind": "blob"}}, 409, "geometry"),
    ],
)
def test_what_is_wrong_with_a_question_is_said(page, name, asked, status, words):
    answer = page.post(f"/api/{name}", json=asked)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_a_question_that_is_no_object_or_too_long_is_refused(page):
    assert page.post("/api/progress", json=[1]).status_code == 400
    assert page.post("/api/progress", content=b"{").status_code == 400
    assert page.post("/api/progress", content=b" " * 300_000).status_code == 409
    assert page.get("/api/progress").status_code == 405
