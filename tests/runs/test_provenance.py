from pathlib import Path

from immunomon.files import file_digest
from immunomon.runs.provenance import code_digest, digest_of, environment
from immunomon.study.model.study import Role, Sample


def test_equal_values_have_equal_digests_and_others_have_not():
    one, same, other = (Sample(Path("a.fcs"), "a", panel, Role.parse("sample")) for panel in ("x", "x", "y"))
    assert digest_of(one) == digest_of(same) != digest_of(other)


def test_the_order_of_a_mapping_does_not_matter_and_of_a_list_does():
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})
    assert digest_of([1, 2]) != digest_of([2, 1])


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_environment_names_versions_and_code():
    facts = environment()
    assert facts["software"]["code_digest"] == code_digest()
    assert facts["libraries"]["numpy"]
