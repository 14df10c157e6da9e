"""Rules of assays and specimens: laboratory, kinetics, antibodies, viruses, blood collected."""

from __future__ import annotations

from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.cells import date_of, number_text, same
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import dataset
from immunomon.outputs.conformance.table import Table

__all__ = ["ASSAYS"]

ASSAYS = Family("assays")
_ANTIBODY = {"POSITIVE", "NEGATIVE", "INDETERMINATE", "BORDERLINE"}
_AGENT = {"POSITIVE", "NEGATIVE", "INDETERMINATE", "BORDERLINE", "DETECTED", "NOT DETECTED", "REACTIVE", "NONREACTIVE"}
_PLATELETS = ("PLAT", "Platelets", "10^9/L", 5000.0)


@ASSAYS.rule(
    "LB001",
    dataset("LB"),
    "Platelets are PLAT, Platelets, in 10^9/L, at most 5000.",
    source="CDISC terminology, C65047, C67154, C71620; plausibility [M]",
    remedy="bring the counts to 10^9/L (thousands a microlitre)",
)
def _platelets(table: Table, _: Received) -> Iterator[Issue]:
    code, name, unit, most = _PLATELETS
    for record in table.records:
        if (record.text("LBTESTCD") == code) != (record.text("LBTEST") == name):
            yield Issue.at(
                table.name, record, f"LBTESTCD '{record.text('LBTESTCD')[:20]}' is named '{record.text('LBTEST')[:40]}'"
            )
        if record.text("LBTESTCD") != code:
            continue
        if record.has("LBSTRESC") and record.text("LBSTRESU") != unit:
            yield Issue.at(table.name, record, f"platelets are in '{record.text('LBSTRESU')[:20]}'")
        if (record.number_in("LBSTRESN") or 0) > most:
            yield Issue.at(table.name, record, f"{record.text('LBSTRESN')} x 10^9/L platelets")


@ASSAYS.rule(
    "LB002",
    dataset("LB"),
    "Laboratory results are not negative.",
    source="arithmetic: counts and concentrations",
    remedy="correct the result",
)
def _not_negative(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if (record.number_in("LBSTRESN") or 0) < 0:
            yield Issue.at(table.name, record, f"LBSTRESN is {record.text('LBSTRESN')}")


@ASSAYS.rule(
    "PC001",
    dataset("PC"),
    "A concentration is above 0; one below quantification is written <limit, with the limit in PCLLOQ.",
    source="SDTMIG 3.4, PC",
    remedy="write <limit for a value below quantification, and give PCLLOQ",
)
def _concentrations(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        text, value = record.text("PCSTRESC"), record.number_in("PCSTRESN")
        if value is not None and value <= 0:
            yield Issue.at(table.name, record, f"PCSTRESN is {value:g}")
        limit = number_text(text[1:]) if text.startswith("<") else None
        if limit is not None and not same(limit, record.number_in("PCLLOQ")):
            yield Issue.at(table.name, record, f"PCSTRESC is '{text[:20]}', PCLLOQ {record.shown('PCLLOQ')}")


@ASSAYS.rule(
    "PC002",
    dataset("PC"),
    "A concentration names its planned time point, counted from the reference that PCRFTDTC dates.",
    source="SDTMIG 3.4, PC",
    remedy="give PCTPT, PCTPTNUM, PCTPTREF and PCRFTDTC",
)
def _time_points(table: Table, _: Received) -> Iterator[Issue]:
    names = ("PCTPT", "PCTPTNUM", "PCTPTREF", "PCRFTDTC")
    for record in table.records:
        lacking = [name for name in names if not record.has(name)]
        if lacking:
            yield Issue.at(table.name, record, f"{', '.join(lacking)} missing")


@ASSAYS.rule(
    "PP001",
    dataset("PP"),
    "Kinetic parameters are of subjects with concentrations in PC, and a maximum (CMAX) is the highest of these.",
    source="SDTMIG 3.4, PP",
    remedy="work the parameters out again from PC",
    needs="PC",
)
def _parameters(table: Table, received: Received) -> Iterator[Issue]:
    concentrations = received.table("PC")
    highest: dict[str, float] = {}
    for record in concentrations.records if concentrations else ():
        subject = record.text("USUBJID")
        highest[subject] = max(highest.get(subject, 0.0), record.number_in("PCSTRESN") or 0.0)
    for record in table.records:
        most = highest.get(record.text("USUBJID"))
        if most is None:
            yield Issue.at(table.name, record, "the subject has no concentration in PC")
        elif (
            record.text("PPTESTCD") == "CMAX"
            and record.has("PPSTRESN")
            and not same(record.number_in("PPSTRESN"), most)
        ):
            yield Issue.at(table.name, record, f"CMAX is {record.text('PPSTRESN')}, the highest in PC {most:g}")


@ASSAYS.rule(
    "PP002",
    dataset("PP"),
    "A kinetic parameter has the reference date that it is counted from.",
    source="SDTMIG 3.4, PP",
    remedy="give PPRFTDTC",
)
def _reference(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if date_of(record.text("PPRFTDTC")) is None:
            yield Issue.at(table.name, record, f"PPRFTDTC is '{record.text('PPRFTDTC')[:20]}'")


@ASSAYS.rule(
    "IS001",
    dataset("IS"),
    "An antibody is POSITIVE, NEGATIVE, INDETERMINATE or BORDERLINE; a titre (ISTSTOPO QUANTIFY) is a number above 0.",
    source="SDTMIG 3.4, IS [M]",
    remedy="correct the result",
)
def _antibodies(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if not record.has("ISSTRESC"):
            continue
        titre = record.text("ISTSTOPO") == "QUANTIFY"
        number = number_text(record.text("ISSTRESC").lstrip("<>="))
        if (titre and not (number and number > 0)) or (not titre and record.text("ISSTRESC") not in _ANTIBODY):
            yield Issue.at(
                table.name, record, f"ISSTRESC is '{record.text('ISSTRESC')[:40]}' of {record.text('ISTSTOPO')[:20]}"
            )


@ASSAYS.rule(
    "IS002",
    dataset("IS"),
    "A titre is of an antibody that was found: the same subject and time point is POSITIVE.",
    source="SDTMIG 3.4, IS [M]",
    remedy="take the titre of a negative sample out, or correct the screening result",
)
def _titres(table: Table, _: Received) -> Iterator[Issue]:
    key = ("USUBJID", "ISTESTCD", "VISITNUM", "ISTPTNUM", "ISDTC")
    positive = {record.texts(key) for record in table.records if record.text("ISSTRESC") == "POSITIVE"}
    for record in table.records:
        if record.text("ISTSTOPO") == "QUANTIFY" and record.has("ISSTRESC") and record.texts(key) not in positive:
            yield Issue.at(table.name, record, f"a titre of {record.text('ISSTRESC')[:20]}, and no POSITIVE result")


@ASSAYS.rule(
    "MB001",
    dataset("MB"),
    "The detection of an agent has a result of the terminology: POSITIVE, NEGATIVE, DETECTED, NOT DETECTED, ...",
    source="SDTMIG 3.4, MB [M]",
    remedy="correct MBSTRESC",
)
def _agents(table: Table, _: Received) -> Iterator[Issue]:
    for (detail, result), records in table.grouped(("MBTSTDTL", "MBSTRESC")):
        if detail == "DETECTION" and result and result not in _AGENT:
            yield Issue.at(table.name, records[0], f"MBSTRESC is '{result[:40]}'")


@ASSAYS.rule(
    "BE002",
    dataset("BE"),
    "A specimen's id (BEREFID) is of one subject and one collection.",
    source="SDTMIG 3.4, BE",
    remedy="give each specimen an id of its own",
)
def _specimens(table: Table, _: Received) -> Iterator[Issue]:
    for (specimen,), records in table.grouped(("BEREFID",)):
        collected = [record for record in records if record.text("BECAT") == "COLLECTION"]
        if not specimen or len({record.text("USUBJID") for record in records}) > 1 or len(collected) > 1:
            yield Issue.at(table.name, records[-1], f"BEREFID '{specimen[:60]}' is there {len(records)} times")


@ASSAYS.rule(
    "BS001",
    dataset("BS"),
    "A percent of viable cells lies between 0 and 100.",
    source="arithmetic",
    remedy="correct the percent",
)
def _viable(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        value = record.number_in("BSSTRESN")
        if value is not None and record.text("BSSTRESU") == "%" and not 0 <= value <= 100:
            yield Issue.at(table.name, record, f"BSSTRESN is {value:g} %")
