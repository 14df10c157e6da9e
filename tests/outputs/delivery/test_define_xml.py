"""Define-XML: valid by CDISC's schema, and of what was delivered."""

from pathlib import Path
from xml.etree import ElementTree as ET

import odmlib
import pytest
import xmlschema

from immunomon.outputs.delivery.define_xml import About, define_xml

ODM = "{http://www.cdisc.org/ns/odm/v1.3}"
DEF = "{http://www.cdisc.org/ns/def/v2.1}"
PARTS = ("sdtm", "adam")


@pytest.fixture(scope="module")
def schema():
    return xmlschema.XMLSchema(str(Path(odmlib.__file__).parent / "schemas/define/2.1/define2-1-0.xsd"))


@pytest.fixture(scope="module", params=PARTS)
def described(request, delivered, received):
    """Return a delivered define.xml, and the datasets that lie beside it."""
    folder = delivered("adam") / request.param
    beside = {path.stem.upper() for path in folder.glob("*.xpt")}
    return folder / "define.xml", {name: one for name, one in received("adam").items() if name in beside}


def all_of(path, name):
    return ET.parse(path).getroot().findall(f".//{ODM}MetaDataVersion/{name}")


def test_it_is_valid_by_the_schema_of_cdisc(schema, described):
    assert [error.reason for error in schema.iter_errors(str(described[0]))] == []


def test_it_describes_every_dataset_variable_and_length_that_was_delivered_and_no_other(described):
    path, datasets = described
    items = {one.get("OID"): one for one in all_of(path, f"{ODM}ItemDef")}
    groups = {one.get("Name"): one for one in all_of(path, f"{ODM}ItemGroupDef")}
    assert set(groups) == set(datasets)
    for name, dataset in datasets.items():
        found = [items[one.get("ItemOID")] for one in groups[name].findall(f"{ODM}ItemRef")]
        assert tuple(one.get("Name") for one in found) == dataset.names
        for item, variable in zip(found, dataset.variables, strict=True):
            longest = max((len(str(v)) for v in dataset.column(variable.name) if v is not None), default=1)
            if item.get("DataType") == "text":
                assert int(item.get("Length")) == longest, f"{name}.{variable.name}"
            assert item.find(f"{DEF}Origin") is not None, f"{name}.{variable.name} has no origin"


def test_every_reference_leads_somewhere(described):
    path, _ = described
    root = ET.parse(path).getroot()
    defined = {element.get("OID") for element in root.iter() if element.get("OID")}
    for element in root.iter():
        for name in ("ItemOID", "MethodOID", "CodeListOID", "ValueListOID", "WhereClauseOID", f"{DEF}ItemOID"):
            if element.get(name) and element.tag != f"{ODM}ItemDef":
                assert element.get(name) in defined, f"{element.tag} {name}"
    files = {leaf.get("{http://www.w3.org/1999/xlink}href") for leaf in root.iter(f"{DEF}leaf")}
    assert files == {file.name for file in path.parent.glob("*.xpt")}


def test_code_lists_hold_the_values_delivered_and_no_other(described):
    path, datasets = described
    lists = {
        one.get("Name"): {entry.get("CodedValue") for entry in one} - {None}
        for one in all_of(path, f"{ODM}CodeList")
        if one.find(f"{ODM}ExternalCodeList") is None
    }
    delivered_values: dict[str, set[str]] = {}
    for dataset in datasets.values():
        for variable in dataset.variables:
            if variable.codelist:
                values = {v for v in dataset.column(variable.name) if v is not None}
                texts = {f"{v:g}" if isinstance(v, float) else str(v) for v in values}
                delivered_values.setdefault(variable.codelist, set()).update(texts)
    if "DS" in datasets:  # its terms are of one list or the other, by their category
        terms = dict(zip(datasets["DS"].column("DSDECOD"), datasets["DS"].column("DSCAT"), strict=True))
        for name, category in (("NCOMPLT", "DISPOSITION EVENT"), ("PROTMLST", "PROTOCOL MILESTONE")):
            delivered_values[name] = {term for term, kind in terms.items() if kind == category}
    assert {name: values for name, values in delivered_values.items() if values and name != "COUNTRY"} == lists


def test_each_test_has_its_own_value_level_item_with_a_method(delivered, received):
    path = delivered("adam") / "sdtm" / "define.xml"
    tests = {(row["CPTESTCD"], row["CPSPTSTD"]) for row in received("adam")["CP"].records()}
    clauses = [one for one in all_of(path, f"{DEF}WhereClauseDef") if one.get("OID").startswith("WC.CP.")]
    found = {tuple(check.find(f"{ODM}CheckValue").text for check in clause) for clause in clauses}
    assert {(code, text) for code, _, text in found} == tests


def test_odmlib_reads_it(described):
    from odmlib import define_loader, loader

    reader = loader.ODMLoader(define_loader.XMLDefineLoader(model_package="define_2_1", ns_uri=DEF.strip("{}")))
    reader.open_odm_document(str(described[0]))
    version = reader.MetaDataVersion()
    assert {group.Name for group in version.ItemGroupDef} == set(described[1])


def test_the_same_data_give_the_same_bytes(sdtm):
    about = About("DEMO", "Demo", "2025-01-13T10:11:12", {one.name: f"{one.name}.xpt" for one in sdtm.datasets})
    assert define_xml(sdtm.datasets, about) == define_xml(sdtm.datasets, about)


OWN = {
    *("AEREL", "ARM", "ARMCD", "CMCAT", "CPCAT", "DSSCAT", "ELEMENT", "ETCD", "IETESTCD", "NULLFLAVOR", "PARTY"),
    *("PCTEST", "PCTESTCD", "TOXGR", "VISIT", "VISITNUM"),
}


def test_the_lists_of_cdisc_carry_their_codes_and_only_the_studys_own_are_non_standard(described):
    path, _ = described
    lists = {one.get("Name"): one for one in all_of(path, f"{ODM}CodeList")}
    own = {name for name, one in lists.items() if one.get(f"{DEF}IsNonStandard") == "Yes"}
    assert own == {name for name in lists if name in OWN or name.startswith(("QNAM_", "PARAM_", "PARAMCD_"))}
    standards = {one.get("OID"): one.attrib for one in all_of(path, f"{DEF}Standards/{DEF}Standard")}
    for name in set(lists) - own - {"COUNTRY"}:
        assert standards[lists[name].get(f"{DEF}StandardOID")]["Type"] == "CT"
        assert lists[name].findall(f"{ODM}Alias")[-1].get("Name").startswith("C")
    country = lists.get("COUNTRY")
    assert country is None or country.find(f"{ODM}ExternalCodeList").get("Dictionary") == "ISO 3166-1 alpha-3"


def test_terms_that_the_study_adds_to_a_list_of_cdisc_are_marked(delivered):
    lists = {one.get("Name"): one for one in all_of(delivered("adam") / "sdtm" / "define.xml", f"{ODM}CodeList")}

    def marked(name):
        return {
            one.get("CodedValue"): one.get(f"{DEF}ExtendedValue") == "Yes"
            for one in lists[name]
            if "CodedValue" in one.attrib
        }

    units = {"%": False, "10^6 CELLS/kg": True, "10^6/L": False, "10^9/L": False, "MdFI": False}
    assert marked("UNIT") == units | {"g/L": False, "ng/L": False, "ug/L": False}
    assert marked("PKUNIT") == {"cells/mL": True}
    assert not any(marked("NY").values())
    codes = {
        one.get("CodedValue"): one.find(f"{ODM}Alias").get("Name")
        for one in lists["NY"].findall(f"{ODM}EnumeratedItem")
    }
    assert codes == {"N": "C49487", "Y": "C49488"}
