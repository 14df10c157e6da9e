from hypothesis import given
from hypothesis import strategies as st

from immunomon.maps.atlas.drawing import shares

counts = st.dictionaries(st.text(max_size=3), st.integers(0, 500), max_size=12)


@given(counts, st.integers(0, 2000))
def test_together_they_give_what_is_wanted_or_all_there_is(available, wanted):
    assert sum(shares(available, wanted).values()) == min(wanted, sum(available.values()))


@given(counts, st.integers(0, 2000))
def test_nobody_gives_more_than_there_is(available, wanted):
    taken = shares(available, wanted)
    assert all(0 <= taken[key] <= available[key] for key in available)


@given(counts, st.integers(0, 2000))
def test_who_has_cells_left_gives_as_many_as_anybody_but_for_the_remainder(available, wanted):
    taken = shares(available, wanted)
    spared = [taken[key] for key in available if taken[key] < available[key]]
    assert all(count >= max(taken.values()) - 1 for count in spared)
