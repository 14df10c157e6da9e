"""SDTM: the rules of the standard, and that nothing below quantification becomes a number."""

from collections import defaultdict
from dataclasses import replace

import pytest

from immunomon.errors import BadSpec, DeliveryFailed
from immunomon.outputs.delivery.assessments import read_assessments
from immunomon.outputs.delivery.cp import cp_records, supplementary
from immunomon.outputs.delivery.frames import frames
from immunomon.outputs.delivery.measured import quantities
from immunomon.outputs.delivery.sdtm import sdtm_datasets
from immunomon.study.model.endpoints import Analyte

CP = (
    "STUDYID DOMAIN USUBJID CPSEQ CPGRPID CPREFID CPSPID CPLNKID CPLNKGRP CPTESTCD CPTEST CPSBMRKS CPCELSTA CPCSMRKS "
    "CPTSTCND CPCNDAGT CPBDAGNT CPABCLID CPMRKSTR CPGATE CPGATDEF CPSPTSTD CPCAT CPSCAT CPTSTPNL CPORRES CPORRESU "
    "CPRESSCL CPRESTYP CPCOLSRT CPORNRLO CPORNRHI CPSTRESC CPSTRESN CPSTRESU CPSTNRLO CPSTNRHI CPNRIND CPSTAT "
    "CPREASND CPNAM CPLOINC CPSPEC CPSPCCND CPMETHOD CPANMETH CPLOBXFL CPBLFL CPDRVFL CPCLSIG VISITNUM VISIT VISITDY "
    "TAETORD EPOCH CPDTC CPDY CPTPT CPTPTNUM CPELTM CPTPTREF CPRFTDTC"
)


def records(sdtm, name):
    return list(sdtm.dataset(name).records())


def test_cp_has_the_62_variables_of_the_guide_in_their_order(sdtm):
    assert " ".join(sdtm.dataset("CP").names) == CP


def test_every_domain_asked_for_is_there_or_said_to_be_absent(sdtm):
    present = {dataset.name for dataset in sdtm.datasets}
    assert {"CP", "DM", "EX", "TV", "SV", "BE", "BS", "LB", "PC", "IS", "MB"} <= present
    assert sdtm.absent["PP"] == "the run folder has no assessments/kinetics.csv"
    assert present | set(sdtm.absent) == {name for name in frames() if not name.startswith("AD")}


def test_required_variables_are_filled_but_for_site_and_country_which_the_study_does_not_know(sdtm):
    for dataset in sdtm.datasets:
        for variable in dataset.variables:
            if variable.core == "Req" and variable.name not in {"SITEID", "COUNTRY"}:
                assert None not in dataset.column(variable.name), f"{dataset.name}.{variable.name}"


def test_sequence_numbers_are_unique_and_subjects_and_visits_are_known(sdtm):
    subjects = set(sdtm.dataset("DM").column("USUBJID"))
    visits = set(zip(*(sdtm.dataset("TV").column(name) for name in ("VISITNUM", "VISIT")), strict=True))
    for dataset in sdtm.datasets:
        if f"{dataset.name}SEQ" in dataset.names:
            of = "TSPARMCD" if dataset.name == "TS" else "USUBJID"
            numbers = list(zip(dataset.column(of), dataset.column(f"{dataset.name}SEQ"), strict=True))
            assert len(set(numbers)) == len(numbers)
        if "USUBJID" in dataset.names:
            assert set(dataset.column("USUBJID")) <= subjects | ({None} if dataset.name == "RELREC" else set())
        if "VISITNUM" in dataset.names:
            assert set(zip(dataset.column("VISITNUM"), dataset.column("VISIT"), strict=True)) <= visits


def test_there_is_no_day_0(sdtm):
    for dataset in sdtm.datasets:
        for variable in dataset.variables:
            if variable.name.endswith("DY"):
                assert 0 not in dataset.column(variable.name), f"{dataset.name}.{variable.name}"


def test_what_may_not_be_reported_has_a_reason_and_no_number(sdtm, content):
    why = {(one["USUBJID"], one["IDVARVAL"]): one["QVAL"] for one in records(sdtm, "SUPPCP") if one["QNAM"] == "RESWHY"}
    silent = [one for one in records(sdtm, "CP") if one["CPSTRESN"] is None]
    below = [one for one in silent if str(one["CPORRES"]).startswith("<")]
    assert len(below) > 3
    for record in silent:
        reason = why.get((record["USUBJID"], str(record["CPSEQ"])))
        if record["CPSTAT"] == "NOT DONE":
            assert record["CPREASND"]
            assert [record[name] for name in ("CPORRES", "CPORRESU", "CPSTRESC", "CPSTRESU")] == [None] * 4
            continue
        assert record["CPSTAT"] is record["CPREASND"] is None
        assert record["CPORRES"] == record["CPSTRESC"]
        assert (record["CPORRES"] == "<LLOQ") == reason.startswith("below LLOQ")
        assert (record["CPORRES"] == "<LOD") == reason.startswith("below LOD")
    numbers = sum(1 for one in records(sdtm, "CP") if one["CPSTRESN"] is not None)
    reported = [one for one in content.measurements if one.quantity in content.cp_map.tests and one.value is not None]
    assert numbers == len(reported)


@pytest.mark.parametrize(
    ("reason", "count", "status", "result"),
    [
        ("below LLOQ: 30 events, 50 are needed", 30, "not reportable", "<LLOQ"),
        ("below LOD: 0 events, 20 are needed", 0, "not reportable", "<LOD"),
        ("too few parent events: 10, 100 are needed", 5, "not reportable", "NOT REPORTABLE"),
        ("cd4: fallback_alone(CD4)", 900, "not reportable", "NOT REPORTABLE"),
        ("cd4 not placed: one mode only", None, "not reportable", ""),
        ("sample failed: no such file", None, "not done", ""),
    ],
)
def test_what_was_counted_was_done(content, reason, count, status, result):
    measured = replace(content.measurements[0], value=None, reason=reason, count=count, status=status)
    assert measured.qualifier == result
    record = cp_records([measured], content.cp_map, content.trial)[0].values
    assert (record["CPORRES"], record["CPSTRESN"]) == (result or None, None)
    assert (record["CPSTAT"], record["CPREASND"]) == ((None, None) if result else ("NOT DONE", reason))


def test_a_result_that_rests_on_a_doubtful_gate_says_on_which(content):
    measured = replace(content.measurements[0], rests_on="cd4: borrowed(CD4)")
    records_of_cp = cp_records([measured], content.cp_map, content.trial)
    beside = {row["QNAM"]: row["QVAL"] for row in supplementary(records_of_cp, {}).records()}
    assert beside["RESTSON"] == "cd4: borrowed(CD4)"
    without = supplementary(cp_records([replace(measured, rests_on="")], content.cp_map, content.trial), {})
    assert "RESTSON" not in without.column("QNAM")


def test_a_concentration_below_quantification_is_never_0(sdtm):
    below = [one for one in records(sdtm, "PC") if str(one["PCSTRESC"]).startswith("<")]
    assert below
    assert {one["PCSTRESC"] for one in below} == {"<10"}
    assert {one["PCSTRESN"] for one in below} == {None}
    assert 0 not in sdtm.dataset("PC").column("PCSTRESN")


def test_numbers_are_those_of_the_run(sdtm, content):
    table = content.source.tables["frequencies"]
    for one in records(sdtm, "CP"):
        if one["CPTESTCD"] == "TLHRTLH" and not one["CPSBMRKS"] and not one["CPCELSTA"] and one["CPSTRESN"] is not None:
            row = table[
                (table.sample_id == one["CPSPID"]) & (table.population == "treg") & (table.denominator == "cd4")
            ]
            assert one["CPSTRESN"] == pytest.approx(float(row["percent"].iloc[0]), rel=1e-9)


def test_a_record_has_its_events_and_the_picture_of_its_gates(sdtm):
    of_first = {one["QNAM"]: one["QVAL"] for one in records(sdtm, "SUPPCP") if one["IDVARVAL"] == "1"}
    assert set(of_first) >= {"EVTCNT", "GATEPIC", "GATESHA", "FCSSHA"}
    assert of_first["GATEPIC"].startswith("report.html#tab=samples&sample=")


def test_one_record_of_each_test_is_the_last_before_the_first_infusion(sdtm):
    flagged = [(one["USUBJID"], one["CPSPTSTD"]) for one in records(sdtm, "CP") if one["CPLOBXFL"] == "Y"]
    assert flagged
    assert len(set(flagged)) == len(flagged)
    assert all(one["CPDY"] < 0 for one in records(sdtm, "CP") if one["CPLOBXFL"] == "Y")


def test_a_visit_without_a_sample_is_not_done_and_not_silently_gone(content):
    from immunomon.outputs.delivery.measured import measurements

    samples = content.source.tables["samples"]
    frequencies = content.source.tables["frequencies"]
    populations = content.source.tables["populations"]
    changes = content.source.tables["changes"].copy()
    first = (changes.subject == "S01") & (changes.visit == "D-1")
    changes.loc[first, "sample_id"] = None
    changes.loc[first, "status"] = "missing"
    changes.loc[first, "reason"] = "no treg sample of S01 at D-1"
    kept = {
        name: table[~((table.subject == "S01") & (table.visit == "D-1").fillna(False)).fillna(False)]
        for name, table in (("samples", samples), ("frequencies", frequencies), ("populations", populations))
    }
    medians = content.source.tables["medians"]
    source = replace(content.source, tables={**kept, "medians": medians.iloc[:0], "changes": changes})
    gone = replace(content, source=source, measurements=tuple(measurements(source)))
    not_done = [
        one for one in records(sdtm_datasets(gone), "CP") if (one["USUBJID"][-3:], one["VISIT"]) == ("S01", "D-1")
    ]
    assert not_done
    assert {one["CPREASND"] for one in not_done} == {"no treg sample of S01 at D-1"}
    assert {one["CPSTAT"] for one in not_done} == {"NOT DONE"}
    definitions = defaultdict(set)
    for one in records(sdtm_datasets(gone), "CP"):
        definitions[one["CPTSTPNL"], one["CPGATE"]].add(one["CPGATDEF"])
    assert {len(gates) for gates in definitions.values()} == {1}  # what is not done has the gates of what is


def with_kinetics(content, folder, line):
    (folder / "assessments").mkdir()
    head = "subject,parameter,name,value,unit,reason"
    (folder / "assessments" / "kinetics.csv").write_text(f"{head}\n{line}\n", encoding="utf-8")
    return replace(content, source=replace(content.source, folder=folder))


def test_kinetic_parameters_of_the_run_are_pp_and_one_that_is_not_estimable_has_its_reason(content, tmp_path):
    lines = "S01,CMAX,Max Conc,812.5,cells/mL,\nS01,LAMZHL,Half-Life Lambda z,,h,fewer than three points after Cmax"
    with_pp = sdtm_datasets(with_kinetics(content, tmp_path, lines))
    first, second = records(with_pp, "PP")
    assert (first["PPTESTCD"], first["PPSTRESN"], first["PPSTRESU"]) == ("CMAX", 812.5, "cells/mL")
    assert (second["PPSTRESN"], second["PPSTAT"]) == (None, "NOT DONE")
    assert second["PPREASND"] == "fewer than three points after Cmax"


@pytest.mark.parametrize(
    ("line", "said"),
    [("S01,CMAX,Max Conc,much,h,", "'much' is no number"), ("S99,CMAX,Max Conc,1,h,", "no subject 'S99'")],
)
def test_kinetic_parameters_that_cannot_be_read_are_said(content, tmp_path, line, said):
    with pytest.raises(DeliveryFailed, match=said):
        sdtm_datasets(with_kinetics(content, tmp_path, line))


def test_stimulated_and_unstimulated_tubes_are_told_apart(content):
    from immunomon.outputs.delivery.cp import cp_records
    from immunomon.outputs.delivery.mapping import Quantity

    one = next(one for one in content.measurements if one.value is not None and one.quantity.statistic == "percent")
    quantity = Quantity("thelper-ics", "th1_ifng", "percent", "cd3pos_cd8neg")
    path = "/singlets/live/lymphocytes/t_cells/cd3pos_cd8neg/th1_ifng"
    tubes = [replace(one, quantity=quantity, role=role, path=path) for role in ("sample", "unstimulated")]
    made = [record.values for record in cp_records(tubes, content.cp_map, content.trial)]
    assert [one["CPTSTCND"] for one in made] == ["WITH STIMULATING AGENT", "WITHOUT STIMULATING AGENT"]
    assert [one["CPCNDAGT"] for one in made] == ["PMA AND IONOMYCIN", None]
    assert {one["CPMETHOD"] for one in made} == {"INTRACELLULAR CYTOKINE STAIN FLOW CYTOMETRIC ASSAY"}
    assert {one["CPCAT"] for one in made} == {"CELL FUNCTION"}
    assert {one["CPGATDEF"] for one in made} == {
        "FSCA x FSCH singlets|Viability-|FSCA x SSCA lymphocytes|CD3+|CD8-|IFNg+IL17A-"
    }


def test_sequence_numbers_rise_with_time_within_a_subject(sdtm):
    for name, date in (("AE", "AESTDTC"), ("IS", "ISDTC"), ("LB", "LBDTC"), ("MB", "MBDTC"), ("EX", "EXSTDTC")):
        for subject in set(sdtm.dataset(name).column("USUBJID")):
            mine = [record for record in records(sdtm, name) if record["USUBJID"] == subject]
            dates = [record[date] for record in sorted(mine, key=lambda record: record[f"{name}SEQ"]) if record[date]]
            assert dates == sorted(dates), name
    points = [(record["USUBJID"], record["ISDTC"] or "9", record["ISTPTNUM"]) for record in records(sdtm, "IS")]
    assert points == sorted(points)
    visits = [(record["USUBJID"], record["SVSTDTC"] or "9") for record in records(sdtm, "SV")]
    assert visits == sorted(visits)


def test_a_population_without_a_test_stops_the_delivery(content):
    spec = content.cp_map.spec
    fewer = spec.model_copy(update={"tests": [one for one in spec.tests if one.population != "treg"]})
    with pytest.raises(BadSpec, match="no test for treg: cells_per_ul treg"):
        sdtm_datasets(replace(content, cp_map=replace(content.cp_map, spec=fewer)))
    assert quantities(list(content.measurements))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("S01,D-1,-1,2025-01-12,many,false,false", "line 2: platelets_1e9_per_l: 'many'"),
        ("S99,D-1,-1,2025-01-12,9,false,false", "the study has no subject 'S99'"),
        ("S01,D-1,-1,12.01.2025,9,false,false", "date: '12.01.2025' may be 2025-01-12 or 2025-12-01"),
        ("S01,D-1,-1,2025-01-12,9,perhaps,false", "bleeding: 'perhaps' does not fit"),
    ],
)
def test_a_table_of_assessments_that_cannot_be_read_is_said_with_its_line(tmp_path, line, said):
    head = "subject,visit,study_day,date,platelets_1e9_per_l,bleeding,rescue_therapy"
    (tmp_path / "platelets.csv").write_text(f"{head}\n{line}\n", encoding="utf-8")
    with pytest.raises(DeliveryFailed, match=said):
        read_assessments(tmp_path, ["S01"])


def test_a_table_of_assessments_without_a_column_is_said(tmp_path):
    (tmp_path / "viruses.csv").write_text("subject,visit\nS01,W4\n", encoding="utf-8")
    with pytest.raises(DeliveryFailed, match=r"line 1: has no column study_day, date, virus, result"):
        read_assessments(tmp_path, ["S01"])


def test_a_row_that_is_about_nothing_is_said(tmp_path):
    head = "subject,planned_time_h,actual_time_h,concentration_cells_per_ml,below_quantification,lloq"
    (tmp_path / "msc_concentration.csv").write_text(f"{head}\nS01,,0.5,1,false,10\n", encoding="utf-8")
    with pytest.raises(DeliveryFailed, match="line 2: planned_time_h: is blank"):
        read_assessments(tmp_path, ["S01"])


def test_findings_without_visit_limit_or_date_are_delivered_without_them(content):
    from immunomon.outputs.delivery.adam import adam_datasets

    platelets = {"subject": "S01", "visit": None, "study_day": None, "date": None, "platelets_1e9_per_l": 9.0}
    cells = {"subject": "S01", "planned_time_h": 2.0, "actual_time_h": None, "concentration_cells_per_ml": None}
    tables = {
        "platelets": [{**platelets, "bleeding": None, "rescue_therapy": None}],
        "msc_concentration": [{**cells, "below_quantification": True, "lloq": None}],
    }
    bare = replace(content, assessments=replace(content.assessments, tables=tables))
    made = sdtm_datasets(bare)
    assert [(one["VISITNUM"], one["LBSTRESN"]) for one in records(made, "LB") if one["LBTESTCD"] == "PLAT"] == [
        (None, 9.0)
    ]
    assert [(one["PCSTRESC"], one["PCSTRESN"]) for one in records(made, "PC")] == [("<LLOQ", None)]
    adlb = next(one for one in adam_datasets(bare, made) if one.name == "ADLB")
    assert [one["AVISIT"] for one in adlb.records() if one["PARAMCD"] == "PLAT"] == ["UNSCHEDULED"]


def test_an_adverse_event_keeps_the_words_it_was_reported_in(content, tmp_path):
    head = "subject,term,system_organ_class,grade,start_day,end_day,serious,related,dose_limiting"
    rows = ["S01,Pyrexia,,1,2,3,false,true,false,felt hot all night", "S01,Chills,,1,3,3,false,true,false,"]
    (tmp_path / "adverse_events.csv").write_text("\n".join([f"{head},reported_term", *rows]), encoding="utf-8")
    made = sdtm_datasets(replace(content, assessments=read_assessments(tmp_path, ["S01"])))
    terms = [(event["AETERM"], event["AEDECOD"]) for event in records(made, "AE")]
    assert terms == [("felt hot all night", "Pyrexia"), ("Chills", "Chills")]

    without = [head, rows[1].removesuffix(",")]
    (tmp_path / "adverse_events.csv").write_text("\n".join(without), encoding="utf-8")
    made = sdtm_datasets(replace(content, assessments=read_assessments(tmp_path, ["S01"])))
    assert [(event["AETERM"], event["AEDECOD"]) for event in records(made, "AE")] == [("Chills", "Chills")]


def test_a_laboratory_value_beyond_a_limit_has_its_limit_and_no_number_in_lb_and_adlb(content, tmp_path):
    from immunomon.outputs.delivery.adam import adam_datasets

    head = "subject,visit,study_day,date,analyte,result,unit"
    rows = ["S01,D-1,,2025-01-12,il10,8,pg/mL", "S01,W4,,2025-02-10,il10,<4,pg/mL", "S02,D-1,,,il10,,pg/mL"]
    (tmp_path / "laboratory.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    il10 = Analyte("il10", "IL-10", "pg/mL", lloq=4, reference_high=9, specimen="plasma")
    bare = replace(content, assessments=read_assessments(tmp_path, ["S01", "S02"], [il10]), rules=None)
    made = sdtm_datasets(bare)
    of_lb = [row for row in records(made, "LB") if row["LBTESTCD"] == "INTLK10"]
    names = ("LBORRES", "LBSTRESN", "LBSTRESU", "LBSTAT", "LBREASND", "LBNRIND", "LBSPEC")
    assert [tuple(row[name] for name in names) for row in of_lb] == [
        ("8", 8.0, "ng/L", None, None, "NORMAL", "PLASMA"),
        ("<4", None, "ng/L", None, None, "NORMAL", "PLASMA"),
        (None, None, None, "NOT DONE", "no result", None, "PLASMA"),
    ]
    assert {row["QNAM"]: row["QVAL"] for row in records(made, "SUPPLB") if row["QNAM"] in {"LLOQ", "ULOQ"}} == {
        "LLOQ": "4"
    }
    adlb = next(one for one in adam_datasets(bare, made) if one.name == "ADLB")
    of_adlb = [row for row in adlb.records() if row["PARAMCD"] == "INTLK10"]
    assert [(row["PARAM"], row["AVAL"], row["BASE"], row["ANLREAS"]) for row in of_adlb] == [
        ("Interleukin 10 (ng/L)", 8.0, 8.0, None),
        ("Interleukin 10 (ng/L)", None, 8.0, "below the lower limit of quantification: <4 ng/L"),
        ("Interleukin 10 (ng/L)", None, None, "no result"),
    ]
    sul = [row.replace("il10", "scd40l") for row in rows]
    (tmp_path / "laboratory.csv").write_text("\n".join([head, *sul]) + "\n", encoding="utf-8")
    unknown = replace(bare, assessments=read_assessments(tmp_path, ["S01", "S02"]))
    with pytest.raises(DeliveryFailed, match="names no codes for 'scd40l'"):
        sdtm_datasets(unknown)
