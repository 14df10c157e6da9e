from immunomon.assurance.validation.sections import with_section, write_section


def test_a_section_replaces_itself_and_leaves_the_others_alone():
    both = with_section(with_section("# Validation\n", "gates", "old"), "quality", "kept")
    again = with_section(both, "gates", "new")
    assert "old" not in again
    assert "new" in again
    assert "kept" in again
    assert again.index("new") < again.index("kept")


def test_a_text_with_backslashes_is_kept_as_it_is(tmp_path):
    path = tmp_path / "docs" / "validation.md"
    write_section(path, "gates", r"a \1 \d")
    write_section(path, "gates", r"b \1 \d")
    assert r"b \1 \d" in path.read_text(encoding="utf-8")
    assert not list(path.parent.glob(".*"))
