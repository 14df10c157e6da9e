import pytest

from immunomon.errors import UnknownChannel
from immunomon.study.model.channels import Channel
from immunomon.study.model.panel import Marker, Panel

PANEL = Panel(
    "p",
    "P",
    (Marker("CD25", "PE-A", "PE", aliases=("IL2RA",)), Marker("HLA-DR", "V500-A", "V500")),
    scatter=("FSC-A",),
    time="Time",
)


def test_a_marker_is_found_by_name_or_alias_whatever_its_spelling():
    assert {PANEL.marker(name).name for name in ("CD25", "cd25", "il2ra", "IL-2RA")} == {"CD25"}


def test_an_unknown_marker_is_named_with_the_nearest():
    with pytest.raises(UnknownChannel, match=r"panel p: no marker 'HLADQ'; did you mean 'HLA-DR'"):
        PANEL.marker("HLADQ")


def test_a_file_takes_the_panels_marker_names_by_detector():
    channels = (Channel("FSC-A"), Channel("PE-A", "cd25-pe"), Channel("V500-A"), Channel("APC-A", "other"))
    assert [c.marker for c in PANEL.label_channels(channels)] == ["", "CD25", "HLA-DR", "other"]


def test_a_file_without_a_detector_of_the_panel_is_refused_by_name():
    with pytest.raises(UnknownChannel, match=r"no detector V500-A \(HLA-DR\); it has PE-A"):
        PANEL.label_channels((Channel("FSC-A"), Channel("PE-A")))


def test_the_axes_a_strategy_may_use_are_markers_detectors_scatter_and_time():
    assert all(PANEL.has(axis) for axis in ("CD25", "hla-dr", "PE-A", "FSC-A", "Time"))
    assert not PANEL.has("CD3")
