import tracemalloc

import pytest

from immunomon.cytometry.formats import xmltree
from immunomon.cytometry.formats.xmltree import read_xml, root_tag
from immunomon.errors import BadSpec


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


def test_more_elements_than_a_workspace_has_are_refused_before_they_fill_the_memory(tmp_path):
    """Forty megabytes of `<a/>` are ten million elements."""
    path = tmp_path / "a.wsp"
    path.write_bytes(b"<r>" + b"<a/>" * 10_000_000 + b"</r>")
    tracemalloc.start()
    with pytest.raises(BadSpec, match="line 1: it has more than 1,000 elements"):
        read_limited(path, _MOST_ELEMENTS=1_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000_000  # the file itself takes 40


def read_limited(path, **limits):
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in limits.items():
            patch.setattr(xmltree, name, limit)
        return read_xml(path)


def test_the_limits_let_the_largest_workspace_pass_that_may_be_read(tmp_path):
    """A spectral workspace has an element in 87 bytes and an attribute in 42; 256 MB may be read."""
    largest = xmltree._LARGEST
    assert largest / 87 < xmltree._MOST_ELEMENTS * 1.1
    assert largest / 42 < xmltree._MOST_ATTRIBUTES


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<r " + b" ".join(b'a%d=""' % number for number in range(1_001)) + b"/>", "1,000 attributes in one element"),
        (b"<r>" + b"".join(b"<a%d/>" % number for number in range(50_001)) + b"</r>", "50,000 different names"),
        (b"<" + b"r" * 1_001 + b"/>", "a name.*too long|one that is too long"),
        (b'<r xmlns="' + b"u" * 1_001 + b'"/>', "declares more than 200 namespaces, or one that is too long"),
        (b'<p:r xmlns:p="' + b"u" * 100_000 + b'" p:a="" p:b=""/>', "namespaces, or one that is too long"),
        (b"<r " + b" ".join(b'xmlns:p%d="u"' % number for number in range(201)) + b"/>", "more than 200 namespaces"),
        (b"<r><!--" + b"x" * 6_000_000 + b"--></r>", "a tag or comment of more than 4,194,304 bytes"),
        (b'<r a="' + b"x" * 6_000_000 + b'"/>', "a tag or comment of more than 4,194,304 bytes"),
        (b"<r>" * 501, "more than 500 deep"),
        (b'<r p:a=""/>', "the prefix 'p' of an element or attribute is not declared"),
        (b"<p:r/>", "the prefix 'p' of an element or attribute is not declared"),
    ],
)
def test_what_grows_in_other_ways_is_refused(tmp_path, content, said):
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    with pytest.raises(BadSpec, match=said):
        read_xml(path)


def test_a_refusal_names_the_line_it_is_about(tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes(b"<r>\n<p:a/>\n" + b"<b/>\n" * 1_000 + b"</r>")
    with pytest.raises(BadSpec, match="line 2: the prefix"):
        read_xml(path)


def test_names_without_a_prefix_stand_in_the_default_namespace_and_attributes_in_none(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text('<a xmlns="urn:n" b="1"><c xmlns="" xml:lang="de"/><d/></a>', encoding="utf-8")
    root = read_xml(path)
    assert (root.namespace, dict(root.attributes)) == ("urn:n", {"b": "1"})
    assert [child.namespace for child in root.children] == ["", "urn:n"]
    assert root.children[0].attributes == {"http://www.w3.org/XML/1998/namespace}lang": "de"}
