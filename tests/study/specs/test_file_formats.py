import re
from pathlib import Path

from immunomon import errors
from immunomon.cli.docs import refreshed, write_file_formats
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.populations import TABLES
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.trust import DOUBTS
from immunomon.study.specs.catalog import find_panel
from immunomon.study.specs.panel import load_panel
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "file-formats.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")


def example(kind: str) -> str:
    return next(found[1] for found in re.finditer(r"```(?:yaml|csv)\n(.*?)```", TEXT, re.DOTALL) if kind in found[1])


def test_the_parts_made_from_the_code_are_up_to_date():
    """If not: write_file_formats(Path("docs/file-formats.md"), methods=GATE_METHODS)."""
    assert refreshed(TEXT, methods=GATE_METHODS) == TEXT


def test_every_doubt_is_explained_in_the_pages_on_trust_and_on_errors():
    """If not: python -m immunomon.cli.docs."""
    for name in ("trust.md", "errors.md"):
        page = DOCUMENT.with_name(name).read_text(encoding="utf-8")
        assert refreshed(page, methods=GATE_METHODS) == page
        assert all(f"| `{code}` |" in page and kind.remedy in page for code, kind in DOUBTS.items())


def test_every_error_and_every_reason_has_its_remedy_on_the_page_of_errors():
    page = DOCUMENT.with_name("errors.md").read_text(encoding="utf-8")
    package = Path(errors.__file__).parent
    texts = (path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    kinds = "|".join(name for name in errors.__all__ if isinstance(vars(errors)[name], type))
    defined = {name for text in texts for name in re.findall(rf"^class ([A-Z]\w+)\((?:{kinds})\):", text, re.MULTILINE)}
    assert len(defined) > 15
    assert [name for name in defined if not re.search(rf"^\| `{name}` \| .+ \| .+ \|$", page, re.MULTILINE)] == []
    limits = Reportability()
    reasons = [limits.verdict(count, of) for count, of in ((None, 9), (5, 9), (0, 9999), (limits.lod_events, 9999))]
    begins = [re.match(r"[^:]+", reason)[0] for reason in reasons]
    assert [begin for begin in begins if f"| `{begin}`" not in page] == []
    assert len(set(begins)) == 4


def test_every_column_of_every_table_is_documented():
    for table in TABLES.values():
        assert all(f"| `{name}` |" in TEXT for name in table.names)


def test_writing_the_document_twice_changes_nothing(tmp_path):
    path = tmp_path / "formats.md"
    path.write_text(TEXT, encoding="utf-8")
    write_file_formats(path, methods=GATE_METHODS)
    assert path.read_text(encoding="utf-8") == TEXT


def test_the_documented_study_and_sample_list_load(write):
    study = load_study(write(example("immunomon.study/1"), "study.yaml"))
    assert len(load_samples(write(example("file,subject"), "samples.csv"), study)) == 3


def test_the_documented_panel_and_strategy_load(write):
    assert load_panel(write(example("immunomon.panel/1"))).marker("IL2RA").name == "CD25"
    path = write(example("immunomon.strategy/1"))
    assert load_strategy(path, methods=GATE_METHODS, panel=load_panel(find_panel("treg"))).ids[0] == "singlets"
