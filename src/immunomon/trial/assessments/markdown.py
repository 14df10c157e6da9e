"""A page as Markdown: headings, plain sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator

from immunomon.trial.assessments.words import Page, Sheet

__all__ = ["page_parts", "plain"]


def page_parts(page: Page) -> Iterator[str]:
    """Yield the parts of a page, to be parted by empty lines; its title is a heading of the second level."""
    yield f"## {page.title}"
    for section in page.sections:
        yield f"### {section.heading}"
        yield from (plain(one) for one in section.paragraphs)
        yield from (_table(one) for one in section.sheets if one.rows)


def plain(text: object) -> str:
    r"""Return text that a table or a page of Markdown does not take for something else.

    >>> print(plain("a|b <i>"))
    a\|b &lt;i>
    """
    said = str(text)
    for letter in ("\\", "|", "<", "`", "[", "]"):
        said = said.replace(letter, {"<": "&lt;"}.get(letter, "\\" + letter))
    return said


def _table(one: Sheet) -> str:
    rows = [one.heads, tuple("---" for _ in one.heads), *one.rows]
    body = "\n".join("| " + " | ".join(plain(cell) for cell in row) + " |" for row in rows)
    return f"{one.caption}:\n\n{body}"
