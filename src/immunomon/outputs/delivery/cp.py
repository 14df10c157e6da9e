"""SDTM's cell phenotype findings (CP): one record for each reported number, or for the reason that there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from immunomon.outputs.cp_map import CpTestSpec
from immunomon.outputs.delivery.dataset import Dataset, Value, as_long_as_fits
from immunomon.outputs.delivery.frames import filled, qualifiers
from immunomon.outputs.delivery.mapping import CpMap
from immunomon.outputs.delivery.measured import Measurement
from immunomon.outputs.delivery.terminology import cp_terms
from immunomon.outputs.delivery.trial import Trial

__all__ = [
    "CpRecord",
    "cell_phenotypes",
    "cp_records",
    "gate_picture",
    "number_text",
    "sequenced",
    "specimen",
    "supplementary",
]

_TYPES = {"percent": "NUMBER FRACTION", "cells_per_ul": "NUMBER CONCENTRATION", "median_intensity": "INTENSITY"}
_ICS = "INTRACELLULAR CYTOKINE STAIN FLOW CYTOMETRIC ASSAY"


@dataclass(frozen=True)
class CpRecord:
    """A record of CP with the measurement it is made of, and its number among the subject's records."""

    values: dict[str, Value]
    measurement: Measurement
    test: CpTestSpec
    sequence: int = 0


def gate_picture(sample_id: str) -> str:
    """Return where a sample's gates are drawn in the run's report.

    >>> gate_picture("fcs__S01_W4")
    'report.html#tab=samples&sample=fcs__S01_W4'
    """
    return f"report.html#tab=samples&sample={sample_id}" if sample_id else ""


def number_text(value: float) -> str:
    """Return a number as it is delivered: ten digits, so that the text and the number are the same.

    >>> number_text(100 / 3)
    '33.33333333'
    """
    return f"{value:.10g}"


def cp_records(measurements: Iterable[Measurement], cp_map: CpMap, trial: Trial) -> list[CpRecord]:
    """Return the records of CP, in the order of the dataset and numbered by subject."""
    records = [
        CpRecord(
            _values(measurement, cp_map.tests[measurement.quantity], (cp_map, trial)),
            measurement,
            cp_map.tests[measurement.quantity],
        )
        for measurement in measurements
        if measurement.quantity in cp_map.tests
    ]
    return _flagged(records, trial)


def _values(measurement: Measurement, test: CpTestSpec, context: tuple[CpMap, Trial]) -> dict[str, Value]:
    cp_map, trial = context
    person = trial.person(measurement.subject)
    epoch = person.epoch(measurement.date)
    result = measurement.qualifier or None if measurement.value is None else number_text(measurement.value)
    unit = None if result in {None, "NOT REPORTABLE"} else measurement.unit
    agent = next((s.agent for s in cp_map.spec.stimulated if s.panel == measurement.quantity.panel), None)
    stimulated = agent is not None and measurement.role == "sample"
    steps = [cp_map.population(measurement.quantity.panel, step).step for step in _path(measurement, cp_map)]
    return {
        "STUDYID": trial.name,
        "DOMAIN": "CP",
        "USUBJID": trial.usubjid(measurement.subject),
        "CPREFID": specimen(measurement) if measurement.sample_id else None,
        "CPSPID": measurement.sample_id,
        "CPTESTCD": test.cptestcd,
        "CPTEST": cp_terms()[test.cptestcd].name,
        "CPSBMRKS": test.cpsbmrks,
        "CPCELSTA": test.cpcelsta,
        "CPCSMRKS": test.cpcsmrks,
        "CPTSTCND": None if agent is None else f"WITH{'' if stimulated else 'OUT'} STIMULATING AGENT",
        "CPCNDAGT": agent if stimulated else None,
        "CPMRKSTR": _marker_string(measurement, cp_map),
        "CPGATE": measurement.label,
        "CPGATDEF": "|".join(steps),
        "CPSPTSTD": _description(measurement),
        "CPCAT": "IMMUNOPHENOTYPING" if agent is None else "CELL FUNCTION",
        "CPTSTPNL": measurement.quantity.panel,
        "CPORRES": result,
        "CPORRESU": unit,
        "CPRESSCL": "QUANTITATIVE",
        "CPRESTYP": _TYPES[measurement.quantity.statistic],
        "CPCOLSRT": "MEDIAN" if measurement.quantity.statistic == "median_intensity" else None,
        "CPSTRESC": result,
        "CPSTRESN": None if measurement.value is None or result is None else float(result),
        "CPSTRESU": unit,
        "CPSTAT": None if result else "NOT DONE",
        "CPREASND": None if result else as_long_as_fits(measurement.reason),
        "CPNAM": trial.sponsor.laboratory,
        "CPSPEC": "BLOOD",
        "CPMETHOD": "FLOW CYTOMETRY" if agent is None else _ICS,
        "CPANMETH": "IMMUNOMON",
        **trial.when(measurement.visit),
        "EPOCH": epoch,
        "TAETORD": {"SCREENING": 1, "TREATMENT": 2, "FOLLOW-UP": 3}.get(epoch or ""),
        "CPDTC": measurement.date,
        "CPDY": person.day(measurement.date),
    }


def specimen(measurement: Measurement) -> str:
    """Return the id of the specimen that a tube was filled from: the subject's blood of that visit and day."""
    return f"{measurement.subject}.{measurement.visit}.{measurement.date or 'undated'}"


def _path(measurement: Measurement, cp_map: CpMap) -> list[str]:
    steps = [step for step in measurement.path.split("/") if step] or [measurement.quantity.population]
    return [step for step in steps if cp_map.knows(measurement.quantity.panel, step)]


def _marker_string(measurement: Measurement, cp_map: CpMap) -> str:
    quantity = measurement.quantity
    own = cp_map.population(quantity.panel, quantity.population).markers
    if quantity.marker:
        return f"{quantity.marker.replace('-', '').replace(' ', '')} {measurement.unit} {own}"
    if quantity.denominator:
        return f"{own}/{cp_map.population(quantity.panel, quantity.denominator).markers}"
    return own


def _description(measurement: Measurement) -> str:
    quantity = measurement.quantity
    description = {
        "percent": f"{measurement.label}, % of {measurement.denominator_label}",
        "cells_per_ul": f"{measurement.label}, cells per microlitre",
        "median_intensity": f"{measurement.label}, median intensity of {quantity.marker}",
    }[quantity.statistic]
    return f"{description} (panel {quantity.panel})"


def _flagged(records: Sequence[CpRecord], trial: Trial) -> list[CpRecord]:
    """Return the records with the flags of the last one before the first infusion and of the baseline visit's one."""
    groups: dict[tuple[Any, ...], list[CpRecord]] = {}
    for record in records:
        values = record.values
        same = (values["USUBJID"], record.measurement.quantity, values["CPTSTCND"])
        if values["CPSTRESC"] is not None:
            groups.setdefault(same, []).append(record)
    last, baseline = set(), set()
    for group in groups.values():
        first = trial.person(group[0].measurement.subject).first
        before = [record for record in group if first and record.measurement.date and record.measurement.date < first]
        if before:
            last.add(id(max(before, key=lambda record: (record.measurement.date or "", record.measurement.sample_id))))
        at_baseline = [record for record in group if trial.visit(record.measurement.visit).baseline]
        if len(at_baseline) == 1:
            baseline.add(id(at_baseline[0]))
    return [
        replace(
            record,
            values={
                **record.values,
                "CPLOBXFL": "Y" if id(record) in last else None,
                "CPBLFL": "Y" if id(record) in baseline else None,
            },
        )
        for record in records
    ]


def cell_phenotypes(records: Sequence[CpRecord]) -> Dataset:
    """Return the dataset CP."""
    return filled("CP", [record.values for record in records])


def sequenced(records: Sequence[CpRecord], dataset: Dataset) -> list[CpRecord]:
    """Return the records in the dataset's order, with their CPSEQ."""
    identity = ("USUBJID", "CPTSTPNL", "CPSPTSTD", "VISITNUM", "CPTSTCND", "CPSPID")
    number = {tuple(row[key] for key in identity): row["CPSEQ"] for row in dataset.records()}
    numbered = [replace(record, sequence=int(number[_identity(record.values, identity)] or 0)) for record in records]
    return sorted(numbered, key=lambda record: (str(record.values["USUBJID"]), record.sequence))


def _identity(values: dict[str, Value], names: Sequence[str]) -> tuple[Value, ...]:
    plain = {name: values.get(name) or None for name in names}
    number = plain["VISITNUM"]
    return tuple((float(number) if name == "VISITNUM" and number is not None else plain[name]) for name in names)


def supplementary(records: Sequence[CpRecord], links: Mapping[str, Mapping[str, str]]) -> Dataset:
    """Return SUPPCP: events counted, of how many, why a result is not reported, and where the gates are drawn and kept.

    links: by sample id, ``gates`` (SHA-256 of the placed gates) and ``fcs`` (of the FCS file).
    """
    rows: list[dict[str, Value]] = []
    for record in records:
        measurement = record.measurement
        known = links.get(measurement.sample_id, {})
        values = {
            "EVTCNT": None if measurement.count is None else str(measurement.count),
            "DENCNT": None if measurement.denominator_count is None else str(measurement.denominator_count),
            "RESWHY": as_long_as_fits(measurement.reason) if measurement.qualifier else None,
            "RESTSON": as_long_as_fits(measurement.rests_on) or None,
            "GATEPIC": gate_picture(measurement.sample_id),
            "GATESHA": known.get("gates"),
            "FCSSHA": known.get("fcs"),
        }
        rows += [
            {
                "STUDYID": record.values["STUDYID"],
                "RDOMAIN": "CP",
                "USUBJID": record.values["USUBJID"],
                "IDVAR": "CPSEQ",
                "IDVARVAL": str(record.sequence),
                "QNAM": name,
                "QLABEL": qualifiers("SUPPCP")[name].label,
                "QVAL": value,
                "QORIG": qualifiers("SUPPCP")[name].origin,
            }
            for name, value in values.items()
            if value
        ]
    return filled("SUPPCP", rows)
