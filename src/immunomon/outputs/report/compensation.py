"""The page of a compensation: controls, refusals, matrix, what is left after it, and what it spreads."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from immunomon.cytometry.formats.matrix_csv import as_spillover
from immunomon.cytometry.kernels.spillover import unmix
from immunomon.cytometry.model.controls import EstimatedSpillover
from immunomon.files import write_whole
from immunomon.plots.figures import png_of
from immunomon.plots.spillover import matrix_plot, pair_plot
from immunomon.runs.compensation import ControlsResult

if TYPE_CHECKING:
    pass

__all__ = ["draw_pictures", "write_pages"]

_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{border-bottom:1px solid #ddd;padding:.25rem .7rem;text-align:left}"
    "img{max-width:100%}.refused{color:#a03000}"
)


def write_pages(result: ControlsResult, *, report: Path | None, pictures: Path | None) -> None:
    """Write the HTML page, the pictures (PNG) into a folder, or both; each file replaces an older one when whole."""
    drawn = dict(draw_pictures(result))
    if pictures is not None:
        for name, data in drawn.items():
            write_whole(pictures / f"{name}.png", data)
    if report is not None:
        write_whole(report, _page(result, drawn))


def draw_pictures(result: ControlsResult) -> Iterator[tuple[str, bytes]]:
    """Yield name and PNG of each picture: spillover, residual slopes, spreading, worst pairs; none without a matrix."""
    from matplotlib.figure import Figure

    estimate = result.estimate
    if estimate is None:
        return
    for kind, values, columns in (
        ("spillover", estimate.values, estimate.detectors),
        ("residual", estimate.residual, estimate.stains),
        ("spreading", estimate.spreading, estimate.stains),
    ):
        names = estimate.fluorochromes if kind == "spillover" else estimate.stains
        figure = Figure(figsize=(max(5.0, 0.5 * min(len(columns), 28) + 2), 0.4 * len(names) + 2), layout="constrained")
        matrix_plot(figure.subplots(), values, kind, rows=names, columns=columns)
        yield kind, png_of(figure)
    pairs = estimate.worst_pairs()
    if pairs:
        yield "worst-pairs", _pairs(result, estimate, [(pair.stain, pair.into) for pair in pairs])


def _pairs(result: ControlsResult, estimate: EstimatedSpillover, pairs: list[tuple[str, str]]) -> bytes:
    from matplotlib.figure import Figure

    columns = [result.detectors.index(name) for name in estimate.detectors]
    own = [estimate.detectors.index(name) for name in _own(estimate)]
    square = as_spillover(estimate.matrix).array
    lines = -(-len(pairs) // 3)
    figure = Figure(figsize=(10, 3.2 * lines), layout="constrained")
    places = figure.subplots(lines, 3, squeeze=False).ravel()
    for ax, (stain, into) in zip(places, pairs, strict=False):
        control = next(control for control in result.good if control.label.fluorochrome == stain)
        raw = control.events[:, columns]
        two = [own[estimate.fluorochromes.index(stain)], own[estimate.fluorochromes.index(into)]]
        pair_plot(ax, raw[:, two], unmix(raw, square, two), names=(stain, into))
    for ax in places[len(pairs) :]:
        ax.set_axis_off()
    return png_of(figure)


def _own(estimate: EstimatedSpillover) -> tuple[str, ...]:
    """Return the detector in which each fluorochrome's compensated signal is found when the matrix is used."""
    matrix = estimate.matrix
    return getattr(matrix, "own_detectors", estimate.own)


def _page(result: ControlsResult, drawn: dict[str, bytes]) -> str:
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Compensation</title>",
        f"<style>{_STYLE}</style><h1>Compensation from single-stained controls</h1>",
        *_summary(result.estimate),
        "<h2>Controls</h2>",
        _controls(result),
    ]
    for refused in result.refused:
        parts.append(f"<p class=refused>{escape(str(refused))}</p>")
    for name, data in drawn.items():
        picture = base64.b64encode(data).decode("ascii")
        parts.append(
            f"<h2>{escape(name.capitalize())}</h2><img alt='{escape(name)}' src='data:image/png;base64,{picture}'>"
        )
    return "\n".join(parts) + "\n</html>\n"


def _summary(estimate: EstimatedSpillover | None) -> Iterator[str]:
    if estimate is None:
        yield "<p class=refused>No matrix was made: see which controls were refused.</p>"
        return
    kind = "Spillover" if estimate.is_square else "Unmixing"
    yield (
        f"<p>{kind} of {len(estimate.fluorochromes)} x {len(estimate.detectors)}; "
        f"{len(estimate.history)} iteration(s); "
        f"largest residual slope {estimate.largest_residual:.1e}"
        f"{'' if estimate.converged else ' (the limit of 1e-4 was not reached)'}.</p>"
    )
    for warning in estimate.warnings:
        yield f"<p class=refused>{escape(warning)}</p>"


def _controls(result: ControlsResult) -> str:
    heads = ("file", "fluorochrome", "told by", "peak detector", "events used", "positives", "brightness", "separation")
    rows = [
        (
            control.label.file,
            control.label.fluorochrome,
            control.label.told_by,
            result.detectors[control.peak],
            f"{control.gated} of {control.total}",
            str(int(np.count_nonzero(control.positives))),
            f"{control.brightness:.0f}",
            f"{control.separation:.0f} SD",
        )
        for control in result.good
    ]
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
