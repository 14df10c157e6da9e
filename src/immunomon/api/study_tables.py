"""Study tables: who is in a run's study, and its files of other assessments, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immunomon.errors import UnknownName, nearest
from immunomon.runs.opened import Run
from immunomon.study.specs.study import load_study
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS
from immunomon.trial.specs.assessment_tables import load_assessments

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["assessment_of", "subjects_of"]


def subjects_of(run: Run) -> pd.DataFrame:
    """Return a row a subject of a run's study: subject, dose_group, cohort, sex, infusion_days (planned, a list).

    In the order of the study, dose groups as the study lists them.
    """
    import pandas as pd

    groups = {group["name"]: group for group in run.study["dose_groups"]}
    rows = [
        {
            "subject": subject["id"],
            "dose_group": subject["dose_group"],
            "cohort": subject.get("cohort"),
            "sex": subject.get("sex"),
            "infusion_days": list(groups[subject["dose_group"]].get("infusion_days") or ()),
        }
        for subject in run.study["subjects"]
    ]
    table = pd.DataFrame(rows, columns=["subject", "dose_group", "cohort", "sex", "infusion_days"])
    return table.assign(dose_group=pd.Categorical(table["dose_group"], categories=list(groups)))


def assessment_of(run: Run, name: str) -> pd.DataFrame:
    """Return one of the study's files of other assessments as it is read for ``immunomon assess``: a row a line.

    name: such as ``platelets`` or ``msc_concentration``. Raises UnknownName for another, or one that the study does not
    have, BadSpec with every problem of the file, ImmunomonError if the study is not at hand.
    """
    import pandas as pd

    if name not in ASSESSMENT_INPUTS:
        raise UnknownName(f"no assessment '{name}'; {nearest(name, ASSESSMENT_INPUTS)}")
    study = load_study(run.study_file)
    files = load_assessments(study.folder, study.first_infusions, study.assessments.laboratory)
    if name not in files.tables:
        raise UnknownName(f"{study.folder}: the study has no {name}.csv; {nearest(name, files.tables)}")
    columns = [column for column in files.tables[name][0] if column != "line"] if files.tables[name] else []
    return pd.DataFrame(list(files.tables[name]), columns=columns or list(ASSESSMENT_INPUTS[name].names))
