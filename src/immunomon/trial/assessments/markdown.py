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
        yield from (plain(paragraph) for paragraph in section.paragraphs)
        yield from (_table(table) for table in section.sheets if table.rows)


def plain(text: object) -> str:
    r"""Return text that a table or a page of Markdown does not take for something else.

    >>> print(plain("a|b <i>"))
    a\|b &lt;i>
    """
    escaped = str(text)
    for letter in ("\\", "|", "<", "`", "[", "]"):
        escaped = escaped.replace(letter, {"<": "&lt;"}.get(letter, "\\" + letter))
    return escaped


def _table(table: Sheet) -> str:
    rows = [table.heads, tuple("---" for _ in table.heads), *table.rows]
    body = "\n".join("| " + " | ".join(plain(cell) for cell in row) + " |" for row in rows)
    return f"{table.caption}:\n\n{body}"
