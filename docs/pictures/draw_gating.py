"""Draw the pictures of docs/gating.md from simulated tubes: python docs/pictures/draw_gating.py [--trial FOLDER]."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl

import immunomon
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.plots.gating import gating_plot
from immunomon.runs.run import run_study
from immunomon.study.model.uses import tube_of

mpl.use("agg")
HERE = Path(__file__).parent
PANELS = ("treg", "thelper", "thelper-ics", "bcell", "nk", "tbnk", "tmemory", "innate8~monocyte-dc")
COLUMNS = 4


def main() -> None:
    """Simulate, gate and draw one sample of each panel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trial", type=Path, help="where the simulated trial is kept; left out: nowhere")
    chosen = parser.parse_args().trial
    with TemporaryDirectory() as name:
        trial = chosen or Path(name) / "trial"
        simulate_trial(trial, seed=1, events=20_000, visits=["D-1", "W4"], panels=[tube_of(name) for name in PANELS])
        run_study(trial)
        run = immunomon.open_run(trial / "run")
        for panel in PANELS:
            draw(run, panel)


def draw(run: immunomon.Run, panel: str) -> None:
    """Draw every gating step of one sample as a page of small plots."""
    from matplotlib.figure import Figure

    plots = run.plots(f"fcs__{tube_of(panel)}__S05_W4_{panel}")
    rows = math.ceil(len(plots) / COLUMNS)
    figure = Figure(figsize=(2.6 * COLUMNS, 2.5 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for ax, plot in zip(axes, plots, strict=False):
        gating_plot(ax, plot)
        ax.tick_params(labelsize=6)
        ax.xaxis.label.set_size(7)
        ax.yaxis.label.set_size(7)
    for ax in axes[len(plots) :]:
        ax.remove()
    figure.savefig(
        HERE / f"gating-{panel.rpartition('~')[2]}.png",
        dpi=72,
        metadata={"Software": None},
        pil_kwargs={"optimize": True},
    )


if __name__ == "__main__":
    main()
