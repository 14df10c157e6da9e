"""Draw the picture of docs/trust.md, gates in doubt beside ordinary ones: python docs/pictures/draw_trust.py."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
from matplotlib.figure import Figure

import immunomon
from immunomon.assurance.simulate.conditions import ORDINARY_CONDITION, condition_named
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.plots.gating import gating_plot
from immunomon.runs.run import run_study

mpl.use("agg")
HERE = Path(__file__).parent
# code of the doubt -> (simulated condition, sample, population whose gate is drawn)
EXAMPLES = {
    "fallback_alone": ("viability-x40", "fcs__treg__S01_W4_treg", "live"),
    "fallback_contradicted": ("PE-x0.15-last-visit", "fcs__nk__S02_W4_nk", "nk"),
    "weak_stain": ("PE-x0.15-last-visit", "fcs__treg__S01_W4_treg", "treg"),
    "files_disagree": ("few-photons", "fcs__bcell__S01_D-1_bcell", "b_cd38hi_cd20lo"),
    "cloud_contradicted": ("whole-blood", "fcs__treg__S01_W4_treg", "lymphocytes"),
}


def main() -> None:
    """Simulate the same cells under each condition, gate them, and draw each doubtful gate below the ordinary one."""
    with TemporaryDirectory() as folder:
        names = {ORDINARY_CONDITION.name, *(condition for condition, _, _ in EXAMPLES.values())}
        runs = {name: run_of(Path(folder) / name, condition=name) for name in names}
        draw(runs).savefig(HERE / "trust.png", dpi=72, metadata={"Software": None}, pil_kwargs={"optimize": True})


def run_of(trial: Path, *, condition: str) -> immunomon.Run:
    """Simulate two patients at two visits under a condition and run them."""
    simulate_trial(
        trial,
        seed=3,
        events=10_000,
        visits=["D-1", "W4"],
        subjects_per_group=2,
        subjects=2,
        controls=False,
        condition=condition_named(condition),
    )
    run_study(trial)
    return immunomon.open_run(trial / "run")


def draw(runs: dict[str, immunomon.Run]) -> Figure:
    """Draw a column for each doubt: the gate of the ordinary file above, of the one in doubt below."""
    figure = Figure(figsize=(2.7 * len(EXAMPLES), 5.4), layout="constrained")
    axes = figure.subplots(2, len(EXAMPLES), squeeze=False)
    for column, (code, (condition, sample, population)) in enumerate(EXAMPLES.items()):
        doubts = runs[condition].table("doubts").query("sample_id == @sample and population == @population")
        if code not in set(doubts["code"]):
            raise SystemExit(f"{condition}: {population} of {sample} has no longer the doubt '{code}'")
        for row, name in enumerate((ORDINARY_CONDITION.name, condition)):
            plot = next(plot for plot in runs[name].plots(sample) if population in plot["populations"])
            ax = gating_plot(axes[row][column], plot)
            ax.set_title((f"{code}\n", f"{condition}\n")[row] + ax.get_title(), fontsize=8)
            ax.tick_params(labelsize=6)
            ax.xaxis.label.set_size(7)
            ax.yaxis.label.set_size(7)
    return figure


if __name__ == "__main__":
    main()
