"""What is wrong with a study's file of overrides, before it is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from immunomon.cytometry.specs.gatecall import Methods
from immunomon.cytometry.specs.overrides import load_overrides
from immunomon.errors import BadSpec, Problem
from immunomon.files import is_there
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import Sample, Study

__all__ = ["OVERRIDES_FILE", "check_decisions"]

OVERRIDES_FILE = "overrides.yaml"


def check_decisions(
    study: Study, samples: Sequence[Sample], strategies: Sequence[GatingStrategy], *, methods: Methods
) -> tuple[tuple[Problem, ...], tuple[Path, ...]]:
    """Return the problems of the study's ``overrides.yaml`` and the file itself; nothing where there is no such file.

    Nothing is said as long as there are no samples, or a strategy could not be read: these are to be mended first.
    """
    path = study.folder / OVERRIDES_FILE
    if not is_there(path):
        return (), ()
    by_name = {strategy.name: strategy for strategy in strategies}
    if not samples or any(use.strategy not in by_name for use in study.panels):
        return (), (path,)
    used = {use.panel: by_name[use.strategy] for use in study.panels}
    gated = {sample.id: used.get(sample.panel) if sample.role.is_gated else None for sample in samples}
    try:
        load_overrides(path, methods=methods, samples=gated)
    except BadSpec as error:
        return error.problems, (path,)
    return (), (path,)
