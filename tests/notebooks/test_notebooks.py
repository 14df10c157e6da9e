import importlib.util
import json
from pathlib import Path

import nbformat
import pytest
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from support.small_run import copied_run, shared_run
from support.untraced import untraced
from typer.testing import CliRunner

from immunomon.maps.atlas.embed import embed_run
from immunomon.cli.main import app
from immunomon.api.notebooks import shipped_notebooks

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = sorted(path.stem for path in (FOLDER / "sources").glob("*.py"))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    # As many events as it takes for the frequency of the few regulatory cells to be reportable.
    run = copied_run(shared_run(tmp_path_factory, events=9000), tmp_path_factory.mktemp("notebooks") / "trial")
    with untraced():
        embed_run(run, cells=300)
    for command in ("assess", "mechanism"):
        assert CliRunner().invoke(app, [command, str(run)]).exit_code == 0
    return run


@pytest.fixture(scope="module")
def copied(run_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("copied") / "notebooks"
    result = CliRunner().invoke(app, ["notebooks", str(folder), "--run", str(run_folder)])
    assert result.exit_code == 0, result.output
    return folder


def test_all_notebooks_are_shipped():
    assert sorted(shipped_notebooks()) == NAMES
    assert len(NAMES) == 7


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_what_its_source_makes(name):
    spec = importlib.util.spec_from_file_location("build", FOLDER / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    source = (FOLDER / "sources" / f"{name}.py").read_text(encoding="utf-8")
    assert (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8") == build.notebook_of(source)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_ends_with_what_to_try(name):
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    assert "## Now try" in "".join(cells[-1]["source"])


@pytest.fixture(scope="module")
def kernel(copied):
    """One kernel for all notebooks, which imports and compiles once; each begins without the names of the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("IMMUNOMON_RUN", raising=False)
        manager = NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3").create_kernel_manager()
        yield manager
        run_sync(manager.shutdown_kernel)(now=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_copied_notebook_runs_on_the_run_it_is_pointed_at(name, copied, kernel):
    notebook = nbformat.read(copied / f"{name}.ipynb", as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    client = NotebookClient(notebook, km=kernel, timeout=120, resources={"metadata": {"path": str(copied)}})
    client.execute()
    client.kc.stop_channels()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]
    if name == "02_umap_atlas":
        assert "atlasPage" in (copied / "atlas.html").read_text(encoding="utf-8")


def test_notebooks_that_were_worked_in_are_not_written_over(copied, run_folder):
    before = {path.name: path.read_bytes() for path in copied.glob("*.ipynb")}
    result = CliRunner().invoke(app, ["notebooks", str(copied), "--run", str(run_folder)])
    assert result.exit_code == 1
    assert "is there already; nothing was written" in str(result.exception)
    assert {path.name: path.read_bytes() for path in copied.glob("*.ipynb")} == before


def test_a_run_that_is_not_there_yet_is_said(tmp_path):
    result = CliRunner().invoke(app, ["notebooks", str(tmp_path / "n"), "--run", str(tmp_path / "no run")])
    assert result.exit_code == 0
    assert "There is no run in" in result.output
