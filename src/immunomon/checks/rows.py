"""What rows of the sample list say that their panel, or the blood of a person, cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from immunomon.errors import Problem, nearest
from immunomon.study.model.fluorochromes import fluorochrome_key
from immunomon.study.model.panel import Panel
from immunomon.study.model.study import RoleKind, Sample

__all__ = ["check_counts", "check_roles"]

_HARDLY_ANY = 10.0
_TOO_MANY = 200_000.0  # lymphocytes per microlitre: only a leukaemia has more


def check_roles(samples: Sequence[Sample], panels: Mapping[str, Panel], samples_file: Path) -> Iterator[Problem]:
    """Yield controls for a marker or fluorochrome that their panel does not have."""
    for sample in samples:
        panel = panels.get(sample.panel)
        about = sample.role.about
        if panel is None or not about:
            continue
        if sample.role.kind is RoleKind.FMO and not any(marker.answers_to(about) for marker in panel.markers):
            noun, known = "marker", [marker.name for marker in panel.markers]
        elif sample.role.kind is RoleKind.SINGLE_STAIN and fluorochrome_key(about) not in {
            fluorochrome_key(marker.fluorochrome) for marker in panel.markers
        }:
            noun, known = "fluorochrome", [marker.fluorochrome for marker in panel.markers]
        else:
            continue
        message = f"panel '{panel.name}' has no {noun} '{about}'"
        yield Problem(str(samples_file), sample.line, "role", message, nearest(about, known))


def _check_beads(sample: Sample, samples_file: Path) -> Iterator[Problem]:
    counted, added, volume_ul = sample.beads_counted, sample.beads_added, sample.sample_volume_ul
    if volume_ul is not None and 0 < volume_ul < 1:
        message = f"{volume_ul:g} microlitres of blood is hardly possible; in mL it would be {1000 * volume_ul:g}"
        yield Problem(str(samples_file), sample.line, "sample_volume_ul", message, "give microlitres")
    if counted is not None and added is not None and counted > added:
        message = f"{counted:g} beads were counted, but only {added:g} added"
        yield Problem(str(samples_file), sample.line, "beads_counted", message, "are the two exchanged? Correct them")


def check_counts(samples: Sequence[Sample], samples_file: Path) -> Iterator[Problem]:
    """Yield counts and volumes in another unit, counts that differ in one blood sample, more beads than were added."""
    first: dict[tuple[str, str], Sample] = {}
    for sample in samples:
        yield from _check_beads(sample, samples_file)
        count = sample.lymphocytes_per_ul
        if count is None:
            continue
        if 0 < count < _HARDLY_ANY:
            message = f"{count:g} lymphocytes per microlitre is hardly possible; in 10^9/L it would be {1000 * count:g}"
            yield Problem(str(samples_file), sample.line, "lymphocytes_per_ul", message, "give cells per microlitre")
        if count > _TOO_MANY:
            message = (
                f"{count:g} lymphocytes per microlitre is hardly possible; in cells per mL it would be {count / 1000:g}"
            )
            yield Problem(str(samples_file), sample.line, "lymphocytes_per_ul", message, "give cells per microlitre")
        if not (sample.subject and sample.visit):
            continue
        earlier = first.setdefault((sample.subject, sample.visit), sample)
        if earlier.lymphocytes_per_ul != count and earlier.collection_date == sample.collection_date:
            message = f"{count:g}, but {earlier.lymphocytes_per_ul:g} on line {earlier.line} for the same blood sample"
            yield Problem(str(samples_file), sample.line, "lymphocytes_per_ul", message, "correct one of them")
