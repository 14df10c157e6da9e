"""A review without knowing whose sample it is: codes and a random order, from a seed that the audit trail names."""

from __future__ import annotations

import json
import random
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from immunomon.errors import ImmunomonError
from immunomon.files import write_whole
from immunomon.runs.opened import Run

__all__ = ["Answer", "Blind", "blind_of", "blinded", "kept_seed"]

Answer = Callable[[dict[str, Any]], Any]
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ23456789"  # none that are taken for another
_LENGTH = 5
_FORMAT = "immunomon.blind/1"
# What says whose a sample is, and what stands for the other words that would.
_HIDDEN = frozenset({"subject", "visit", "visits", "role", "title"})
# Where persons and the program write prose. Elsewhere stand names of axes, markers and methods, which must stay what
# they are though a dose or a visit be called alike: there, only samples have other names.
_PROSE = frozenset(
    {"", "about", "batch", "comment", "detail", "failed", "failure", "note", "problem", "reason", "reasons", "remark"}
    | {"sentence", "source"}
)
_SHORTEST = 2  # letters of a word that is hidden in prose: a dose that is called A would be seen in every sentence
# Tables whose rows are about visits and doses.
_TELLING = frozenset({"changes", "summary"})


@dataclass(frozen=True)
class Blind:
    """Codes for samples and batches, in a random order; the same from the same seed and names.

    words: other names that must not be seen, each with what stands for it.

    >>> blind = Blind(7, ("S01_W4", "S02_W4"), ("day 1",), {"S01": "a subject"})
    >>> blind.sample(blind.code("S01_W4")), blind.text("S01_W4, of S01").partition(", ")[2]
    ('S01_W4', 'of a subject')
    """

    seed: int
    samples: tuple[str, ...]
    batches: tuple[str, ...]
    words: Mapping[str, str]

    @cached_property
    def codes(self) -> dict[str, str]:
        """Sample id -> code, in the random order."""
        chance = random.Random(self.seed)
        names = sorted(self.samples)
        chance.shuffle(names)
        codes: dict[str, str] = {}
        while len(codes) < len(names):
            code = "".join(chance.choice(_LETTERS) for _ in range(_LENGTH))
            if code not in codes.values():
                codes[names[len(codes)]] = code
        return codes

    @cached_property
    def _samples(self) -> dict[str, str]:
        return {code: name for name, code in self.codes.items()}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {code: place for place, code in enumerate(self._samples)}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _any_of(self._known)

    @cached_property
    def _id_pattern(self) -> re.Pattern[str]:
        return _any_of(self.codes)

    @cached_property
    def _known(self) -> dict[str, str]:
        batches = sorted(self.batches)
        random.Random(self.seed + 1).shuffle(batches)
        numbered = {batch: f"batch {number}" for number, batch in enumerate(batches, start=1)}
        known = {**self.words, **numbered, **self.codes}
        return {name: shown for name, shown in known.items() if len(name) >= _SHORTEST}

    def code(self, sample: str) -> str:
        """Return the code of a sample."""
        return self.codes[sample]

    def sample(self, code: str) -> str:
        """Return the sample of a code; what is no code stays: the desk says that there is no such sample."""
        return self._samples.get(code, "" if code in self.codes else code)

    def text(self, text: str) -> str:
        """Return a text with codes and common words in place of names."""
        return self._pattern.sub(lambda match: self._known[match[0]], text)

    def asked(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return a question of the page with samples in place of codes."""
        result = dict(question)
        for name in ("sample", "samples", "others"):
            if name in result:
                value = result[name]
                result[name] = self.sample(value) if isinstance(value, str) else [self.sample(v) for v in value or ()]
        for name in ("target", "withdrawn"):
            if isinstance(result.get(name), Mapping):
                result[name] = self.asked(result[name])
        if isinstance(result.get("seen"), Mapping):
            result["seen"] = {self.sample(code): digest for code, digest in result["seen"].items()}
        return result

    def shown(self, answer: Any, key: str = "") -> Any:  # noqa: ANN401 - plain data
        """Return an answer of the desk without what says whose a sample is, samples in the random order."""
        if isinstance(answer, dict):
            return {
                self._coded(name): _nothing(value) if name in _HIDDEN else self.shown(value, name)
                for name, value in answer.items()
            }
        if isinstance(answer, list | tuple):
            rows = [row for row in answer if not (isinstance(row, dict) and row.get("table") in _TELLING)]
            return sorted((self.shown(row, key) for row in rows), key=self._place)
        if not isinstance(answer, str):
            return answer
        return self.text(answer) if key in _PROSE else self._coded(answer)

    def _coded(self, text: str) -> str:
        return self._id_pattern.sub(lambda match: self.codes[match[0]], text)

    def _place(self, row: Any) -> int:  # noqa: ANN401
        return self._places.get(row.get("sample_id", ""), -1) if isinstance(row, dict) else -1


def _nothing(value: Any) -> Any:  # noqa: ANN401 - plain data
    return [] if isinstance(value, list) else None


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """Return what matches each of some names as a whole, the longest first; nothing if there are none."""
    longest_first = sorted(names, key=len, reverse=True)
    words = "|".join(map(re.escape, longest_first)) or r"(?!)"
    return re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])")


def blind_of(run: Run, seed: int) -> Blind:
    """Return what hides a run's subjects, visits, doses, files, batches and sample ids."""
    samples = run.table("samples")
    study = run.study
    words = {
        **dict.fromkeys((str(group["name"]) for group in study.get("dose_groups") or ()), "a dose"),
        **dict.fromkeys(_names(samples["visit"]), "a visit"),
        **dict.fromkeys(_names(samples["subject"]), "a subject"),
        **dict.fromkeys((Path(name).stem for name in _names(samples["file"])), "a file"),
        **dict.fromkeys(_names(samples["file"]), "a file"),
    }
    return Blind(seed, _names(samples["sample_id"]), _names(samples["batch"]), words)


def _names(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(value) for value in values if isinstance(value, str) and value))


def blinded(answers: Mapping[str, Answer], blind: Blind) -> dict[str, Answer]:
    """Return a desk's answers to a reviewer who must not know whose samples they see."""

    def wrapped(answer: Answer) -> Answer:
        def blind_answer(question: dict[str, Any]) -> Any:  # noqa: ANN401
            try:
                return blind.shown(answer(blind.asked(question)))
            except ImmunomonError as error:
                raise ImmunomonError(blind.text(str(error))) from None

        return blind_answer

    return {name: wrapped(answer) for name, answer in answers.items()}


def kept_seed(path: Path, seed: int | None) -> int:
    """Return the seed of a reviewer's blind review: the one asked for, else the one kept, else a new one; and keep it.

    Raises ImmunomonError for a file that holds none.
    """
    if seed is None and path.is_file():
        try:
            return int(json.loads(path.read_text(encoding="utf-8"))["seed"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ImmunomonError(f"{path}: holds no seed ({error}); move it aside, or give --seed") from error
    drawn = secrets.randbelow(2**31) if seed is None else seed
    write_whole(path, json.dumps({"format": _FORMAT, "seed": drawn}) + "\n")
    return drawn
