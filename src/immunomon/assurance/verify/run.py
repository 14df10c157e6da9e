"""Verify a run: every number of its gated samples worked out again, and the verdict written into the run folder."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunomon.assurance.verify.compare import TOLERANCE, Comparison, compare_sample
from immunomon.assurance.verify.recompute import matrix_in_file, recompute
from immunomon.errors import ImmunomonError
from immunomon.files import read_input, write_whole
from immunomon.remote import as_path, fetched_copy
from immunomon.study.specs.data_folders import DataFolders, data_folders
from immunomon.study.specs.study import load_study

__all__ = ["SampleVerdict", "Verification", "verify_run"]

_FORMAT = "immunomon.verification/1"
_TABLES = ("populations", "frequencies", "medians")
_LIBRARIES = ("fcsparser", "flowkit", "flowutils", "flowio", "numpy")
_METHOD = (
    "FCS read by fcsparser; compensated by numpy.linalg.solve in float64 with the matrix that the run used, which is "
    "compared with the file's own as flowutils reads it; the run's gates written as Gating-ML 2.0, which FlowKit "
    "reads, transforms and gates by; no kernel, step or gate of immunomon works out a number that is compared"
)
_LIMITS = (
    "What fcsparser refuses FlowIO reads, which is not the run's reader either: 'reader', 'note'. Gates that cannot go "
    "through Gating-ML 2.0 into FlowKit are built from the run as FlowKit's objects: 'gates_from', 'gates_note'.",
    "On a logarithmic scale what is negative lies at minus infinity, as zero does; FlowKit has no number for it.",
    "Events exactly on the edge of a polygon belong to it (Gating-ML 2.0). FlowKit leaves some of them out; they are "
    "put in by rational arithmetic and counted as 'on_polygon_edges'.",
    "The gates themselves are taken from the run: whether they were placed well is not verified here.",
    "Wilson intervals, absolute counts, changes and summaries are not computed again.",
)


@dataclass(frozen=True)
class SampleVerdict:
    """The verdict on one sample; ``problem`` says why nothing could be compared, ``reader`` what read the file.

    note: why it was not fcsparser; gates_from: the exported Gating-ML or, with ``gates_note`` as the reason, the run.
    """

    sample_id: str
    panel: str
    events: int | None
    reader: str | None
    matrix: str | None
    on_edges: int
    note: str
    problem: str
    comparison: Comparison | None
    gates_from: str | None = None
    gates_note: str = ""

    @property
    def equal(self) -> bool:
        """Whether everything was compared and nothing differs."""
        return not self.problem and self.comparison is not None and not self.comparison.differences

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        comparison = self.comparison
        return {
            "sample_id": self.sample_id,
            "panel": self.panel,
            "equal": self.equal,
            "events": self.events,
            "reader": self.reader,
            "matrix": self.matrix,
            "on_polygon_edges": self.on_edges,
            "note": self.note,
            "gates_from": self.gates_from,
            "gates_note": self.gates_note,
            "problem": self.problem,
            "counts_compared": comparison.counts if comparison else 0,
            "percents_compared": comparison.percents if comparison else 0,
            "medians_compared": comparison.medians if comparison else 0,
            "largest_relative_difference": comparison.largest_relative_difference if comparison else None,
            "differences": [difference.to_dict() for difference in comparison.differences] if comparison else [],
        }


@dataclass(frozen=True)
class Verification:
    """The verdicts on the samples that were verified, and how many gated samples the run has."""

    run_digest: str
    gated: int
    samples: tuple[SampleVerdict, ...]

    @property
    def equal(self) -> bool:
        """Whether every sample that was looked at came out the same."""
        return all(sample.equal for sample in self.samples)

    def to_dict(self) -> dict[str, Any]:
        """Return the verification as plain data."""
        return {
            "format": _FORMAT,
            "run_digest": self.run_digest,
            "finished_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "method": _METHOD,
            "limits": list(_LIMITS),
            "tolerance": {"counts": 0, "percents and medians, relative": TOLERANCE},
            "libraries": {name: version(name) for name in _LIBRARIES},
            "gated_samples": self.gated,
            "verified_samples": len(self.samples),
            "equal": self.equal,
            "samples": [sample.to_dict() for sample in self.samples],
        }


def verify_run(
    run: Path,
    *,
    samples: int | None = None,
    study: Path | None = None,
    progress: Callable[[SampleVerdict], None] | None = None,
) -> Verification:
    """Compute the gated samples of a run a second time, compare, and write ``verification.json`` into the run folder.

    samples: how many, spread evenly over panels and visits; None for all. study: the study's folder or its
    ``study.yaml``, in which the FCS files are looked for; default: the folder that holds the run folder. progress:
    called with each sample's verdict. Raises ImmunomonError if there is no finished run, nothing in it was gated, or
    none of its files is found.
    """
    manifest = _manifest(run)
    files = {entry["sample_id"]: entry for entry in manifest["files"]}
    tables = {name: _table(run, name) for name in _TABLES}
    listed = _table(run, "samples")
    gated = listed[listed["status"] == "gated"]
    chosen = _spread(gated, samples)
    folder, folders = _folder_of_files(run if study is None else study, is_run=study is None)
    fcs_names = [files[name]["file"] for name in chosen["sample_id"]]
    if not any((folder / as_path(file)).is_file() for file in fcs_names):
        remedy = f"looked for {fcs_names[0]}; name the study's folder with --study"
        raise ImmunomonError(f"{folder}: none of the run's FCS files is there ({remedy})")
    own_matrix = manifest.get("parameters", {}).get("compensation") == "file"
    verdicts = []
    for name, panel in zip(chosen["sample_id"], chosen["panel"], strict=True):
        rows = {table: frame[frame["sample_id"] == name] for table, frame in tables.items()}
        verdict = _verdict(
            run,
            folders.inside(folder / as_path(files[name]["file"]), files[name]["file"]),
            files[name],
            panel=panel,
            rows=rows,
            own_matrix=own_matrix,
        )
        verdicts.append(verdict)
        if progress:
            progress(verdict)
    verification = Verification(str(manifest["digest"]), len(gated), tuple(verdicts))
    write_whole(
        run / "verification.json",
        json.dumps(verification.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    )
    return verification


def _manifest(run: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(read_input(run / "run.json"))
        if isinstance(manifest, dict) and {"files", "digest"} <= set(manifest):
            return manifest
        reason = "it is not the record of a run"
    except (OSError, ValueError) as error:
        reason = str(error)
    raise ImmunomonError(f"{run / 'run.json'}: {reason}; name the folder that 'immunomon run' wrote")


def _table(run: Path, name: str) -> pd.DataFrame:
    path = run / "tables" / f"{name}.parquet"
    if not path.is_file():
        raise ImmunomonError(f"{path}: there is no such table; finish the run with: immunomon run")
    return pd.read_parquet(path, dtype_backend="numpy_nullable")


def _spread(gated: pd.DataFrame, number: int | None) -> pd.DataFrame:
    """Return the samples to verify: all, or so many spread evenly over the list in the order of panels."""
    if gated.empty:
        raise ImmunomonError("the run has no gated sample; there is nothing to verify")
    if number is None or number >= len(gated):
        return gated
    ordered = gated.sort_values("panel", kind="stable")
    return ordered.iloc[np.linspace(0, len(ordered) - 1, max(number, 1)).round().astype(int)]


def _folder_of_files(recorded: Path, *, is_run: bool) -> tuple[Path, DataFolders]:
    """Return the folder that the paths in the run's record are relative to, and the folders that they may lie in."""
    folder = recorded.resolve().parent if is_run or recorded.is_file() else recorded
    declared = recorded if recorded.is_file() else folder / "study.yaml"
    if not declared.is_file():
        return folder, DataFolders(folder)
    study = load_study(declared)
    return (folder / study.samples_file).parent, data_folders(study)


def _verdict(
    run: Path,
    path: Path,
    entry: Mapping[str, Any],
    *,
    panel: str,
    rows: Mapping[str, pd.DataFrame],
    own_matrix: bool,
) -> SampleVerdict:
    name = str(entry["sample_id"])
    try:
        kept = json.loads(read_input(run / "samples" / f"{name}.json"))
        gates = run / "gates" / f"{name}.json"
        if json.loads(read_input(gates)) != kept["gates"]:
            raise ImmunomonError(f"{gates}: these are not the gates that the run placed; run the study again")
        spillover = kept["spillover"]
        with fetched_copy(path) as copy:
            _check_bytes(copy, path, entry["sha256"])
            matrix = matrix_in_file(copy, spillover) if own_matrix else "declared by the study"
            recomputed = recompute(copy, kept["gates"], spillover)
        comparison = compare_sample(recomputed, rows)
    except (ImmunomonError, OSError, ValueError, KeyError) as error:
        return SampleVerdict(name, panel, None, None, None, 0, "", _said(error), None)
    return SampleVerdict(
        name,
        panel,
        recomputed.events,
        recomputed.reader,
        matrix,
        recomputed.on_edges,
        recomputed.refusal,
        "",
        comparison,
        recomputed.gates,
        recomputed.not_exported,
    )


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, ImmunomonError) else f"{type(error).__name__}: {error}"


def _check_bytes(copy: Path, path: Path, sha256: str) -> None:
    if not copy.is_file():
        raise ImmunomonError(f"{path}: there is no such file; name the study's folder with --study")
    with copy.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise ImmunomonError(f"{path}: its bytes are not those of the run; run the study again")
