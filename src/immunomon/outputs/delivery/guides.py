"""Drafts of the reviewer's guides (cSDRG, ADRG), written from the study and the delivery, with their blanks named.

The sections are those of PHUSE's templates, in their order. What only a person can know is a blank, marked where it
stands and listed at the front; everything else is counted from the delivered datasets. The files are HTML, which word
processors open and keep as documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from immunomon import __version__
from immunomon.errors import counted
from immunomon.outputs.conformance.check import Breach, Report
from immunomon.outputs.delivery.annotated import sources_of
from immunomon.outputs.delivery.content import Content
from immunomon.outputs.delivery.dataset import Dataset
from immunomon.outputs.delivery.define_values import code_lists
from immunomon.outputs.delivery.frames import qualifiers
from immunomon.outputs.delivery.guide_page import Guide
from immunomon.outputs.delivery.terminology import ADAM_TERMINOLOGY_DATE, CP_TERMINOLOGY_DATE

__all__ = ["analysis_guide", "tabulation_guide"]

_DESIGN = ("TA", "TE", "TV", "TI", "TS")
_ACRONYMS = {
    "CP": "Cell phenotype findings, the domain of flow cytometry",
    "LOD, LLOQ": "Limit of detection, lower limit of quantification (of events in a gate)",
    "MFI": "Median fluorescence intensity",
    "MSC": "Mesenchymal stromal cells",
}


def tabulation_guide(
    content: Content, datasets: Sequence[Dataset], *, absent: Mapping[str, str], report: Report
) -> Guide:
    """Return the draft of the guide to the SDTM datasets of a delivery.

    absent: domains that are not there, with the reason; report: what the rules of deliveries say of the datasets.
    """
    guide = Guide(f"Clinical Study Data Reviewer's Guide: {content.trial.title}")
    there = {dataset.name: dataset for dataset in datasets}
    _introduction(guide, content, [("SDTM", "2.0, SDTMIG 3.4"), ("SDTM terminology", CP_TERMINOLOGY_DATE)])
    _protocol(guide, content, "2.2", "Protocol Design")
    guide.head("2.3", "Trial Design Datasets")
    rows = [(name, there[name].label, len(there[name]), there[name].comment) for name in _DESIGN if name in there]
    guide.table(("dataset", "label", "records", "remark"), rows)
    guide.say(*(f"{name} is not there: {absent[name]}." for name in _DESIGN if name in absent))
    if "TS" in there:
        null = [record["TSPARMCD"] for record in there["TS"].records() if record.get("TSVALNF")]
        guide.say(f"Parameters of TS with a reason in place of a value: {', '.join(map(str, null)) or 'none'}.")
    _subjects(guide, content, datasets, absent)
    _conformance(guide, datasets, report, "4")
    guide.head("4.3", "Additional Conformance Details")
    guide.say("Terms that the study adds to extensible code lists of CDISC:")
    extended = [
        (codes.name, term.value) for codes in code_lists(datasets) for term in codes.values if term.is_extension
    ]
    guide.table(("code list", "term"), extended)
    guide.head("", "Appendix I: Inclusion/Exclusion Criteria")
    columns = ("IETESTCD", "IECAT", "IETEST")
    listed = there["TI"].records() if "TI" in there else ()
    guide.table(columns, [[record[name] for name in columns] for record in listed])
    guide.ask("criteria of earlier versions of the protocol")
    _issues(guide, report, datasets)
    return guide


def _introduction(guide: Guide, content: Content, standards: Sequence[tuple[str, str]]) -> None:
    guide.head("1.", "Introduction")
    guide.head("1.1", "Purpose")
    guide.say(
        f"What a reviewer needs beside define.xml. Written by immunomon {__version__} from the delivered datasets of "
        f"run {content.source.digest[:16]} and the study's files; it states nothing that these do not hold."
    )
    guide.head("1.2", "Acronyms")
    guide.table(("acronym", "meaning"), _ACRONYMS.items())
    guide.ask("further acronyms of the study")
    guide.head("1.3", "Study Data Standards and Dictionary Inventory")
    dictionaries = [("Define-XML", "2.1"), ("Adverse events (dictionary)", guide.blank("version of MedDRA"))]
    dictionaries.append(("Medication (dictionary)", guide.blank("version of WHODrug, or that names were not coded")))
    dictionaries.append(("Grades of adverse events", guide.blank("version of CTCAE")))
    guide.table(("standard or dictionary", "version"), [*standards, *dictionaries])


def _protocol(guide: Guide, content: Content, number: str, title: str) -> None:
    trial = content.trial
    guide.head("2.", "Protocol Description")
    guide.head("2.1", "Protocol Number and Title")
    version = trial.protocol.version or guide.blank("version of the protocol")
    guide.table(
        ("what", "value"),
        [("Protocol number", trial.name), ("Title", trial.title), ("Version", version)],
    )
    guide.ask("amendments that changed what was collected or how it is to be read")
    guide.head(number, title)
    groups = [
        (group["name"], trial.dose_text(group), ", ".join(map(str, group.get("infusion_days") or ())) or "none planned")
        for group in trial.dose_groups
    ]
    guide.table(("arm", "description", "study days of infusions"), groups)
    visits = [
        (v.label, "" if v.planned_day is None else v.planned_day, "" if v.window_days is None else str(v.window_days))
        for v in trial.visits
    ]
    guide.table(("visit", "planned study day", "window of study days"), visits)
    guide.ask("a diagram of the design, the rule of dose escalation, and who chose a dose for expansion")


def _subjects(guide: Guide, content: Content, datasets: Sequence[Dataset], absent: Mapping[str, str]) -> None:
    persons = content.trial.persons
    guide.head("3.", "Subject Data Description")
    guide.head("3.1", "Overview")
    treated = sum(person.first is not None for person in persons)
    guide.say(f"{counted(len(persons), 'subject')} in DM; {treated} with an infusion.")
    guide.ask("whether the study is ongoing, and the date of the data cut", "subjects screened and not in DM, and why")
    left_out = {str(m.quantity): content.cp_map.reason_left_out(m.quantity) for m in content.measurements}
    guide.say("Measured and deliberately not delivered (map of tests):")
    guide.table(("quantity", "reason"), sorted((name, why) for name, why in left_out.items() if why))
    guide.say("Domains that are not there:")
    guide.table(("domain", "reason"), sorted((name, why) for name, why in absent.items() if name not in _DESIGN))
    guide.head("3.2", "Annotated CRFs")
    guide.ask("acrf.pdf, or that data came from files and not from case report forms")
    guide.say("Each column of the study's files with its variables: annotated_mapping.csv and annotated_mapping.html.")
    guide.head("3.3", "SDTM Subject Domains")
    supplements = {dataset.name: dataset for dataset in datasets if dataset.name.startswith("SUPP")}
    subjects = [d for d in datasets if d.name not in _DESIGN and d.name not in supplements]
    rows = [(dataset.name, dataset.label, dataset.kind, len(dataset), dataset.structure) for dataset in subjects]
    guide.table(("dataset", "label", "class", "records", "structure"), rows)
    guide.ask("what else a reviewer should know of a dataset, in its section below")
    for number, dataset in enumerate(subjects, start=1):
        guide.head(f"3.3.{number}", f"{dataset.name} - {dataset.label}")
        _dataset(guide, dataset, supplements.get(f"SUPP{dataset.name}"))


def _dataset(guide: Guide, dataset: Dataset, supplement: Dataset | None = None) -> None:
    guide.say(dataset.comment)
    if supplement is not None:
        known, counts = qualifiers(supplement.name), Counter(map(str, supplement.column("QNAM")))
        rows = [(name, known[name].label, known[name].origin, counts[name]) for name in sorted(counts)]
        guide.table((f"qualifier in {supplement.name}", "label", "origin", "records"), rows)
    blank = [
        variable.name
        for variable in dataset.variables
        if variable.core in {"Req", "Exp"} and all(value is None for value in dataset.column(variable.name))
    ]
    guide.say(f"Required or expected, and without any value: {', '.join(blank)}." if blank else "")
    for name in (f"{dataset.name}STAT", "PARAMCD"):
        if name in dataset.names:
            label = dataset.column("PARAM") if name == "PARAMCD" else dataset.column(f"{dataset.name}TESTCD")
            named = [(str(code), str(text)) for code, text in zip(dataset.column(name), label, strict=True)]
            met = [(*key, count) for key, count in sorted(Counter(named).items()) if key[0] != "None"]
            guide.table((name, "of", "records"), met)


def _conformance(guide: Guide, datasets: Sequence[Dataset], report: Report, number: str) -> None:
    guide.head(f"{number}.", "Data Conformance Summary")
    guide.head(f"{number}.1", "Conformance Inputs")
    guide.say(
        f"immunomon check-delivery {__version__}: {counted(len(report.run), 'rule')} checked over "
        f"{counted(report.records, 'record')}, {len(report.not_applicable)} without anything to look at.",
    )
    guide.ask("the validation software of the agency or the sponsor, its version and its rules")
    guide.head(f"{number}.2", "Issues Summary")
    counts = Counter((breach.rule, breach.severity, breach.where) for breach in _breaches(report, datasets))
    rows = [(*key, count, guide.blank(f"explanation of {key[0]} in {key[2]}")) for key, count in sorted(counts.items())]
    guide.table(("rule", "severity", "dataset", "issues", "explanation"), rows)


def _issues(guide: Guide, report: Report, datasets: Sequence[Dataset]) -> None:
    guide.head("", "Appendix II: Conformance Issues Details")
    rows = [(breach.rule, breach.where, breach.record, breach.message) for breach in _breaches(report, datasets)]
    guide.table(("rule", "dataset", "record", "issue"), rows)


def _breaches(report: Report, datasets: Sequence[Dataset]) -> list[Breach]:
    names = {dataset.name for dataset in datasets}
    return [breach for breach in report.breaches if breach.where in names]


def analysis_guide(content: Content, datasets: Sequence[Dataset], report: Report) -> Guide:
    """Return the draft of the guide to the ADaM datasets of a delivery."""
    guide = Guide(f"Analysis Data Reviewer's Guide: {content.trial.title}")
    standards = [("ADaM", "2.1, ADaMIG 1.3"), ("ADaM terminology", ADAM_TERMINOLOGY_DATE)]
    _introduction(guide, content, standards)
    guide.head("1.4", "Source Data Used for Analysis Dataset Creation")
    guide.say("The SDTM datasets of the same delivery (sdtm/). Ratios in ADCP are of the run's own table of changes.")
    _protocol(guide, content, "2.2", "Protocol Design in Relation to ADaM Concepts")
    _considerations(guide, {dataset.name: dataset for dataset in datasets})
    guide.head("4.", "Analysis Data Creation and Processing Issues")
    guide.head("4.1", "Split Datasets")
    guide.say("None.")
    guide.head("4.2", "Data Dependencies")
    guide.table(("dataset", "made of"), [(dataset.name, ", ".join(_made_of(dataset))) for dataset in datasets])
    guide.head("4.3", "Intermediate Datasets")
    guide.say("None is delivered.")
    guide.head("4.4", "Variable Conventions")
    guide.say(
        "A parameter whose code ends in LO is the log-odds of the percent with the same code. COHORT is the cohort, "
        "which SDTM keeps in SUPPDM; EXPFL says who expanded a dose. SRCDOM, SRCVAR and SRCSEQ name the source record."
    )
    guide.head("5.", "Analysis Dataset Descriptions")
    guide.head("5.1", "Overview")
    guide.ask("which datasets the primary, secondary and safety analyses are made from")
    guide.head("5.2", "Analysis Datasets")
    rows = [(dataset.name, dataset.label, dataset.kind, len(dataset), dataset.structure) for dataset in datasets]
    guide.table(("dataset", "label", "class", "records", "structure"), rows)
    guide.ask("what else a reviewer should know of a dataset, in its section below")
    for number, dataset in enumerate(datasets, start=1):
        guide.head(f"5.2.{number}", f"{dataset.name} - {dataset.label}")
        _dataset(guide, dataset)
    _conformance(guide, datasets, report, "6")
    guide.head("7.", "Submission of Programs")
    guide.head("7.1", "ADaM Programs")
    guide.say(
        f"The datasets were written by immunomon {__version__}; digest of its code: {content.source.code_digest}."
    )
    guide.ask("whether programs are submitted, and which")
    guide.head("7.2", "Analysis Output Programs")
    guide.ask("programs of tables and figures, and what each makes")
    guide.head("7.3", "Macro Programs")
    guide.ask("macro programs, or that there are none")
    guide.head("8.", "Appendix")
    _issues(guide, report, datasets)
    return guide


def _made_of(dataset: Dataset) -> list[str]:
    sources = (source.partition(".")[0] for name in dataset.names for source in sources_of(dataset.name, name))
    return sorted({source for source in sources if source.isupper()} - {dataset.name})


def _considerations(guide: Guide, there: Mapping[str, Dataset]) -> None:
    subjects = list(there["ADSL"].records())
    guide.head("3.", "Analysis Considerations Related to Multiple Analysis Datasets")
    guide.head("3.1", "Core Variables")
    others = [set(dataset.names) for name, dataset in there.items() if name != "ADSL"]
    shared: set[str] = set.intersection(*others) if others else set()
    core = [variable for variable in there["ADSL"].variables if variable.name in shared]
    guide.table(("variable", "label"), [(variable.name, variable.label) for variable in core])
    guide.head("3.2", "Treatment Variables")
    differ = sum(record["TRT01P"] != record.get("TRT01A") for record in subjects)
    guide.say(
        "TRT01P is ARM and TRT01A is ACTARM of DM; those who expand a dose share the arm of those before them. "
        f"TRT01A is not TRT01P for {counted(differ, 'subject')}."
    )
    guide.head("3.3", "Subject Issues that Require Special Analysis Rules")
    expanded = sum(record.get("EXPFL") == "Y" for record in subjects)
    guide.say(f"{counted(expanded, 'subject')} of an expansion cohort (EXPFL).")
    guide.ask("subjects who need rules of their own, such as a dose other than planned")
    guide.head("3.4", "Use of Visit Windowing, Unscheduled Visits, and Record Selection")
    guide.say(
        "A record of a visit with a window is analysed (ANL01FL) if its day lies within; of two of one visit none is. "
        "Records without a visit have AVISIT UNSCHEDULED. Reasons why records are not analysed (ANLREAS):"
    )
    reasons = Counter(
        (name, str(reason).partition(":")[0])
        for name, dataset in there.items()
        if "ANLREAS" in dataset.names
        for reason in dataset.column("ANLREAS")
        if reason is not None
    )
    guide.table(("dataset", "reason", "records"), [(*key, count) for key, count in sorted(reasons.items())])
    guide.head("3.5", "Imputation/Derivation Methods")
    guide.say(
        "No date and no value is imputed. A value below a limit stays missing. Without a first day an adverse event is "
        "treatment-emergent, so that none is overlooked. Definitions of response are those of the study file."
    )
