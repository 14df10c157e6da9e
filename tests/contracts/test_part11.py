"""What docs/part11.md names is there: every file and clause (commands: test_docs.py); and it promises no compliance."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "part11.md").read_text(encoding="utf-8")
NAMED = [" ".join(one.split()) for one in re.findall(r"`([^`]+)`", TEXT)]
FOLDERS = ("tests/", "docs/", "src/", "benchmarks/")


@pytest.mark.parametrize(
    "name", sorted({one for one in NAMED if one.startswith(FOLDERS) or one.endswith((".md", ".txt"))})
)
def test_every_file_that_is_named_exists(name):
    assert (ROOT / name).exists()


def test_every_clause_says_what_is_supported_and_what_a_site_must_add():
    parts = re.split(r"^### \(([a-k])\) ", TEXT.partition("## Signatures")[0], flags=re.MULTILINE)
    clauses = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(clauses) == list("abcdefghijk")
    for text in clauses.values():
        assert "Supports:" in text
        assert "A site must add:" in text
    for clause in ("11.30", "11.50", "11.70", "11.300"):
        assert clause in TEXT


def test_it_is_never_said_to_comply():
    assert not re.search(r"\bcompl(y|ies|iant|iance)\b|\bcertif|fulfil|satisf", TEXT, flags=re.IGNORECASE)
    assert len(NAMED) > 30
