"""What Define-XML says beyond variables: code lists of the values delivered, and what a value is, test by test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from immunomon.outputs.delivery.dataset import Dataset, Value, Variable
from immunomon.outputs.delivery.frames import qualifiers
from immunomon.outputs.delivery.terminology import cp_terms, published_lists
from immunomon.study.model.protocol import summary_parameters

__all__ = [
    "CodeList",
    "CodedValue",
    "ValueItem",
    "code_lists",
    "data_type",
    "has_several_lists",
    "significant_digits",
    "value_items",
]

# Lists that another body publishes: Define-XML names the dictionary in place of the values.
_EXTERNAL = {"COUNTRY": "ISO 3166-1 alpha-3"}
_DECODES = {"ARMCD": "ARM", "ACTARMCD": "ACTARM", "VISITNUM": "VISIT", "PARAMCD": "PARAM", "QNAM": "QLABEL"}


@dataclass(frozen=True, order=True)
class CodedValue:
    """A value of a code list: as delivered, in words (blank if it speaks for itself), and its NCI code if known.

    is_extension: whether the study adds it to a list that CDISC publishes.
    """

    value: str
    decode: str = ""
    nci: str = ""
    is_extension: bool = False


@dataclass(frozen=True)
class CodeList:
    """The values delivered under one code list.

    nci, publishing_set: of a list that CDISC publishes; blank for a list of the study's own. dictionary: the name of
    another body's list.
    """

    name: str
    type: str
    values: tuple[CodedValue, ...]
    nci: str = ""
    publishing_set: str = ""
    dictionary: str = ""


@dataclass(frozen=True)
class ValueItem:
    """What a variable's value is in some of the records: those in which other variables have these values.

    origin: type and source, as in Define-XML. sources: of a supplemental qualifier, what it is made of.
    """

    dataset: str
    variable: str
    where: tuple[tuple[str, str], ...]
    label: str
    type: str
    length: int
    digits: int
    method: str
    origin: tuple[str, str] = ("", "")
    sources: tuple[str, ...] = ()
    codelist: str = ""


def code_lists(datasets: Sequence[Dataset]) -> list[CodeList]:
    """Return the code lists of all datasets, each with the values that are delivered, ordered by name."""
    values: dict[str, set[CodedValue]] = {}
    types: dict[str, str] = {}
    for dataset in datasets:
        for variable in dataset.variables:
            for name, part in _listed(dataset, variable):
                values.setdefault(name, set()).update(_coded(part, replace(variable, codelist=name)))
                types[name] = variable.type
    return [_code_list(name, types[name], values[name]) for name in sorted(values) if values[name]]


# Variables whose code list depends on another variable: by that variable's value.
_LISTS_BY = {("DS", "DSDECOD"): ("DSCAT", {"DISPOSITION EVENT": "NCOMPLT", "PROTOCOL MILESTONE": "PROTMLST"})}


def has_several_lists(dataset: str, variable: str) -> bool:
    """Say whether the code list of a variable depends on another variable, so that it is given value by value."""
    return (dataset, variable) in _LISTS_BY


def _listed(dataset: Dataset, variable: Variable) -> Iterator[tuple[str, Dataset]]:
    """Yield the code lists of a variable, each with the records whose values are from it."""
    by, lists = _LISTS_BY.get((dataset.name, variable.name), ("", {}))
    if not lists and variable.codelist:
        yield variable.codelist, dataset
    for value, name in lists.items():
        rows = [row for row, kind in zip(dataset.rows, dataset.column(by), strict=True) if kind == value]
        if rows:
            yield name, dataset.with_rows(rows)


def _code_list(name: str, kind: str, values: Iterable[CodedValue]) -> CodeList:
    ordered, published = tuple(sorted(_one_each(values))), published_lists().get(name)
    if published is None:
        return CodeList(name, kind, ordered, dictionary=_EXTERNAL.get(name, ""))
    return CodeList(name, kind, ordered, published.nci, published.publishing_set)


def _coded(dataset: Dataset, variable: Variable) -> Iterable[CodedValue]:
    decode = _DECODES.get(variable.name, variable.name[:-2] if variable.name.endswith("TESTCD") else "")
    words = dataset.column(decode) if decode in dataset.names else (None,) * len(dataset)
    known = {
        "CPTESTCD": lambda: {term.code: term.nci for term in cp_terms().values()},
        "CPTEST": lambda: {term.name: term.nci for term in cp_terms().values()},
        "TSPARMCD": lambda: {code: parameter.nci for code, parameter in summary_parameters().items()},
        "TSPARM": lambda: {parameter.name: parameter.nci for parameter in summary_parameters().values()},
    }
    published = published_lists().get(variable.codelist)
    terms = known[variable.codelist]() if variable.codelist in known else published.terms if published else {}
    for value, word in sorted({(v, w) for v, w in zip(dataset.column(variable.name), words, strict=True)}, key=repr):
        if value is None:
            continue
        text = f"{value:g}" if isinstance(value, float) else str(value)
        is_extension = published is not None and published.extends(text)
        yield CodedValue(text, "" if word is None else str(word), terms.get(text, ""), is_extension)


def _one_each(values: Iterable[CodedValue]) -> list[CodedValue]:
    """Return one entry a value: one with words before one without."""
    best: dict[str, CodedValue] = {}
    for value in sorted(values, reverse=True):
        best.setdefault(value.value, value)
    return list(best.values())


def significant_digits(values: Iterable[Value]) -> int:
    """Return the digits behind the decimal point of the number that has the most.

    >>> significant_digits([0.25, 3, None])
    2
    """
    texts = (f"{value:.10g}" for value in values if isinstance(value, int | float))
    return max((len(text.partition(".")[2].partition("e")[0]) for text in texts), default=0)


def data_type(dataset: Dataset, variable: Variable) -> str:
    """Return Define-XML's word for a variable's type: hours and minutes without seconds are a partial time."""
    if variable.type != "datetime":
        return variable.type
    return "partialDatetime" if any(len(str(value or "")) > 10 for value in dataset.column(variable.name)) else "date"


_VALUE_LEVEL: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "CP": ("CPSTRESN", ("CPTESTCD", "CPTSTPNL", "CPSPTSTD"), "CPSPTSTD"),
    "DS": ("DSDECOD", ("DSCAT",), "DSCAT"),
    "LB": ("LBSTRESN", ("LBTESTCD",), "LBTEST"),
    "ADCP": ("AVAL", ("PARAMCD",), "PARAM"),
    "ADLB": ("AVAL", ("PARAMCD",), "PARAM"),
    "ADEFF": ("AVAL", ("PARAMCD",), "PARAM"),
}


def value_items(dataset: Dataset) -> list[ValueItem]:
    """Return what the result variable of a dataset holds, test by test; nothing for datasets of one kind of values."""
    if dataset.name.startswith("SUPP"):
        return _items(dataset, "QVAL", (("QNAM",), "QLABEL"))
    if dataset.name not in _VALUE_LEVEL:
        return []
    variable, where, label = _VALUE_LEVEL[dataset.name]
    if variable not in dataset.names:  # no record has a value
        return []
    return _items(dataset, variable, (where, label))


def _items(dataset: Dataset, variable: str, by: tuple[tuple[str, ...], str]) -> list[ValueItem]:
    where, label = by
    groups: dict[tuple[str, ...], list[dict[str, Value]]] = {}
    for record in dataset.records():
        groups.setdefault(tuple(str(record[name]) for name in where), []).append(record)
    items = []
    for key in sorted(groups):
        records = groups[key]
        values = [record[variable] for record in records]
        number = dataset.variable(variable).is_number
        about = qualifiers(dataset.name).get(key[0]) or dataset.variable(variable)
        items.append(
            ValueItem(
                dataset=dataset.name,
                variable=variable,
                where=tuple(zip(where, key, strict=True)),
                label=str(records[0][label]),
                type="float" if number else "text",
                length=8 if number else max((len(str(value)) for value in values if value is not None), default=1),
                digits=significant_digits(values),
                method=_method(dataset, variable, records[0]),
                origin=(about.origin, about.source),
                sources=about.sources if about is not dataset.variable(variable) else (),
                codelist=_LISTS_BY.get((dataset.name, variable), ("", {}))[1].get(key[0], ""),
            )
        )
    return items


def _method(whole: Dataset, variable: str, record: Mapping[str, Value]) -> str:
    dataset = whole.name
    if dataset == "CP":
        return _cp_method(record)
    if qualifier := qualifiers(dataset).get(str(record.get("QNAM"))):
        return qualifier.method
    if dataset in {"DS", "LB"}:
        return whole.variable(variable).method
    if dataset == "ADEFF":
        return _EFFICACY[str(record["PARAMCD"])]
    category = str(record["PARCAT1"])
    source = f"{record['SRCDOM']}.{record['SRCVAR']}"
    return _ANALYSIS.get(category, f"{source} of the record with sequence number SRCSEQ.")


_ANALYSIS = {
    "LOG-ODDS": "ln((n + 0.5) / (N - n + 0.5)), n being SUPPCP EVTCNT and N DENCNT of the record with number SRCSEQ.",
    "RATIO": "The percent in CP of the record with number SRCSEQ over that of the record with number SRCSEQD.",
}


_LEVELS = (
    "the confirmation rules of study.yaml (assessments: platelets) applied to LB PLAT, SUPPLB BLEED, RESCUE and CM"
)
_EFFICACY = {
    "BOR": f"2 CR, 1 R, 0 NR: {_LEVELS}.",
    "RESP": "1 if BOR is CR or R, 0 if NR.",
    "CRESP": "1 if BOR is CR, 0 if R or NR.",
    "TTR": "Days from TRTSDT to the first count of the first confirmed response; censored at the last evaluable count.",
    "DOR": "Days from that count to the first of those that confirm its loss; censored at the last evaluable count.",
    "TTCR": "Days from TRTSDT to the first count of the first confirmed CR; censored at the last evaluable count.",
    "DOCR": "Days from that count to the first of those that confirm its loss; censored at the last evaluable count.",
    "LOSS": "1 if the first confirmed response was lost, 0 if not until the last evaluable count.",
    "CLOSS": "1 if the first confirmed CR was lost, 0 if not until the last evaluable count.",
    "DURABLE": "1 if the share of counts in the window of study.yaml that are CR or R is reached, 0 if not.",
}


def _cp_method(record: Mapping[str, Value]) -> str:
    markers = str(record["CPMRKSTR"])
    if record["CPRESTYP"] == "NUMBER FRACTION":
        upper, _, lower = markers.partition("/")
        return f"100 x events {upper} / events {lower}."
    if record["CPRESTYP"] == "NUMBER CONCENTRATION":
        return (
            f"Cells {markers} a microlitre: by beads, or the lymphocyte count x events / events of the lymphocyte gate."
        )
    return f"Median of the compensated intensity: {markers}."
