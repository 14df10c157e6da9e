"""How often limma's moderated t rejects in trials without an effect, and whether ours rejects in the same ones.

Call: python benchmarks/limma_level.py [--trials 20000] [--out FOLDER]. Needs R with limma (see limma.md); without it
only ours is counted. The trials are those of ``immunomon validate --statistics``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from immunomon.assurance.validation.statistics_nulls import ALPHA, changes, rate_over_trials
from immunomon.trial.kernels.moderated import moderated_t

Floats = NDArray[np.float64]
SETTINGS = ((3, "as validated"), (3, "equal variances"), (6, "as validated"), (9, "as validated"))


def null_trials(n: int, kind: str, trials: int, *, rng: np.random.Generator, populations: int = 12) -> Floats:
    """Return changes without an effect, (trials, patients, populations)."""
    if kind == "as validated":
        return changes(0.0, n, trials, rng=rng)
    sd = np.ones(populations)
    if kind == "inverse chi-squared":  # exactly Smyth's model, d0 = 8
        sd = np.sqrt(8 / rng.chisquare(8, (trials, 1, populations)))
    return np.asarray(rng.normal(0.0, 0.35, (trials, n, populations)) * sd)


def ours(x: Floats) -> tuple[Floats, Floats]:
    """Return p, (trials, populations), and the prior's degrees of freedom, (trials,)."""
    found = [moderated_t(one) for one in x]
    return np.array([one.p for one in found]), np.array([one.prior.freedom for one in found])


def limma(x: Floats, folder: Path) -> Floats | None:
    """Return what limma says of the same trials, (trials, populations + 1): p, then the prior's degrees of freedom."""
    if shutil.which("Rscript") is None:
        return None
    trials, n, populations = x.shape
    place = np.indices((trials, n)).reshape(2, -1).T
    head = ",".join(["trial", "patient", *(f"p{k}" for k in range(populations))])
    rows = np.column_stack([place, x.reshape(-1, populations)])
    np.savetxt(folder / "changes.csv", rows, delimiter=",", header=head, comments="", fmt="%.17g")
    subprocess.run(["Rscript", str(Path(__file__).with_suffix(".R")), str(folder)], check=True)
    return np.loadtxt(folder / "p.csv", delimiter=",", skiprows=1)


def main() -> None:
    """Print a table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--trials", type=int, default=20_000)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.out or Path(temporary)
        print(
            "| patients, trials | ours | limma | largest relative difference in p | prior infinite, share of trials |"
        )
        print("| --- | --- | --- | --- | --- |")
        for n, kind in SETTINGS:
            x = null_trials(n, kind, chosen.trials, rng=np.random.default_rng([1, n]))
            p, freedom = ours(x)
            theirs = limma(x, folder)
            other, apart = "-", "-"
            if theirs is not None:
                other = str(rate_over_trials((theirs[:, :-1] <= ALPHA).astype(float)).value.__format__(".4f"))
                apart = f"{np.max(np.abs(p / theirs[:, :-1] - 1)):.1e}"
            mine = rate_over_trials((p <= ALPHA).astype(float))
            cells = f"{mine.value:.4f} +- {mine.error:.4f} | {other} | {apart} | {np.isinf(freedom).mean():.2f}"
            print(f"| {n}, {kind} | {cells} |", flush=True)
        for populations in (12, 24, 48, 100, 1000):
            for kind in ("equal variances", "inverse chi-squared"):
                trials = max(200, chosen.trials * 12 // populations // 4)
                x = null_trials(3, kind, trials, rng=np.random.default_rng([2, populations]), populations=populations)
                mine = rate_over_trials((ours(x)[0] <= ALPHA).astype(float))
                print(
                    f"3 patients, {populations} populations, {kind}: {mine.value:.4f} +- {mine.error:.4f}", flush=True
                )


if __name__ == "__main__":
    main()
