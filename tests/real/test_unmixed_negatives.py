"""Real single stains, unmixed from 64 detectors: a marker that is not in the tube is not split, whatever its noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.gates.density import Valley
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.steps.measure_noise import measure_noise, pool_noise
from immunomon.cytometry.steps.transform import resolve_scales, transform
from immunomon.errors import GateNotPlaced
from immunomon.study.model.channels import Channel, ChannelKind
from immunomon.study.model.strategy import GatingStrategy

pytestmark = pytest.mark.real_data
UNSTAINED = "ND050_15_Ctrl_Unstained"
RANGE = 4.19e6


@pytest.fixture(scope="module")
def unmixed(real_data: Path) -> dict[str, EventTable]:
    """The tubes by the marker in them, each unmixed into all thirteen markers by least squares."""
    folder = real_data / "single-stains" / "spectral"
    tubes: dict[str, NDArray[np.float64]] = {}
    for path in sorted(folder.glob("*.fcs")):
        events = read_fcs(path)[1]
        used = [place for place, one in enumerate(events.channels) if one.kind is ChannelKind.FLUORESCENCE]
        tubes[path.stem] = np.asarray(events.values, dtype=np.float64)[:, used]
    background = np.median(tubes[UNSTAINED], axis=0)
    spectra = {}
    for name, values in tubes.items():
        if name != UNSTAINED:
            above = values - background
            peak = int(np.argmax(np.quantile(above, 0.98, axis=0)))
            bright = np.median(above[above[:, peak] >= np.quantile(above[:, peak], 0.95)], axis=0)
            spectra[name.split("_")[1]] = bright / bright.max()
    solve = np.linalg.pinv(np.vstack([*spectra.values(), background / background.max()]))
    channels = tuple(Channel(f"{marker}-A", marker, RANGE) for marker in spectra)
    return {
        name.split("_")[1]: EventTable((values @ solve)[:, : len(channels)], channels, Scale.COMPENSATED, name)
        for name, values in tubes.items()
    }


def test_what_is_not_in_the_tube_is_not_split_and_most_of_what_is_in_it_is(unmixed: dict[str, EventTable]) -> None:
    markers = [channel.marker for channel in next(iter(unmixed.values())).channels]
    book = pool_noise([measure_noise(events, markers) for events in unmixed.values()])
    split = set()
    for tube, events in unmixed.items():
        scales = resolve_scales(GatingStrategy("s", "S", 1, None, ()), markers, events, book)
        shown = transform(events, scales)
        for marker in markers:
            try:
                placed = Valley(axis=marker).fit(shown, scales)
            except GateNotPlaced:
                continue
            assert not placed.doubts  # the noise was measured, and the split lies beyond it
            split.add((tube, marker))
    assert {(tube, marker) for tube, marker in split if tube != marker} == set()
    assert {"CD3", "CD4", "CD16", "CD27", "CD38", "CD45RA"} <= {tube for tube, _ in split}
