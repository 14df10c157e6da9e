"""The report: whole, closed to the network, and safe against the names that come from files."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from outputs.report import fake_run as fake
from support.report_page import islands, words

from immunomon.cli.report import report
from immunomon.errors import BadRun
from immunomon.outputs.report import write_report
from immunomon.runs.audit import AuditTrail

NASTY = "</script><script>document.documentElement.dataset.broken='yes'</script><img src=x onerror=alert(1)>\"'&\u2028"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fake.fake_run(tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture(scope="module")
def page(run):
    return write_report(run).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def nasty_page(tmp_path_factory):
    return write_report(fake.fake_run(tmp_path_factory.mktemp("nasty") / "run", marker=NASTY))


def test_the_page_names_nothing_on_a_network(page):
    addresses = set(re.findall(r"https?://[^\s\"'<>`)]*", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\((?!#)|<link(?![^>]*data:)|<script[^>]*\bsrc=", page)


def test_every_sample_and_population_is_on_the_page(run, page):
    stored = {path.stem for path in (run / "samples").glob("*.json")}
    assert stored - {"S03__W2__treg"} <= set(islands(page))
    assert stored | {"controls__fmo_CD25"} == words(page, "samples", "sample_id")
    assert words(page, "populations", "population") == {
        member.id for steps in fake.STEPS.values() for s in steps for member in s[3]
    }


def test_a_gated_sample_has_all_its_plots_with_outlines_inside_or_near_the_frame(page):
    plots = islands(page)["S01__W2__thelper"]["plots"]
    assert [plot["parent"] for plot in plots] == [step[0] for step in fake.STEPS["thelper"]]
    assert len(plots[-1]["gates"]) == 4
    assert all(gate["ring"] and gate["lines"] != [] for plot in plots for gate in plot["gates"])
    assert not any("problem" in plot for plot in plots)


def test_the_verdict_counts_what_became_of_the_files(page):
    text = re.sub(r"<[^>]+>", " ", page.split("<main>")[0])
    for said in (
        "16 of 18 files gated",
        "1 failed",
        "1 control kept",
        "1 planned sample without a file",
        "compared with a control arm",
    ):
        assert said in text


def test_the_grid_marks_missing_failed_and_partly_reportable_samples(page):
    grid = page.split('<table class="grid">')[1].split("</table>")[0]
    assert re.search(r'cell missing" title="S02 W4, treg: no file"', grid)
    assert re.search(r'cell failed"[^>]*title="S03 W2, treg: failed: the file ends early"', grid)
    assert re.search(r'cell partly"[^>]*title="S01 W2, treg: gated; 1 population not reportable"', grid)


def test_a_damaged_plot_is_named_and_costs_no_other_plot(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    path = copy / "samples" / "S01__W2__treg.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["plots"][1]["bins"] = "AAAA"
    path.write_text(json.dumps(data), encoding="utf-8")
    plots = islands(write_report(copy, tmp_path / "out" / "x.html").read_text(encoding="utf-8"))["S01__W2__treg"][
        "plots"
    ]
    assert ["problem" in plot for plot in plots] == [False, True, False, False, False, False]


def test_text_from_files_never_becomes_markup(nasty_page):
    text = nasty_page.read_text(encoding="utf-8")
    assert "document.documentElement.dataset.broken='yes'</script>" not in text
    assert "<img" not in text
    assert text.count("<script") == text.count("</script>")
    assert any(NASTY in label for label in words(text, "populations", "label"))


def test_a_folder_that_is_no_run_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(BadRun, match=r"run\.json.*make it with: immunomon run"):
        write_report(tmp_path)


def test_a_run_without_any_sample_still_has_a_page(tmp_path):
    (tmp_path / "run.json").write_text('{"study": {"name": "EMPTY"}}', encoding="utf-8")
    assert "EMPTY" in write_report(tmp_path).read_text(encoding="utf-8")


def test_the_same_run_gives_the_same_bytes_and_leaves_no_other_file(run, tmp_path):
    first, second = (write_report(run, tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_the_size_of_a_page_stays_small_for_each_sample(page):
    assert len(page.encode()) / 17 < 18_000  # a demo trial with expansion, 628 gated samples: below 6 MB


def test_the_command_says_where_the_page_is(run, tmp_path, capsys):
    assert report(run, tmp_path / "page.html") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "page.html")


def test_a_trail_that_was_changed_is_no_source_of_what_persons_decided(tmp_path):
    run = fake.fake_run(tmp_path / "run", subjects=1, visits=1, panels=("treg",))
    trail = AuditTrail(run)
    assert "what persons decided is not known" in write_report(run).read_text(encoding="utf-8")  # there is no trail
    trail.append("override", by="A. Nurse", reason="clotted", target="drop-sample S01__W2__treg")
    assert "<td>clotted</td>" in write_report(run).read_text(encoding="utf-8")
    trail.path.write_text(trail.path.read_text(encoding="utf-8").replace("clotted", "fine"), encoding="utf-8")
    changed = write_report(run).read_text(encoding="utf-8")
    assert "what persons decided is not known" in changed
    assert "the audit trail is broken: no review is shown" in changed
    assert "<td>fine</td>" not in changed
