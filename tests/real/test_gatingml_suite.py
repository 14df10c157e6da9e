"""ISAC's compliance suite of Gating-ML 2.0: 47 documents, one FCS file, the members of 51 gates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from immunomon.cli.gate import gate_with_strategy
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.gatingml import read_gatingml
from immunomon.cytometry.formats.gatingml_writing import write_gatingml
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.cytometry.formats.spillover import spillover_of
from immunomon.cytometry.steps.apply import apply_gates

pytestmark = pytest.mark.real_data

# The suite calls this gate by another name in its document than in its results.
RENAMED = {("gml_parent_quadrant_rect_gate", "ParRectangle1"): "ParQuadRect"}
WITHOUT_TRUTH = {"myEllipse2"}


@pytest.fixture(scope="module")
def suite(real_data) -> Path:
    return real_data / "gatingml"


@pytest.fixture(scope="module")
def truths(suite) -> dict[str, np.ndarray]:
    files = sorted((suite / "truth").glob("Results_*.txt"))
    found = {path.stem.removeprefix("Results_"): np.loadtxt(path, dtype=bool) for path in files}
    assert len(found) == 51
    return found


def test_every_gate_of_the_suite_holds_the_events_that_it_should(suite, truths):
    header, raw = read_fcs(suite / "data1.fcs")
    documents = sorted((suite / "gml").glob("*.xml"))
    assert len(documents) == 47
    compared = set()
    for document in documents:
        placed = read_gatingml(document)
        tree = apply_gates(raw, placed, spillover_of(header))
        for name in placed.ids:
            if name in WITHOUT_TRUTH:
                continue
            truth = RENAMED.get((document.stem, name), name)
            np.testing.assert_array_equal(tree.memberships[name], truths[truth], err_msg=f"{document.name}: {name}")
            compared.add(truth)
    assert compared == set(truths)


def test_the_ellipse_without_truth_holds_the_events_that_flowkit_finds(suite):
    import flowkit as fk

    document = suite / "gml" / "gml_ellipse2_gate.xml"
    header, raw = read_fcs(suite / "data1.fcs")
    ours = apply_gates(raw, read_gatingml(document), spillover_of(header)).memberships["myEllipse2"]
    theirs = fk.parse_gating_xml(str(document)).gate_sample(fk.Sample(suite / "data1.fcs"))
    np.testing.assert_array_equal(ours, theirs.get_gate_membership("myEllipse2"))


def test_the_suite_survives_being_written_and_read_again(suite, tmp_path):
    for document in sorted((suite / "gml").glob("*.xml")):
        placed = read_gatingml(document)
        again = tmp_path / document.name
        again.write_bytes(write_gatingml(placed))
        assert read_gatingml(again) == placed, document.name


def test_the_command_gates_with_a_gatingml_document(suite, truths, tmp_path):
    document = suite / "gml" / "gml_all_gates.xml"
    status = gate_with_strategy(
        str(document),
        [suite / "data1.fcs"],
        panel=None,
        out=tmp_path / "counts.csv",
        memberships=tmp_path / "members",
        compensation="file",
        jobs=1,
    )
    assert status == 0
    members = read_memberships(tmp_path / "members" / "data1.npz")
    assert {path.rsplit("/", 1)[-1] for path in members} == set(truths) - {"ParQuadRect", "Ellipsoid3D"}
    for path, mask in members.items():
        np.testing.assert_array_equal(mask, truths[path.rsplit("/", 1)[-1]], err_msg=path)
    lines = (tmp_path / "counts.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(members)
