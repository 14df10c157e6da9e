"""Whether an atlas fits a run: the same panel, the same detectors, the same display scales; if not, what differs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from immunomon.errors import BadAtlas
from immunomon.maps.atlas.record import markers_of
from immunomon.runs.opened import Run
from immunomon.study.model.panel import Panel

__all__ = ["places_of_samples", "refuse_another_panel", "refuse_other_scales"]


def refuse_another_panel(path: Path, record: Mapping[str, Any], panel: Panel) -> None:
    """Raise BadAtlas unless a panel is the atlas', with the same type markers on the same detectors."""
    if record["panel"] != panel.name:
        raise BadAtlas(f"{path}: it is an atlas of the panel '{record['panel']}', not of '{panel.name}'")
    _, used = markers_of(panel)
    if set(used) != set(record["markers"]):
        differing = sorted(set(used) ^ set(record["markers"]))
        raise BadAtlas(
            f"{path}: the panel {panel.name} has other type markers than the atlas ({', '.join(differing)}); "
            f"{_refit(panel.name)}"
        )
    for name in record["markers"]:
        now, then = panel.marker(name).detector, record["detectors"].get(name)
        if now != then:
            raise BadAtlas(
                f"{path}: {name} was read on {then} in the atlas and is on {now} in this run; {_refit(panel.name)}"
            )


def refuse_other_scales(path: Path, record: Mapping[str, Any], scales: Mapping[str, Any]) -> None:
    """Raise BadAtlas unless the markers that lay out the atlas are on the display scales that they had there."""
    for name in record["markers"]:
        if scales[name] != record["scales"][name]:
            raise BadAtlas(
                f"{path}: the display scale of {name} is {_said(scales[name])} in this run and "
                f"{_said(record['scales'][name])} in the atlas; {_refit(str(record['panel']))}"
            )


def places_of_samples(record: Mapping[str, Any], run: Run) -> dict[str, int]:
    """Return where a run's samples are in an atlas' list: those of the same name and the same file, byte for byte."""
    files = {file["sample_id"]: file["sha256"] for file in run.record["files"]}
    known = enumerate(record["samples"])
    return {sample["id"]: index for index, sample in known if files.get(sample["id"]) == sample["sha256"]}


def _refit(panel: str) -> str:
    return f"fit an atlas of this run: immunomon embed RUN --panel {panel} --refit"


def _said(scale: Any) -> str:  # noqa: ANN401
    if not isinstance(scale, dict):
        return "unknown"
    return " ".join([str(scale.get("kind")), *(f"{key}={value}" for key, value in scale.items() if key != "kind")])
