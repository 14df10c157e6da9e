"""Write the notebooks from their sources: python notebooks/build.py

sources/NAME.py is the notebook to edit: '# %%' begins a cell of code, '# %% [markdown]' one of text. Outputs are not
kept: the numbers belong to whoever runs them.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = Path(__file__).resolve().parent
MARKER = "# %%"


def notebook_of(source: str) -> str:
    """Return a source as the text of a notebook; the same source gives the same text."""
    cells = []
    for number, part in enumerate(("\n" + source).split(f"\n{MARKER}")[1:], start=1):
        kind, _, body = part.partition("\n")
        if kind.strip() == "[markdown]":
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()]
            cell = new_markdown_cell("\n".join(lines))
        else:
            cell = new_code_cell(textwrap.dedent(body).strip())
        cell["id"] = f"cell-{number:02d}"
        cells.append(cell)
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return nbformat.writes(new_notebook(cells=cells, metadata=metadata)) + "\n"


def main() -> None:
    """Write every notebook beside this file."""
    for source in sorted((HERE / "sources").glob("*.py")):
        text = notebook_of(source.read_text(encoding="utf-8"))
        (HERE / f"{source.stem}.ipynb").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
