"""Two desks at once, a killed desk, a lost answer: no decision is lost, and none is made twice."""

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from immunomon.errors import ImmunomonError
from immunomon.outputs.review import open_desk
from immunomon.runs.audit import AuditTrail
from immunomon.runs.overriding import check_overrides

FIRST, SECOND = "fcs__treg__S01_W4_treg", "fcs__treg__S02_W4_treg"
COMMAND = [sys.executable, "-c", "from immunomon.cli.main import main; main()"]


class Browser:
    """What a page does, without one: the token for a cookie, then questions."""

    def __init__(self, address):
        parts = urlsplit(address)
        self.origin, self._netloc = f"http://{parts.netloc}", parts.netloc
        with closing(http.client.HTTPConnection(self._netloc, timeout=30)) as connection:
            connection.request("GET", f"/?{parts.query}")
            self._cookie = connection.getresponse().headers["set-cookie"].partition(";")[0]

    def ask(self, name, **asked):
        headers = {"Origin": self.origin, "Cookie": self._cookie}
        with closing(http.client.HTTPConnection(self._netloc, timeout=60)) as connection:
            connection.request("POST", f"/api/{name}", json.dumps(asked), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


@contextmanager
def desk_process(run, reviewer):
    """A desk as a process of its own; yields the process and a browser at it."""
    command = [*COMMAND, "review", str(run), "--no-open", "--as", reviewer]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if match := re.search(r"http://\S+", line):
                    yield process, Browser(match[0])
                    break
            else:
                pytest.fail("".join(lines))
        finally:
            process.kill()


def moved(browser, sample, shift):
    status, shown = browser.ask("sample", sample=sample)
    assert status == 200, shown
    gate = dict(shown["gates"]["cd4"]["gate"])
    return browser.ask("draft", sample=sample, population="cd4", gate={**gate, "low": gate["low"] + shift})


def decisions(run):
    return {(decision.sample, decision.by) for decision in check_overrides(run.parent)}


def in_the_trail(run):
    entries = [entry for entry in AuditTrail(run).entries() if entry["action"] == "override"]
    return sorted((entry["decision"]["sample"], entry["by"]) for entry in entries)


def test_two_desks_that_decide_on_one_sample_do_not_overwrite_each_other(own_run):
    with desk_process(own_run, "A. Nurse") as (_, first), desk_process(own_run, "B. Nurse") as (_, second):
        assert moved(first, FIRST, 0.2)[0] == moved(second, FIRST, 0.3)[0] == 200
        assert first.ask("commit", reason="the border stood in the peak")[0] == 200
        status, answer = second.ask("commit", reason="I think otherwise")
        assert (status, "changed since" in answer["error"]) == (409, True)
        assert len(second.ask("pending")[1]) == 1
        assert second.ask("pending")[1][0]["outdated"]
        assert second.ask("discard", samples=[FIRST])[1]["drafts"] == 0
        assert moved(second, FIRST, 0.05)[0] == 200  # on what the sample is now
        assert second.ask("commit", reason="I still think otherwise")[0] == 200
    assert decisions(own_run) == {(FIRST, "B. Nurse")}
    assert in_the_trail(own_run) == [(FIRST, "A. Nurse"), (FIRST, "B. Nurse")]
    assert AuditTrail(own_run).problems() == []


def test_two_desks_that_commit_at_the_same_time_lose_nothing(own_run):
    with desk_process(own_run, "A. Nurse") as (_, first), desk_process(own_run, "B. Nurse") as (_, second):
        pairs = ((first, FIRST), (second, SECOND))
        for browser, sample in pairs:
            assert moved(browser, sample, 0.2)[0] == 200
        threads = [threading.Thread(target=committed, args=(browser,)) for browser, _ in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [browser.ask("pending")[1] for browser, _ in pairs] == [[], []]
    assert decisions(own_run) == {(FIRST, "A. Nurse"), (SECOND, "B. Nurse")}
    assert in_the_trail(own_run) == [(FIRST, "A. Nurse"), (SECOND, "B. Nurse")]
    assert AuditTrail(own_run).problems() == []


def committed(browser):
    """Commit, again for as long as the other desk is writing the run: whoever is told so has lost nothing."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        status, answer = browser.ask("commit", reason="the border stood in the peak")
        if status == 200:
            return
        assert "another immunomon run is writing" in answer["error"]
        time.sleep(0.2)


def test_a_desk_that_is_killed_while_it_commits_is_finished_by_the_next(own_run):
    with desk_process(own_run, "A. Nurse") as (process, browser):
        assert moved(browser, FIRST, 0.2)[0] == moved(browser, SECOND, 0.2)[0] == 200
        threading.Thread(target=lost, args=(browser,)).start()
        end = time.monotonic() + 60
        while not (own_run.parent / "overrides.yaml").exists():
            assert time.monotonic() < end
            time.sleep(0.005)
        process.kill()
    desk = open_desk(own_run, reviewer="A. Nurse")
    assert desk.pending() == []
    desk.close()
    assert decisions(own_run) == {(FIRST, "A. Nurse"), (SECOND, "A. Nurse")}
    assert in_the_trail(own_run) == [(FIRST, "A. Nurse"), (SECOND, "A. Nurse")]
    assert AuditTrail(own_run).problems() == []


def lost(browser):
    with pytest.raises((OSError, http.client.HTTPException)):
        browser.ask("commit", reason="the border stood in the peak")


def test_a_commit_that_was_stopped_before_it_wrote_anything_leaves_the_drafts(own_run):
    desk = open_desk(own_run, reviewer="A. Nurse")
    gate = dict(desk.sample(FIRST)["gates"]["cd4"]["gate"])
    desk.draft(FIRST, "cd4", {**gate, "low": gate["low"] + 0.2})
    desk.drafts.begin_commit({"reason": "r", "by": "A. Nurse", "when": "2026-01-31T14:05:00Z"})
    desk.close()
    again = open_desk(own_run, reviewer="A. Nurse")
    assert "before it wrote anything" in again.remark
    assert [draft["sample"] for draft in again.pending()] == [FIRST]
    assert again.commit("the border stood in the peak")["decisions"] == 1
    again.close()
    assert in_the_trail(own_run) == [(FIRST, "A. Nurse")]


def test_a_commit_that_was_stopped_after_the_run_is_not_made_again(own_run):
    desk = open_desk(own_run, reviewer="A. Nurse")
    gate = dict(desk.sample(FIRST)["gates"]["cd4"]["gate"])
    desk.draft(FIRST, "cd4", {**gate, "low": gate["low"] + 0.2})
    drafts = desk.drafts.all
    desk.commit("the border stood in the peak")
    [decision] = check_overrides(own_run.parent)
    desk.drafts.add([replace(draft, seen="earlier") for draft in drafts])
    when = decision.when.strftime("%Y-%m-%dT%H:%M:%SZ")
    desk.drafts.begin_commit({"reason": decision.reason, "by": decision.by, "when": when})
    desk.close()
    before = len(AuditTrail(own_run).entries())
    again = open_desk(own_run, reviewer="A. Nurse")
    assert (again.pending(), "finished: 1 decision" in again.remark.replace("been finished", "finished")) == ([], True)
    again.close()
    assert len(AuditTrail(own_run).entries()) == before


def test_a_request_that_comes_twice_is_done_once(own_run):
    with desk_process(own_run, "A. Nurse") as (_, browser):
        assert moved(browser, FIRST, 0.2)[0] == moved(browser, SECOND, 0.2)[0] == 200
        assert [browser.ask("undo", request="1")[1] for _ in range(2)] == [[SECOND], [SECOND]]
        assert [draft["sample"] for draft in browser.ask("pending")[1]] == [FIRST]
        seen = browser.ask("sample", sample=SECOND)[1]["seen"]
        asked = {"seen": {SECOND: seen}, "verdict": "query", "note": "clotted?", "request": "2"}
        assert [browser.ask("judge", **asked)[0] for _ in range(2)] == [200, 200]
        answers = []
        commit = lambda: answers.append(browser.ask("commit", reason="in the peak", request="3"))  # noqa: E731
        threads = [threading.Thread(target=commit) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer[1].get("decisions") for answer in answers] == [1, 1]
    assert [entry["action"] for entry in AuditTrail(own_run).entries()].count("review") == 1
    assert in_the_trail(own_run) == [(FIRST, "A. Nurse")]


def test_two_reviewers_whose_names_have_no_latin_letter_do_not_share_drafts(own_run):
    first = open_desk(own_run, reviewer="李护士")
    second = open_desk(own_run, reviewer="王护士")
    gate = dict(first.sample(FIRST)["gates"]["cd4"]["gate"])
    first.draft(FIRST, "cd4", {**gate, "low": gate["low"] + 0.2})
    assert second.pending() == []
    second.close()
    with pytest.raises(ImmunomonError, match="no drafts"):
        open_desk(own_run, reviewer="王护士").commit("none of mine")
    first.close()
