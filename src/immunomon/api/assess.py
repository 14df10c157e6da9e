"""Assess: the trial's other assessments, as tables and one page of plain sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from immunomon.api.answer import Answer, recorded_answer
from immunomon.errors import ImmunomonError, NotForThisStudy
from immunomon.files import digests_of_what_is_written, is_there, write_whole
from immunomon.runs.folder import write_json, write_table
from immunomon.runs.opened import Run, open_run
from immunomon.runs.plan import shown_inputs
from immunomon.runs.provenance import environment
from immunomon.study.model.study import Study
from immunomon.study.specs.study import load_study
from immunomon.trial.assessments.assess import Assessed
from immunomon.trial.assessments.assess import assess as worked_out
from immunomon.trial.assessments.page_parts import records, share
from immunomon.trial.assessments.pages import alarms, markdown, pages
from immunomon.trial.assessments.safety_page import rule_says_now
from immunomon.trial.model.analysis import AnalysisPlan
from immunomon.trial.specs.analysis import load_analysis
from immunomon.trial.specs.assessment_tables import AssessmentFiles, load_assessments
from immunomon.yamlfile import digests_of_what_is_read

__all__ = ["assess_study"]


def assess_study(path: str | Path | Run, study: str | Path | None = None, *, out: str | Path | None = None) -> Answer:
    """Say who responded, what was adverse, and what the escalation rule says; write the tables and one page.

    path: a run, its folder, or the study's. study: default the folder above the run. out: default ``assessments`` in
    the run. Raises BadSpec for files that cannot be read, ImmunomonError if there is nothing to assess.
    """
    with digests_of_what_is_read() as texts:
        run, declared, folder = _opened(path, study, None if out is None else Path(out))
        files = load_assessments(declared.folder, declared.first_infusions, declared.assessments.laboratory)
        plan = _plan(declared)
    if not files.tables:
        raise NotForThisStudy(
            f"{declared.folder}: there is nothing to assess: no platelets.csv, msc_concentration.csv, antibodies.csv, "
            "viruses.csv, laboratory.csv or adverse_events.csv here or in its folder assessments; "
            "see docs/assessments.md"
        )
    changes = None if run is None else run.table("changes")
    assessed = worked_out(declared, files.tables, changes=changes, plan=plan)
    with digests_of_what_is_written(folder) as written:
        for name, table in assessed.tables.items():
            write_table(folder, name, table)
        page = markdown(assessed.tables, assessed.facts, declared.assessments)
        write_whole(folder / "assessments.md", page)
        write_json(folder / "pages.json", _pages(run, declared, assessed))
    read = shown_inputs(texts, declared.folder)
    record = _record(run, declared, files, assessed=assessed, plan=plan)
    record |= {"study_sha256": read.get("study.yaml"), "read": read, "files": written}
    lines = _lines(assessed)
    return recorded_answer(run, "assess", folder, tables=assessed.tables, page=page, record=record, lines=lines)


def _opened(of: str | Path | Run, study: str | Path | None, out: Path | None) -> tuple[Run | None, Study, Path]:
    """Return the run, if there is one, the study, and the folder to write into."""
    if isinstance(of, Run):
        return of, load_study(of.study_file), out or of.folder / "assessments"
    path = Path(of)
    if path.name == "study.yaml":
        path = path.parent
    if (path / "run.json").is_file():
        run = open_run(path, study)
        return run, load_study(run.study_file), out or path / "assessments"
    declared = load_study(Path(study or path))
    if (path / "run" / "run.json").is_file():
        return open_run(path / "run", path), declared, out or path / "run" / "assessments"
    if out is None:
        message = f"{path}: there is no finished run here to write into"
        raise ImmunomonError(f"{message}; make one with: immunomon run {path}, or name a folder with --out")
    return None, declared, out


def _plan(study: Study) -> AnalysisPlan | None:
    path = study.folder / "analysis.yaml"
    return load_analysis(path) if is_there(path) else None


def _pages(run: Run | None, study: Study, assessed: Assessed) -> dict[str, Any]:
    """Return the pages as the report shows them; they name the run that the immune changes are from."""
    return {
        "format": "immunomon.assessment-pages/1",
        "run_digest": None if run is None else run.record.get("digest"),
        "alarms": list(alarms(assessed.tables)),
        "pages": [asdict(page) for page in pages(assessed.tables, assessed.facts, study.assessments)],
    }


def _record(
    run: Run | None, study: Study, files: AssessmentFiles, *, assessed: Assessed, plan: AnalysisPlan | None
) -> dict[str, Any]:
    """Return what made these tables: definitions, digests of the files, run, software."""
    return {
        "format": "immunomon.assessments/1",
        "rules": asdict(study.assessments),
        "plan_digest": None if plan is None else plan.digest,
        "inputs": {files.paths[name].name: digest for name, digest in sorted(files.digests.items())},
        "run_digest": None if run is None else run.record.get("digest"),
        "facts": dict(assessed.facts),
        "tables": {name: len(table) for name, table in assessed.tables.items()},
        **environment(),
    }


def _lines(assessed: Assessed) -> Iterator[str]:
    for line in alarms(assessed.tables):
        yield f"VIRUS CONVERSION: {line}"
    counted = assessed.tables["incidence"]
    for topic, measure in (("platelets", "response (CR or R)"), ("adverse events", "dose-limiting")):
        rows = counted[(counted["topic"] == topic) & (counted["measure"] == measure) & (counted["dose_group"] == "all")]
        for row in records(rows):
            yield f"{measure}: {share(row)}."
    steps = assessed.tables["escalation"]
    if len(steps):
        last = steps.to_dict("records")[-1]
        says = rule_says_now(last, assessed.facts["highest_dose"])
        yield f"Escalation, dose group {last['dose_group']}: the rule ({last['rule']}) says: {says}."
