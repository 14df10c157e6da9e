"""Spoiled workspaces are read or refused with our own error, whatever stands in them."""

import re
from contextlib import suppress

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fcs_files import write_fcs
from support.kaluza import analysis_xml, boolean, compensation, entry, measurement, shape, write_analysis
from support.workspaces import (
    diva_experiment,
    diva_gate,
    diva_region,
    flowjo9_boolean,
    flowjo9_matrix,
    flowjo9_population,
    flowjo9_sample,
    flowjo9_shape,
    flowjo9_table,
    flowjo9_workspace,
    flowjo_sample,
    flowjo_workspace,
    polygon_xml,
    population,
    rectangle_xml,
)

from immunomon.cytometry.formats.workspaces import read_workspace
from immunomon.errors import BadSpec

SQUARE = {"A": {"A": 1, "B": 0}, "B": {"A": 0, "B": 1}}
ELLIPSE = (
    '<gating:EllipsoidGate><gating:dimension><data-type:fcs-dimension data-type:name="A"/></gating:dimension>'
    '<gating:dimension><data-type:fcs-dimension data-type:name="B"/></gating:dimension>{}</gating:EllipsoidGate>'
).format(
    "".join(
        f"<gating:{name}>"
        + "".join(
            f'<gating:vertex><gating:coordinate data-type:value="{x}"/><gating:coordinate data-type:value="{y}"/>'
            "</gating:vertex>"
            for x, y in points
        )
        + f"</gating:{name}>"
        for name, points in (("foci", [(90, 99), (110, 99)]), ("edge", [(80, 99), (120, 99), (100, 82), (100, 116)]))
    )
)
DOCUMENTS = [
    flowjo_workspace(
        flowjo_sample(
            population("e", ELLIPSE, population("p", polygon_xml("A", "B", [(0, 0), (9, 0), (0, 9)]))),
            population("r", rectangle_xml(**{"A": (1, 2), "Comp-B": (3, 4)})),
            '<AndNode name="both"><Dependents><Dependent name="e"/><Dependent name="r"/></Dependents></AndNode>',
            matrix=SQUARE,
            scales={
                "A": '<transforms:biex transforms:maxRange="1000" transforms:neg="0" transforms:width="-10" '
                'transforms:pos="3">',
                "B": '<transforms:log transforms:offset="10" transforms:decades="4">',
                "Comp-B": '<transforms:logicle transforms:T="1000" transforms:W="0.5" transforms:M="4">',
            },
        ),
        groups={"Blood": population("r", rectangle_xml(A=(1, 2)))},
    ),
    flowjo9_workspace(
        flowjo9_population("c", flowjo9_shape("Polygon", "A", "B", [(0, 0), (1, 0), (0, 1)])),
        flowjo9_boolean("m", "G0 & !G1", ["c", "c"]),
        matrix=SQUARE,
        parameters='<Parameter name="A" log="1" range="1024"/>',
    ),
    diva_experiment(
        diva_gate("All Events\\P1", diva_region("RECTANGLE", "A", "B", [(1, 2), (3, 4)]), num_events=7),
        diva_gate(
            "All Events\\P1\\h",
            diva_region("INTERVAL", "A", None, [(2048, 0), (4096, 0)]),
            is_x_parameter_scaled="true",
            x_parameter_scale_value=162,
        ),
        diva_gate("All Events\\b", kind="AND_Classifier", inputs=["All Events\\P1"]),
        weights={"A": [1, 0], "B": [0, 1]},
    ),
]
RISING = [float(step**3) for step in range(-8, 9)]
DOCUMENTS += [
    flowjo9_workspace(
        samples=flowjo9_sample(
            flowjo9_population("e", flowjo9_shape("Ellipse", "&lt;A&gt;", "B", [(1, 5), (9, 5), (5, 1), (5, 9)])),
            flowjo9_population("r", flowjo9_shape("PolyRect", "&lt;A&gt;", "B", [(1, 5), (9, 7)])),
            flowjo9_boolean("m", "!(G0 | G1)", ["e", "/r"]),
            compensation=1,
            parameters='<Parameter name="A" log="1" range="4096" calibrationIndex="1" decades="4" lowValue="1"/>'
            '<Parameter name="B" log="0" range="4096" highValue="262144" gain="0.015625"/>',
        ),
        matrices=flowjo9_matrix("M", SQUARE),
        tables=flowjo9_table("M <A>", RISING),
        groups='<GroupNode name="g"><Group groupID="1"><SampleRefs><SampleRef sampleID="1"/></SampleRefs></Group>'
        '<Population name="c" count="1"/></GroupNode>',
    ),
    diva_experiment(
        worksheets={
            "W1": diva_gate("All Events\\P1", diva_region("POLYGON", "A", "B", [(1, 2), (3, 4), (5, 1)]))
            + diva_gate("All Events\\P1\\rest", kind="RestOf_Classifier", inputs=["All Events\\P1"]),
            "W2": diva_gate("All Events\\Q", diva_region("INTERVAL", "A", None, [(1, 0), (2, 0)]), "SnapTo_Classifier"),
        },
        points_to="W1",
        weights={"A": [1, 0], "B": [0, 1]},
    ),
]
ROUND = "<Coefficients><C>9</C><C>9</C></Coefficients>"
KALUZA = analysis_xml(
    entry(
        shape("P", "p", [("FL1 INT", "C"), ("FL2 INT", "O")], [(1, 2), (900, 20), (400, 800)]),
        shape("R", "r", [("FL1 INT", "I"), ("FL2 INT", "O")], [(1, 2), (900, 20)], parent="p"),
        shape("Q", "q", [("FL1 INT", "C"), ("FL2 INT", "C")], [(400, 300)]),
        shape(
            "E",
            "e",
            [("FL1 INT", "I"), ("FL2 INT", "I")],
            [(400, 300)],
            "q++",
            "<Coefficients><C>9</C><C>9</C></Coefficients>",
        ),
        shape("L", "l", [("FL2 INT", "O")], [(1, 0), (500, 0)]),
        boolean("b", '"p" AND NOT ("l" OR "r")'),
        measurements=measurement("FL1 INT", "FL1") + measurement("FL2 INT", "FL2"),
        spill=compensation(["FL1", "FL2"], {("FL1", "FL2"): 0.1}),
        keywords={"$TOT": "4", "$FIL": "a"},
        constraints='<HistogramDivider LG="l" RG="l"/>',
    )
)
VALUES = ["", "0", "-1", "-5e9", "1e29", "1e308", "1e999", "nan", "inf", "x", "A", "B", "1_0", "9" * 40, "²"]
CHANGES = st.lists(st.tuples(st.integers(0, 999), st.sampled_from([*VALUES, None])), min_size=1, max_size=4)


@settings(max_examples=300)
@given(st.sampled_from(DOCUMENTS), CHANGES, st.booleans())
def test_spoiled_workspaces_are_read_or_refused(tmp_path_factory, text, changes, bins):
    text = _spoiled(text, changes)
    path = tmp_path_factory.mktemp("w") / "w.wsp"
    path.write_text(text, encoding="utf-8")
    with suppress(BadSpec):
        workspace = read_workspace(path, bins=bins)
        assert all(set(sample.order) <= set(sample.placed.ids) for sample in workspace.samples)


@settings(max_examples=200)
@given(CHANGES)
def test_spoiled_analyses_are_read_or_refused(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("k")
    data = write_fcs(folder / "a.fcs", np.ones((4, 2)), ("FL1 INT", "FL2 INT")).read_bytes()
    path = write_analysis(folder / "k.analysis", _spoiled(KALUZA, changes), {"000000.fcs": data})
    with suppress(BadSpec):
        workspace = read_workspace(path)
        assert all(set(sample.order) <= set(sample.placed.ids) for sample in workspace.samples)


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=4), st.integers(0, 100_000), st.booleans())
def test_damaged_archives_are_read_or_refused(tmp_path_factory, bytes_there, place, cut):
    folder = tmp_path_factory.mktemp("k")
    data = write_fcs(folder / "a.fcs", np.ones((4, 2)), ("FL1 INT", "FL2 INT")).read_bytes()
    whole = write_analysis(folder / "k.analysis", KALUZA, {"000000.fcs": data}).read_bytes()
    at = place % len(whole)
    spoiled = whole[:at] if cut else whole[:at] + bytes_there + whole[at + len(bytes_there) :]
    (folder / "k.analysis").write_bytes(spoiled)
    with suppress(BadSpec):
        read_workspace(folder / "k.analysis")


def _spoiled(text, changes):
    for place, value in changes:
        if value is None:  # an element without content is taken out
            elements = list(re.finditer(r"<[^<>?]+/>", text))
            start, end = elements[place % len(elements)].span() if elements else (0, 0)
            text = text[:start] + text[end:]
        else:
            spots = list(re.finditer(r'="([^"]*)"|>([-0-9.]+)<', text))
            spot = spots[place % len(spots)]
            start, end = spot.span(1) if spot.group(1) is not None else spot.span(2)
            text = text[:start] + value + text[end:]
    return text
