"""The page "First study in 30 minutes" is typed as it stands, in a folder of FCS files that are somebody's own."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.small_run import shared_run
from support.untraced import untraced
from typer.testing import CliRunner

from immunomon.cli.main import app

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "first-study.md").read_text(encoding="utf-8")
TYPED = re.findall(r"^    immunomon (.+)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> dict[str, str]:
    """What each command of the page said, by the command; the desk, which waits for a person, is left out."""
    home = tmp_path_factory.mktemp("first")
    (home / "FCS_FOLDER").mkdir()
    for file in (shared_run(tmp_path_factory, events=1500).parent / "fcs" / "treg").glob("S0?_*_treg.fcs"):
        shutil.copyfile(file, home / "FCS_FOLDER" / file.name)
    with pytest.MonkeyPatch.context() as patch, untraced():
        patch.chdir(home)
        return {line: said(shlex.split(line)) for line in TYPED if not line.startswith("review")}


def said(words: list[str]) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"{words}: {done.output}"
    return done.output


def test_every_command_of_the_page_does_what_it_says(spoken):
    assert [line.split()[0] for line in spoken] == ["info", "gate", "init", "check", "all", "trace", "report"]
    check, everything, trace = (
        next(text for line, text in spoken.items() if line.startswith(word)) for word in ("check", "all", "trace")
    )
    assert "No problems" in check
    assert "The report is" in everything
    assert "S01_W4_treg.fcs" in trace
