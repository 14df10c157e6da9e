"""Nothing that a study names leads out of its folder, unless the study allows the folder by name."""

import os
from pathlib import Path

import pytest

from immunomon.errors import BadSpec, LeavesStudy
from immunomon.remote import as_path
from immunomon.study.specs.data_folders import path_of_sample
from immunomon.study.specs.samples import load_samples, read_samples
from immunomon.study.specs.study import load_study

STUDY = """\
schema: immunomon.study/1
name: X
dose_groups: [{name: A, cells_per_kg: 1e6, infusion_days: [1]}]
subjects: [{id: S01, dose_group: A}]
visits: [{label: D-1, planned_day: -1, baseline: true}]
panels: [{panel: nk, strategy: nk}]
"""
needs_links = pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")


def study_in(folder: Path, *files: str, more: str = "") -> Path:
    study = folder / "trial"
    (study / "fcs").mkdir(parents=True)
    (folder / "fcs").mkdir()
    (study / "study.yaml").write_text(STUDY + more, encoding="utf-8")
    rows = "".join(f"{file},S01,D-1,nk,sample,\n" for file in files)
    (study / "samples.csv").write_text(f"file,subject,visit,panel,role,batch\n{rows}", encoding="utf-8")
    return study


def said_of_rows(study: Path) -> list[str]:
    return [str(problem) for problem in read_samples(study / "samples.csv", load_study(study))[1]]


def test_a_row_that_leads_out_is_refused_with_its_line_and_the_line_to_write(tmp_path):
    study = study_in(tmp_path, "fcs/a.fcs", "fcs/../../fcs/b.fcs", "../fcs/c.fcs")
    assert said_of_rows(study) == [
        f"{study / 'samples.csv'} line {line}: file: '{file}' leads out of the study's folder; "
        "put it into the study, or allow its folder in study.yaml: data_folders: [../fcs]"
        for line, file in ((3, "fcs/../../fcs/b.fcs"), (4, "../fcs/c.fcs"))
    ]


def test_an_allowed_folder_is_no_leave_for_another_one(tmp_path):
    study = study_in(tmp_path, "../fcs/a.fcs", "../fcs/day1/b.fcs", "../fcs2/c.fcs", more="data_folders: [../fcs]\n")
    (said,) = said_of_rows(study)
    assert "line 4" in said
    assert said.endswith("data_folders: [../fcs, ../fcs2]")


@needs_links
def test_a_linked_folder_is_followed_to_where_it_leads(tmp_path):
    study = study_in(tmp_path, "linked/a.fcs", "inner/b.fcs")
    (study / "linked").symlink_to(tmp_path / "fcs", target_is_directory=True)
    (study / "inner").symlink_to("fcs", target_is_directory=True)
    (said,) = said_of_rows(study)
    assert f"line 2: file: 'linked/a.fcs' leads out of the study's folder, to {tmp_path / 'fcs'};" in said
    (study / "study.yaml").write_text(STUDY + "data_folders: [../fcs]\n", encoding="utf-8")
    assert not said_of_rows(study)


@needs_links
def test_a_linked_file_is_refused_when_it_is_opened(tmp_path):
    study = load_study(study_in(tmp_path, "fcs/a.fcs"))
    file = study.folder / "fcs" / "a.fcs"
    file.write_bytes(b"FCS3.1")
    assert path_of_sample(study, Path("fcs/a.fcs")) == file
    file.unlink()
    file.symlink_to(tmp_path / "fcs" / "other.fcs")
    with pytest.raises(
        LeavesStudy, match=r"'fcs/a\.fcs' leads out of the study's folder, to .*data_folders: \[\.\./fcs"
    ):
        path_of_sample(study, Path("fcs/a.fcs"))


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("samples: ../lists/samples.csv\n", "samples"),
        ("compensation: {source: matrix, path: ../lists/m.csv}\n", "compensation.path"),
        ("compensation: {source: matrix, path: %s/lists/m.csv}\n", "compensation.path"),
    ],
)
def test_lists_and_matrices_stay_inside_too(tmp_path, more, place):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "m.csv").write_text("", encoding="utf-8")
    more = more.replace("%s", tmp_path.as_posix())
    study = study_in(tmp_path, more=more)
    with pytest.raises(BadSpec) as caught:
        load_study(study)
    (problem,) = caught.value.problems
    assert (problem.line, problem.path) == (7, place)
    assert "leads out of the study's folder" in problem.what
    assert problem.remedy.endswith("data_folders: [../lists]")
    (study / "study.yaml").write_text(STUDY + more + "data_folders: [../lists]\n", encoding="utf-8")
    assert load_study(study).data_folders == (Path("../lists"),)


@needs_links
@pytest.mark.parametrize("name", ["overrides.yaml", "platelets.csv", "panels/nk.yaml", "gating/nk.yaml"])
def test_specs_and_tables_that_are_links_stay_inside_too(tmp_path, name):
    study = study_in(tmp_path)
    (tmp_path / "secret").write_text("root:x:0:0", encoding="utf-8")
    (study / name).parent.mkdir(exist_ok=True)
    (study / name).symlink_to(tmp_path / "secret")
    with pytest.raises(BadSpec, match=f"'{name}' leads out of the study's folder, to .*secret"):
        load_study(study)


@pytest.mark.parametrize(
    "file", ["file:///etc/passwd", "ftp://lab/a.fcs", "s3://key:secret@lab/a.fcs", "s3://lab/../a.fcs"]
)
def test_what_is_no_address_that_can_be_read_is_said(tmp_path, file):
    (said,) = said_of_rows(study_in(tmp_path, file))
    assert "is no address that can be read; write s3://, gs://, https://, ssh:// without user, password" in said


def test_an_address_must_lie_under_one_that_the_study_allows(tmp_path):
    study = study_in(tmp_path, "s3://lab/trial/a.fcs")
    (said,) = said_of_rows(study)
    assert "leads out of the study's folder; put it into the study, or allow its folder in study.yaml" in said
    assert said.endswith("data_folders: [s3://lab/trial]")
    allowed = "data_folders: [s3://lab/trial]\n"
    (study / "study.yaml").write_text((study / "study.yaml").read_text(encoding="utf-8") + allowed, encoding="utf-8")
    loaded = load_study(study)
    (sample,) = load_samples(study / "samples.csv", loaded)
    assert (str(sample.file), sample.id) == ("s3://lab/trial/a.fcs", "lab__trial__a")
    assert str(path_of_sample(loaded, sample.file)) == "s3://lab/trial/a.fcs"
    with pytest.raises(LeavesStudy):
        path_of_sample(loaded, as_path("s3://lab/trial-of-others/a.fcs"))
