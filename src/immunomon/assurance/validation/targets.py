"""What the product promises of its gates, and which populations the simulated treatment acts on."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACTED_ON", "PRIMARY_VISIT", "Target", "target_of"]

PRIMARY_VISIT = "W4"
# (panel, population): the five that the simulated treatment acts on, in the order they are reported.
ACTED_ON: tuple[tuple[str, str], ...] = (
    ("treg", "treg"),
    ("thelper", "th1"),
    ("thelper", "th17"),
    ("bcell", "b_transitional"),
    ("bcell", "plasmablasts"),
)

_LINEAGES = frozenset(
    {
        *("singlets", "live", "lymphocytes", "t_cells", "cd4", "cd8", "b_cells", "nk"),
        *("cd3pos_cd8neg", "monocytes"),
    }
)
_SUBSETS = frozenset(
    {
        *("treg", "th1", "th17"),
        *("b_naive", "b_unswitched", "b_switched", "b_dn", "plasmablasts", "b_transitional"),
        *("nk_bright", "nk_dim", "nk_dim_cd16neg"),
        *(f"{lineage}_{part}" for lineage in ("cd4", "cd8") for part in ("naive", "cm", "em", "temra", "activated")),
        *("tfh", "tfh_pd1", "th2", "treg_foxp3", "gamma_delta", "mait"),
        *("mono_classical", "mono_intermediate", "mono_nonclassical", "dc", "mdc", "pdc"),
        *("th1_ifng", "th2_il4", "th17_il17a", "th17_1_ifng_il17a"),
    }
)


@dataclass(frozen=True)
class Target:
    """How near a gated frequency has to be: the median error over files, and in what it is measured.

    >>> Target("percentage points", 0.5).met(absolute=0.4, relative=30.0)
    True
    """

    measure: str
    most: float

    def met(self, *, absolute: float, relative: float) -> bool:
        """Say whether median errors, in percentage points and in percent of the truth, are near enough.

        >>> Target("% of the truth", 10.0).met(absolute=0.1, relative=float("nan"))
        False
        """
        return (absolute if self.measure == "percentage points" else relative) <= self.most

    def __str__(self) -> str:
        return f"<= {self.most:g} pp" if self.measure == "percentage points" else f"<= {self.most:g} %"


def target_of(population: str) -> Target | None:
    """Return the target of a population, or None if none is set for it.

    >>> str(target_of("t_cells")), str(target_of("th17")), target_of("treg_activated")
    ('<= 0.5 pp', '<= 10 %', None)
    """
    if population in _LINEAGES:
        return Target("percentage points", 0.5)
    return Target("% of the truth", 10.0) if population in _SUBSETS else None
