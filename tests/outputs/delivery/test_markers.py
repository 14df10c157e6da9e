"""Marker strings: what is one, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.outputs.delivery.mapping import marker_problem, markers_of

NAMES = st.from_regex(r"[A-Z][A-Z0-9]{0,7}", fullmatch=True)
LEVELS = st.sampled_from(["-", "lo", "mid", "+", "hi"])


@given(st.lists(st.tuples(NAMES, LEVELS), min_size=1, max_size=8))
def test_a_string_of_names_and_levels_is_read_as_these(markers):
    assert list(markers_of("".join(name + level for name, level in markers))) == markers


@given(st.text(max_size=200))
def test_no_text_crashes_the_grammar(text):
    assert isinstance(marker_problem(text), str)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CD3+ CD4+", "' ' stands in"),
        ("HLA-DR+", "names have no hyphen"),
        ("CD3+CD4", "'CD4' has no level"),
        ("CD3+CD3-", "stands twice"),
        ("Viability-CD3+", "viability does not stand last"),
        ("+CD3", "without a marker"),
        ("", "empty"),
    ],
)
def test_what_breaks_the_grammar_is_said(text, said):
    assert said in marker_problem(text)
