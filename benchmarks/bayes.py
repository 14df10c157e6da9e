"""The Bayesian model over time on counts whose truth is known: how often its intervals hold it, and how long it takes.

    pip install "immunomon[bayes]"
    python benchmarks/bayes.py [--trials 20] [--seed 1] [--json FILE]

Nine patients, three doses, seven visits, beta-binomial counts of 2,000 cells. The truth is drawn anew in each trial:
visit effects normal(0, 0.3), the highest dose's effect normal(0, 0.3) with the middle one between, patients
normal(0, 0.4).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from immunomon.trial.statistics.bayes import fitted
from immunomon.trial.statistics.posterior import Layout, compiled_model

PATIENTS, VISITS, DOSES, CELLS, PRECISION = 9, 7, 3, 2_000, 300.0
LEVEL = np.repeat(np.arange(DOSES), PATIENTS // DOSES)


def drawn(rng: np.random.Generator) -> tuple[Layout, np.ndarray]:
    """Return the counts of one trial and the truth of the model's terms: visits, then doses against the lowest."""
    visit, top = rng.normal(0.0, 0.3, VISITS - 1), rng.normal(0.0, 0.3)
    dose = np.array([0.0, top * rng.uniform(), top])
    # A visit's term is the mean over the patients as they are, as in the model.
    course = np.concatenate([[0.0], visit])[None, :] + np.where(
        np.arange(VISITS) > 0, (dose - dose[LEVEL].mean())[LEVEL][:, None], 0.0
    )
    eta = -1.5 + rng.normal(0.0, 0.4, PATIENTS)[:, None] + course
    mean = 1 / (1 + np.exp(-eta))
    count = rng.binomial(CELLS, rng.beta(mean * PRECISION, (1 - mean) * PRECISION))
    total = np.full_like(count, CELLS)
    basis = np.tile(np.eye(VISITS)[:, 1:], (PATIENTS, 1, 1))
    layout = Layout(
        count,
        total,
        np.ascontiguousarray(basis),
        np.eye(VISITS - 1),
        level=LEVEL.astype(np.int64),
        levels=DOSES,
        weight=np.full(PATIENTS, 1 / PATIENTS),
        after=(np.arange(VISITS) > 0).astype(float),
        start=float(np.log((count + 0.5) / (total - count + 0.5)).mean()),
        terms=(*(f"visit {n}" for n in range(1, VISITS)), "dose 2", "dose 3"),
        patient=np.repeat(np.arange(PATIENTS), VISITS),
    )
    return layout, np.concatenate([visit, dose[1:]])


def measured(trials: int, seed: int) -> dict[str, Any]:
    """Return coverage of 95 % intervals, bias and processor seconds over so many trials."""
    first, _ = drawn(np.random.default_rng([seed, 0]))
    began = time.process_time()
    compiled = compiled_model(first)
    compiling, inside, off, seconds = time.process_time() - began, [], [], []
    for number in range(trials):
        layout, truth = drawn(np.random.default_rng([seed, number]))
        began = time.process_time()
        posterior, words = fitted(compiled, layout, seed=number)
        seconds.append(time.process_time() - began)
        print(f"trial {number + 1} of {trials}: {words}, {seconds[-1]:.1f} s", flush=True)
        if posterior is None:
            continue
        low, high = np.quantile(posterior.draws, [0.025, 0.975], axis=1)
        inside.append((low <= truth) & (truth <= high))
        off.append(posterior.draws.mean(axis=1) - truth)
    held, bias = np.array(inside), np.array(off)
    return {
        "trials": trials,
        "converged": len(held),
        "coverage_visits": float(held[:, : VISITS - 1].mean()),
        "coverage_doses": float(held[:, VISITS - 1 :].mean()),
        "bias_visits": float(bias[:, : VISITS - 1].mean()),
        "bias_doses": float(bias[:, VISITS - 1 :].mean()),
        "processor_seconds_compiling": compiling,
        "processor_seconds_a_fit": float(np.median(seconds)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    found = measured(wanted.trials, wanted.seed)
    for name, value in found.items():
        print(f"{name:32} {value:.3f}" if isinstance(value, float) else f"{name:32} {value}")
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
