from __future__ import annotations

from pathlib import Path

import flowio
import numpy as np
import pytest

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.runs.checks.paths import check_paths
from immunomon.study.specs.catalog import find_panel
from immunomon.study.specs.panel import load_panel

STUDY = """\
schema: immunomon.study/1
name: DEMO
dose_groups:
  - {name: A, cells_per_kg: 1e6}
subjects:
  - {id: S01, dose_group: A, infusion_dates: [2025-01-13]}
  - {id: S02, dose_group: A}
visits:
  - {label: D-1, planned_day: -1, window_days: [-7, -1], baseline: true}
  - {label: W2, planned_day: 15, window_days: [12, 18]}
  - {label: W4, planned_day: 29, window_days: [26, 32]}
panels:
  - {panel: treg, strategy: treg}
reportability: {populations: {treg: {lloq_events: 30}}}
site: "001"
country: CHN
"""
HEADER = "file,subject,visit,panel,role,batch,collection_date,lymphocytes_per_ul\n"
ROWS = {
    "base": "fcs/base.fcs,S01,D-1,treg,sample,1,2025-01-12,1500",
    "w2": "fcs/w2.fcs,S01,W2,treg,sample,2,2025-01-27,1600",
    "w4": "fcs/w4.fcs,S01,W4,treg,sample,3,2025-02-10,1700",
    "fmo": "fcs/fmo.fcs,S01,D-1,treg,fmo:CD25,1,2025-01-12,",
    "pe": "fcs/pe.fcs,,,treg,single-stain:PE,1,,",
}
DATES = {"base": "12-JAN-2025", "w2": "27-JAN-2025", "w4": "10-FEB-2025", "fmo": "12-JAN-2025", "pe": "12-JAN-2025"}


class StudyFolder:
    """A small study on disk that is without problems until a test spoils it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.panel = load_panel(find_panel("treg"))
        (folder / "fcs").mkdir()
        self.write("study.yaml", STUDY)
        self.rows(ROWS)
        for name in ROWS:
            self.fcs(name)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return path

    def rows(self, rows: dict[str, str]) -> None:
        self.write("samples.csv", HEADER + "".join(row + "\n" for row in rows.values()))

    def spoil_row(self, name: str, old: str, new: str) -> None:
        assert old in ROWS[name]
        self.rows(ROWS | {name: ROWS[name].replace(old, new)})

    def fcs(
        self, name: str, *, markers=(), without=(), voltages=(), renamed=(), seed=None, **keywords: str | None
    ) -> Path:
        """Write an FCS file; markers, voltages, renamed: what differs from the panel."""
        stained = {m.detector: m.name for m in self.panel.markers} | dict(markers)
        detectors = [d for d in (*self.panel.scatter, *stained, "Time") if d not in without]
        volts = {detector: 400 + sum(map(ord, detector)) % 97 for detector in detectors} | dict(voltages)
        fluorescent = [d for d in detectors if d in stained]
        identity = ",".join("1" if row == column else "0" for row in fluorescent for column in fluorescent)
        names = dict(renamed)
        told = {
            "date": DATES.get(name, "12-JAN-2025"),
            "spillover": ",".join([str(len(fluorescent)), *(names.get(d, d) for d in fluorescent), identity]),
            **{f"p{number}v": str(volts[d]) for number, d in enumerate(detectors, start=1) if d != "Time"},
            **keywords,
        }
        values = np.random.default_rng(sum(map(ord, name)) if seed is None else seed).uniform(
            1, 1e5, (20, len(detectors))
        )
        path = self.folder / "fcs" / f"{name}.fcs"
        with path.open("wb") as stream:
            flowio.create_fcs(
                stream,
                values.ravel().tolist(),
                [names.get(d, d) for d in detectors],
                opt_channel_names=[stained.get(d, "") for d in detectors],
                metadata_dict={key: value for key, value in told.items() if value is not None},
            )
        return path

    def problems(self, *paths: Path) -> list[str]:
        """Return the problems of a check, without the way to the folder."""
        report = check_paths(paths or [self.folder], methods=GATE_METHODS)
        return [
            str(problem).replace(f"{self.folder}/", "").replace(f"{self.folder}\\", "") for problem in report.problems
        ]


@pytest.fixture
def study(tmp_path) -> StudyFolder:
    return StudyFolder(tmp_path)


@pytest.fixture
def rows() -> dict[str, str]:
    return dict(ROWS)
