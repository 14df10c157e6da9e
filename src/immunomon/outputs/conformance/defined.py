"""What a Define-XML says, read as it stands: datasets, variables, code lists, methods, values; nothing resolved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from immunomon.cytometry.formats.xmltree import XmlElement

__all__ = ["CodeList", "Condition", "Define", "Group", "Item", "Reference", "define_of"]

_DEF = "http://www.cdisc.org/ns/def/v2.1"
_XLINK = "http://www.w3.org/1999/xlink"


@dataclass(frozen=True)
class Reference:
    """An ItemRef: where it points, whether a value is demanded, its place in the key, its method and where clauses."""

    item: str
    mandatory: bool = False
    key: str = ""
    method: str = ""
    where: tuple[str, ...] = ()
    no_data: bool = False


@dataclass(frozen=True)
class Item:
    """An ItemDef; length and digits are as written, None if not whole numbers."""

    oid: str
    name: str
    type: str
    length: int | None = None
    digits: int | None = None
    label: str = ""
    code_list: str = ""
    value_list: str = ""
    origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """An ItemGroupDef: a dataset with its variables and its file."""

    oid: str
    name: str
    label: str
    references: tuple[Reference, ...]
    file: str = ""
    standard: str = ""
    non_standard: bool = False
    structure: str = ""
    kind: str = ""
    domain: str = ""


@dataclass(frozen=True)
class CodeList:
    """A CodeList with its values; external if it names a dictionary instead."""

    oid: str
    name: str
    type: str
    values: tuple[str, ...]
    external: bool = False
    standard: str = ""
    non_standard: bool = False


@dataclass(frozen=True)
class Condition:
    """A RangeCheck of a where clause: which item is compared, how, with what."""

    item: str
    comparator: str
    values: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Define:
    """A Define-XML: the folder it lies in, and all that it defines."""

    file: str
    study: str
    version: str
    groups: tuple[Group, ...]
    items: tuple[Item, ...]
    code_lists: tuple[CodeList, ...]
    methods: tuple[tuple[str, str], ...]
    value_lists: tuple[tuple[str, tuple[Reference, ...]], ...]
    wheres: tuple[tuple[str, tuple[Condition, ...]], ...]
    standards: tuple[str, ...] = ()
    has_standards_without_version: bool = field(default=False)

    @property
    def part(self) -> str:
        """The folder of its file, as of ``Table.part``."""
        return self.file.rpartition("/")[0]

    def item(self, oid: str) -> Item | None:
        """Return an item by OID."""
        return next((item for item in self.items if item.oid == oid), None)

    def oids(self) -> Iterator[str]:
        """Yield every OID that is defined."""
        for ones in (self.groups, self.items, self.code_lists):
            yield from (element.oid for element in ones)
        for pairs in (self.methods, self.value_lists, self.wheres):
            yield from (oid for oid, _ in pairs)
        yield from self.standards


def define_of(root: XmlElement, file: str) -> Define | None:
    """Return what a document says, or None if it has no study with data definitions."""
    study = root.first("Study")
    version = study.first("MetaDataVersion") if study is not None else None
    if study is None or version is None:
        return None
    names = study.first("GlobalVariables")
    name = names.first("StudyName") if names is not None else None
    standards = _first(version, "Standards")
    listed = list(standards.all("Standard")) if standards is not None else []
    return Define(
        file=file,
        study=name.text if name is not None else "",
        version=version.get("DefineVersion", _DEF) or "",
        groups=tuple(map(_group, version.all("ItemGroupDef"))),
        items=tuple(map(_item, version.all("ItemDef"))),
        code_lists=tuple(map(_code_list, version.all("CodeList"))),
        methods=tuple((element.get("OID") or "", _words(element)) for element in version.all("MethodDef")),
        value_lists=tuple(
            (element.get("OID") or "", tuple(map(_reference, element.all("ItemRef"))))
            for element in version.all("ValueListDef")
        ),
        wheres=tuple(
            (element.get("OID") or "", tuple(map(_condition, element.all("RangeCheck"))))
            for element in version.all("WhereClauseDef")
        ),
        standards=tuple(standard.get("OID") or "" for standard in listed),
        has_standards_without_version=any(not standard.get("Version") for standard in listed),
    )


def _group(element: XmlElement) -> Group:
    leaf, kind = element.first("leaf"), element.first("Class")
    return Group(
        oid=element.get("OID") or "",
        name=element.get("Name") or "",
        label=_words(element),
        references=tuple(map(_reference, element.all("ItemRef"))),
        file=(leaf.get("href", _XLINK) or "") if leaf is not None else "",
        standard=element.get("StandardOID", _DEF) or "",
        non_standard=element.get("IsNonStandard", _DEF) == "Yes",
        structure=element.get("Structure", _DEF) or "",
        kind=(kind.get("Name") or "") if kind is not None else "",
        domain=element.get("Domain") or "",
    )


def _reference(element: XmlElement) -> Reference:
    return Reference(
        item=element.get("ItemOID") or "",
        mandatory=element.get("Mandatory") == "Yes",
        key=element.get("KeySequence") or "",
        method=element.get("MethodOID") or "",
        where=tuple(element.get("WhereClauseOID") or "" for element in element.all("WhereClauseRef")),
        no_data=element.get("HasNoData", _DEF) == "Yes",
    )


def _item(element: XmlElement) -> Item:
    listed, values = element.first("CodeListRef"), element.first("ValueListRef")
    return Item(
        oid=element.get("OID") or "",
        name=element.get("Name") or "",
        type=element.get("DataType") or "",
        length=_whole(element.get("Length")),
        digits=_whole(element.get("SignificantDigits")),
        label=_words(element),
        code_list=(listed.get("CodeListOID") or "") if listed is not None else "",
        value_list=(values.get("ValueListOID") or "") if values is not None else "",
        origins=tuple(element.get("Type") or "" for element in element.all("Origin")),
    )


def _code_list(element: XmlElement) -> CodeList:
    entries = [element for element in element.children if element.name in {"CodeListItem", "EnumeratedItem"}]
    return CodeList(
        oid=element.get("OID") or "",
        name=element.get("Name") or "",
        type=element.get("DataType") or "",
        values=tuple(entry.get("CodedValue") or "" for entry in entries),
        external=element.first("ExternalCodeList") is not None,
        standard=element.get("StandardOID", _DEF) or "",
        non_standard=element.get("IsNonStandard", _DEF) == "Yes",
    )


def _condition(element: XmlElement) -> Condition:
    return Condition(
        item=element.get("ItemOID", _DEF) or "",
        comparator=element.get("Comparator") or "",
        values=tuple(element.text for element in element.all("CheckValue")),
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _words(element: XmlElement) -> str:
    text = _first(element, "Description")
    translated = text.first("TranslatedText") if text is not None else None
    return translated.text if translated is not None else ""


def _first(element: XmlElement, name: str) -> XmlElement | None:
    return element.first(name)
