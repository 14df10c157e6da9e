"""An atlas beside umap-learn: the same cells fitted, others projected, seconds and trustworthiness of both.

    python benchmarks/embedding.py [--json FILE] [--quick]

50,000 cells x 12 markers of 20 populations are fitted, 1,000,000 others are projected. umap-learn fits the same cells
with its defaults and transforms the first 5,000 others.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from clustering import labelled
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

from immunomon.maps.atlas.layout import NEIGHBOURS, lay_out
from immunomon.maps.atlas.placing import Placed, Placer, yardstick_of
from immunomon.maps.atlas.reference import Reference

FITTED, PROJECTED, TRANSFORMED, JUDGED = 50_000, 1_000_000, 5_000, 5_000
SAMPLES = 60
THREADS = os.cpu_count() or 1
AIM_SECONDS, FIT_SLACK, PROJECTED_SLACK = 120.0, 0.01, 0.02
Floats = NDArray[np.float32]
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, float, T]:
    """Return seconds on the clock and of all processors, and what a call returned."""
    clock, processor = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - clock, time.process_time() - processor, found


def fit(values: Floats, threads: int) -> Placer:
    """Return an atlas of cells, as ``immunomon embed`` makes it, ready to take others."""
    layout = lay_out(values, seed=1, threads=threads)
    sample = (np.arange(len(values)) % SAMPLES).astype(np.int32)
    yardstick, score = yardstick_of(layout.scaled, sample, threads=threads)
    cluster, event = layout.clusters.astype(np.int16), np.arange(len(values))
    weights = np.ones(len(values))
    arrays = (layout.scaled, layout.positions, weights, cluster, sample, event, yardstick.spacing, score)
    return Placer(Reference(*arrays, {}), layout.centre, layout.scale, yardstick)


def scaled(placer: Placer, values: Floats) -> Floats:
    """Return cells as the atlas compares them."""
    return ((values - placer.centre) / placer.scale).astype(np.float32)


def trust(values: Floats, positions: Floats) -> float:
    """Return the trustworthiness of positions on some cells, the same for whoever placed them."""
    chosen = np.random.default_rng(7).choice(len(values), min(JUDGED, len(values)), replace=False)
    return float(trustworthiness(values[chosen], positions[chosen], n_neighbors=NEIGHBOURS))


def same_bytes(one: Placed, other: Placed) -> bool:
    """Say whether two projections are the same to the last bit."""
    return one.positions.tobytes() == other.positions.tobytes() and one.score.tobytes() == other.score.tobytes()


def ours(values: Floats, others: Floats) -> tuple[dict[str, Any], Placer]:
    """Return what immunomon takes and how far to trust it, and its atlas."""
    fit(values[:500], THREADS).place(others[:100])  # what is compiled on the first call is not timed
    fit_seconds, fit_cpu, placer = timed(lambda: fit(values, THREADS))
    project_seconds, project_cpu, placed = timed(lambda: placer.place(others, threads=THREADS))
    head = others[:TRANSFORMED]
    return {
        "fit_seconds": fit_seconds,
        "project_seconds": project_seconds,
        "seconds": fit_seconds + project_seconds,
        "fit_cpu_seconds": fit_cpu,
        "project_cpu_seconds": project_cpu,
        "cpu_seconds": fit_cpu + project_cpu,
        "trust_fit": trust(placer.reference.scaled, placer.reference.positions),
        "trust_projected": trust(scaled(placer, head), placed.positions[:TRANSFORMED]),
        "percent_beyond": 100 * float(np.mean(placed.score > np.percentile(placer.reference.score, 99))),
    }, placer


def steady(placer: Placer, values: Floats, others: Floats) -> dict[str, Any]:
    """Return whether one thread gives the same bytes as all of them."""
    again, head = fit(values, 1), others[:50_000]
    return {
        "same_map_by_one_thread": again.reference.positions.tobytes() == placer.reference.positions.tobytes(),
        "same_projection_by_one_thread": same_bytes(again.place(head), placer.place(head, threads=THREADS)),
    }


def theirs(values: Floats, others: Floats) -> dict[str, Any]:
    """Return what umap-learn takes with its defaults, and how far to trust it."""
    from umap import UMAP

    UMAP(random_state=1, n_jobs=1).fit(values[:5000]).transform(others[:100])  # compiled
    reducer = UMAP(random_state=1, n_jobs=1)
    fit_seconds, fit_cpu, positions = timed(lambda: reducer.fit_transform(values))
    seconds, cpu, placed = timed(lambda: reducer.transform(others[:TRANSFORMED]))
    return {
        "umap_fit_seconds": fit_seconds,
        "umap_fit_cpu_seconds": fit_cpu,
        "umap_transform_seconds_for_5000": seconds,
        "umap_transform_cpu_seconds_for_5000": cpu,
        "umap_trust_fit": trust(values, np.asarray(positions)),
        "umap_trust_transformed": trust(others[:TRANSFORMED], np.asarray(placed)),
    }


def said(found: dict[str, Any]) -> dict[str, Any]:
    """Print numbers as soon as they are known."""
    for key, value in found.items():
        print(f"{key:36} {value:.3f}" if isinstance(value, float) else f"{key:36} {value}", flush=True)
    return found


def main() -> int:
    """Measure, print, and write the numbers; return 1 if an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--quick", action="store_true", help="a tenth of the cells; the aims are not judged")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")  # umap-learn's own
    part = 10 if asked.quick else 1
    values, _ = labelled((FITTED + PROJECTED) // part)
    fitted, others = values[: FITTED // part], values[FITTED // part :]
    numbers, placer = ours(fitted, others)
    found = said({"fitted": len(fitted), "projected": len(others), "threads": THREADS, **numbers})
    found |= said(theirs(scaled(placer, fitted), scaled(placer, others[:TRANSFORMED])))
    found |= said(steady(placer, fitted, others))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    met = {
        f"{AIM_SECONDS:.0f} s": found["seconds"] <= AIM_SECONDS,
        "trust of the fit": found["trust_fit"] >= found["umap_trust_fit"] - FIT_SLACK,
        "trust of the projected": found["trust_projected"] >= found["umap_trust_transformed"] - PROJECTED_SLACK,
        "the same by one thread": found["same_map_by_one_thread"] and found["same_projection_by_one_thread"],
    }
    print("; ".join(f"{name}: {'met' if is_met else 'NOT met'}" for name, is_met in met.items()))
    return 0 if asked.quick or all(met.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
