"""Normalise: maps of each batch to common quantiles, learned on bridge samples and judged on held-out cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.quantiles import (
    QuantileMap,
    apply_map,
    earth_movers_distance,
    levels_for,
    mean_distances,
    quantile_map,
    quantiles_of,
)
from immunomon.study.model.steadiness import MEAN, Normalisation, PanelNormalisation

__all__ = ["BridgeCells", "Judged", "Learned", "learn_normalisation"]

Pair = tuple[str, str]
# A map adds the noise of its own learning to every sample: it must be worth it.
LEAST_FALL = 0.1
HALVES, TUBES = "every other event of the same tube", "another tube"


@dataclass(frozen=True, eq=False)
class BridgeCells:
    """One bridge tube: its batch, and the display coordinates of its cells by cell type and marker.

    missing: (cell type, marker) -> why there are none; donor: whose cells they are, empty if nobody is named.
    """

    sample_id: str
    batch: str
    values: Mapping[Pair, Floats]
    missing: Mapping[Pair, str] = field(default_factory=dict)
    donor: str = ""


@dataclass(frozen=True)
class Judged:
    """What became of one batch, cell type and marker; the fields are the columns of ``JUDGEMENT``."""

    batch: str
    population: str
    marker: str
    cells: int
    levels: int | None = None
    held_out: str | None = None
    emd_before: float | None = None
    emd_after: float | None = None
    emd_floor: float | None = None
    median_shift: float | None = None
    reason: str | None = None
    donor: str | None = None

    @property
    def status(self) -> str:
        """``applied`` or ``refused``."""
        return "applied" if self.reason is None else "refused"


@dataclass(frozen=True, eq=False)
class Learned:
    """The maps by (batch, cell type, marker), and what was judged; what was refused has no map."""

    maps: Mapping[tuple[str, str, str], QuantileMap]
    judged: tuple[Judged, ...]


def learn_normalisation(
    tubes: Sequence[BridgeCells],
    normalisation: PanelNormalisation,
    *,
    settings: Normalisation,
    refused: Mapping[Pair, str] | None = None,
) -> Learned:
    """Return maps that bring each batch's cells to common quantiles, one a cell type and marker.

    tubes: the bridge samples of one panel. refused: pairs that must not be normalised, with the reason. People differ
    more than batches: of several donors the one in most batches is looked at, and a batch without a tube of this donor
    is refused. A batch with too few cells is refused alone; a pair whose held-out cells do not come a tenth nearer to
    each other is refused for all batches. Held out is a batch's last bridge tube where it has several, else every
    other event of its only tube. The final maps are learned on all cells. After Van Gassen et al. 2020, Cytometry A
    97:268, with gated populations as types.

    >>> rng = np.random.default_rng(1)
    >>> tubes = [BridgeCells(f"b{n}", f"b{n}", {("cd4", "CD25"): rng.normal(0.5 + n / 10, 0.1, 500)}) for n in range(3)]
    >>> panel = PanelNormalisation("treg", ("cd4",), ("CD25",))
    >>> learned = learn_normalisation(tubes, panel, settings=Normalisation(()))
    >>> [round(result.median_shift, 1) for result in learned.judged]
    [0.1, 0.0, -0.1]
    """
    maps: dict[tuple[str, str, str], QuantileMap] = {}
    judged: list[Judged] = []
    batches: dict[str, list[BridgeCells]] = {}
    for tube in tubes:
        batches.setdefault(tube.batch, []).append(tube)
    for cell_type in normalisation.cell_types:
        for marker in normalisation.markers:
            pair = (cell_type, marker)
            learned = _Pair(pair, batches, settings, (refused or {}).get(pair))
            judged += learned.judged()
            maps |= {(batch, *pair): quantile_map for batch, quantile_map in learned.maps.items()}
    return Learned(maps, tuple(judged))


class _Pair:
    """One cell type and marker: which batches can be normalised, their maps, and how well these do."""

    def __init__(
        self, pair: Pair, batches: Mapping[str, Sequence[BridgeCells]], settings: Normalisation, refused: str | None
    ) -> None:
        self.pair, self.settings = pair, settings
        self.donor = _commonest_donor(batches, pair, settings.min_cells)
        batches = {
            batch: [tube for tube in tubes if tube.donor == self.donor or pair in tube.missing]
            for batch, tubes in batches.items()
        }
        self.cells = {batch: _cells(tubes, pair) for batch, tubes in batches.items()}
        self.reasons = {batch: refused or self._why_not(tubes) for batch, tubes in batches.items()}
        self.good = [batch for batch, reason in self.reasons.items() if reason is None]
        self._refuse_together()
        self.held_out = {batch: _split(batches[batch], pair) for batch in self.good}
        self.before, self.after = self._distances()
        if self.good and not np.mean(self.after) < (1 - LEAST_FALL) * np.mean(self.before):
            change = f"from {np.mean(self.before):.4f} to {np.mean(self.after):.4f} display units"
            least = f"by at least {100 * LEAST_FALL:.0f} %"
            self._refuse(f"the distance between the batches' held-out cells does not fall {least}: {change}")
        learnt = [batch for batch in self.good if self.reasons[batch] is None]
        self.maps = dict(zip(learnt, self._learn([self.cells[batch] for batch in learnt], learnt), strict=True))

    def _why_not(self, tubes: Sequence[BridgeCells]) -> str | None:
        if not tubes:
            return f"the batch has no bridge sample of donor '{self.donor}', on whose cells the maps are learned"
        number = sum(tube.values[self.pair].size for tube in tubes if self.pair in tube.values)
        reasons = [tube.missing[self.pair] for tube in tubes if self.pair in tube.missing]
        if reasons and not number:
            return reasons[0]
        if number < self.settings.min_cells:
            return f"too few bridge cells: {number}, {self.settings.min_cells} are needed"
        return None

    def _refuse_together(self) -> None:
        goal = self.settings.goal
        if self.good and goal != MEAN and goal not in self.good:
            self._refuse(
                f"the batch '{goal}', which is the goal, cannot be used: {self.reasons.get(goal, 'no bridge')}"
            )
            self.good = []
        elif len(self.good) == 1:
            self._refuse("there is no other batch to bring it to")
            self.good = []

    def _refuse(self, reason: str) -> None:
        self.reasons = {batch: old or reason for batch, old in self.reasons.items()}

    def _learn(self, cells: Sequence[Floats], batches: Sequence[str]) -> list[QuantileMap]:
        if not cells:
            return []
        levels = levels_for(min(values.size for values in cells), self.settings.quantiles)
        quantiles = [quantiles_of(values, levels) for values in cells]
        mean = np.mean(quantiles, axis=0)
        goal = mean if self.settings.goal == MEAN else quantiles[list(batches).index(self.settings.goal)]
        return [quantile_map(own, goal) for own in quantiles]

    def _distances(self) -> tuple[Floats, Floats]:
        """Return each good batch's mean distance to the others, of held-out cells, before and after."""
        held = [self.held_out[batch][1] for batch in self.good]
        maps = self._learn([self.held_out[batch][0] for batch in self.good], self.good)
        mapped = [apply_map(batch_map, values) for batch_map, values in zip(maps, held, strict=True)]
        return mean_distances(held), mean_distances(mapped)

    def judged(self) -> Iterator[Judged]:
        """Yield what became of each batch, in their order."""
        for batch, reason in self.reasons.items():
            donor = self.donor or None
            row = Judged(batch, *self.pair, cells=int(self.cells[batch].size), reason=reason, donor=donor)
            if batch not in self.good:
                yield row
                continue
            index = self.good.index(batch)
            learnt, held, how = self.held_out[batch]
            there = self.maps.get(batch)
            middle = np.array([np.median(self.cells[batch])])
            yield replace(
                row,
                levels=None if there is None else int(there.sources.size),
                held_out=how,
                emd_before=float(self.before[index]),
                emd_after=float(self.after[index]),
                emd_floor=earth_movers_distance(learnt, held),
                median_shift=None if there is None else float((apply_map(there, middle) - middle)[0]),
            )


def _commonest_donor(batches: Mapping[str, Sequence[BridgeCells]], pair: Pair, min_cells: int) -> str:
    """Return the donor who has enough cells in most batches; of several the one with most cells, then by name."""
    cells: dict[str, dict[str, int]] = {}
    for batch, tubes in batches.items():
        for tube in tubes:
            of_donor = cells.setdefault(tube.donor, {})
            of_donor[batch] = of_donor.get(batch, 0) + tube.values.get(pair, np.zeros(0)).size
    enough = {donor: [size for size in of_donor.values() if size >= min_cells] for donor, of_donor in cells.items()}
    return min(enough, key=lambda donor: (-len(enough[donor]), -sum(enough[donor]), donor), default="")


def _cells(tubes: Sequence[BridgeCells], pair: Pair) -> Floats:
    return np.concatenate([np.zeros(0), *(tube.values[pair] for tube in tubes if pair in tube.values)])


def _split(tubes: Sequence[BridgeCells], pair: Pair) -> tuple[Floats, Floats, str]:
    """Return cells to learn on, cells to judge on, and how they were set apart."""
    having = [tube for tube in tubes if tube.values.get(pair, np.zeros(0)).size]
    if len(having) > 1:
        return _cells(having[:-1], pair), having[-1].values[pair], TUBES
    values = having[0].values[pair]
    return values[0::2], values[1::2], HALVES
