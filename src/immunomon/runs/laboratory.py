"""The laboratory values of a run's study, as its files say them now."""

from __future__ import annotations

import pandas as pd

from immunomon.runs.opened import Run
from immunomon.study.specs.study import load_study
from immunomon.trial.assessments.analytes import value_rows
from immunomon.trial.assessments.people import people_of
from immunomon.trial.model.tables import LABORATORY_VALUES, contracted
from immunomon.trial.specs.assessment_tables import assessment_file, load_assessments

__all__ = ["laboratory_of"]


def laboratory_of(run: Run) -> pd.DataFrame | None:
    """Return the laboratory values of the study of a run (the LABORATORY_VALUES contract).

    None if its folder is not at hand or has no such file. Raises BadSpec for a file that cannot be read.
    """
    if run.study_folder is None or assessment_file(run.study_folder, "laboratory") is None:
        return None
    study = load_study(run.study_file)
    analytes = study.assessments.laboratory
    files = load_assessments(run.study_folder, study.first_infusions, analytes, only=("laboratory",))
    return contracted(
        value_rows(people_of(study), files.rows("laboratory"), analytes, visits=study.visits), LABORATORY_VALUES
    )
