"""Every tube of the trial, and how one of them becomes an FCS file with its truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import numpy as np

from immunomon.arrays import Floats32
from immunomon.assurance.simulate.acquisition import TIMESTEP, Disturbance, acquire, draw_disturbance
from immunomon.assurance.simulate.biology import Frequencies
from immunomon.assurance.simulate.conditions import ORDINARY_CONDITION, Condition
from immunomon.assurance.simulate.fcs import spillover_keyword
from immunomon.assurance.simulate.instrument import (
    EIGHT_COLOURS,
    ORDINARY,
    Instrument,
    Optics,
    autofluorescence,
)
from immunomon.assurance.simulate.layouts import Layout
from immunomon.assurance.simulate.protocol import Patient, Visit
from immunomon.assurance.simulate.seeding import generator
from immunomon.assurance.simulate.suspension import Suspension, draw_yield, suspend
from immunomon.assurance.simulate.truth import Truth, truth_of

__all__ = [
    "BRIDGE_DONOR",
    "Batch",
    "Run",
    "Tube",
    "batch_staining",
    "bead_run",
    "donor_staining",
    "keywords",
    "run_tube",
]

# Compensation beads: half of them bright in one fluorochrome, half dark.

_BRIGHTNESS = 24_000.0


def bead_run(
    fluorochrome: str,
    events: int,
    rng: np.random.Generator,
    instrument: Instrument = ORDINARY,
    *,
    optics: Optics = EIGHT_COLOURS,
) -> Floats32:
    """Return a single-stain control, (events, channels).

    >>> run = bead_run("PE", 400, np.random.default_rng(1))
    >>> bool(0.3 < (run[:, 4] > 5000).mean() < 0.7)
    True
    """
    bright = rng.random(events) < 0.5
    z = rng.standard_normal((4, events), dtype=np.float32)
    fluorescence = np.zeros((events, len(optics.fluorochromes)), dtype=np.float32)
    stained = _BRIGHTNESS * np.exp(0.09 * z[0])
    fluorescence[:, optics.fluorochromes.index(fluorochrome)] = np.where(bright, stained, np.float32(0))
    area = 62_000 * np.exp(0.06 * z[1])
    scatter = np.stack([area, 0.84 * area * (1 + 0.025 * z[2]), 47_000 * np.exp(0.08 * z[3])], axis=1)
    none = np.zeros(events, dtype=np.bool_)
    own_light = np.tile(autofluorescence(0.3, optics), (events, 1))
    kind = bright.astype(np.intp)
    beads = Suspension(("dark", "bright"), kind, fluorescence, own_light, scatter, none, none, none)
    stained_alike = np.ones(len(optics.fluorochromes), dtype=np.float32)
    return acquire(beads, stained_alike, Disturbance(), rng=rng, instrument=instrument, optics=optics)


# How strongly a batch is stained: reagents and hands differ from day to day, and tandem dyes fade over months.

_BATCH_SPREAD = 0.05  # log10 SD between batches
_DONOR_SPREAD = 0.02  # log10 SD between people, the same at each of a person's visits


def batch_staining(layout: Layout, batch: str, day: float, *, seed: int) -> Floats32:
    """Return a batch's factors on the signal of each fluorochrome, (fluorochromes,); day counts from the trial's start.

    >>> from immunomon.assurance.simulate.layouts import LAYOUTS
    >>> batch_staining(LAYOUTS["treg"], "A-W2", 20.0, seed=1).shape
    (8,)
    """
    z = generator(seed, "batch staining", layout.name, batch).standard_normal(len(layout.markers))
    trend = layout.optics.trend * day / 365
    return np.power(10.0, _BATCH_SPREAD * z + trend).astype(np.float32)


def donor_staining(layout: Layout, donor: str, *, seed: int) -> Floats32:
    """Return a person's factors on the signal of each marker of a tube, (fluorochromes,)."""
    z = [float(generator(seed, "donor staining", donor, marker).standard_normal()) for marker in layout.markers]
    return np.power(10.0, _DONOR_SPREAD * np.array(z)).astype(np.float32)


BRIDGE_DONOR = "BRIDGE-DONOR"
_MINUTES_A_TUBE = 4
_BRIDGE_LYMPHOCYTES_PER_UL = 1500


@dataclass(frozen=True)
class Batch:
    """Tubes that are stained and run together; trial_day counts from the trial's first day."""

    name: str
    run_date: date
    trial_day: int


@dataclass(frozen=True, eq=False)
class Tube:
    """One tube: its panel, role as samples.csv names it, batch, size, and whose cells at what frequencies."""

    layout: Layout
    role: str
    batch: Batch
    stem: str
    events: int
    donor: str
    frequencies: Frequencies
    place_in_batch: int = 0
    effect: Frequencies | None = None
    patient: Patient | None = None
    visit: Visit | None = None
    condition: Condition = ORDINARY_CONDITION

    @property
    def file(self) -> str:
        """The FCS file's path below the trial's folder."""
        return f"fcs/{self.layout.name}/{self.stem}.fcs"

    @property
    def truth_file(self) -> str:
        """The path of the per-event truth below the trial's folder."""
        return f"truth/{self.stem}.npz"

    def lymphocytes_per_ul(self, seed: int) -> int:
        """Return how many lymphocytes a microlitre of the blood holds that was put into it."""
        if self.patient is None or self.visit is None:
            return _BRIDGE_LYMPHOCYTES_PER_UL
        return self.patient.lymphocytes_per_ul(self.visit, seed)

    @property
    def has_truth(self) -> bool:
        """Whether per-event truth is kept: for patients' samples and for the bridge."""
        return self.role in ("sample", "unstimulated", "bridge")


@dataclass(frozen=True, eq=False)
class Run:
    """A tube after acquisition: events, what the preparation was expected to hold, and the truth if it is kept."""

    events: Floats32
    expected: Frequencies
    truth: Truth | None


def run_tube(tube: Tube, seed: int, *, disturbance: Disturbance | None = None) -> Run:
    """Stain and acquire one tube; the result depends on the seed and the tube alone.

    disturbance: what goes wrong in its acquisition, if that is not to be drawn.
    """
    rng = generator(seed, "tube", tube.stem)
    role, _, reagent = tube.role.partition(":")
    condition = tube.condition
    if role == "single-stain":
        beads = bead_run(reagent, tube.events, rng, condition.instrument, optics=tube.layout.optics)
        return Run(beads, {}, None)
    # Aliquots of one person's cells, of one visit, hold the same mixture in every tube of the panel.
    contents = draw_yield(generator(seed, "yield", tube.batch.name, tube.donor, tube.layout.name))
    contents = replace(contents, **{**tube.layout.contents, **condition.contents})
    if tube.layout.beads_per_ul:
        contents = contents.with_beads(tube.layout.beads_per_ul / tube.lymphocytes_per_ul(seed))
    cells = suspend(
        tube.layout,
        contents,
        frequencies=tube.frequencies,
        events=tube.events,
        rng=rng,
        appearance=condition.appearance,
    )
    staining = batch_staining(tube.layout, tube.batch.name, tube.batch.trial_day, seed=seed)
    staining *= donor_staining(tube.layout, tube.donor, seed=seed) * _stained(tube.layout, role, reagent)
    staining *= np.array([condition.stains.get(dye, 1.0) for dye in tube.layout.optics.fluorochromes], dtype=np.float32)
    wrong = _disturbance(tube, role, rng) if disturbance is None else disturbance
    optics = tube.layout.optics
    events = acquire(cells, staining, wrong, rng=rng, instrument=condition.instrument, optics=optics)
    truth = truth_of(cells, tube.layout.name, wrong) if tube.has_truth else None
    return Run(events, {**contents.expected(), **tube.frequencies}, truth)


def _disturbance(tube: Tube, role: str, rng: np.random.Generator) -> Disturbance:
    """Return what goes wrong in a patient's run, drawn wherever the condition does not say it; nothing in others."""
    if role not in ("sample", "unstimulated"):
        return Disturbance()
    drawn = draw_disturbance(rng) if role == "sample" else Disturbance()
    return tube.condition.disturbance or drawn


def _stained(layout: Layout, role: str, reagent: str) -> Floats32:
    """Return 1 for every fluorochrome in the tube and 0 for those left out."""
    if role == "unstained":
        return np.zeros(len(layout.markers), dtype=np.float32)
    left_out = reagent if role == "fmo" else ""
    return np.array([marker != left_out for marker in layout.markers], dtype=np.float32)


def keywords(tube: Tube, last_tick: float, seed: int) -> dict[str, str]:
    """Return the FCS keywords of a tube, but for those that describe the file's structure."""
    instrument, optics = tube.condition.instrument, tube.layout.optics
    matrix = instrument.matrix_of_file(generator(seed, "matrix"), optics)
    begin = datetime.combine(tube.batch.run_date, time(9)) + timedelta(minutes=_MINUTES_A_TUBE * tube.place_in_batch)
    end = begin + timedelta(seconds=last_tick * TIMESTEP)
    markers = dict(zip(optics.detectors, tube.layout.markers, strict=True))
    visit = tube.visit.label if tube.visit else tube.role
    out = {
        "$BTIM": begin.strftime("%H:%M:%S"),
        "$COM": "SYNTHETIC DATA made by immunomon simulate: no person's cells",
        "$CYT": "immunomon simulator",
        "$DATE": f"{begin.day:02d}-{_MONTHS[begin.month - 1]}-{begin.year}",
        "$ETIM": end.strftime("%H:%M:%S"),
        "$FIL": f"{tube.stem}.fcs",
        **({} if matrix is None else {"$SPILLOVER": spillover_keyword(matrix, optics.detectors)}),
        "$SRC": tube.donor,
        "$TIMESTEP": str(TIMESTEP),
        "TUBE NAME": f"{tube.layout.name} {tube.donor} {visit}",
    }
    for n, channel in enumerate(optics.channels, start=1):
        out |= {f"$P{n}N": channel, f"$P{n}E": "0,0", f"$P{n}R": f"{instrument.top_of_range:.0f}"}
        if channel in markers:
            out[f"$P{n}S"] = markers[channel]
        if channel in optics.voltages:
            out[f"$P{n}V"] = str(instrument.voltage(channel, optics))
    return out


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
