"""The table of rules and the kinds of checks that it names."""

import csv
from importlib.resources import files

import pytest

from immunomon.outputs.conformance.book import CHECKS
from immunomon.outputs.conformance.kinds import check_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.registry import RULES, scope_of
from immunomon.outputs.conformance.table import Column, Table

ROWS = (
    (1, "S1", "Y", "2025-01-13", 99.0),
    (2, "S1", "Y", None, 101.0),
    (3, "S2", "N", None, None),
    (4, "S2", "N", "2025-01-14", -1.0),
)
TABLE = Table(
    "SV",
    "sdtm/sv.xpt",
    "xpt",
    tuple(Column(name) for name in ("SVSEQ", "USUBJID", "SVOCCUR", "SVSTDTC", "PERCENT")),
    ROWS,
)


def issues(words):
    return [(issue.record.partition(" ")[0], issue.message) for issue in check_of(words)(TABLE, Received(None))]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("no record: --OCCUR = Y & --STDTC blank", [("2", "SVOCCUR is 'Y', SVSTDTC is missing")]),
        (
            "no record: PERCENT < 0; PERCENT > 100",
            [("2", "PERCENT is '101'"), ("4", "PERCENT is '-1'")],
        ),
        ("no record: SVOCCUR != Y|N", []),
        ("no combination: SVOCCUR != Y", [("3", "SVOCCUR is 'N' (2 records)")]),
        ("no combination: SVOCCUR = N & SVSTDTC filled", [("4", "SVOCCUR is 'N', SVSTDTC is '2025-01-14'")]),
        ("once: USUBJID SVOCCUR", [("2", "there are 2 records of S1, Y"), ("4", "there are 2 records of S2, N")]),
        ("once: SVSEQ", []),
        ("one to one: USUBJID SVOCCUR", []),
        ("one to one: USUBJID SVSTDTC", []),
        (
            "one to one: USUBJID SVSEQ",
            [("2", "USUBJID 'S1' has SVSEQ '1' and '2'"), ("4", "USUBJID 'S2' has SVSEQ '3' and '4'")],
        ),
    ],
)
def test_a_kind_finds_what_its_words_say(words, expected):
    assert issues(words) == expected


def test_a_condition_that_compares_by_nothing_known_is_refused():
    with pytest.raises(ValueError, match="'SEX ~ M' is no condition; use one of blank, filled, =, !=, <, >"):
        check_of("no record: SEX ~ M")


def test_rules_look_only_at_parts_that_there_are():
    with pytest.raises(ValueError, match="rules cannot look at 'data of SDTM'"):
        scope_of("data of SDTM")


def test_every_check_belongs_to_one_rule_of_the_table():
    """A rule has a kind in the table or a function under its number, and never both."""
    text = (files("immunomon.outputs.conformance") / "rules.csv").read_text(encoding="utf-8")
    of_a_kind = {row["rule"] for row in csv.DictReader(text.splitlines()) if row["check"]}
    assert of_a_kind | set(CHECKS) == set(RULES)
    assert not of_a_kind & set(CHECKS)
