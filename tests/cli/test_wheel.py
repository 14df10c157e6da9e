"""What is installed is what was written: the wheel, in a folder of its own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--wheel-dir", str(out), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = out.glob("immunomon-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out / "site")
    return out / "site"


def run_installed(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from immunomon.cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=False)


def test_the_shipped_panels_and_strategies_travel_inside(installed):
    for kind in ("panels", "gating"):
        shipped = {path.name for path in (installed / "immunomon" / "_shipped" / kind).glob("*.yaml")}
        assert shipped == {path.name for path in (ROOT / kind).glob("*.yaml")}


def test_an_installed_copy_finds_them_away_from_the_source(installed, tmp_path):
    assert run_installed(installed, tmp_path, "init", "study").returncode == 0
    checked = run_installed(installed, tmp_path, "check", "study")
    assert checked.returncode == 0, checked.stdout + checked.stderr
