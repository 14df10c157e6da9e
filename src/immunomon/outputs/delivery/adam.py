"""ADaM: subjects (ADSL), cell phenotypes (ADCP), laboratory (ADLB) and others, each value traceable to SDTM."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from immunomon.errors import BadSpec, Problem
from immunomon.outputs.delivery.bds import BdsRow, analysed, sas_date
from immunomon.outputs.delivery.content import Content
from immunomon.outputs.delivery.cp import CpRecord
from immunomon.outputs.delivery.dataset import Dataset, Value, Variable, as_long_as_fits
from immunomon.outputs.delivery.efficacy import efficacy, responses_of, with_response
from immunomon.outputs.delivery.frames import filled
from immunomon.outputs.delivery.occurrences import (
    adverse_event_analysis,
    concentration_analysis,
    parameter_analysis,
)
from immunomon.outputs.delivery.sdtm import Sdtm
from immunomon.outputs.delivery.special import demographics_of
from immunomon.outputs.delivery.trial import Person, Trial
from immunomon.study.model.ratios import RatioQuantity, ratios_in

__all__ = ["adam_datasets", "subject_level"]

_CATEGORIES = {"percent": "PERCENT", "cells_per_ul": "ABSOLUTE COUNT", "median_intensity": "MEDIAN INTENSITY"}


def adam_datasets(content: Content, sdtm: Sdtm) -> tuple[Dataset, ...]:
    """Return ADSL, ADCP, ADLB, ADEFF, ADAE, ADPC and ADPP; a dataset without records is left out.

    Response is worked out by the study's own definitions, and is left out where its file is not at hand.
    """
    trial = content.trial
    subjects = subject_level(trial)
    change = trial.sponsor.reference_change
    limits = _reference_change(change.assay_cv_percent, change.person_cv_percent)
    cells = [*_cell_rows(trial, sdtm.cp), *_ratio_rows(content, sdtm.cp)]
    rules = content.rules
    responses = responses_of(sdtm, rules.platelets) if rules else None
    laboratory = analysed(_numbered(_laboratory_rows(trial, sdtm)), subjects, None)
    days_after = rules.adverse_events.days_after_last_infusion if rules else None
    made = [
        subjects,
        filled("ADCP", analysed(_numbered(cells), subjects, limits)),
        filled("ADLB", with_response(laboratory, responses) if responses else laboratory),
        filled("ADEFF", efficacy(responses, subjects) if responses else []),
        filled("ADAE", adverse_event_analysis(sdtm, subjects, days_after) if rules else []),
        filled("ADPC", concentration_analysis(sdtm, subjects)),
        filled("ADPP", parameter_analysis(sdtm, subjects)),
    ]
    return tuple(dataset for dataset in made if len(dataset))


def _reference_change(assay_cv_percent: float, person_cv_percent: float) -> tuple[float, float]:
    """Return the ratios to baseline beyond which a change is more than assay and person vary (95 %, log-normal).

    Fraser 2001, Biological Variation: from principles to practice; on the logarithmic scale.

    >>> [round(limit, 2) for limit in _reference_change(10, 15)]
    [0.61, 1.64]
    """
    variance = sum(math.log1p((cv / 100) ** 2) for cv in (assay_cv_percent, person_cv_percent))
    up = math.exp(1.959964 * math.sqrt(2 * variance))
    return 1 / up, up


def subject_level(trial: Trial) -> Dataset:
    """Return ADSL, with a flag for each of the study's own."""
    flags = _flag_names(trial)
    extra = tuple(
        Variable(
            name,
            f"{flag.replace('_', ' ').capitalize()} Flag"[:40],
            codelist="NY",
            core="Perm",
            origin="Collected",
            source="Investigator",
            sources=("study.subjects.flags",),
        )
        for flag, name in flags.items()
    )
    return filled("ADSL", [_subject(trial, person, flags) for person in trial.persons], extra)


def _subject(trial: Trial, person: Person, flags: Mapping[str, str]) -> dict[str, Value]:
    arm, dose, actual = trial.arm(person), trial.dose_given(person), trial.is_in_arm(person)
    number = None if person.dose_group is None else trial.arm_number(person.dose_group)
    treated = person.first is not None
    return {
        "STUDYID": trial.name,
        "USUBJID": trial.usubjid(person.id),
        "SUBJID": person.id,
        "SITEID": trial.sponsor.site,
        "SEX": person.sex,
        **{name: value for name, value in demographics_of(person.about).items() if name != "ETHNIC"},
        "ARM": arm,
        "ACTARM": arm if actual else None,
        "TRT01P": arm,
        "TRT01PN": number,
        "TRT01A": arm if actual else None,
        "TRT01AN": number if actual else None,
        "DOSE01A": dose,
        "DOSE01U": None if dose is None else "10^6 CELLS/kg",
        "TRTSDT": sas_date(person.first),
        "TRTEDT": sas_date(person.infusions[-1] if treated else None),
        "SAFFL": ("Y" if treated else "N") if trial.gives_cells else None,
        "COHORT": person.cohort,
        "EXPFL": ("Y" if person.expansion else "N") if person.cohort else None,
        **{name: {True: "Y", False: "N"}.get(person.flags.get(flag)) for flag, name in flags.items()},  # type: ignore[arg-type]
    }


def _flag_names(trial: Trial) -> dict[str, str]:
    names: dict[str, str] = {}
    for flag in sorted({flag for person in trial.persons for flag in person.flags}):
        letters = "".join(letter for letter in flag.upper() if letter.isascii() and letter.isalnum()) or "FLAG"
        stem = letters if letters[0].isalpha() else f"F{letters}"
        for number in range(100):
            name = f"{stem[: 6 - len(str(number or ''))]}{number or ''}FL"
            if name not in names.values() and name not in {"SAFFL", "EXPFL"}:
                names[flag] = name
                break
    return names


def _cell_rows(trial: Trial, records: Sequence[CpRecord]) -> list[BdsRow]:
    rows: list[BdsRow] = []
    measured = [record for record in records if record.measurement.role == "sample"]
    tubes = Counter((record.values["USUBJID"], record.test.paramcd, record.values["VISITNUM"]) for record in measured)
    for record in measured:
        values, measurement = record.values, record.measurement
        row = BdsRow(
            usubjid=str(values["USUBJID"]),
            paramcd=record.test.paramcd,
            param=str(values["CPSPTSTD"]),
            category=_CATEGORIES[measurement.quantity.statistic],
            unit=measurement.unit,
            value=None if values["CPSTRESN"] is None else float(values["CPSTRESN"]),
            visit=trial.visit(measurement.visit),
            date=measurement.date,
            day=trial.person(measurement.subject).day(measurement.date),
            reason=measurement.reason,
            baseline=trial.visit(measurement.visit).baseline,
            baseline_type=f"VISIT {trial.baseline.label}" if trial.baseline else "",
            source=("CP", "CPSTRESN", record.sequence),
        )
        if tubes[values["USUBJID"], record.test.paramcd, values["VISITNUM"]] > 1:
            row = replace(row, doubled=True)
        rows.append(row)
        if measurement.quantity.statistic == "percent":
            rows.append(_log_odds(row, measurement.count, measurement.denominator_count))
    return rows


def _log_odds(row: BdsRow, count: int | None, of: int | None) -> BdsRow:
    known = row.value is not None and count is not None and of is not None
    value = math.log((count + 0.5) / (of - count + 0.5)) if known else None  # type: ignore[operator]
    param = row.param.replace(", % of ", ", log-odds among ")
    return replace(
        row, paramcd=f"{row.paramcd}LO", param=param, category="LOG-ODDS", unit="", value=value, derived=True
    )


def _ratio_rows(content: Content, records: Sequence[CpRecord]) -> list[BdsRow]:
    """Return the ratios of two percents; the source is the numerator's record, the denominator's stands beside it."""
    trial = content.trial
    rows: list[BdsRow] = []
    numbers = _percent_numbers(records)
    changes = [change for change in content.changes.values() if change["quantity"] == "ratio"]
    codes, labels = _ratio_codes(content, changes), _ratio_labels(changes)
    ratios = {ratio.population: ratio for ratio in ratios_in(content.source.study)}
    for change in changes:
        if change["status"] == "missing":
            continue
        code = codes[str(change["population"]), str(change["panel"])]
        person, visit = trial.person(str(change["subject"])), trial.visit(str(change["visit"]))
        # The value is there when only the baseline is not: the status then tells of the baseline.
        usable = (
            change["status"] in {"ok", "baseline not reportable", "missing baseline"} and change["value"] is not None
        )
        day = change["study_day"]
        numerator, denominator = _terms_of(change, ratios.get(str(change["population"])), numbers)
        rows.append(
            BdsRow(
                usubjid=trial.usubjid(person.id),
                paramcd=code,
                param=f"{labels[str(change['population']), str(change['panel'])]}, ratio (panels {change['panel']})",
                category="RATIO",
                unit="",
                value=float(change["value"]) if usable else None,
                visit=visit,
                date=person.date(None if day is None else int(day)),
                day=None if day is None else int(day),
                reason="" if usable else as_long_as_fits(str(change["reason"] or change["status"])),
                baseline=visit.baseline,
                baseline_type=f"VISIT {trial.baseline.label}" if trial.baseline else "",
                derived=True,
                source=("CP", "CPSTRESN", numerator),
                denominator_sequence=denominator,
            )
        )
    return rows


def _percent_numbers(records: Sequence[CpRecord]) -> dict[tuple[str, str, str], int]:
    """Return CPSEQ of each sample's percents by sample id, population and denominator."""
    measured = ((record.measurement, record.sequence) for record in records)
    return {
        (measurement.sample_id, measurement.quantity.population, measurement.quantity.denominator): sequence
        for measurement, sequence in measured
        if measurement.quantity.statistic == "percent" and measurement.role == "sample" and measurement.sample_id
    }


def _ratio_codes(content: Content, changes: Sequence[Mapping[str, object]]) -> dict[tuple[str, str], str]:
    """Return PARAMCD of each ratio by its name and panels: as the map says, else made of its name.

    A second pair of tubes has a number behind it. Raises BadSpec where two parameters would have one code.
    """
    mapped = {(ratio.population, ratio.denominator): ratio.paramcd for ratio in content.cp_map.spec.ratios}
    codes: dict[tuple[str, str], str] = {}
    used = {code for test in content.cp_map.tests.values() for code in (test.paramcd, f"{test.paramcd}LO")}
    problems: list[Problem] = []
    for name, below, panel in dict.fromkeys((c["population"], c["denominator"], c["panel"]) for c in changes):
        letters = "".join(letter for letter in str(name).upper() if letter.isalnum())[:8]
        code = mapped.get((str(name), str(below)), letters)
        number = sum(known == name for known, _ in codes)  # the same ratio of other tubes
        code = codes[str(name), str(panel)] = f"{code[:7]}{number + 1}" if number else code
        if code in used:
            problem = f"PARAMCD {code} of the ratio {name} ({panel}) is that of another parameter"
            remedy = f"give it one of its own: {{population: {name}, denominator: {below}, paramcd: ...}}"
            problems.append(Problem(content.cp_map.file, None, "ratios", problem, remedy))
        used.add(code)
    if problems:
        raise BadSpec(problems)
    return codes


def _ratio_labels(changes: Sequence[Mapping[str, object]]) -> dict[tuple[str, str], str]:
    """Return the label of each ratio by its name and panels, and the name itself where two share a label."""
    labels = {(str(c["population"]), str(c["panel"])): str(c["label"]) for c in changes}
    sharing = Counter((label, panel) for (_, panel), label in labels.items())
    return {key: label if sharing[label, key[1]] == 1 else f"{label} ({key[0]})" for key, label in labels.items()}


def _terms_of(
    change: Mapping[str, object], ratio: RatioQuantity | None, numbers: Mapping[tuple[str, str, str], int]
) -> tuple[int | None, int | None]:
    """Return CPSEQ of a ratio's numerator and denominator; None for one that has no record, or several."""
    samples = str(change["sample_id"] or "/").split("/")
    if len(samples) != 2 or ratio is None:
        return None, None
    terms = zip(samples, (ratio.upper, ratio.lower), strict=True)
    numerator, denominator = (numbers.get((sample, term.population, term.denominator)) for sample, term in terms)
    return numerator, denominator


def _laboratory_rows(trial: Trial, sdtm: Sdtm) -> list[BdsRow]:
    laboratory = sdtm.dataset("LB")
    rows: list[BdsRow] = []
    every_record = [] if laboratory is None else list(laboratory.records())
    units = {record["LBTESTCD"]: str(record["LBSTRESU"]) for record in every_record if record["LBSTRESU"]}
    for record in every_record:
        value, number, sequence = record["LBSTRESN"], record.get("LBDY"), record["LBSEQ"]
        rows.append(
            BdsRow(
                usubjid=str(record["USUBJID"]),
                paramcd=str(record["LBTESTCD"]),
                param=f"{record['LBTEST']} ({units.get(record['LBTESTCD'], 'not done')})",
                category=str(record["LBCAT"]),
                unit=units.get(record["LBTESTCD"], ""),
                value=None if value is None else float(value),
                visit=trial.visit_or_unscheduled(None if record["VISIT"] is None else str(record["VISIT"])),
                date=None if record["LBDTC"] is None else str(record["LBDTC"]),
                day=None if number is None else int(number),
                reason=str(record.get("LBREASND") or _beyond(record)),
                baseline=record["LBLOBXFL"] == "Y",
                baseline_type="LAST BEFORE FIRST INFUSION" if trial.gives_cells else "",
                source=("LB", "LBSTRESN", int(sequence or 0)),
            )
        )
    return rows


def _beyond(record: Mapping[str, Value]) -> str:
    """Return why a result has no number: it lies beyond a limit of quantification."""
    text = str(record["LBSTRESC"] or "")
    side = {"<": "below the lower", ">": "above the upper"}.get(text[:1])
    return f"{side} limit of quantification: {text} {record['LBSTRESU']}" if side else ""


def _numbered(rows: Sequence[BdsRow]) -> list[BdsRow]:
    codes = {code: number for number, code in enumerate(sorted({row.paramcd for row in rows}), start=1)}
    return [replace(row, number=codes[row.paramcd]) for row in rows]
