import math
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from immunomon.errors import BadSpec
from immunomon.yamlfile import read_yaml


def message(write, text):
    with pytest.raises(BadSpec) as caught:
        read_yaml(write(text))
    return "\n".join(str(problem).rpartition("file.yaml")[2] for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60e3", 60e3),
        ("0.5e6", 0.5e6),
        ("no", "no"),
        ("2025-01-13", "2025-01-13"),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("'5'", "5"),
        ("~", None),
        ("true", True),
        ("x+ y-", "x+ y-"),
        ("|\n 5\n", "5\n"),
        ("12:30:00", "12:30:00"),
        (".5", 0.5),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(write, text, value):
    read = read_yaml(write(text)).data
    assert read == value
    assert type(read) is type(value)


def test_keys_are_text_as_written(write):
    assert read_yaml(write("{007: a, no: b, null: c}")).data == {"007": "a", "no": "b", "null": "c"}


def test_every_place_knows_its_line(write):
    file = read_yaml(write("a: 1\nb:\n  - c: 2\n\n  - d:\n      e: 3\n"))
    assert [file.line_of(path) for path in [("a",), ("b", 0, "c"), ("b", 1, "d", "e")]] == [1, 3, 6]


def test_a_place_that_is_not_there_has_the_line_of_what_surrounds_it(write):
    assert read_yaml(write("a: 1\nb:\n  - c: 2\n")).line_of(("b", 0, "missing", 4)) == 3


def test_a_text_that_was_read_before_gives_the_same_and_each_reader_values_of_its_own(write):
    text = "a: {b: [1, 0.25, '5', ~, true]}\nc: 0x1F\n"
    first, second = read_yaml(write(text)), read_yaml(write(text, "other.yaml"))
    assert (second.data, second.lines, second.texts) == (first.data, first.lines, first.texts)
    assert second.file.endswith("other.yaml")
    second.data["a"]["b"].append(6)
    second.findings.add(("c",), "is wrong")
    third = read_yaml(write(text))
    assert (third.data, third.findings.problems) == (first.data, ())
    third.findings.add(("c",), "is wrong")
    assert third.findings.problems[0].line == 2


def test_what_is_wrong_is_said_of_every_reading(write):
    assert [message(write, "a: &x 1\nb: *x\n") for _ in range(2)] == [message(write, "a: &x 1\nb: *x\n")] * 2
    assert [len(read_yaml(write("a: 1\na: 2\n")).findings.problems) for _ in range(3)] == [1, 1, 1]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    file = read_yaml(path)
    assert (file.data, file.line_of(("b",))) == ({"a": 1, "b": 2}, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x 1\nb: *x\n", " line 2: b: the alias '*x' is not allowed here; write it out; gates can be shared in"),
        ("a: !!python/object:os.system {b: [1]}\n", " line 1: a: the tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("a: 1\nb: [.inf]\n", " line 2: b[0]: '.inf', which is not a finite number, is not allowed here; leave the"),
        ("a: 1e999\n", " line 1: a: '1e999', which is not a finite number"),
        ("a: 1\n---\nb: 2\n", " line 2: a second document starts here; write one file for each"),
        ("%YAML 1.1\n---\na: 1\n", "a YAML directive ('%...') is not allowed here; remove the line"),
        ("? [a]\n: 1\n", " line 1: a key that is not plain text is not allowed here; write 'key: value'"),
        ("a: [1\nb: 2\n", " line 2: not YAML: "),
        ("a:\n\t- 1\n", " line 2: not YAML: "),
        ("a: \x00\n", ": not YAML: "),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_line_and_remedy(write, text, expected):
    assert expected in message(write, text)


def test_a_key_given_twice_is_noted_and_the_first_counts(write):
    file = read_yaml(write("a: 1\nb: {c: 1, c: 2}\na: 3\n"))
    assert file.data == {"a": 1, "b": {"c": 1}}
    assert [str(problem).rpartition("file.yaml ")[2] for problem in file.findings.problems] == [
        "line 2: b.c: given twice, first on line 2; keep one of them",
        "line 3: a: given twice, first on line 1; keep one of them",
    ]


def test_aliases_tags_and_double_keys_are_all_told_at_once(write):
    text = message(write, "a: *x\nb: 1\nb: 2\nc: !t 1\n")
    assert [line.split(":")[0] for line in text.splitlines()] == [" line 1", " line 3", " line 4"]


def test_a_file_that_is_missing_too_large_or_not_utf8_says_so(tmp_path, write):
    with pytest.raises(BadSpec, match="no such file; check the path"):
        read_yaml(tmp_path / "none.yaml")
    assert "larger than 1 MB" in message(write, "a" * 1_000_001)
    (tmp_path / "latin.yaml").write_bytes("a: 1\nb: µ\n".encode("latin-1"))
    with pytest.raises(BadSpec, match=r"latin\.yaml line 2: not UTF-8 text; save the file as UTF-8"):
        read_yaml(tmp_path / "latin.yaml")
    (tmp_path / "a.fcs").write_bytes(b"FCS3.1    " + bytes(2_000_000))
    with pytest.raises(
        BadSpec, match=r"a\.fcs: this is an FCS file; name the study, panel or strategy here, and an FCS"
    ):
        read_yaml(tmp_path / "a.fcs")


@pytest.mark.parametrize("text", ["[" * 400_000, "- " * 400_000, "{a: " * 200_000, "? " * 300_000])
def test_deep_nesting_is_refused_quickly(write, text):
    start = time.process_time()
    assert "nested deeper than 30 levels" in message(write, text)
    assert time.process_time() - start < 10


def test_more_values_than_any_spec_has_are_refused(write):
    assert "too many values" in message(write, "[" + "1," * 60_000 + "]")


def test_thousands_of_problems_are_counted_not_listed(write):
    file = read_yaml(write("".join("a: 1\n" for _ in range(1001))))
    assert len(file.findings.problems) == 201
    assert str(file.findings.problems[-1]).endswith("800 more problems; correct these first")


YAMLISH = st.text(
    alphabet=st.sampled_from(list("ab1.-+eE:,[]{}&*!|>'\"%#?@`~ \n\t\\xuU\r\u2028\x85\ufeffé")), max_size=80
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(YAMLISH, st.text(max_size=60)))
@example(text='"\\UFFFFFFFF"')
@example(text="\ufeff\ufeff")
@example(text="!<> a")
@example(text="- !!int\n- !!set {a}")
def test_any_text_is_read_or_refused_as_a_bad_spec(write, text):
    data, problems = read(write(text.encode("utf-8", "replace").decode()))
    assert_plain(data)
    assert all(problem.what for problem in problems)


def read(path):
    try:
        return read_yaml(path).data, ()
    except BadSpec as error:
        return None, error.problems


def assert_plain(data):
    assert data is None or isinstance(data, dict | list | str | int | float | bool)
    assert not isinstance(data, float) or math.isfinite(data)
    for item in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        assert_plain(item)
