"""What is wrong with the study's files of other assessments: platelets, concentrations, antibodies, viruses, events."""

from __future__ import annotations

from pathlib import Path

from immunomon.errors import Problem
from immunomon.model.study import Study
from immunomon.specs.assessment_tables import read_assessment_files

__all__ = ["check_assessments"]


def check_assessments(study: Study) -> tuple[tuple[Problem, ...], tuple[Path, ...]]:
    """Return the problems of the study's files of other assessments, and the files that were read."""
    firsts = {one.id: min(one.infusion_dates).isoformat() if one.infusion_dates else None for one in study.subjects}
    found = read_assessment_files(study.folder, firsts)
    return found.problems, tuple(found.paths.values())
