from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immunomon.runs.checks.tube import equal_files


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([b"", b"a", b"b", b"ab", b"x" * 70_000, b"x" * 69_999 + b"y"]), max_size=8))
def test_files_are_grouped_just_where_their_bytes_are_equal(tmp_path, contents):
    paths = []
    for number, content in enumerate(contents):
        paths.append(tmp_path / f"{number}.fcs")
        paths[-1].write_bytes(content)
    expected = {tuple(p for p, c in zip(paths, contents, strict=True) if c == content) for content in contents}
    assert set(equal_files(paths)) == {group for group in expected if len(group) > 1}
