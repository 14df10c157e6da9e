"""Every command on a study that has only just begun: something sensible is said, nothing ends in a traceback."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.untraced import untraced
from typer.testing import CliRunner

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.cli.main import app
from immunomon.errors import ImmunomonError

FORMATS = ("csv", "excel", "redcap", "immport", "sdtm", "adam", "dataset-json", "miflowcyt")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A trial of three patients, two visits and one panel. Not to be changed."""
    folder = tmp_path_factory.mktemp("begun") / "trial"
    return simulate_trial(folder, events=1500, visits=["D-1", "W4"], subjects_per_group=1, panels=["treg"], seed=5)


def keep(path: Path, wanted: Callable[[str], bool]) -> None:
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([head, *filter(wanted, rows)]) + "\n", encoding="utf-8", newline="\n")


def nothing_yet(study: Path) -> None:
    """No sample, no measurement, no event: every table is a header."""
    for path in study.glob("*.csv"):
        keep(path, lambda _: False)


def nobody_treated(study: Path) -> None:
    """One patient's first tube, nobody has had an infusion."""
    nothing_yet(study)
    shutil.copyfile(study / "samples.all", study / "samples.csv")
    keep(study / "samples.csv", lambda row: "S01_D-1_" in row)
    text = (study / "study.yaml").read_text(encoding="utf-8")
    text = re.sub(r"\n    infusion_dates: .*", "", text)
    (study / "study.yaml").write_text(text, encoding="utf-8", newline="\n")


def baseline_only(study: Path) -> None:
    """Everybody's baseline: nothing that could have changed."""
    for name in ("samples.csv", "platelets.csv"):
        keep(study / name, lambda row: "D-1" in row or "single-" in row)


BEGINNINGS = {edit.__name__: edit for edit in (nothing_yet, nobody_treated, baseline_only)}


@pytest.fixture(params=BEGINNINGS)
def begun(request, whole, tmp_path) -> Path:
    study = Path(shutil.copytree(whole, tmp_path / "trial"))
    shutil.copyfile(study / "samples.csv", study / "samples.all")
    BEGINNINGS[request.param](study)
    (study / "samples.all").unlink()
    return study


def commands(study: Path) -> list[list[object]]:
    run = study / "run"
    first = [["check", study], ["assess", study, "--out", study / "assessed"], ["run", study, "--jobs", 1]]
    of_run = [
        "assess",
        "compare",
        "mechanism",
        "power",
        "quality",
        "steadiness",
        "normalise",
        "verify",
        "export",
    ]
    more = [
        ["export-gates", run],
        ["export-gates", run, "--as", "flowjo"],
        ["export", run, "--as", "anndata"],
        ["trace", run, "--subject", "S01", "--visit", "D-1", "--population", "treg"],
        ["cluster", run],
        ["embed", run, "--cells", 300],
        ["project", run],
        ["lock", run, "--by", "A. Person", "--reason", "to see"],
        ["audit", run],
        ["status", run],
        ["report", run],
    ]
    deliveries = [["deliver", run, "--as", kind, "--out", study / kind] for kind in FORMATS]
    checks = [["check-delivery", study / kind] for kind in FORMATS]
    return [*first, *([name, run] for name in of_run), *more, *deliveries, *checks]


@pytest.mark.no_cover
def test_every_command_says_something_sensible_of_a_study_that_has_just_begun(begun):
    wrong = []
    for words in commands(begun):
        with untraced():
            result = CliRunner().invoke(app, [str(word) for word in words])
        error = result.exception
        if error is not None and not isinstance(error, SystemExit | ImmunomonError | OSError):
            wrong.append(f"{words[0]}: {type(error).__name__}: {error}")
        elif not (result.output.strip() or str(error or "")):
            wrong.append(f"{words[0]} says nothing")
        elif re.search(r"\bnan\b|\bNone\b(?! changed)|\binf\b", result.output):
            wrong.append(f"{words[0]} says {result.output}")
    assert not wrong


def test_shares_of_nobody_are_said_to_be_none(whole, tmp_path):
    study = Path(shutil.copytree(whole, tmp_path / "trial"))
    nothing_yet(study)
    result = CliRunner().invoke(app, ["assess", str(study), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "response (CR or R): none evaluable." in result.output


def test_a_run_whose_only_sample_was_dropped_says_so(whole, tmp_path):
    study = Path(shutil.copytree(whole, tmp_path / "trial"))
    keep(study / "samples.csv", lambda row: "S01_D-1_" in row)
    words = [
        "--sample",
        "fcs__treg__S01_D-1_treg",
        "--action",
        "drop-sample",
        "--by",
        "A. Person",
        "--reason",
        "clotted",
    ]
    with untraced():
        assert CliRunner().invoke(app, ["run", str(study)]).exit_code == 0
        result = CliRunner().invoke(app, ["override", str(study / "run"), *words])
    assert result.exit_code == 0, result.output
    assert "Files: 0 gated, 0 kept from before, 0 controls, 0 failed, 1 dropped." in result.output
