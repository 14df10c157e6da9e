"""SDTM's cell phenotype findings (CP): one record for each reported number, or for the reason that there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from immunomon.outputs.cp_map import CpTestSpec
from immunomon.outputs.delivery.dataset import Dataset, Value
from immunomon.outputs.delivery.frames import filled
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


def cp_records(found: Iterable[Measurement], cp_map: CpMap, trial: Trial) -> list[CpRecord]:
    """Return the records of CP, in the order of the dataset and numbered by subject."""
    records = [
        CpRecord(_values(one, cp_map.tests[one.quantity], (cp_map, trial)), one, cp_map.tests[one.quantity])
        for one in found
        if one.quantity in cp_map.tests
    ]
    return _flagged(records, trial)


def _values(one: Measurement, test: CpTestSpec, context: tuple[CpMap, Trial]) -> dict[str, Value]:
    cp_map, trial = context
    person = trial.person(one.subject)
    epoch = person.epoch(one.date)
    result = one.qualifier or None if one.value is None else number_text(one.value)
    unit = None if result in {None, "NOT REPORTABLE"} else one.unit
    agent = next((s.agent for s in cp_map.spec.stimulated if s.panel == one.quantity.panel), None)
    stimulated = agent is not None and one.role == "sample"
    steps = [cp_map.population(one.quantity.panel, step).step for step in _path(one, cp_map)]
    return {
        "STUDYID": trial.name,
        "DOMAIN": "CP",
        "USUBJID": trial.usubjid(one.subject),
        "CPREFID": specimen(one) if one.sample_id else None,
        "CPSPID": one.sample_id,
        "CPTESTCD": test.cptestcd,
        "CPTEST": cp_terms()[test.cptestcd].name,
        "CPSBMRKS": test.cpsbmrks,
        "CPCELSTA": test.cpcelsta,
        "CPCSMRKS": test.cpcsmrks,
        "CPTSTCND": None if agent is None else f"WITH{'' if stimulated else 'OUT'} STIMULATING AGENT",
        "CPCNDAGT": agent if stimulated else None,
        "CPMRKSTR": _marker_string(one, cp_map),
        "CPGATE": one.label,
        "CPGATDEF": "|".join(steps),
        "CPSPTSTD": _description(one),
        "CPCAT": "IMMUNOPHENOTYPING" if agent is None else "CELL FUNCTION",
        "CPTSTPNL": one.quantity.panel,
        "CPORRES": result,
        "CPORRESU": unit,
        "CPRESSCL": "QUANTITATIVE",
        "CPRESTYP": _TYPES[one.quantity.statistic],
        "CPCOLSRT": "MEDIAN" if one.quantity.statistic == "median_intensity" else None,
        "CPSTRESC": result,
        "CPSTRESN": None if one.value is None or result is None else float(result),
        "CPSTRESU": unit,
        "CPSTAT": None if result else "NOT DONE",
        "CPREASND": None if result else one.reason[:200],
        "CPNAM": trial.sponsor.laboratory,
        "CPSPEC": "BLOOD",
        "CPMETHOD": "FLOW CYTOMETRY" if agent is None else _ICS,
        "CPANMETH": "IMMUNOMON",
        **trial.when(one.visit),
        "EPOCH": epoch,
        "TAETORD": {"SCREENING": 1, "TREATMENT": 2, "FOLLOW-UP": 3}.get(epoch or ""),
        "CPDTC": one.date,
        "CPDY": person.day(one.date),
    }


def specimen(one: Measurement) -> str:
    """Return the id of the specimen that a tube was filled from: the subject's blood of that visit and day."""
    return f"{one.subject}.{one.visit}.{one.date or 'undated'}"


def _path(one: Measurement, cp_map: CpMap) -> list[str]:
    steps = [step for step in one.path.split("/") if step] or [one.quantity.population]
    return [step for step in steps if cp_map.knows(one.quantity.panel, step)]


def _marker_string(one: Measurement, cp_map: CpMap) -> str:
    quantity = one.quantity
    own = cp_map.population(quantity.panel, quantity.population).markers
    if quantity.marker:
        return f"{quantity.marker.replace('-', '').replace(' ', '')} {one.unit} {own}"
    if quantity.denominator:
        return f"{own}/{cp_map.population(quantity.panel, quantity.denominator).markers}"
    return own


def _description(one: Measurement) -> str:
    quantity = one.quantity
    what = {
        "percent": f"{one.label}, % of {one.denominator_label}",
        "cells_per_ul": f"{one.label}, cells per microlitre",
        "median_intensity": f"{one.label}, median intensity of {quantity.marker}",
    }[quantity.statistic]
    return f"{what} (panel {quantity.panel})"


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
        before = [one for one in group if first and one.measurement.date and one.measurement.date < first]
        if before:
            last.add(id(max(before, key=lambda one: (one.measurement.date or "", one.measurement.sample_id))))
        at = [one for one in group if trial.visit(one.measurement.visit).baseline]
        if len(at) == 1:
            baseline.add(id(at[0]))
    return [
        replace(
            one,
            values={
                **one.values,
                "CPLOBXFL": "Y" if id(one) in last else None,
                "CPBLFL": "Y" if id(one) in baseline else None,
            },
        )
        for one in records
    ]


def cell_phenotypes(records: Sequence[CpRecord]) -> Dataset:
    """Return the dataset CP."""
    return filled("CP", [record.values for record in records])


def sequenced(records: Sequence[CpRecord], dataset: Dataset) -> list[CpRecord]:
    """Return the records in the dataset's order, with their CPSEQ."""
    identity = ("USUBJID", "CPTSTPNL", "CPSPTSTD", "VISITNUM", "CPTSTCND", "CPSPID")
    number = {tuple(row[key] for key in identity): row["CPSEQ"] for row in dataset.records()}
    found = [replace(one, sequence=int(number[_identity(one.values, identity)] or 0)) for one in records]
    return sorted(found, key=lambda one: (str(one.values["USUBJID"]), one.sequence))


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
        one = record.measurement
        known = links.get(one.sample_id, {})
        qualifiers = {
            "EVTCNT": ("Events in the Population", None if one.count is None else str(one.count)),
            "DENCNT": (
                "Events in the Denominator",
                None if one.denominator_count is None else str(one.denominator_count),
            ),
            "RESWHY": ("Reason Result Is Not Reported", one.reason[:200] if one.qualifier else None),
            "RESTSON": ("Doubtful Gates the Result Rests On", one.rests_on[:200] or None),
            "GATEPIC": ("Picture of the Gates", gate_picture(one.sample_id)),
            "GATESHA": ("SHA-256 of the Placed Gates", known.get("gates")),
            "FCSSHA": ("SHA-256 of the FCS File", known.get("fcs")),
        }
        rows += [
            {
                "STUDYID": record.values["STUDYID"],
                "RDOMAIN": "CP",
                "USUBJID": record.values["USUBJID"],
                "IDVAR": "CPSEQ",
                "IDVARVAL": str(record.sequence),
                "QNAM": name,
                "QLABEL": label,
                "QVAL": value,
                "QORIG": "Derived",
            }
            for name, (label, value) in qualifiers.items()
            if value
        ]
    return filled("SUPPCP", rows)
