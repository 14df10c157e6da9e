from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from immunomon.assurance.simulate.instrument import CHANNELS, DETECTORS, FLUOROCHROMES, SPILLOVER
from immunomon.assurance.simulate.tubes import bead_run
from immunomon.cli.main import main
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.matrix_csv import read_matrix_csv, write_matrix_csv
from immunomon.cytometry.formats.write_fcs import write_fcs
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.errors import BadSpillover
from immunomon.runs.compensation import Controls, fluorescence_detectors, from_controls
from immunomon.study.model.channels import Channel
from immunomon.study.model.fluorochromes import KNOWN_FLUOROCHROMES, fluorochrome_key, stain_named_in
from immunomon.study.specs.catalog import find_panel
from immunomon.study.specs.panel import load_panel

SPECTRAL = 12  # detectors of the small spectral instrument


def write(path: Path, values: np.ndarray, names: tuple[str, ...]) -> Path:
    write_fcs(path, EventTable(np.asarray(values, dtype=np.float32), tuple(Channel(name) for name in names)), {})
    return path


@pytest.fixture(scope="module")
def tubes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("controls")
    rng = np.random.default_rng(1)
    return {
        name: write(folder / f"Comp {name} beads.fcs", bead_run(name, 1200, rng), CHANNELS) for name in FLUOROCHROMES
    }


def run(*words: object) -> int:
    import sys

    before = sys.argv
    sys.argv = ["immunomon", *map(str, words)]
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before
    return 0


def test_the_command_writes_a_matrix_that_the_program_reads_and_a_record_of_how(
    tubes: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "matrix.csv"
    pages = ["--report", tmp_path / "page.html", "--pictures", tmp_path / "pictures"]
    assert run("compensate", *tubes.values(), "--panel", "treg", "--out", out, *pages) == 0
    matrix = read_matrix_csv(out)
    assert matrix.detectors == DETECTORS
    assert np.abs(matrix.array - SPILLOVER).max() < 0.002
    record = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert len({control["sha256"] for control in record["controls"]}) == 8
    assert record["estimate"]["largest_residual_slope"] < 1e-4
    assert record["refused"] == record["missing"] == []
    assert {path.stem for path in (tmp_path / "pictures").iterdir()} == {
        "spillover",
        "residual",
        "spreading",
        "worst-pairs",
    }
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 4
    assert "Comp PE-Cy7 beads.fcs" in page
    assert not list(tmp_path.glob(".*"))


def test_a_refused_control_means_no_matrix_and_exit_one_unless_asked_for(
    tubes: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "matrix.csv"
    files = [path for name, path in tubes.items() if name not in ("PE", "V450")]
    wrong = ["--control", f"PE={tubes['V450']}", "--panel", "treg", "--out", out]
    assert run("compensate", *files, *wrong) == 1
    said = capsys.readouterr().err
    assert "Comp V450 beads.fcs (PE): refused, brightest in another detector: it is brightest in V450-A" in said
    assert "no good single stain of: PE, V450" in said
    assert not out.exists()
    assert json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["missing"] == ["PE", "V450"]
    assert run("compensate", *files, *wrong, "--partial") == 1
    assert len(read_matrix_csv(out).detectors) == 6


def test_nothing_to_do_and_a_bad_pair_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compensate", "--out", tmp_path / "m.csv") == 1
    assert "no single stains are given; name their files, or a --study" in capsys.readouterr().err
    assert run("compensate", "--control", "PE", "--out", tmp_path / "m.csv") == 2
    assert "'PE' is not FLUOROCHROME=FILE" in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_files_of_two_instruments_are_not_mixed(tubes: dict[str, Path], tmp_path: Path) -> None:
    other = write(tmp_path / "PE.fcs", np.ones((300, 4)), ("FSC-A", "SSC-A", "PE-A", "FITC-A"))
    with pytest.raises(BadSpillover, match="its detectors are not those of the other controls"):
        from_controls(Controls(((tubes["PE"], ""), (other, ""))))


def test_a_file_that_the_panel_has_no_fluorochrome_for_is_refused_with_the_way_out(tubes: dict[str, Path]) -> None:
    found = from_controls(Controls(((tubes["PE"], "BUV395"),), panel=load_panel(find_panel("treg"))))
    assert found.estimate is None
    assert "--control FLUOROCHROME=Comp PE beads.fcs" in str(found.refused[0])


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("DR_CD27_APC-Fire_750_Cells", "APC-Fire 750"),
        ("Compensation Controls_PE-Cy7 Stained Control_003", "PE-Cy7"),
        ("CD4 PerCP-Cy5-5", "PerCP-Cy5.5"),
        ("Specimen_001_Tube_004", None),
        ("unstained", None),
    ],
)
def test_a_files_name_tells_its_fluorochrome(text: str, meant: str | None) -> None:
    assert stain_named_in(text, {name: name for name in KNOWN_FLUOROCHROMES}) == meant


def test_the_marker_of_a_panel_tells_the_fluorochrome(tubes: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "CD25 single.fcs"
    file.write_bytes(tubes["PE"].read_bytes())
    found = from_controls(Controls(((file, ""),), panel=load_panel(find_panel("treg"))), partial=True)
    assert found.good[0].label.fluorochrome == "PE"
    assert found.good[0].label.told_by == "file name"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Comp PB beads", "Pacific Blue"),
        ("PO_single", "Pacific Orange"),
        ("CD45 AF700", "Alexa Fluor 700"),
        ("Alexa700 cells", "Alexa Fluor 700"),
        ("CD3 Brilliant Violet 421", "BV421"),
        ("PC7", "PE-Cy7"),
    ],
)
def test_people_shorten_fluorochromes(text: str, meant: str) -> None:
    assert stain_named_in(text, {name: name for name in KNOWN_FLUOROCHROMES}) == meant


def test_no_two_fluorochromes_are_one() -> None:
    assert len({fluorochrome_key(name) for name in KNOWN_FLUOROCHROMES}) == len(KNOWN_FLUOROCHROMES)


def test_a_tube_named_unstained_among_the_files_is_the_unstained_one(
    tubes: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = read_fcs(tubes["PE"])[1].values
    dark = write(tmp_path / "UNST 01.fcs", values[values[:, CHANNELS.index("PE-A")] < 5000], CHANNELS)
    out = tmp_path / "matrix.csv"
    assert run("compensate", *tubes.values(), dark, "--panel", "treg", "--out", out) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "note: UNST 01.fcs: unstained, as its name says; it serves as the unstained tube" in said
    assert json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["unstained"]["file"] == "UNST 01.fcs"
    assert np.abs(read_matrix_csv(out).array - SPILLOVER).max() < 0.002
    # The same tube is given by --unstained as well as among the files: it is not judged as a stain.
    assert run("compensate", *tubes.values(), dark, "--unstained", dark, "--panel", "treg", "--out", out) == 0


def test_without_an_unstained_tube_the_controls_own_negatives_serve_and_it_is_said(tubes: dict[str, Path]) -> None:
    found = from_controls(Controls(tuple((path, "") for path in tubes.values())))
    assert found.refused == ()
    assert "events that the controls do not stain serve in its place" in found.notes[0]
    assert found.estimate is not None
    assert np.abs(found.estimate.values - SPILLOVER).max() < 0.002


def test_an_unstained_tube_that_says_nothing_is_pointed_to_the_option(tubes: dict[str, Path], tmp_path: Path) -> None:
    values = read_fcs(tubes["PE"])[1].values
    dark = write(tmp_path / "tube 9.fcs", values[values[:, CHANNELS.index("PE-A")] < 5000], CHANNELS)
    found = from_controls(Controls((*((path, "") for path in tubes.values()), (dark, ""))))
    assert [refused.label.file for refused in found.refused] == ["tube 9.fcs"]
    assert "if it is the unstained tube, say so: --unstained tube 9.fcs" in str(found.refused[0])


def test_detectors_without_a_control_get_the_light_of_the_others_where_asked_for(
    tubes: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "matrix.csv"
    files = [path for name, path in tubes.items() if name != FLUOROCHROMES[2]]
    assert run("compensate", *files, "--complete", "--out", out) == 0
    assert f"no control of {DETECTORS[2]}" in " ".join(capsys.readouterr().err.split())
    matrix = read_matrix_csv(out)
    assert sorted(matrix.detectors) == sorted(DETECTORS)
    order = [matrix.detectors.index(name) for name in DETECTORS]
    right = SPILLOVER.copy()
    right[2] = np.eye(len(DETECTORS))[2]
    assert np.abs(matrix.array[np.ix_(order, order)] - right).max() < 0.002
    record = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["estimate"]["detectors_without_control"] == [DETECTORS[2]]


def test_height_is_compensated_where_a_file_has_no_areas() -> None:
    names = ("FSC-H", "SSC-H", "FL1-H", "FL2-H", "FL3-H", "FL1-A", "FL4-H", "Time")
    assert fluorescence_detectors([Channel(name) for name in names]) == ("FL1-H", "FL2-H", "FL3-H", "FL4-H")


@pytest.fixture(scope="module")
def spectral(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], np.ndarray]:
    """Three dyes and the cells' own light on twelve detectors."""
    folder = tmp_path_factory.mktemp("spectral")
    rng, place = np.random.default_rng(7), np.arange(SPECTRAL)
    spectra = np.array([np.exp(-0.5 * ((place - peak) / 1.2) ** 2) for peak in (2, 5, 9)])
    own = np.exp(-0.5 * ((place - 4) / 4) ** 2)
    files = {}
    for number, name in enumerate(("BV421", "BV605", "BV786", "unstained")):
        amount = np.zeros((2000, 3))
        if name != "unstained":
            amount[:900, number] = rng.uniform(2000, 40_000, 900)
        light = amount @ spectra + np.outer(400 * np.exp(0.3 * rng.standard_normal(2000)), own)
        light += rng.standard_normal(light.shape) * np.sqrt(8 * light + 900)
        scatter = rng.normal([80_000, 30_000], [4000, 2500], (2000, 2))
        names = ("FSC-A", "SSC-A", *(f"V{n + 1}-A" for n in range(SPECTRAL)))
        files[name] = write(folder / f"{name}.fcs", np.concatenate([scatter, light], axis=1), names)
    return files, spectra


def test_more_detectors_than_fluorochromes_are_unmixed_through_the_same_file(
    spectral: tuple[dict[str, Path], np.ndarray], tmp_path: Path
) -> None:
    files, spectra = spectral
    out = tmp_path / "spectra.csv"
    singles = [files[name] for name in ("BV421", "BV605", "BV786")]
    assert run("compensate", *singles, "--unstained", files["unstained"], "--method", "unmixing", "--out", out) == 0
    rows = list(csv.reader(out.read_text(encoding="utf-8").splitlines()))
    assert [row[0] for row in rows] == ["", "BV421", "BV605", "BV786", "Autofluorescence", "(detector weights)"]
    found = np.array([[float(value) for value in row[1:]] for row in rows[1:4]])
    assert np.abs(found - spectra / spectra.max(axis=1, keepdims=True)).max() < 0.02
    matrix = read_matrix_csv(out)
    assert matrix.array.shape == (SPECTRAL, SPECTRAL)
    strategy = tmp_path / "bright.yaml"
    strategy.write_text(STRATEGY, encoding="utf-8")
    table = tmp_path / "table.csv"
    assert run("gate", strategy, *singles, "--compensation", out, "--out", table) == 0
    counts = {
        (row["file"].rpartition("/")[2], row["population"]): int(row["count"])
        for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    }
    assert counts["BV605.fcs", "bv605"] == pytest.approx(900, abs=25)
    assert counts["BV421.fcs", "bv605"] < 20
    assert counts["BV786.fcs", "bv605"] < 20


def test_each_kind_of_unstained_cells_has_a_row_of_its_own_light(
    spectral: tuple[dict[str, Path], np.ndarray], tmp_path: Path
) -> None:
    files, spectra = spectral
    rng, place = np.random.default_rng(8), np.arange(SPECTRAL)
    other = np.exp(-0.5 * ((place - 10) / 1.5) ** 2)
    light = np.outer(900 * np.exp(0.3 * rng.standard_normal(2000)), other)
    light += rng.standard_normal(light.shape) * np.sqrt(8 * light + 900)
    scatter = rng.normal([80_000, 30_000], [4000, 2500], (2000, 2))
    names = ("FSC-A", "SSC-A", *(f"V{n + 1}-A" for n in range(SPECTRAL)))
    second = write(tmp_path / "monocytes.fcs", np.concatenate([scatter, light], axis=1), names)
    singles = tuple((files[name], "") for name in ("BV421", "BV605", "BV786"))
    kinds = Controls(singles, files["unstained"], also_unstained=(second, files["unstained"]))
    found = from_controls(kinds, method="unmixing").estimate
    assert found is not None
    assert found.fluorochromes == ("BV421", "BV605", "BV786", "Autofluorescence", "Autofluorescence 2")
    assert np.abs(found.values[4] - other / other.max()).max() < 0.02
    assert np.abs(found.values[:3] - spectra / spectra.max(axis=1, keepdims=True)).max() < 0.02


STRATEGY = """\
schema: immunomon.strategy/1
name: bright
label: Bright in BV605
version: 1
populations:
  - {id: bv605, label: BV605, parent: root, gate: {method: interval, axis: V6-A, low: 1000}}
"""


def test_a_spectrum_matrix_comes_back_from_its_file(tmp_path: Path) -> None:
    matrix = SpectrumMatrix(
        ("A", "B"), ("d1", "d2", "d3"), ((1.0, 0.3, 0.1), (0.2, 0.9, 1.0)), detector_weights=(1.0, 0.5, 0.25)
    )
    path = tmp_path / "m.csv"
    write_matrix_csv(path, matrix)
    assert read_matrix_csv(path) == matrix.completed()
    assert matrix.own_detectors == ("d1", "d3")


def test_a_spectrum_matrix_whose_rows_are_alike_is_refused_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(",d1,d2,d3\nA,1,0.5,0.1\nB,1,0.5,0.1\n", encoding="utf-8")
    with pytest.raises(BadSpillover, match=r"m\.csv: .*cannot be told apart"):
        read_matrix_csv(path)


def test_the_controls_are_read_as_they_were_written(tubes: dict[str, Path]) -> None:
    assert read_fcs(tubes["PE"])[1].count == 1200
