"""What is installed is what was written: the wheel, in a folder of its own."""

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {".py", ".csv", ".yaml", ".j2", ".js"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--wheel-dir", str(out), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = out.glob("immunomon-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out / "site")
    return out / "site"


def test_nothing_that_the_package_reads_is_left_behind(installed):
    """Types for editors, templates, scripts of pages, tables and starting files of a study, and the licence."""
    package = ROOT / "src" / "immunomon"
    kinds = {".pyc", ".nbi", ".nbc"}
    written = {path.relative_to(package) for path in package.rglob("*") if path.is_file() and path.suffix not in kinds}
    assert Path("py.typed") in written
    assert Path("__init__.pyi") in written
    assert [path for path in written if not (installed / "immunomon" / path).is_file()] == []
    assert list(installed.glob("immunomon-*.dist-info/licenses/LICENSE"))


def test_every_page_that_a_message_names_travels_inside_and_is_shown(installed, tmp_path):
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*") if path.suffix in TEXTS)
    named = {page for text in texts for page in re.findall(r"\bdocs/[\w/-]+\.md", text)}
    assert len(named) > 10
    assert [page for page in named if not (installed / "immunomon" / "_shipped" / page).is_file()] == []
    shown = run_installed(installed, tmp_path, "docs", "docs/trust.md")
    assert shown.stdout == (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")


def test_a_console_that_lacks_a_character_shows_its_code(installed, tmp_path, monkeypatch):
    """As Windows' older consoles: cp1252 has no square root, which is on this page."""
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    shown = run_installed(installed, tmp_path, "docs", "gating")
    assert (shown.returncode, "\\u221a" in shown.stdout) == (0, True), shown.stderr
    refused = run_installed(installed, tmp_path, "docs", "IFN-\u03b3")
    assert refused.stderr.startswith("immunomon: there is no page 'IFN-\\u03b3'")


def run_installed(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from immunomon.cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=False)


def test_the_shipped_panels_and_strategies_travel_inside(installed):
    for kind, name in (("panels", "*.yaml"), ("gating", "*.yaml"), ("notebooks", "*.ipynb"), ("docs", "*.md")):
        shipped = {path.name for path in (installed / "immunomon" / "_shipped" / kind).glob(name)}
        assert shipped == {path.name for path in (ROOT / kind).glob(name)}


def test_what_draws_on_the_graphics_card_travels_inside_if_it_was_packed(installed):
    script = "immunomon/maps/atlas/assets/scatterplot.js"
    assert (installed / script).is_file() == (ROOT / "src" / script).is_file()


@pytest.fixture
def hook():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_npm_nothing_is_packed_and_that_is_said(hook, tmp_path, monkeypatch):
    monkeypatch.setattr(hook.shutil, "which", lambda name: None)
    script = tmp_path / hook.SCRIPT
    script.parent.mkdir(parents=True)
    script.write_text("/* regl-scatterplot 0.1 */", encoding="utf-8")
    assert hook.pack_script(tmp_path) == "regl-scatterplot was not packed: there is no npm"
    assert not script.exists()  # of another version


def test_a_package_of_other_bytes_is_not_packed(hook, tmp_path):
    name, version, path, sha512 = hook.PACKAGES[0]
    package = tmp_path / f"{name}-{version}.tgz"
    package.write_bytes(b"another")
    with pytest.raises(ValueError, match=r"pub-sub-es-3\.0\.0\.tgz is not the one that is known"):
        hook._part(package, path, sha512)


def test_an_installed_copy_finds_them_away_from_the_source(installed, tmp_path):
    assert run_installed(installed, tmp_path, "init", "study").returncode == 0
    checked = run_installed(installed, tmp_path, "check", "study")
    assert checked.returncode == 0, checked.stdout + checked.stderr
