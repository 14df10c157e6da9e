import pytest

from immunomon.errors import BadSpec
from immunomon.io.xmltree import read_xml, root_tag


def test_elements_have_namespace_attributes_text_and_line(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text('<a xmlns:n="urn:n">\n <n:b n:x="1" y="2"> text </n:b>\n</a>', encoding="utf-8")
    b = read_xml(path).children[0]
    assert (b.namespace, b.name, b.text, b.line) == ("urn:n", "b", "text", 2)
    assert (b.get("x", "urn:n"), b.get("y", "urn:n"), b.get("x")) == ("1", "2", None)
    assert root_tag(path) == ("", "a")


def test_text_in_utf16_is_read(tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes('<?xml version="1.0" encoding="UTF-16"?><a>µ</a>'.encode("utf-16"))
    assert read_xml(path).text == "µ"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not well-formed XML"),
        (b"<a>", "line 1: not well-formed XML"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "a.xml"),
        (b'<!DOCTYPE a SYSTEM "http://example.org/a.dtd"><a/>', "another file, which is not fetched"),
        (b'<!DOCTYPE a PUBLIC "p" "a.dtd" [<!ENTITY b "c">]><a/>', "another file, which is not fetched"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares the entity 'b'"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "/etc/hostname">]><a>&b;</a>', "declares the entity 'b'"),
        (b'<!DOCTYPE a [<!ENTITY % b "c">]><a/>', "declares the entity 'b'"),
        (b'<!DOCTYPE a [<!NOTATION n SYSTEM "n"><!ENTITY b SYSTEM "b" NDATA n>]><a/>', "declares the entity 'b'"),
        (b"<!DOCTYPE a [%b;]><a>&c;</a>", "uses the entity 'c'"),
        (b'<!DOCTYPE a [<!ATTLIST a b CDATA "long">]><a/>', "declares a value for 'b'"),
        (b"<a>&lol;</a>", "not well-formed XML"),
    ],
)
def test_what_is_no_safe_xml_is_refused(tmp_path, content, said):
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    with pytest.raises(BadSpec, match=said):
        read_xml(path)


@pytest.mark.parametrize("doctype", [b"<!DOCTYPE Workspace>", b"<!DOCTYPE a [<!ELEMENT a ANY>]>", b"<!DOCTYPE a []>"])
def test_a_document_type_without_entities_is_passed_over(tmp_path, doctype):
    path = tmp_path / "a.xml"
    path.write_bytes(b'<?xml version="1.0" encoding="ISO-8859-1"?>' + doctype + b"<a>\xb5</a>")
    assert read_xml(path).text == "µ"
    assert root_tag(path) == ("", "a")


def test_a_file_beyond_the_limit_is_not_read(tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes(b"<a>" + b" " * 100 + b"</a>")
    with pytest.raises(BadSpec, match="more than 50 bytes"):
        read_xml(path, largest=50)


def test_a_file_that_is_no_xml_has_no_root(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("schema: immunomon.strategy/1\n", encoding="utf-8")
    assert root_tag(path) is None
