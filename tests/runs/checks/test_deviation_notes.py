"""What was repaired to read a file is said by a check, without being a problem."""

from support.odd_fcs import DATA, text_of, write_odd

from immunomon.runs.checks.paths import check_paths


def test_what_was_repaired_is_a_note_and_no_problem(tmp_path):
    for name in ("a", "b"):
        write_odd(tmp_path / f"{name}.fcs", DATA, text_of(), data_span=(0, 0))
    write_odd(tmp_path / "c.fcs", DATA, text_of())
    report = check_paths([tmp_path], methods={})
    said = "repaired while reading: HEADER does not say where DATA is: TEXT's offsets are taken"
    assert report.notes == (f"{tmp_path / 'a.fcs'} and 1 more: {said}",)
    assert report.problems == ()


def test_a_studys_files_are_told_of_too(study):
    path = study.folder / "fcs" / "base.fcs"
    content = path.read_bytes()
    path.write_bytes(content[:26] + b" " * 15 + b"0" + content[42:])  # HEADER's offsets of DATA
    notes = check_paths([study.folder], methods={}).notes
    assert any(note.startswith(f"{path}: repaired while reading: HEADER does not say") for note in notes)
