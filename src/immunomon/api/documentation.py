"""Documentation: the pages that come with the program, which messages name."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from immunomon.errors import UnknownName, nearest
from immunomon.study.specs.catalog import shipped_folder

__all__ = ["documentation_page", "documentation_pages"]


def documentation_pages() -> dict[str, Path]:
    """Return the pages of the documentation: name -> Markdown file, such as ``trust`` or ``roles/technician``.

    >>> "trust" in documentation_pages()
    True
    """
    folder = shipped_folder("docs")
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.md"))}


def documentation_page(page: str) -> Path:
    """Return the file of a page by its name, with or without ``docs/`` and ``.md``; raises UnknownName.

    >>> documentation_page("docs/trust.md").name
    'trust.md'
    """
    pages = documentation_pages()
    name = PurePosixPath(page.replace("\\", "/").removeprefix("docs/")).with_suffix("").as_posix()
    if name not in pages:
        raise UnknownName(f"there is no page '{name}'; {nearest(name, pages)}")
    return pages[name]
