"""What docs/validation.md measured, in sentences for people: each number is read from that page."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["validation_in_words"]

_NUMBER = r"([\d.,+-]+)"
# Heading of a bullet -> the places in validation.md that its sentence takes its numbers from, and the sentence.
_SENTENCES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "One simulated trial, file by file",
        (r"truth in the same file \| (\d+) of (\d+) targets met[^#]*?(?:\nNot met: ([^\n]+)\.)?\n\n#",),
        "Of {1} populations with a target, {0} are within it in the median file: half a percentage point for lineages, "
        "a tenth of the value for subsets. Not within it: {2}.",
    ),
    (
        "Regulatory T cells",
        (rf"\n\| treg \| treg \| cd4 \| (\d+) \| {_NUMBER} \| {_NUMBER} \| {_NUMBER} \| {_NUMBER} ",),
        "They are {1} % of CD4 T cells. In the median of {0} files the reported percentage is off by {2} points, {3} % "
        "of the value; in one file of twenty by more than {4} % of it.",
    ),
    (
        "The rarest subset with a target, plasmablasts",
        (rf"\n\| bcell \| plasmablasts \| b_cells \| (\d+) \| {_NUMBER} \| {_NUMBER} \| {_NUMBER} ",),
        "They are {1} % of B cells. Only {0} files have enough of them to report, with a median error of {3} %.",
    ),
    (
        "Many trials",
        (r"(\d+) trials \(mechanism, null, responders", rf"interval\w* \(counting and gate\): {_NUMBER} % hold"),
        "Over {0} trials, {1} % of the 95 % intervals hold the frequency that is to be expected.",
    ),
    (
        "Changes that were built in",
        (r"(\d+) of (\d+) intervals hold the effect that was built in; by chance",),
        "At week 4, {0} of {1} intervals of the mean change hold the change that the simulator made.",
    ),
    (
        "A trial in which nothing happens",
        (rf"Of (\d+) intervals .*? (\d+) exclude no change; {_NUMBER} are expected",),
        "{1} of {0} intervals say that something changed; by chance alone {2} are expected to.",
    ),
    (
        "Clogs, steps and drifts",
        (
            r"\n\| clog \| (\d+) \| (\d+) ",
            r"\n\| step \| (\d+) \| (\d+) ",
            r"\n\| drift \| (\d+) \| (\d+) ",
            r"Clean files: (\d+);.*? (\d+) of them have a stretch flagged",
        ),
        "{1} of {0} clogs, {3} of {2} steps and {5} of {4} drifts were found; {7} of {6} clean files had a stretch "
        "flagged.",
    ),
    (
        "Patients' tests and intervals",
        (r"\n\| t \| \S+ \| \S+ \| (\S+) ", r"\n\| t interval \| +\| \S+ \| \S+ \| (\S+) "),
        "With nine patients and no effect the t test rejects in {0} of all trials (0.05 is right), and its 95 % "
        "interval holds the truth in {1} of them.",
    ),
    (
        "Platelet responders",
        (r"simulated responders called so \| (\d+) of (\d+)", r"simulated others not called so \| (\d+) of (\d+)"),
        "{0} of {1} simulated responders are called so, and {2} of {3} others are not.",
    ),
    (
        "Real files",
        (
            r"against openCyto: (\d+) of (\d+) populations \((\d+) files\)",
            rf"against a person: (\d+) of (\d+) borders within {_NUMBER} decade",
        ),
        "{0} of {1} populations of {2} published files are within 3 points of openCyto's gates, and {3} of {4} borders "
        "of six others within {5} decade of a person's. The strategies were written with these files in view: it shows "
        "that the methods can agree, not that they would on files never seen.",
    ),
)
_CONDITION = re.compile(
    r"^\| [\w.-]+ \| [^|]+ \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| [\d.]+ \|$", re.MULTILINE
)


def validation_in_words(document: str) -> str:
    """Return a Markdown list of what the text of docs/validation.md says; raises ValueError for what it lacks.

    >>> validation_in_words("")
    Traceback (most recent call last):
        ...
    ValueError: docs/validation.md has nothing like ...
    """
    return "\n".join(f"- **{head}.** {sentence}" for head, sentence in _bullets(document))


def _bullets(document: str) -> Iterator[tuple[str, str]]:
    for head, patterns, sentence in _SENTENCES:
        numbers: list[str] = []
        for pattern in patterns:
            measured = re.search(pattern, document)
            if measured is None:
                raise ValueError(f"docs/validation.md has nothing like {pattern!r}, which '{head}' is read from")
            numbers += [number or "none" for number in measured.groups()]
        yield head, sentence.format(*numbers)
    _, _, conditions = document.partition("\n## Other instruments and hard samples\n")
    rows = [[int(cell) for cell in row] for row in _CONDITION.findall(conditions)]
    values, wrong, said, silent, reported = (sum(column) for column in zip(*rows, strict=True))
    yield (
        "Other instruments, failed stains, hard samples",
        f"Under {len(rows)} conditions {values:,} values were gated, and {wrong:,} came out wrong. Of these, {said:,} "
        f"carry a doubt, a note or an interval that says so, {silent:,} are wrong without a word, and {reported:,} are "
        "reported all the same.",
    )
