"""How each rule of deliveries is broken on purpose: by number, what is changed, and which rules it breaks besides."""

from __future__ import annotations

from dataclasses import dataclass, replace

from immunomon.outputs.conformance.received import File
from support.broken_deliveries import (
    Change,
    add,
    column,
    define,
    drop,
    edit,
    extra,
    files,
    group,
    item,
    manifest,
    on,
    reference,
    removed,
    swapped,
    table,
    without,
)

__all__ = ["BREACHES", "Breach"]


@dataclass(frozen=True)
class Breach:
    """One way to break a rule: of which delivery, how, in which dataset or file it is found, what else it breaks."""

    rule: str
    change: Change
    where: str = ""
    also: str = ""
    kind: str = "adam"


def _cp(**values):
    return edit("CP", where=_has_result, **values)


def _has_result(one):
    return one.has("CPSTRESN")


def _percent(one):
    return one.text("CPSTRESU") == "%" and one.has("CPSTRESN")


def _base(one):
    return one.text("ABLFL") == "Y"


def _changed(one):
    return one.has("CHG") and one.has("PCHG") and one.has("CRIT1FL")


def _below(one):
    return one.text("PCSTRESC").startswith("<")


def _is(name, value):
    return lambda one: one.text(name) == value


def _kind(kind):
    return lambda one: one.text("CPRESTYP") == kind


_FILES = [
    Breach("FL001", files(lambda ones: (replace(ones[0], fault="cannot be read"), *ones[1:]))),
    Breach(
        "FL002",
        lambda r: replace(r, tables=(*r.tables, replace(r.table("DM"), file="sdtm/dm2.xpt"))),
        "sdtm/dm2.xpt",
        kind="adam",
    ),
    Breach("FL003", table("DM", file="sdtm/demographics.xpt"), "sdtm/demographics.xpt"),
    Breach("FL004", table("MB", rows=()), "MB"),
    Breach("FL005", removed("SV"), "CP", also="FL008"),
    Breach("FL006", table("MB", name="QX", file="sdtm/qx.xpt"), "QX", also="SD015"),
    Breach("FL007", removed("ADSL"), "ADCP"),
    Breach("FL008", removed("TS"), "TS"),
    Breach("FL009", removed("TI"), "TI"),
]
_MANIFEST = [
    Breach("MF001", manifest(format="something/1"), "manifest.json", kind="all"),
    Breach("MF002", files(lambda ones: (replace(ones[1], sha256="0" * 64), ones[0], *ones[2:])), kind="all"),
    Breach("MF003", files(lambda ones: (*ones, File("sdtm/notes.txt", "0" * 64, 3))), "sdtm/notes.txt", kind="all"),
    Breach(
        "MF004",
        manifest(files=lambda ones: [*ones, {"file": "../../secret", "sha256": "", "bytes": 1}]),
        "manifest.json",
        also="MF002",
        kind="all",
    ),
    Breach(
        "MF005", manifest(datasets=lambda ones: [{**ones[0], "records": 1000}, *ones[1:]]), "manifest.json", kind="all"
    ),
    Breach(
        "MF006", manifest(blanks=lambda ones: [one for one in ones if one != "AE.AELLT"]), "manifest.json", kind="all"
    ),
    Breach("MF007", manifest(absent=lambda _: {"DM": "nobody came"}), "manifest.json", kind="all"),
    Breach("MF008", manifest(samples=lambda ones: dict(list(ones.items())[1:])), kind="all"),
    Breach("MF009", manifest(transfer=["test"]), "manifest.json", kind="all"),
    Breach("MF010", manifest(transfer=["blinded"]), "sdtm/ae.xpt", kind="all"),
]
_FORMATS = [
    Breach(
        "XP001",
        lambda r: replace(
            r,
            transports={
                **r.transports,
                "sdtm/dm.xpt": replace(
                    r.transports["sdtm/dm.xpt"], variables=r.transports["sdtm/dm.xpt"].variables[1:]
                ),
            },
        ),
        "DM",
    ),
    Breach("XP002", column("DM", "SEX", length=9), "DM"),
    Breach(
        "XP003",
        edit("LB", where=lambda one: one.has("LBSTRESN"), LBSTRESN=lambda one: one.number_in("LBSTRESN") + 1),
        "LB",
        also="SD043 AD018",
        kind="both",
    ),
    Breach(
        "DJ001",
        on("DM", lambda t: replace(t, about={**t.about, "datasetJSONVersion": "1.0.0"})),
        "sdtm/dm.json",
        kind="json",
    ),
    Breach("DJ002", on("DM", lambda t: replace(t, about={**t.about, "records": 99})), "sdtm/dm.json", kind="json"),
    Breach("DJ003", column("DM", "SEX", declared="word"), "sdtm/dm.json", kind="json"),
    Breach("DJ004", edit("DM", SUBJID=7), "DM", also="AD002", kind="json"),
]
_DEFINE = [
    Breach("DX001", lambda r: replace(r, defines=r.defines[:1]), kind="all"),
    Breach("DX002", define(lambda one: replace(one, version="2.0.0")), "sdtm/define.xml", kind="all"),
    Breach(
        "DX003",
        define(lambda one: replace(one, groups=tuple(g for g in one.groups if g.name != "MB"))),
        "sdtm/define.xml",
        also="",
        kind="all",
    ),
    Breach("DX004", group("DM", references=()), "sdtm/define.xml", also="DX013", kind="all"),
    Breach("DX005", item("CP", "CPGATE", label="Gates"), "sdtm/define.xml", kind="all"),
    Breach("DX006", item("EX", "EXDOSE", type="integer"), "sdtm/define.xml", kind="all"),
    Breach("DX007", item("CP", "CPGATE", length=2), "sdtm/define.xml", kind="all"),
    Breach("DX008", group("DM", file="demographics.xpt"), "sdtm/define.xml", kind="all"),
    Breach("DX009", item("CP", "CPGATE", origins=("Somewhere",)), "sdtm/define.xml", kind="all"),
    Breach("DX010", reference("CP", "CPDY", method=""), "sdtm/define.xml", kind="all"),
    Breach("DX011", item("CP", "CPCAT", code_list="CL.NONE"), "sdtm/define.xml", kind="all"),
    Breach(
        "DX012", define(lambda one: replace(one, wheres=(*one.wheres, one.wheres[0]))), "sdtm/define.xml", kind="all"
    ),
    Breach("DX013", reference("CP", "CPSPTSTD", key=""), "sdtm/define.xml", kind="all"),
    Breach("DX014", reference("AE", "AELLT", mandatory=True), "sdtm/define.xml", kind="all"),
    Breach(
        "DX015",
        define(
            lambda one: replace(
                one,
                wheres=(
                    (one.wheres[0][0], tuple(replace(c, comparator="LIKE") for c in one.wheres[0][1])),
                    *one.wheres[1:],
                ),
            )
        ),
        "sdtm/define.xml",
        also="DX016",
        kind="all",
    ),
    Breach(
        "DX016",
        define(
            lambda one: replace(
                one,
                value_lists=tuple(
                    (oid, references[1:] if oid == "VL.CP.CPSTRESN" else references)
                    for oid, references in one.value_lists
                ),
            )
        ),
        "sdtm/define.xml",
        kind="all",
    ),
    Breach("DX017", define(lambda one: replace(one, study="ANOTHER")), "sdtm/define.xml", kind="all"),
    Breach("DX018", column("DM", "SEX", oid="IT.DM.GENDER"), "DM", kind="json-all"),
]
_VARIABLES = [
    Breach("SD001", without("LB", "LBTEST"), "LB", also="LB001"),
    Breach("SD002", without("LB", "LBNRIND"), "LB"),
    Breach("SD003", edit("DM", SITEID=None), "DM", also="AD002"),
    Breach("SD004", extra("DM", "DMHAIR", None), "DM"),
    Breach("SD005", swapped("CP", "CPSTAT", "CPREASND"), "CP"),
    Breach("SD006", column("CP", "CPSTRESN", is_number=False), "CP", also=""),
    Breach("SD007", column("ADSL", "COHORT", name="cohort group"), "ADSL"),
    Breach("SD008", column("DM", "SEX", label="x" * 41), "DM"),
    Breach("SD009", edit("MB", every=True, where=_is("MBTESTCD", "HBV"), MBTESTCD="4HEPATITIS"), "MB"),
]
_VALUES = [
    Breach("SD010", edit("AE", AETERM="x" * 201), "AE"),
    Breach("SD011", edit("AE", AETERM="Fièvre"), "AE"),
    Breach("SD012", edit("AE", AETERM="N/A"), "AE"),
    Breach("SD013", edit("EX", EXDOSE=float("inf")), "EX", also="EX001"),
    Breach("SD014", edit("EX", STUDYID="ANOTHER"), "EX"),
    Breach("SD015", edit("EX", DOMAIN="EY"), "EX"),
    Breach("SD016", edit("CP", where=_is("CPBLFL", "Y"), CPBLFL="1"), "CP"),
]
_KEYS = [
    Breach("SD020", edit("AE", where=lambda one: one.number == 2, AESEQ=1.0), "AE", also="SP001"),
    Breach("SD021", edit("AE", USUBJID="DEMO-ITP-S99"), "AE", also="SP001"),
    Breach("SD022", add("AE", AESEQ=99.0), "AE"),
    Breach("SD023", edit("MB", MBTEST="Another Virus"), "MB"),
    Breach("SD024", edit("ADCP", SUBJID="S98"), "ADCP", also="AD004"),
    Breach("SP001", edit("SUPPAE", IDVARVAL="99"), "SUPPAE"),
    Breach("SP002", edit("SUPPAE", every=True, where=_is("QNAM", "DLT"), QNAM="AETERM"), "SUPPAE", also=""),
    Breach("BE001", edit("CP", where=_has_result, CPREFID="S99.W4"), "CP"),
]
_TIMING = [
    Breach("SD030", edit("CP", CPDTC="13JAN2025"), "CP", also="BE001 AD019 SD047"),
    Breach("SD031", edit("AE", AESTDY=lambda one: one.number_in("AESTDY") + 1), "AE"),
    Breach("SD032", edit("TV", where=_is("VISITDY", "1"), VISITDY=0.0), "TV", also="SD035"),
    Breach("SD033", edit("AE", AEENDTC="2020-01-01"), "AE", also="SD031"),
    Breach("SD034", edit("CP", VISIT="Z"), "CP", also="SD035"),
    Breach("SD035", drop("TV", _is("VISIT", "W4")), "CP"),
    Breach("SD036", edit("AE", EPOCH="SCREENING"), "AE"),
    Breach("SD037", edit("PC", where=_is("PCELTM", "PT1H"), PCELTM="1 h"), "PC"),
    Breach("SD038", edit("PC", where=_is("PCELTM", "PT1H"), PCELTM="PT900H"), "PC"),
    Breach("TV001", edit("TV", where=_is("VISIT", "W4"), VISITDY=500.0), "TV", also="SD035"),
    Breach("SV001", edit("SV", SVOCCUR="N"), "SV"),
    Breach("SV002", drop("SV", _is("VISIT", "W4")), "CP"),
]
_DESIGN = [
    Breach("TS001", edit("TS", where=_is("TSPARMCD", "SSTDTC"), TSVAL="in spring"), "TS"),
    Breach("TS002", drop("TS", _is("TSPARMCD", "TBLIND")), "TS"),
    Breach("TS003", edit("TS", where=_is("TSPARMCD", "TBLIND"), TSVAL=None), "TS"),
    Breach("TS004", edit("TS", where=_is("TSPARMCD", "TBLIND"), TSPARM="Trial Title"), "TS"),
    Breach("TA001", edit("TA", where=_is("EPOCH", "FOLLOW-UP"), TAETORD=7.0), "TA"),
    Breach("TA002", edit("TA", every=True, ARM="Another"), "DM"),
    Breach("TE001", edit("TE", where=_is("ETCD", "FU"), ELEMENT="Screening"), "TE", also="TA001"),
    Breach("TI001", edit("TI", IECAT="BOTH"), "TI"),
    Breach("SE001", edit("SE", where=_is("ETCD", "FU"), SESTDTC="2020-01-01", SESTDY=None), "SE", also="SD031 SD036"),
    Breach("RR001", edit("RELREC", where=_is("RDOMAIN", "CP"), IDVAR="CPNONE"), "RELREC"),
]
_RESULTS = [
    Breach("SD040", _cp(CPSTAT="NOT DONE", CPREASND="clotted"), "CP"),
    Breach("SD041", _cp(CPREASND="clotted"), "CP"),
    Breach("SD042", _cp(CPSTRESC=None, CPSTRESN=None, CPSTRESU=None, CPBLFL=None, CPLOBXFL=None), "CP", also="AD018"),
    Breach("SD043", edit("LB", where=lambda one: one.has("LBSTRESC"), LBSTRESC="7777", LBORRES="7777"), "LB"),
    Breach("SD044", edit("LB", where=lambda one: one.has("LBSTRESC"), LBORRES="7777"), "LB"),
    Breach("SD045", edit("LB", where=lambda one: one.has("LBSTRESC"), LBORRESU=None), "LB"),
    Breach(
        "SD046", edit("PP", where=lambda one: one.has("PPSTRESC"), PPSTRESU="g/L", PPORRESU="g/L"), "PP", kind="two"
    ),
    Breach("SD047", edit("LB", where=_is("LBLOBXFL", "Y"), LBLOBXFL=None), "LB"),
    Breach("SD048", edit("CP", where=lambda one: one.text("CPBLFL") != "Y" and _has_result(one), CPBLFL="Y"), "CP"),
    Breach("SD049", edit("PC", where=lambda one: one.has("PCSTRESN"), PCLLOQ=1e9), "PC"),
]
_CELLS = [
    Breach("CP001", edit("CP", every=True, where=_is("CPTESTCD", "TLYLY"), CPTESTCD="TLYXX"), "CP"),
    Breach("CP002", _cp(CPSBMRKS="CD3+"), "CP"),
    Breach("CP003", edit("CP", where=lambda one: one.has("CPCELSTA"), CPCELSTA=None), "CP"),
    Breach("CP004", edit("CP", where=_kind("INTENSITY"), CPRESTYP="OTHER", CPCOLSRT=None), "CP", also="CP020"),
    Breach(
        "CP005",
        edit("CP", every=True, where=_kind("NUMBER CONCENTRATION"), CPORRESU=lambda o: o["CPORRESU"] and "cells/uL"),
        "CP",
    ),
    Breach(
        "CP006", edit("CP", where=_percent, CPSTRESN=130.0, CPSTRESC="130", CPORRES="130"), "CP", also="CP009 AD018"
    ),
    Breach(
        "CP007",
        edit(
            "CP",
            where=lambda o: _kind("NUMBER CONCENTRATION")(o) and _has_result(o),
            CPSTRESN=-1.0,
            CPSTRESC="-1",
            CPORRES="-1",
        ),
        "CP",
        also="AD018",
    ),
    Breach(
        "CP008",
        edit(
            "CP",
            where=lambda o: _kind("NUMBER CONCENTRATION")(o) and _has_result(o),
            CPSTRESN=0.0,
            CPSTRESC="0",
            CPORRES="0",
        ),
        "CP",
        also="AD018",
    ),
    Breach("CP009", edit("CP", where=_percent, CPSTRESN=1.5, CPSTRESC="1.5", CPORRES="1.5"), "CP", also="AD018"),
    Breach("CP010", edit("SUPPCP", every=True, where=_is("QNAM", "DENCNT"), QVAL="1"), "CP", also="CP009 AD021"),
    Breach("CP011", edit("CP", where=_kind("INTENSITY"), CPCOLSRT="MEAN"), "CP"),
    Breach("CP012", edit("CP", every=True, CPCAT="CYTOMETRY"), "CP"),
    Breach("CP013", _cp(CPCNDAGT="PMA"), "CP"),
    Breach("CP014", edit("CP", every=True, CPCAT="CELL FUNCTION"), "CP"),
    Breach("CP015", _cp(CPREFID=None), "CP"),
    Breach(
        "CP016",
        edit(
            "CP",
            where=lambda o: _percent(o) and o.text("CPTESTCD") == "TLYLY",
            CPSTRESN=99.99,
            CPSTRESC="99.99",
            CPORRES="99.99",
            CPMRKSTR="CD3-Viability-/FSCmidSSCloViability-",
        ),
        "CP",
        also="CP009 CP027 AD018",
    ),
]
_MARKERS = [
    Breach(
        "CP020",
        edit("CP", where=_kind("INTENSITY"), CPMRKSTR=lambda o: o.text("CPMRKSTR").replace("CD4+", "CD4,+")),
        "CP",
    ),
    Breach("CP021", edit("CP", where=lambda o: o.has("CPSBMRKS"), CPSBMRKS="CD99+"), "CP"),
    Breach(
        "CP022",
        edit("CP", where=_is("CPTESTCD", "TLYCE"), CPMRKSTR="CD3+Viability-/CD3+Viability-"),
        "CP",
    ),
    Breach("CP023", edit("CP", where=_is("CPTESTCD", "TLYCE"), CPMRKSTR="Viability-CD3+"), "CP"),
    Breach(
        "CP024",
        edit("CP", where=_is("CPTESTCD", "TLYHTLY"), CPMRKSTR="CD4+CD3+Viability-/CD3+Viability-"),
        "CP",
    ),
    Breach(
        "CP025",
        edit("CP", where=_kind("INTENSITY"), CPMRKSTR=lambda o: o.text("CPMRKSTR").replace("MdFI", "Mean")),
        "CP",
    ),
    Breach(
        "CP026",
        edit(
            "CP", every=True, where=_is("CPTESTCD", "TLYCE"), CPGATDEF=lambda o: o.text("CPGATDEF").replace("|", " | ")
        ),
        "CP",
        also="CP028",
    ),
    Breach("CP027", edit("CP", where=_is("CPTESTCD", "TLYCE"), CPMRKSTR="CD3-Viability-"), "CP"),
    Breach("CP028", edit("CP", where=_is("CPTESTCD", "TLYCE"), CPGATDEF="CD3+"), "CP"),
]
_DOMAINS = [
    Breach("DM001", add("DM", SEX="F"), "DM", also="SD022"),
    Breach("DM002", edit("DM", ACTARMCD=None), "DM"),
    Breach("DM003", edit("DM", COUNTRY="China"), "DM"),
    Breach("DM004", edit("DM", RFICDTC="2030-01-01"), "DM"),
    Breach("EX004", edit("SUPPEX", QNAM="DOSEPLN", QLABEL="Planned", QVAL="Y"), "SUPPEX"),
    Breach("DS001", drop("DS", _is("DSSCAT", "STUDY PARTICIPATION")), "DS"),
    Breach("CM001", edit("CM", where=lambda o: not o.has("CMSTDTC"), CMSTRF=None), "CM"),
    Breach("VS001", edit("VS", every=True, VSSTRESU="LB", VSORRESU="LB"), "VS"),
    Breach("EX001", edit("EX", EXDOSE=-1.0), "EX"),
    Breach("EX002", edit("EX", EXSTDTC="2024-12-01", EXENDTC="2024-12-01"), "DM", also="SD031 SD036 SV002"),
    Breach("EX003", drop("EX", lambda _: True), "DM", also="FL004 SP001"),
    Breach("AE001", edit("AE", AETOXGR=None), "AE"),
    Breach("AE002", edit("AE", AESER=None), "AE"),
    Breach("AE003", edit("AE", AETOXGR="4", AESER="N"), "AE"),
    Breach(
        "LB001",
        edit(
            "LB",
            every=True,
            where=_is("LBTESTCD", "PLAT"),
            LBSTRESU=lambda o: o["LBSTRESU"] and "/uL",
            LBORRESU=lambda o: o["LBORRESU"] and "/uL",
        ),
        "LB",
    ),
    Breach(
        "LB002",
        edit("LB", where=lambda o: o.has("LBSTRESN"), LBSTRESN=-5.0, LBSTRESC="-5", LBORRES="-5"),
        "LB",
        also="AD018",
    ),
    Breach("PC001", edit("PC", where=_below, PCSTRESC="<20", PCORRES="<20"), "PC"),
    Breach("PC002", edit("PC", PCRFTDTC=None), "PC"),
    Breach(
        "PP001", edit("PP", where=_is("PPTESTCD", "CMAX"), PPSTRESN=1.0, PPSTRESC="1", PPORRES="1"), "PP", also="AD018"
    ),
    Breach("PP002", edit("PP", PPRFTDTC=None), "PP"),
    Breach("IS001", edit("IS", ISSTRESC="PERHAPS", ISORRES="PERHAPS"), "IS"),
    Breach(
        "IS002",
        edit(
            "IS",
            where=lambda o: o.text("ISSTRESC") == "NEGATIVE" and o.text("ISLOBXFL") != "Y",
            ISTSTOPO="QUANTIFY",
            ISSTRESC="40",
            ISORRES="40",
            ISSTRESN=40.0,
            ISSTRESU="titer",
            ISORRESU="titer",
            ISLOBXFL=None,
        ),
        "IS",
        also="",
    ),
    Breach("MB001", edit("MB", MBSTRESC="MAYBE", MBORRES="MAYBE"), "MB"),
    Breach("BE002", edit("BE", where=lambda o: o.number == 2, BEREFID=None), "BE", also="BE001"),
    Breach("BS001", edit("BS", BSSTRESN=101.0, BSSTRESC="101", BSORRES="101"), "BS"),
]
_ANALYSIS = [
    Breach("AD001", add("ADSL", COHORT="B"), "ADSL", also="SD022"),
    Breach("AD002", edit("ADSL", SEX="U"), "ADSL", also="AD004"),
    Breach("AD003", edit("ADSL", TRTEDT=lambda o: o.number_in("TRTEDT") + 1), "ADSL"),
    Breach("AD004", edit("ADCP", TRT01A="Another"), "ADCP"),
    Breach("AD005", edit("ADLB", every=True, where=_is("PARAMCD", "PLAT"), PARAMCD="1PLATELETS"), "ADLB"),
    Breach("AD006", edit("ADCP", PARAM="Another"), "ADCP"),
    Breach("AD007", edit("ADCP", AVISIT="Z"), "ADCP"),
    Breach("AD008", edit("ADCP", where=_base, ABLFL=None), "ADCP"),
    Breach(
        "AD009",
        edit("ADCP", where=_base, BASE=lambda o: o.number_in("BASE") + 1),
        "ADCP",
    ),
    Breach("AD010", edit("ADLB", where=_is("ABLFL", "Y"), ADY=5.0), "ADLB", also="AD014"),
    Breach(
        "AD011",
        edit("ADCP", where=lambda o: o.has("CHG") and not o.has("PCHG"), CHG=lambda o: o.number_in("CHG") + 1),
        "ADCP",
    ),
    Breach("AD012", edit("ADCP", where=_changed, CHG=None, PCHG=None), "ADCP"),
    Breach("AD013", edit("ADCP", where=_changed, PCHG=lambda o: o.number_in("PCHG") + 1), "ADCP"),
    Breach(
        "AD014",
        edit("ADCP", where=lambda o: o.has("ADY"), ADY=0.0),
        "ADCP",
    ),
    Breach(
        "AD015",
        edit("ADCP", where=lambda o: _changed(o) and o.text("ANL01FL") == "Y", AVISIT="D-1", AVISITN=2.0),
        "ADCP",
    ),
    Breach("AD016", edit("ADCP", where=lambda o: not o.has("AVAL"), ANLREAS=None), "ADCP"),
    Breach("AD017", edit("ADCP", where=_changed, CRIT1FL=lambda o: "N" if o.text("CRIT1FL") == "Y" else "Y"), "ADCP"),
    Breach(
        "AD018",
        edit(
            "ADCP",
            where=lambda o: o.text("PARCAT1") == "MEDIAN INTENSITY" and o.has("AVAL") and _base(o),
            SRCSEQ=9999.0,
        ),
        "ADCP",
        also="AD022",
    ),
    Breach("AD019", edit("ADCP", VISITNUM=1.0, VISIT="screening"), "ADCP"),
    Breach("AD020", edit("ADLB", SRCSEQ=None), "ADLB"),
    Breach(
        "AD021",
        edit("SUPPCP", every=True, where=_is("QNAM", "DENCNT"), QVAL=lambda o: str(int(o.text("QVAL")) + 1)),
        "ADCP",
        also="CP009",
    ),
    Breach("AD022", drop("ADCP", lambda o: o.has("CHG")), "CP"),
]
_PEOPLE = [
    Breach("TB001", on("subset_frequencies", lambda t: replace(t, rows=(*t.rows, t.rows[-1]))), kind="csv"),
    Breach("TB002", edit("subset_frequencies", where=lambda o: not o.has("value"), reason=None), kind="csv"),
    Breach(
        "TB003",
        edit("subset_frequencies", every=True, where=_is("unit", "%"), unit="percent"),
        kind="csv",
    ),
    Breach(
        "TB004",
        edit("subset_frequencies", where=lambda o: o.text("unit") == "%" and not o.has("change"), value=1.25),
        kind="csv",
    ),
    Breach("TB005", edit("subset_frequencies", where=lambda o: o.has("change"), change=1e6), kind="csv"),
    Breach("TB006", edit("subset_frequencies", study_day=0.0), kind="csv"),
    Breach("TB007", drop("links", lambda o: o.number == 1), "subset_frequencies", kind="csv"),
    Breach("TB008", edit("links", fcs_sha256="0" * 64), "links", kind="csv"),
    Breach(
        "TB009",
        edit("redcap_import", where=lambda o: o.has("tregh"), tregh_why="nobody knows"),
        "redcap_import",
        kind="redcap",
    ),
    Breach(
        "TB010", on("redcap_import", lambda t: replace(t, rows=(*t.rows, t.rows[-1]))), "redcap_import", kind="redcap"
    ),
    Breach(
        "TB011",
        edit(
            "immport_fcm_derived", where=lambda o: not o["Population Statistic (count, percentile, etc)"], Comments=None
        ),
        "immport_fcm_derived",
        kind="immport",
    ),
    Breach(
        "TB012",
        lambda r: replace(
            r,
            tables=tuple(
                replace(t, rows=(("x", *t.rows[0][1:]), *t.rows[1:])) if t.form == "xlsx" and t.name == "links" else t
                for t in r.tables
            ),
        ),
        "links",
        kind="excel",
    ),
    Breach("TB013", edit("links", subject="=1+1"), "links", kind="csv"),
    Breach("ID001", extra("subset_frequencies", "patient_name", "A. Smith"), "subset_frequencies", kind="csv"),
    Breach("ID002", edit("AE", AETERM="see a.smith@example.org"), "AE"),
    Breach(
        "ID003",
        edit("subset_frequencies", every=True, subject="Anna Smith"),
        "subset_frequencies",
        kind="csv",
        also="TB006",
    ),
]
BREACHES: tuple[Breach, ...] = (
    *(
        *_FILES,
        *_MANIFEST,
        *_FORMATS,
        *_DEFINE,
        *_VARIABLES,
        *_VALUES,
        *_KEYS,
        *_TIMING,
        *_DESIGN,
        *_RESULTS,
        *_CELLS,
        *_MARKERS,
    ),
    *(*_DOMAINS, *_ANALYSIS, *_PEOPLE),
)
