"""What each event of a simulated file really is."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from immunomon.arrays import Mask
from immunomon.assurance.simulate.acquisition import ANOMALY_KINDS, Disturbance
from immunomon.assurance.simulate.appearance import NOT_LYMPHOCYTES
from immunomon.assurance.simulate.biology import NOVEL
from immunomon.assurance.simulate.populations import ROOT_PARENTS, TruthPopulation, truth_populations
from immunomon.assurance.simulate.suspension import Suspension

__all__ = ["Truth", "truth_of"]


@dataclass(frozen=True, eq=False)
class Truth:
    """The members of each population, parents before children, and the events that an anomaly spoiled.

    masks: (populations, events).
    """

    names: tuple[str, ...]
    parents: tuple[str, ...]
    masks: Mask
    anomaly: Mask
    anomaly_kind: str
    margin: Mask

    def percent_of_parent(self) -> dict[str, float]:
        """Return the true percentages in this file; not-a-number where the parent is empty."""
        counts = dict(zip(self.names, self.masks.sum(axis=1).tolist(), strict=True)) | {"root": self.masks.shape[1]}
        pairs = zip(self.names, self.parents, strict=True)
        return {name: 100 * counts[name] / counts[up] if counts[up] else float("nan") for name, up in pairs}

    def artefacts(self) -> dict[str, Mask]:
        """Return which events each kind of artefact spoils: clog, step, drift, and margin (off the scale)."""
        nothing = np.zeros_like(self.anomaly)
        kinds = {kind: self.anomaly if kind == self.anomaly_kind else nothing for kind in ANOMALY_KINDS[1:]}
        return {**kinds, "margin": self.margin}

    def archive(self) -> bytes:
        """Return the contents of its npz file: names, masks (rows as bits), n, anomaly (bits), anomaly_kind.

        artefact_clog, artefact_step, artefact_drift, artefact_margin: which events each spoils, as bits.
        """
        buffer = io.BytesIO()
        artefacts: dict[str, Any] = {f"artefact_{name}": np.packbits(mask) for name, mask in self.artefacts().items()}
        np.savez_compressed(
            buffer,
            names=np.array(self.names),
            parents=np.array(self.parents),
            masks=np.packbits(self.masks, axis=1),
            n=np.array(self.masks.shape[1]),
            anomaly=np.packbits(self.anomaly),
            anomaly_kind=np.array(self.anomaly_kind),
            **artefacts,
        )
        return buffer.getvalue()


def truth_of(cells: Suspension, panel: str, disturbance: Disturbance) -> Truth:
    """Return the truth of a tube: singlets are neither doublets nor off the scale; live ones are not dye-positive.

    An event that an anomaly spoiled stays in its population: it is that cell, badly measured.
    """
    declared = truth_populations(panel)
    if NOVEL in cells.kinds:
        declared = (*declared, TruthPopulation(NOVEL, "lymphocytes", (NOVEL,)))
    kinds = {population.id: population.kinds for population in declared}
    members = {"singlets": ~(cells.doublet | cells.margin)}
    members["live"] = members["singlets"] & ~cells.dead
    members["lymphocytes"] = members["live"] & ~cells.is_kind(NOT_LYMPHOCYTES)
    for name, wanted_kinds in kinds.items():
        whole = "live" if set(wanted_kinds) <= set(NOT_LYMPHOCYTES) else "lymphocytes"
        members[name] = members[whole] & cells.is_kind(wanted_kinds)
    parents = {**ROOT_PARENTS, **{population.id: population.parent for population in declared}}
    return Truth(
        tuple(members),
        tuple(parents[name] for name in members),
        np.stack(list(members.values())),
        disturbance.touches(cells.kind.size),
        disturbance.kind,
        cells.margin,
    )
