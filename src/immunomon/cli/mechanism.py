"""``immunomon mechanism``: immune change, platelets, dose and exposure together, as tables, plots and one page."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
import typer

from immunomon.cli.app import app
from immunomon.cli.compare import absent_words, plan_for, tables_of
from immunomon.errors import BadSpec, ImmunomonError, Problem
from immunomon.files import digests_of_what_is_written, is_there, write_whole
from immunomon.runs.folder import write_json, write_table
from immunomon.runs.opened import Run, open_run
from immunomon.runs.plan import shown_inputs
from immunomon.runs.provenance import environment, file_digest
from immunomon.trial.mechanism.analyse import NEEDED, Mechanism
from immunomon.trial.mechanism.analyse import mechanism as worked_out
from immunomon.trial.mechanism.page import markdown, mechanism_page
from immunomon.trial.mechanism.within import LAG_NAMES
from immunomon.trial.model.analysis import AnalysisPlan
from immunomon.trial.model.assessments import ASSESSMENT_TABLES
from immunomon.trial.statistics.facts import facts_of
from immunomon.yamlfile import digests_of_what_is_read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["mechanism"]

_RECORD = "assessments.json"


_Plan = Annotated[
    Path | None,
    typer.Option("--plan", help="The analysis plan; default: analysis.yaml beside the study, else a default plan."),
]

