"""Define-XML 2.1: what was delivered, described for machines and people; made from the datasets, so that it fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from immunomon import __version__
from immunomon.files import write_whole
from immunomon.outputs.delivery.annotated import sources_in_words
from immunomon.outputs.delivery.dataset import Dataset, Variable
from immunomon.outputs.delivery.define_values import (
    CodeList,
    ValueItem,
    code_lists,
    data_type,
    has_several_lists,
    significant_digits,
    value_items,
)
from immunomon.outputs.delivery.terminology import ADAM_TERMINOLOGY_DATE, CP_TERMINOLOGY_DATE

__all__ = ["About", "define_xml", "write_define"]

ODM = "http://www.cdisc.org/ns/odm/v1.3"
DEF = "http://www.cdisc.org/ns/def/v2.1"
XLINK = "http://www.w3.org/1999/xlink"


@dataclass(frozen=True)
class About:
    """What a Define-XML says of the study: name, title, the time it is dated with, and each dataset's file."""

    study: str
    title: str
    made: str
    files: Mapping[str, str]


def write_define(path: Path, datasets: Sequence[Dataset], about: About) -> None:
    """Write a Define-XML 2.1 of some datasets beside their files, whole or not at all."""
    write_whole(path, define_xml(datasets, about))


def define_xml(datasets: Sequence[Dataset], about: About) -> bytes:
    """Return a Define-XML 2.1 of some datasets: variables, origins, code lists, methods, value-level metadata."""
    for prefix, uri in (("", ODM), ("def", DEF), ("xlink", XLINK)):
        ET.register_namespace(prefix, uri)
    root = ET.Element(
        _odm("ODM"),
        {
            "ODMVersion": "1.3.2",
            "FileType": "Snapshot",
            "FileOID": f"DEF.{about.study}",
            "CreationDateTime": about.made,
            "Originator": "immunomon",
            "SourceSystem": "immunomon",
            "SourceSystemVersion": __version__,
            _def("Context"): "Other",
        },
    )
    study = _add(root, _odm("Study"), OID=f"STDY.{about.study}")
    names = _add(study, _odm("GlobalVariables"))
    for name, text in (("StudyName", about.study), ("StudyDescription", about.title), ("ProtocolName", about.study)):
        _add(names, _odm(name)).text = text
    version = _add(study, _odm("MetaDataVersion"), OID=f"MDV.{about.study}", Name=f"Study {about.study}")
    version.set("Description", "Data definitions of a delivery")
    version.set(_def("DefineVersion"), "2.1.0")
    _describe(version, datasets, about)
    ET.indent(root, " ")
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _describe(version: ET.Element, datasets: Sequence[Dataset], about: About) -> None:
    items = {dataset.name: value_items(dataset) for dataset in datasets}
    lists = code_lists(datasets)
    _standards(version, datasets, lists)
    for dataset in datasets:
        _value_list(version, items[dataset.name])
    for dataset in datasets:
        for number, item in enumerate(items[dataset.name], start=1):
            _where(version, item, number)
    for dataset in datasets:
        _item_group(version, dataset, about.files[dataset.name])
    known = {code_list.name for code_list in lists}
    for dataset in datasets:
        for variable in dataset.variables:
            _item(version, dataset, (variable, known, items[dataset.name]))
        for number, item in enumerate(items[dataset.name], start=1):
            _value_item(version, item, number)
    for code_list in lists:
        _code_list(version, code_list)
    for dataset in datasets:
        _methods(version, dataset, items[dataset.name])
    for dataset in datasets:
        if dataset.comment:
            _text(_add(version, _def("CommentDef"), OID=f"COM.{dataset.name}"), dataset.comment)


def _odm(name: str) -> str:
    return f"{{{ODM}}}{name}"


def _def(name: str) -> str:
    return f"{{{DEF}}}{name}"


def _add(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, tag, attributes)


def _text(parent: ET.Element, text: str, tag: str = "Description") -> None:
    translated = _add(_add(parent, _odm(tag)), _odm("TranslatedText"))
    translated.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    translated.text = text


def _standards(version: ET.Element, datasets: Sequence[Dataset], lists: Sequence[CodeList]) -> None:
    holder = _add(version, _def("Standards"))
    for standard in sorted({dataset.standard for dataset in datasets if dataset.standard}):
        name, _, number = standard.partition(" ")
        _add(holder, _def("Standard"), OID=f"STD.{name}", Name=name, Type="IG", Version=number, Status="Final")
    used = {known.publishing_set for known in lists if known.publishing_set}
    for published, date in (("SDTM", CP_TERMINOLOGY_DATE), ("ADaM", ADAM_TERMINOLOGY_DATE)):
        if published in used:
            terms = {"Name": "CDISC/NCI", "Type": "CT", "PublishingSet": published}
            _add(holder, _def("Standard"), OID=f"STD.CT.{published}", **terms, Version=date, Status="Final")


def _value_oid(item: ValueItem, number: int, kind: str) -> str:
    return f"{kind}.{item.dataset}.{item.variable}.{number}"


def _value_list(version: ET.Element, items: Sequence[ValueItem]) -> None:
    if not items:
        return
    holder = _add(version, _def("ValueListDef"), OID=f"VL.{items[0].dataset}.{items[0].variable}")
    for number, item in enumerate(items, start=1):
        reference = _add(
            holder, _odm("ItemRef"), ItemOID=_value_oid(item, number, "IT"), OrderNumber=str(number), Mandatory="No"
        )
        if item.method:
            reference.set("MethodOID", _value_oid(item, number, "MT"))
        _add(reference, _def("WhereClauseRef"), WhereClauseOID=_value_oid(item, number, "WC"))


def _where(version: ET.Element, item: ValueItem, number: int) -> None:
    clause = _add(version, _def("WhereClauseDef"), OID=_value_oid(item, number, "WC"))
    for name, value in item.where:
        check = _add(clause, _odm("RangeCheck"), Comparator="EQ", SoftHard="Soft")
        check.set(_def("ItemOID"), f"IT.{item.dataset}.{name}")
        _add(check, _odm("CheckValue")).text = value


def _item_group(version: ET.Element, dataset: Dataset, file: str) -> None:
    analysis = dataset.name.startswith("AD")
    group = _add(
        version,
        _odm("ItemGroupDef"),
        OID=f"IG.{dataset.name}",
        Name=dataset.name,
        Repeating="No" if dataset.keys == ("USUBJID",) else "Yes",
        IsReferenceData="Yes" if dataset.kind == "TRIAL DESIGN" else "No",
        SASDatasetName=dataset.name,
        Purpose="Analysis" if analysis else "Tabulation",
    )
    if not analysis:
        group.set("Domain", dataset.name.removeprefix("SUPP"))
    group.set(_def("Structure"), dataset.structure)
    group.set(_def("ArchiveLocationID"), f"LF.{dataset.name}")
    if dataset.comment:
        group.set(_def("CommentOID"), f"COM.{dataset.name}")
    if dataset.standard:
        group.set(_def("StandardOID"), f"STD.{dataset.standard.partition(' ')[0]}")
    _text(group, dataset.label)
    for number, variable in enumerate(dataset.variables, start=1):
        _item_reference(group, dataset, (variable, number))
    _add(group, _def("Class"), Name=dataset.kind)
    leaf = _add(group, _def("leaf"), ID=f"LF.{dataset.name}")
    leaf.set(f"{{{XLINK}}}href", file)
    _add(leaf, _def("title")).text = file


def _item_reference(group: ET.Element, dataset: Dataset, numbered: tuple[Variable, int]) -> None:
    variable, number = numbered
    reference = _add(
        group,
        _odm("ItemRef"),
        ItemOID=f"IT.{dataset.name}.{variable.name}",
        OrderNumber=str(number),
        Mandatory="Yes" if variable.core == "Req" and None not in dataset.column(variable.name) else "No",
    )
    if variable.name in dataset.keys:
        reference.set("KeySequence", str(dataset.keys.index(variable.name) + 1))
    if _is_derived(variable):
        reference.set("MethodOID", f"MT.{dataset.name}.{variable.name}")
    if variable.role:
        reference.set("Role", variable.role)
    if all(value is None for value in dataset.column(variable.name)):
        reference.set(_def("HasNoData"), "Yes")


def _is_derived(variable: Variable) -> bool:
    return variable.origin == "Derived" and bool(variable.method)


def _item(version: ET.Element, dataset: Dataset, about: tuple[Variable, set[str], Sequence[ValueItem]]) -> None:
    variable, known, values = about
    item = _add(
        version,
        _odm("ItemDef"),
        OID=f"IT.{dataset.name}.{variable.name}",
        Name=variable.name,
        DataType=data_type(dataset, variable),
        SASFieldName=variable.name,
    )
    if variable.type not in {"date", "datetime"}:
        item.set("Length", str(variable.length))
    if variable.type == "float":
        item.set("SignificantDigits", str(significant_digits(dataset.column(variable.name))))
    if variable.display:
        item.set(_def("DisplayFormat"), variable.display)
    _text(item, variable.label)
    if variable.codelist in known and not has_several_lists(dataset.name, variable.name):
        _add(item, _odm("CodeListRef"), CodeListOID=f"CL.{variable.codelist}")
    if variable.origin:
        origin = _add(item, _def("Origin"), Type=variable.origin)
        if variable.source:
            origin.set("Source", variable.source)
        if described := variable.method if variable.origin == "Predecessor" else sources_in_words(variable.sources):
            _text(origin, described)
    if values and variable.name == values[0].variable:
        _add(item, _def("ValueListRef"), ValueListOID=f"VL.{dataset.name}.{variable.name}")


def _value_item(version: ET.Element, item: ValueItem, number: int) -> None:
    element = _add(
        version,
        _odm("ItemDef"),
        OID=_value_oid(item, number, "IT"),
        Name=item.variable,
        DataType=item.type,
        Length=str(item.length),
    )
    if item.type == "float":
        element.set("SignificantDigits", str(item.digits))
    _text(element, item.label)
    if item.codelist:
        _add(element, _odm("CodeListRef"), CodeListOID=f"CL.{item.codelist}")
    origin = _add(element, _def("Origin"), Type=item.origin[0], Source=item.origin[1])
    if described := sources_in_words(item.sources):
        _text(origin, described)


def _code_list(version: ET.Element, code_list: CodeList) -> None:
    element = _add(version, _odm("CodeList"), OID=f"CL.{code_list.name}", Name=code_list.name)
    element.set("DataType", {"integer": "integer", "float": "float"}.get(code_list.type, "text"))
    if code_list.dictionary:
        _add(element, _odm("ExternalCodeList"), Dictionary=code_list.dictionary)
        return
    if code_list.nci:
        element.set(_def("StandardOID"), f"STD.CT.{code_list.publishing_set}")
    else:
        element.set(_def("IsNonStandard"), "Yes")
    decoded = all(value.decode for value in code_list.values)
    for number, value in enumerate(code_list.values, start=1):
        tag = "CodeListItem" if decoded else "EnumeratedItem"
        entry = _add(element, _odm(tag), CodedValue=value.value, OrderNumber=str(number))
        if value.is_extension:
            entry.set(_def("ExtendedValue"), "Yes")
        if decoded:
            _text(entry, value.decode, "Decode")
        if value.nci:
            _add(entry, _odm("Alias"), Context="nci:ExtCodeID", Name=value.nci)
    if code_list.nci:
        _add(element, _odm("Alias"), Context="nci:ExtCodeID", Name=code_list.nci)


def _methods(version: ET.Element, dataset: Dataset, items: Sequence[ValueItem]) -> None:
    methods = [
        (f"MT.{dataset.name}.{variable.name}", variable.method, variable.name)
        for variable in dataset.variables
        if _is_derived(variable)
    ]
    methods += [
        (_value_oid(item, number, "MT"), item.method, item.label)
        for number, item in enumerate(items, start=1)
        if item.method
    ]
    for oid, text, name in methods:
        method = _add(
            version, _odm("MethodDef"), OID=oid, Name=f"Algorithm for {dataset.name} {name}", Type="Computation"
        )
        _text(method, text)
