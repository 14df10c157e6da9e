"""Build the documentation as a site (``make site``).

Pages are the repository's own Markdown: README is the start page, links lead within the site, and files that a page
links to come with it. The notebooks are executed on a run (without one they stand without outputs), and the reference
is made from docstrings. A warning, a link that leads nowhere, or a page that would fetch something from a network fails
it.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from links import faults
from messages import messages_page

import immunomon

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Pages that have another name on the site than in the repository.
NAMES = {
    "README.md": "index.md",
    "docs/index.md": "readers.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "docs/schemas/README.md": "schemas.md",
}
# The side bar. Sphinx warns of a page that is in none of these.
CONTENTS = {
    "Begin": [
        "Installing <installing>",
        "First study in 30 minutes <first-study>",
        "What each command is for <guide>",
        "How to <how-to>",
        "Coming from FlowJo, FlowKit, R <coming-from>",
        "How well it works <how-well>",
    ],
    "Who you are": [
        "All pages by reader <readers>",
        "Technician <roles/technician>",
        "Scientist <roles/scientist>",
        "Data manager <roles/data-manager>",
        "Statistician <roles/statistician>",
        "Quality assurance <roles/quality-assurance>",
        "Developer <roles/developer>",
    ],
    "Look it up": [
        "Errors, doubts, reasons <errors>",
        "All messages <messages>",
        "Glossary <glossary>",
        "File formats <file-formats>",
        "JSON Schemas <schemas>",
        "FCS files <fcs>",
    ],
    "Gates": [
        "Your own panel <your-own-panel>",
        "How gates are placed <gating>",
        "Compensation <compensation>",
        "Review a run <review>",
        "Trust <trust>",
        "Acquisition quality <quality>",
        "Steadiness over time <steadiness>",
        "FlowJo, FACSDiva, Kaluza <flowjo>",
        "Gating-ML <gatingml>",
    ],
    "Studies and runs": [
        "Studies of other forms <study-forms>",
        "A run while it goes <running>",
        "Many files <scaling>",
        "Counts gated elsewhere <import>",
        "Decisions and audit <audit>",
        "21 CFR Part 11 <part11>",
    ],
    "Answers": [
        "What changed: statistics <statistics>",
        "Other assessments <assessments>",
        "Mechanism <mechanism>",
        "Plots <plots>",
        "Atlas <atlas>",
        "Clusters <clusters>",
    ],
    "Handing on": [
        "Database <database>",
        "Deliveries <deliveries>",
        "Rules of deliveries <delivery-rules>",
        "AnnData <anndata>",
    ],
    "Python": ["From Python <python>", "Reference <reference>", "notebooks/*"],
    "How it is made": [
        "Validation <validation>",
        "Architecture <architecture>",
        "Contributing <contributing>",
        "Changes <changelog>",
        "Benchmarks <benchmarks>",
    ],
}
# Wing of the code -> heading in the reference.
REFERENCE = {"api": "Files, gates, runs", "maps": "Maps and clusters", "plots": "Pictures", "runs": "Everything else"}
_MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A link whose label is a file's name gets the title that the page has in the side bar.
TITLES = dict(
    reversed(title.rstrip(">").split(" <")) for titles in CONTENTS.values() for title in titles if "<" in title
)
_LABEL = re.compile(r"\[[\w/.-]+\.md\]\(([\w/.-]+)\.md")
_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)(?=[)#])")


def stage(source: Path) -> None:
    """Put all pages into an empty folder, under their names on the site, with what they link to."""
    pages = [*(ROOT / name for name in NAMES), *(ROOT / "docs").rglob("*.md")]
    for page in dict.fromkeys(pages):
        target = source / staged_name(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = _MERMAID.sub(_as_table, page.read_text(encoding="utf-8"))
        text = _LINK.sub(lambda link, page=page: _led(link[1], page, source), text)
        text = _LABEL.sub(lambda link: f"[{TITLES.get(Path(link[1]).name, link[1])}]({link[1]}.md", text)
        target.write_text(text, encoding="utf-8")
    for name in ("_static", "_extra"):
        (source / name).mkdir()
    shutil.copy(HERE / "look.css", source / "_static")
    shutil.copy(HERE / "conf.py", source)


def staged_name(page: Path) -> str:
    """Return the name of a page or file on the site, by its path in the repository."""
    name = page.relative_to(ROOT).as_posix()
    return NAMES.get(name) or (name.removeprefix("docs/") if name.startswith("docs/") else f"files/{name}")


def _as_table(drawing: re.Match[str]) -> str:
    """Return a Mermaid drawing as a table: Mermaid's program would be fetched from a network, or weigh megabytes."""
    below: dict[str, list[str]] = {name: [] for name in re.findall(r"^ +(\w+)\[", drawing[1], re.MULTILINE)}
    for name, lower in re.findall(r"^ +(\w+) --> (\w+)", drawing[1], re.MULTILINE):
        below[name].append(f"`{lower}`")
    rows = [f"| `{name}` | {', '.join(names) or 'none of them'} |" for name, names in reversed(below.items())]
    return "\n".join(["| wing | imports from |", "|---|---|", *rows])


def _led(link: str, page: Path, source: Path) -> str:
    """Return a page's link as the site has it; a file that it leads to is put there."""
    aim = Path(os.path.normpath(page.parent / link))
    name = staged_name(aim)
    if aim.suffix != ".md":
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(aim, source / name)
    return Path(os.path.relpath(source / name, (source / staged_name(page)).parent)).as_posix()


def add_contents(source: Path) -> None:
    """Let the start page hold the side bar."""
    blocks = []
    for caption, names in CONTENTS.items():
        entries = "\n".join(names)
        blocks.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n:glob:\n\n{entries}\n```")
    with (source / "index.md").open("a", encoding="utf-8") as file:
        file.write("\n" + "\n\n".join(blocks) + "\n")


def add_reference(source: Path) -> None:
    """Write the page of everything that ``import immunomon`` offers, from its docstrings."""
    sections: dict[str, list[str]] = {head: [] for head in REFERENCE.values()}
    for name in sorted(immunomon.__all__, key=str.casefold):
        offered = getattr(immunomon, name)
        wing = inspect.unwrap(offered).__module__.split(".")[1]
        kind = "autoclass" if isinstance(offered, type) else "autofunction"
        members = "\n   :members:" if kind == "autoclass" else ""
        sections[REFERENCE.get(wing, REFERENCE["runs"])].append(f".. {kind}:: immunomon.{name}{members}")
    parts = ["# Reference", "What `import immunomon as im` offers. [From Python](python.md) says how it goes together."]
    for head, directives in sections.items():
        parts.append("\n\n".join([f"## {head}\n\n```{{eval-rst}}", *directives]) + "\n```")
    (source / "reference.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def add_notebooks(source: Path, run: Path | None) -> None:
    """Put the notebooks onto the site, executed on a run if there is one, with the pages that they write."""
    import nbformat
    from nbconvert import HTMLExporter

    folder = source / "notebooks"
    beside = source / "_extra" / "notebooks"
    for path in (folder, beside):
        path.mkdir(parents=True)
    if run is not None:
        _lay_out(run)
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(file, as_version=4)
        if run is not None:
            _execute(notebook, file.name, beside, run)
        title, _, notebook.cells[0].source = notebook.cells[0].source.partition("\n")
        body, _ = HTMLExporter(template_name="basic", **_PLAIN).from_notebook_node(notebook)
        (folder / f"{file.stem}.html").write_text(body, encoding="utf-8")
        page = f"{title}\n\n```{{raw}} html\n:file: {file.stem}.html\n```\n"
        (folder / f"{file.stem}.md").write_text(page, encoding="utf-8")
    for written in (*beside.glob("*.yaml"), *beside.glob("*.wsp")):
        written.unlink()


def _lay_out(run: Path) -> None:
    """Make the atlas that the notebooks look at, which takes a while and is not theirs to tell of."""
    study_run = immunomon.open_run(run)
    if not study_run.has_atlas(study_run.panels[0]):
        immunomon.embed_run(run)


def _execute(notebook: Any, name: str, folder: Path, run: Path) -> None:  # noqa: ANN401 - nbformat is untyped
    """Execute a notebook in a folder; raises ValueError if it complains of anything."""
    from nbclient import NotebookClient

    print(f"executing {name}", flush=True)  # noqa: T201
    os.environ["IMMUNOMON_RUN"] = os.path.relpath(run, folder)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, resources=place, extra_arguments=["--log-level=ERROR"]).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    if complaints := [output["text"] for output in outputs if output.get("name") == "stderr"]:
        raise ValueError(f"{name} complains: {complaints[0]}")


_PLAIN = {"exclude_input_prompt": True, "exclude_output_prompt": True, "exclude_anchor_links": True}


def build(out: Path, run: Path | None = None) -> int:
    """Build the site anew and return the exit status; run: a finished run that the notebooks are executed on."""
    from sphinx.cmd.build import build_main

    out = out.resolve()
    source = out.with_name(f"{out.name}-source")
    for folder in (out, source, out.with_name(f"{out.name}-cache")):
        shutil.rmtree(folder, ignore_errors=True)
    source.mkdir(parents=True)
    stage(source)
    add_contents(source)
    add_reference(source)
    (source / "messages.md").write_text(messages_page(ROOT / "src" / "immunomon"), encoding="utf-8")
    add_notebooks(source, run)
    cache = out.with_name(f"{out.name}-cache")
    if status := build_main(["-b", "html", "-d", str(cache), "-W", "--keep-going", "-q", str(source), str(out)]):
        return status
    wrong = list(faults(out))
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return int(bool(wrong))


def main() -> int:
    """Build what the command line says."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="the site's folder, made anew")
    options.add_argument("--run", type=Path, help="the run that the notebooks are executed on")
    given = options.parse_args()
    status = build(given.out, given.run)
    if not status:
        print(f"The site is {given.out / 'index.html'} - open it in a browser.")  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main())
