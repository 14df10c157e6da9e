"""A blind review shows nothing of whose a sample is, and the trail says that it was blind."""

import json

import pytest
from starlette.testclient import TestClient

from immunomon.outputs.review import open_desk
from immunomon.outputs.review.server import desk_app
from immunomon.runs.audit import AuditTrail
from immunomon.runs.overriding import check_overrides

ORIGIN, TOKEN = "http://127.0.0.1:8765", "a-token-of-one-run"


@pytest.fixture
def blind_desk(own_run):
    desk = open_desk(own_run, reviewer="A. Nurse", blind=True, seed=7)
    yield desk
    desk.close()


@pytest.fixture
def ask(blind_desk):
    """Ask the desk as its page does."""
    with TestClient(desk_app(blind_desk, token=TOKEN, origin=ORIGIN), base_url=ORIGIN) as client:
        client.get(f"/?token={TOKEN}")
        client.headers["origin"] = ORIGIN
        yield lambda name, **asked: client.post(f"/api/{name}", json=asked)


def words_of(desk):
    samples = desk.run.table("samples")
    names = {*samples["sample_id"], *samples["subject"].dropna(), *samples["visit"].dropna(), *samples["file"]}
    return {json.dumps(name)[1:-1] for name in names}


def test_no_answer_says_whose_a_sample_is(blind_desk, ask):
    gallery = ask("gallery", panel="treg", population="cd4")
    code = gallery.json()[0]["sample_id"]
    gate = ask("sample", sample=code).json()["gates"]["cd4"]["gate"]
    moved = {**gate, "low": gate["low"] + 0.2}
    answers = [
        gallery,
        ask("overview"),
        ask("sample", sample=code),
        ask("foresee", sample=code, population="cd4", gate=moved),
        ask("draft", sample=code, population="cd4", gate=moved),
        ask("pending"),
        ask("effects"),
        ask("closer", sample=code, population="cd4", view={"control": True, "over": "treg"}),
        ask("sample", sample="no such"),
    ]
    assert [answer.status_code for answer in answers] == [200] * 8 + [409]
    for answer in answers:
        for row in answer.json() if isinstance(answer.json(), list) else [answer.json()]:
            row.pop("plot", None)
        text = answer.text
        assert [name for name in words_of(blind_desk) if f'"{name}"' in text or f" {name} " in text] == []
    assert ask("effects").json(), "what the draft moves is shown"


def test_what_a_gate_is_stays_what_it_is(blind_desk, ask):
    """A dose is called A here, and so ends the name of many a detector."""
    assert "A" in {group["name"] for group in blind_desk.run.study["dose_groups"]}
    entry = ask("gallery", panel="treg", population="cd4").json()[0]
    plain = json.loads(json.dumps(blind_desk.sample(blind_desk.blind.sample(entry["sample_id"]))))
    shown = ask("sample", sample=entry["sample_id"]).json()
    for name, gate in plain["gates"].items():
        kept = {key: shown["gates"][name][key] for key in ("gate", "method", "parent", "label", "facts")}
        assert kept == {key: gate[key] for key in kept}
    assert [plot["frame"] for plot in shown["plots"]] == [plot["frame"] for plot in plain["plots"]]
    assert ask("overview").json()["reviewer"] == "A. Nurse"


def test_the_order_is_that_of_the_seed_and_no_other(blind_desk, ask, own_run):
    codes = [entry["sample_id"] for entry in ask("gallery", panel="treg", population="cd4").json()]
    order = [blind_desk.blind.sample(code) for code in codes]
    assert sorted(order) == sorted(blind_desk.run.gated)
    assert order != sorted(order)
    blind_desk.close()
    again = open_desk(own_run, reviewer="A. Nurse", blind=True)  # the seed is kept
    assert (again.blind.seed, again.blind.codes) == (7, blind_desk.blind.codes)
    again.close()


def test_verdicts_and_decisions_are_of_the_sample_and_say_that_they_were_blind(blind_desk, ask, own_run):
    entry = ask("gallery", panel="treg", population="cd4").json()[0]
    code, sample = entry["sample_id"], blind_desk.blind.sample(entry["sample_id"])
    assert ask("judge", seen={code: entry["seen"]}, verdict="approved").status_code == 200
    last = AuditTrail(own_run).entries()[-1]
    assert (list(last["samples"]), last["blind_seed"]) == ([sample], 7)
    gate = ask("sample", sample=code).json()["gates"]["cd4"]["gate"]
    ask("draft", sample=code, population="cd4", gate={**gate, "low": gate["low"] + 0.2})
    assert ask("commit", reason="the border stood in the peak").status_code == 200
    [decision] = check_overrides(own_run.parent)
    assert (decision.sample, decision.reason) == (sample, "the border stood in the peak (decided blind, seed 7)")


def test_a_sample_is_not_found_by_its_own_name(blind_desk, ask):
    assert ask("sample", sample=blind_desk.run.gated[0]).status_code == 409
