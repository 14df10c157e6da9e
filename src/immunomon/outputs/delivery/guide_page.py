"""A reviewer's guide as a page: sections, paragraphs, tables, and blanks that are marked and listed at the front."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from immunomon.errors import counted

__all__ = ["Guide"]

_BLANK = re.compile(r"\[FILL IN \d+: [^\]<]*\]")


@dataclass
class Guide:
    """A guide while it is written: its parts as HTML, and the blanks that people have to fill in, by section."""

    title: str
    parts: list[str] = field(default_factory=list)
    blanks: list[tuple[str, str]] = field(default_factory=list)
    section: str = ""

    def head(self, number: str, title: str) -> None:
        """Begin a section."""
        self.section = f"{number} {title}".strip()
        level = 2 + number.rstrip(".").count(".")
        self.parts.append(f"<h{level}>{html.escape(self.section)}</h{level}>")

    def say(self, *texts: str) -> None:
        """Add paragraphs."""
        self.parts += [f"<p>{html.escape(text)}</p>" for text in texts if text]

    def blank(self, what: str) -> str:
        """Note something that only a person can fill in; return how it stands in the text."""
        self.blanks.append((self.section, what))
        return f"[FILL IN {len(self.blanks)}: {what}]"

    def ask(self, *questions: str) -> None:
        """Add a blank a paragraph."""
        self.say(*map(self.blank, questions))

    def table(self, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table; without rows it says that there are none."""
        lines = [f"<tr>{''.join(f'<td>{html.escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        self.parts.append(f"<table><tr>{head}</tr>{''.join(lines)}</table>" if lines else "<p>None.</p>")

    def text(self) -> str:
        """Return the guide as a page, its blanks marked and listed at the front."""
        listed = "".join(f"<li>{html.escape(f'{section}: {what}')}</li>" for section, what in self.blanks)
        body = _BLANK.sub(r"<mark>\g<0></mark>", "\n".join(self.parts))
        front = f"<h1>{html.escape(self.title)}</h1><p>DRAFT: {counted(len(self.blanks), 'blank')} to fill in.</p>"
        return f"{_HEAD}{front}\n<ol>{listed}</ol>\n{body}\n</body></html>\n"


_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Reviewer's guide (draft)</title>
<style>body{font:11pt/1.4 serif;max-width:50em;margin:2em auto}table{border-collapse:collapse}
td,th{border:1px solid #999;padding:2px 6px;text-align:left;vertical-align:top}mark{background:#ff9}</style></head>
<body>
"""
