"""Estimate a spillover or spectrum matrix from single stains that were judged to be good."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.regression_refine import Refined, refine_spillover, slopes_into
from immunomon.cytometry.kernels.single_stain import own_light, spreading_matrix, spreading_row
from immunomon.cytometry.kernels.unmixing import weighted_unmixing
from immunomon.cytometry.model.controls import (
    AUTOFLUORESCENCE,
    EstimatedSpillover,
    Fault,
    GoodControl,
    RefusedControl,
)
from immunomon.errors import BadSpillover, SingularSpillover

__all__ = ["estimate_spillover", "refuse_shared_peaks"]

_ALIKE = 0.99  # the cosine above which two spectra of unstained cells are one
_DISAGREE = 0.02  # two controls of one fluorochrome that differ by more are worth a word: tandem dyes decay


def estimate_spillover(
    controls: Sequence[GoodControl],
    detectors: Sequence[str],
    *,
    unstained: NDArray[np.floating] | None = None,
    also_unstained: Sequence[NDArray[np.floating]] = (),
    unmix: bool = False,
    complete: bool = False,
) -> EstimatedSpillover:
    """Return the matrix of the controls' fluorochromes, refined until every residual slope is below 1e-4.

    detectors: the columns of the controls' events; unstained: (events, detectors) of unstained cells, for a row of
    autofluorescence and for the detectors' weights; also_unstained: of other kinds of cells, each a further row where
    its spectrum is another; unmix: use all detectors (else one for each fluorochrome); complete: also estimate the
    light in detectors that are no fluorochrome's own. Raises BadSpillover if there are no controls or two fluorochromes
    have the same spectrum.

    >>> from immunomon.cytometry.model.controls import ControlLabel
    >>> light = np.linspace(0, 1000, 90)
    >>> def tube(name, spectrum, peak):
    ...     return GoodControl(ControlLabel("", name), np.outer(light, spectrum), peak, light > 500, 1.0, 9.0, 90, 90)
    >>> found = estimate_spillover([tube("FITC", [1, 0.2], 0), tube("PE", [0.05, 1], 1)], ["B1-A", "B2-A"])
    >>> found.fluorochromes, found.values.round(3).tolist()
    (('FITC', 'PE'), [[1.0, 0.2], [0.05, 1.0]])
    """
    if not controls:
        raise BadSpillover("no single stain is left to make a matrix from; see why each was refused")
    peaks = {control.label.fluorochrome: control.peak for control in controls}
    names = sorted(peaks, key=lambda name: (peaks[name], name))
    events, stains = [control.events for control in controls], [names.index(c.label.fluorochrome) for c in controls]
    own = [peaks[name] for name in names]
    columns, weights, light = own, None, None
    if unmix:
        columns, weights = list(range(len(detectors))), _detector_weights(controls, unstained)
        light = None if unstained is None else _own_lights((unstained, *also_unstained))
    else:
        events, own = [values[:, columns] for values in events], list(range(len(names)))
    try:
        refined = refine_spillover(events, stains, own, detector_weights=weights, own_light=light)
    except SingularSpillover as error:
        raise BadSpillover(f"{error}; are two of the tubes the same fluorochrome?") from error
    warnings = (
        *(w for control in controls for w in control.warnings),
        *_disagreements(controls, stains, refined, names),
    )
    unowned = [number for number in range(len(detectors)) if complete and number not in columns]
    return EstimatedSpillover(
        tuple(names) if light is None else (*names, *_names_of_own_light(len(light))),
        tuple(detectors[column] for column in columns),
        tuple(detectors[columns[peak]] for peak in own),
        refined.values,
        refined.residual,
        refined.unexplained,
        _spreading(controls, refined, columns, weights=weights, stains=stains, size=len(names)),
        () if weights is None else tuple(weights.tolist()),
        refined.history,
        refined.converged,
        warnings,
        tuple(detectors[number] for number in unowned),
        _into_others(controls, refined, columns, unowned=unowned, stains=stains, size=len(names)),
    )


def _into_others(
    controls: Sequence[GoodControl],
    refined: Refined,
    columns: Sequence[int],
    *,
    unowned: Sequence[int],
    stains: Sequence[int],
    size: int,
) -> Floats:
    if not unowned:
        return np.zeros((size, 0))
    unmixing = weighted_unmixing(refined.values)
    signals = [control.events[:, columns] @ unmixing for control in controls]
    return slopes_into(signals, [control.events[:, unowned] for control in controls], stains, size)


def _own_lights(tubes: Sequence[NDArray[np.floating]]) -> Floats:
    """Return the spectra of unstained cells, (kinds, detectors), alike ones once: they could not be unmixed."""
    spectra: list[Floats] = []
    for cells in tubes:
        spectrum = own_light(cells).spectrum
        if all(_cosine(spectrum, spectrum_before) < _ALIKE for spectrum_before in spectra):
            spectra.append(spectrum)
    return np.array(spectra)


def _cosine(first: Floats, second: Floats) -> float:
    return float(first @ second / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-300))


def _names_of_own_light(count: int) -> list[str]:
    return [AUTOFLUORESCENCE, *(f"{AUTOFLUORESCENCE} {number}" for number in range(2, count + 1))]


def refuse_shared_peaks(
    controls: Sequence[GoodControl], detectors: Sequence[str]
) -> tuple[tuple[GoodControl, ...], tuple[RefusedControl, ...]]:
    """Return the controls that can go into a square matrix, and those whose detector is another fluorochrome's too.

    The one whose panel says so, or else the first, keeps the detector.
    """
    keeper: dict[int, str] = {}
    for control in sorted(controls, key=lambda control: control.label.detector == ""):
        keeper.setdefault(control.peak, control.label.fluorochrome)
    kept = tuple(control for control in controls if keeper[control.peak] == control.label.fluorochrome)
    refused = tuple(
        RefusedControl(
            control.label,
            Fault.SAME_PEAK,
            f"it is brightest in {detectors[control.peak]}, and so is {keeper[control.peak]}; one of the two tubes is "
            "not what it says, or the set needs --method unmixing",
        )
        for control in controls
        if keeper[control.peak] != control.label.fluorochrome
    )
    return kept, refused


def _detector_weights(controls: Sequence[GoodControl], unstained: NDArray[np.floating] | None) -> Floats:
    """Return 1 / variance of each detector where nothing but the cells' own light is, the quietest being 1."""
    if unstained is not None:
        noise = own_light(unstained).noise
    else:
        dim = [control.events[~control.positives] for control in controls if (~control.positives).sum() >= 50]
        if not dim:
            return np.ones(controls[0].events.shape[1])
        widths = [np.median(np.abs(values - np.median(values, axis=0)), axis=0) for values in dim]
        noise = np.maximum(np.min(widths, axis=0), 1e-3 * np.max(widths)) ** 2
    return np.asarray(noise.min() / noise)


def _spreading(
    controls: Sequence[GoodControl],
    refined: Refined,
    columns: Sequence[int],
    *,
    weights: Floats | None,
    stains: Sequence[int],
    size: int,
) -> Floats:
    unmixing = weighted_unmixing(refined.values, weights)
    rows = [
        (stain, spreading_row(control.events[:, columns] @ unmixing[:, :size], control.positives, stain))
        for control, stain in zip(controls, stains, strict=True)
    ]
    return spreading_matrix(rows, size)


def _disagreements(
    controls: Sequence[GoodControl], stains: Sequence[int], refined: Refined, names: Sequence[str]
) -> tuple[str, ...]:
    """Say which of several controls of one fluorochrome differ: their spillover is not the same."""
    notes = []
    for control, stain, slopes in zip(controls, stains, refined.per_control, strict=True):
        worst = int(np.abs(slopes).argmax())
        if stains.count(stain) > 1 and abs(slopes[worst]) > _DISAGREE:
            notes.append(
                f"{control.label.file}: its spillover into {names[worst]} differs by {slopes[worst]:+.3f} from that of "
                f"the other {names[stain]} controls; is it another lot, or an old tandem dye?"
            )
    return tuple(notes)
