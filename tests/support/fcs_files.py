"""Small FCS files for tests, written by FlowIO or byte by byte."""

from pathlib import Path

import flowio
import numpy as np

DETECTORS = ("FSC-A", "FSC-H", "SSC-A", "FITC-A", "PE-A", "Time")


def write_fcs(path: Path, values: np.ndarray, detectors=DETECTORS, markers=None, **keywords) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        flowio.create_fcs(
            file,
            np.asarray(values, dtype=np.float64).ravel().tolist(),
            list(detectors),
            opt_channel_names=list(markers) if markers else None,
            metadata_dict={key.lower(): value for key, value in keywords.items()},
        )
    return path


def some_values(count=100, channels=6, seed=1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1, 2e5, (count, channels)).astype(np.float32)
