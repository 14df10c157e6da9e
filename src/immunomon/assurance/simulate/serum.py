"""Soluble factors in serum: cytokines and immunoglobulins of a simulated trial, with limits of quantification."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from immunomon.assurance.simulate.biology import TIME_PROFILE
from immunomon.assurance.simulate.protocol import DOSE_GROUPS, Patient, Visit, date_of_study_day
from immunomon.assurance.simulate.seeding import generator
from immunomon.assurance.simulate.tables import Row

__all__ = ["LABORATORY_COLUMNS", "laboratory_rows", "laboratory_yaml"]

LABORATORY_COLUMNS = ("subject", "visit", "study_day", "date", "analyte", "result", "unit")


@dataclass(frozen=True)
class _Factor:
    """A soluble factor: typical level in ITP, spread between patients and visits, log change at the peak by dose.

    Levels and spreads are assumed [M]; the directions are those reported after MSC (Fang, Stem Cells Dev 2012).
    """

    name: str
    label: str
    unit: str
    lloq: float
    uloq: float
    level: float
    between: float
    within: float
    peak: tuple[float, float, float] = (0.0, 0.0, 0.0)
    reference: tuple[float, float] | None = None

    @property
    def yaml(self) -> str:
        """Its line in study.yaml."""
        low, high = self.reference or (None, None)
        reference = "" if low is None else f", reference_low: {low:g}, reference_high: {high:g}"
        limits = f"lloq: {self.lloq:g}, uloq: {self.uloq:g}{reference}"
        return f"    {self.name}: {{label: {self.label}, unit: {self.unit}, {limits}, specimen: serum}}"


_FACTORS = (
    _Factor("tgfb1", "TGF-b1", "ng/mL", 0.5, 80, 12.0, 0.35, 0.15, (0.10, 0.25, 0.40)),
    _Factor("il4", "IL-4", "pg/mL", 2.0, 500, 2.6, 0.50, 0.25, (0.10, 0.20, 0.35)),
    _Factor("il10", "IL-10", "pg/mL", 1.0, 1000, 4.0, 0.50, 0.25, (0.15, 0.30, 0.50)),
    _Factor("ifng", "IFN-g", "pg/mL", 1.5, 800, 9.0, 0.60, 0.25, (-0.15, -0.30, -0.50)),
    _Factor("il2", "IL-2", "pg/mL", 1.0, 500, 2.2, 0.50, 0.25, (-0.15, -0.30, -0.45)),
    _Factor("igg", "IgG", "g/L", 0.3, 60, 11.0, 0.20, 0.05, reference=(7.0, 16.0)),
)


def laboratory_yaml() -> str:
    """Return the section ``laboratory`` of ``assessments`` in study.yaml."""
    return "\n".join(("  laboratory:", *(factor.yaml for factor in _FACTORS)))


def laboratory_rows(
    patients: Sequence[Patient], visits: Sequence[Visit], factors: Mapping[str, float], *, seed: int
) -> Iterator[Row]:
    """Yield a result of each factor, patient and visit; what lies beyond a limit is written as ``<2``.

    factors: by patient, what the dose's effect is multiplied with.
    """
    for patient in patients:
        for factor in _FACTORS:
            person = generator(seed, "serum", patient.id, factor.name).normal(0, factor.between)
            effect = factors[patient.id] * factor.peak[DOSE_GROUPS.index(patient.group)]
            for visit in visits:
                if not patient.comes_to(visit, seed):
                    continue
                noise = generator(seed, "serum", patient.id, factor.name, visit.label).normal(0, factor.within)
                log_level = math.log(factor.level) + person + effect * TIME_PROFILE[visit.label] + noise
                day = patient.study_day(visit, seed)
                yield {
                    "subject": patient.id,
                    "visit": visit.label,
                    "study_day": str(day),
                    "date": date_of_study_day(patient.first_infusion, day).isoformat(),
                    "analyte": factor.name,
                    "result": _result(factor, math.exp(log_level)),
                    "unit": factor.unit,
                }


def _result(factor: _Factor, level: float) -> str:
    """Return a level as a laboratory reports it: three figures, or the limit that it lies beyond."""
    rounded = float(f"{level:.3g}")
    if rounded < factor.lloq:
        return f"<{factor.lloq:g}"
    return f">{factor.uloq:g}" if rounded > factor.uloq else f"{rounded:g}"
