"""SDTM (SDTMIG 3.4): all of a study's domains, made from a run and the other assessments."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from immunomon.errors import DeliveryFailed
from immunomon.files import is_there
from immunomon.outputs.delivery.assessments import Assessments
from immunomon.outputs.delivery.conduct import dispositions, exposures, medications, moment, weights
from immunomon.outputs.delivery.content import Content
from immunomon.outputs.delivery.cp import CpRecord, cell_phenotypes, cp_records, number_text, sequenced, supplementary
from immunomon.outputs.delivery.dataset import Dataset, Value
from immunomon.outputs.delivery.design import (
    criteria,
    related_records,
    subject_elements,
    trial_arms,
    trial_elements,
    trial_summary,
)
from immunomon.outputs.delivery.findings import (
    concentrations,
    immunogenicity,
    laboratory,
    microbiology,
    parameters,
)
from immunomon.outputs.delivery.frames import filled, supplemented
from immunomon.outputs.delivery.measured import quantities
from immunomon.outputs.delivery.source import records_of
from immunomon.outputs.delivery.special import base, demographics, subject_visits, trial_visits
from immunomon.outputs.delivery.trial import Trial
from immunomon.trial.assessments.infusions import infusions_by_day, onset_of
from immunomon.yamlfile import read_text

__all__ = ["Sdtm", "adverse_events", "biospecimens", "sdtm_datasets", "specimen_findings", "study_domains"]

# SDTM's events: adverse events (AE), biospecimens collected (BE) and what was found of these (BS).

Record = dict[str, Value]
_YES = {True: "Y", False: "N", None: None}


def adverse_events(trial: Trial, assessments: Assessments) -> list[Record]:
    """Return AE: the reporter's words beside the coded term; dictionary codes are not known here and stay missing.

    Where the words were not recorded, AETERM is the coded term.
    """
    records: list[Record] = []
    dates = {person.id: tuple(map(datetime.date.fromisoformat, person.infusions)) for person in trial.persons}
    given = infusions_by_day(assessments.rows("infusions"), dates)
    for row in assessments.rows("adverse_events"):
        person = trial.person(row["subject"])
        start, end = person.date(row["start_day"]), person.date(row["end_day"])
        records.append(
            {
                **base(trial, "AE", row["subject"]),
                "AETERM": row.get("reported_term") or row["term"],
                "AEDECOD": row["term"],
                "AEBODSYS": row["system_organ_class"],
                "AESOC": row["system_organ_class"],
                "AESER": _YES[row["serious"]],
                "AEACN": _upper(row.get("action_taken")),
                "AEREL": {True: "RELATED", False: "NOT RELATED", None: None}[row["related"]],
                "AEOUT": _upper(row.get("outcome")),
                "AETOXGR": None if row["grade"] is None else str(row["grade"]),
                "EPOCH": person.epoch(start),
                "AESTDTC": moment(start, row.get("start_time")),
                "AEENDTC": moment(end, row.get("end_time")),
                "AESTDY": row["start_day"],
                "AEENDY": row["end_day"],
                "+DLT": _YES[row["dose_limiting"]],
                "+INFONSET": _onset(row, given.get((person.id, start or ""))) if start in person.infusions else None,
            }
        )
    return records


def _onset(event: Mapping[str, Any], infusion: Mapping[str, Any] | None) -> str | None:
    onset = onset_of(event, infusion)
    return None if onset == "unknown" else onset.upper()


def _upper(word: object) -> str | None:
    return str(word).upper() if word else None


def biospecimens(trial: Trial, samples: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Return BE: the blood of each subject, visit and day that tubes were filled from, once."""
    specimens: dict[str, Record] = {}
    for row in samples:
        if row["subject"] is None or row["role"] != "sample":
            continue
        person, date = trial.person(row["subject"]), row["collection_date"]
        reference = f"{row['subject']}.{row['visit']}.{date or 'undated'}"
        specimens[reference] = {
            **base(trial, "BE", row["subject"]),
            "BEREFID": reference,
            "BETERM": "Collected",
            "BEDECOD": "COLLECTING",
            "BECAT": "COLLECTION",
            "BEPARTY": "SITE",
            **trial.when(row["visit"]),
            "BEDTC": date,
            "BESTDTC": date,
            "BESTDY": person.day(date),
        }
    return list(specimens.values())


def specimen_findings(
    trial: Trial, frequencies: Iterable[Mapping[str, Any]], samples: Mapping[str, Mapping[str, Any]]
) -> list[Record]:
    """Return BS: the percent of viable cells among the single cells of each tube."""
    records: list[Record] = []
    for row in frequencies:
        if (row["population"], row["is_parent"], row["role"]) != ("live", True, "sample") or row["subject"] is None:
            continue
        if row["percent"] is None or not row["reportable"]:
            continue
        person, date = trial.person(row["subject"]), samples[str(row["sample_id"])]["collection_date"]
        result = number_text(float(row["percent"]))
        records.append(
            {
                **base(trial, "BS", row["subject"]),
                "BSREFID": f"{row['subject']}.{row['visit']}.{date or 'undated'}",
                "BSSPID": row["sample_id"],
                "BSTESTCD": "VIABCELL",
                "BSTEST": "Viable Cells/Total Cells",
                "BSCAT": "SPECIMEN QUALITY",
                "BSORRES": result,
                "BSORRESU": "%",
                "BSSTRESC": result,
                "BSSTRESN": float(result),
                "BSSTRESU": "%",
                "BSSPEC": "BLOOD",
                "BSMETHOD": "FLOW CYTOMETRY",
                **trial.when(row["visit"]),
                "BSDTC": date,
                "BSDY": person.day(date),
            }
        )
    return records


_WHY_ABSENT = {
    "CM": "the study has no medications.csv, or it is empty",
    "DS": "the study has no disposition.csv and no dates of consent in demographics.csv",
    "RELREC": "no other dataset names blood that BE holds",
    "SE": "no infusions are planned or were given, so the elements of the trial are not known",
    "SUPPEX": "no infusion has more than EX holds",
    "TA": "no infusions are planned or were given, so the elements of the arms are not known",
    "TE": "no infusions are planned or were given, so the elements of the arms are not known",
    "TI": "study.yaml states no criteria of inclusion and exclusion (protocol: criteria)",
    "VS": "the study has no infusions.csv with weights",
    "AE": "the study has no adverse_events.csv, or it is empty",
    "BE": "the run has no samples of subjects",
    "BS": "no tube's percent of viable cells may be reported",
    "CP": "the run has no numbers with a test in the map",
    "EX": "the study file has no infusion dates",
    "IS": "the study has no antibodies.csv, or it is empty",
    "LB": "the study has no platelets.csv and no lymphocyte counts",
    "MB": "the study has no viruses.csv, or it is empty",
    "PC": "the study has no msc_concentration.csv, or it is empty",
    "PP": "the run folder has no assessments/kinetics.csv",
    "SUPPAE": "no adverse event has more than AE holds",
    "SUPPCP": "CP is empty",
    "SUPPDM": "the study file names no cohorts",
    "SUPPLB": "the study has no platelets.csv, or it is empty",
    "SUPPPC": "the study has no msc_concentration.csv, or it is empty",
}


@dataclass(frozen=True, eq=False)
class Sdtm:
    """The domains of a study that have records, the records of CP with what they are made of, and what is absent."""

    datasets: tuple[Dataset, ...]
    cp: tuple[CpRecord, ...] = field(repr=False)
    absent: Mapping[str, str]

    def dataset(self, name: str) -> Dataset | None:
        """Return a domain, or None if it is absent."""
        return next((dataset for dataset in self.datasets if dataset.name == name), None)


def sdtm_datasets(content: Content) -> Sdtm:
    """Return every domain that has records, in the order of their names, special-purpose ones among them.

    Raises BadSpec, with the nearest terms, if a quantity has no test in the map and is not left out on purpose.
    """
    content.cp_map.refuse_unmapped(quantities(list(content.measurements)))
    trial = content.trial
    records = cp_records(content.measurements, content.cp_map, trial)
    cp = cell_phenotypes(records)
    found_of = sequenced(records, cp)
    frequencies = records_of(content.source.tables["frequencies"])
    made = {
        **study_domains(trial, content.assessments, list(content.samples.values())),
        "BS": filled("BS", specimen_findings(trial, frequencies, content.samples)),
        "CP": cp,
        "PP": filled("PP", parameters(trial, _kinetics(content))),
        "SUPPCP": supplementary(found_of, content.links),
    }
    made["SV"] = filled(
        "SV", subject_visits(trial, [value for value in made.values() if value.name not in {"TV", "DM"}])
    )
    made["RELREC"] = filled("RELREC", related_records(trial, made.values()))
    present = tuple(made[name] for name in sorted(made) if len(made[name]))
    absent = {name: _WHY_ABSENT.get(name, "it is empty") for name in sorted(made) if not len(made[name])}
    return Sdtm(present, tuple(found_of), absent)


def study_domains(trial: Trial, tables: Assessments, samples: Sequence[Mapping[str, Any]]) -> dict[str, Dataset]:
    """Return the domains that are made of the study's own files alone, by name; empty ones among them.

    samples: rows of the table of samples.
    """
    events, people, kinetics = adverse_events(trial, tables), demographics(trial), concentrations(trial, tables)
    counts, infused = laboratory(trial, tables, samples), exposures(trial, tables)
    return {
        "TS": filled("TS", trial_summary(trial)),
        "TA": filled("TA", trial_arms(trial)),
        "TE": filled("TE", trial_elements(trial)),
        "TI": filled("TI", criteria(trial)),
        "SE": filled("SE", subject_elements(trial)),
        "DS": filled("DS", dispositions(trial, tables)),
        "CM": filled("CM", medications(trial, tables)),
        "VS": filled("VS", weights(trial, tables)),
        "TV": filled("TV", trial_visits(trial)),
        "DM": filled("DM", people),
        "EX": filled("EX", infused),
        "AE": filled("AE", events),
        "BE": filled("BE", biospecimens(trial, samples)),
        "IS": filled("IS", immunogenicity(trial, tables)),
        "LB": filled("LB", counts),
        "MB": filled("MB", microbiology(trial, tables)),
        "PC": filled("PC", kinetics),
        "SUPPAE": supplemented("AE", events),
        "SUPPDM": supplemented("DM", people),
        "SUPPEX": supplemented("EX", infused),
        "SUPPLB": supplemented("LB", counts),
        "SUPPPC": supplemented("PC", kinetics),
    }


_KINETICS = ("subject", "parameter", "name", "value", "unit", "reason")


def _kinetics(content: Content) -> list[dict[str, Any]]:
    """Return the rows of the run's table of kinetic parameters, if there is one."""
    path = content.source.folder / "assessments" / "kinetics.csv"
    if not is_there(path):
        return []
    reader = csv.DictReader(io.StringIO(read_text(path, 10_000_000)))
    missing = [name for name in _KINETICS if name not in (reader.fieldnames or ())]
    if missing:
        raise DeliveryFailed(f"{path} line 1: has no column {', '.join(missing)}; make it again")
    rows: list[dict[str, Any]] = []
    for raw in reader:
        try:
            value = float(raw["value"]) if raw["value"] else None
        except ValueError:
            raise DeliveryFailed(f"{path} line {reader.line_num}: value: '{raw['value']}' is no number") from None
        if raw["subject"] not in {person.id for person in content.trial.persons}:
            raise DeliveryFailed(f"{path} line {reader.line_num}: the study has no subject '{raw['subject']}'")
        rows.append({**{name: raw[name] or None for name in _KINETICS}, "value": value})
    return rows
