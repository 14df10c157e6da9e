"""What was measured beside the cytometer, from the study's CSV files: platelets, cells in blood, antibodies, events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from immunomon.errors import DeliveryFailed
from immunomon.study.model.endpoints import Analyte
from immunomon.trial.specs.assessment_tables import AssessmentFiles, read_assessment_files

__all__ = ["Assessments", "read_assessments"]

Assessments = AssessmentFiles
_MOST_SAID = 20


def read_assessments(
    folder: Path | None, subjects: Sequence[str], analytes: Sequence[Analyte] | None = None
) -> Assessments:
    """Read the CSV files of a study's folder, or of its ``assessments`` folder, that hold other assessments.

    Blank fields are None. analytes: the laboratory values that the study declares, if its file is at hand. Raises
    DeliveryFailed, with file, line and column of every problem.
    """
    if folder is None:
        return Assessments()
    assessments = read_assessment_files(folder, dict.fromkeys(subjects), analytes)
    if assessments.problems:
        problems = [str(problem) for problem in assessments.problems[:_MOST_SAID]]
        more = len(assessments.problems) - len(problems)
        raise DeliveryFailed("\n".join([*problems, *([f"and {more} more problems"] if more else [])]))
    return assessments
