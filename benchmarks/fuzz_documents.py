"""Documents that are right, and ways to spoil them: what ``fuzz.py`` tries besides FCS files.

Workspaces of FlowJo 9, 10 and 11 and FACSDiva, Gating-ML, matrices as CSV and as a keyword, lists of samples. A spoiled
document is read and, if it holds gates, applied to a small file; whatever is wrong must be refused with our own error.
"""

from __future__ import annotations

import io
import json
import random
import re
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from immunomon.cytometry.formats.flowjo_writing import write_flowjo
from immunomon.cytometry.formats.gatingml import read_gatingml
from immunomon.cytometry.formats.gatingml_writing import write_gatingml
from immunomon.cytometry.formats.matrix_csv import read_matrix_csv
from immunomon.cytometry.formats.spillover import parse_spillover
from immunomon.cytometry.formats.workspaces import read_workspace
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Ellipse, Interval, Polygon, Rectangle
from immunomon.cytometry.model.placed import GateAxis, PlacedStrategy, WorkspaceSample
from immunomon.cytometry.model.scales import Asinh, Logicle
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.errors import BadSpillover
from immunomon.runs.files import gate_files
from immunomon.runs.workspaces import gate_with_workspace
from immunomon.study.model.channels import Channel
from immunomon.study.specs.samples import load_samples

WORDS = [
    "",
    " ",
    "-1",
    "0",
    "1e999",
    "-1e29",
    "nan",
    "inf",
    "x",
    "A",
    "Comp-A",
    "½",
    "²",
    "9" * 40,
    "\u202e",
    "a" * 300,
]
SAMPLE = "a.fcs"


def _placed() -> PlacedStrategy:
    gates = {
        "cells": Rectangle((Interval("x", 0.1, 0.9), Interval("size", 100.0, 900.0))),
        "corner": Polygon("x", "y", ((0.0, 0.0), (1.0, 0.1), (0.5, 0.9))),
        "high": Interval("y", low=0.4),
        "rest": Boolean("not", ("high",)),
    }
    gates["round"] = Ellipse("x", "y", (0.5, 0.5), ((0.04, 0.01), (0.01, 0.02)))
    axes = {
        "x": GateAxis("A", "m", Logicle()),
        "y": GateAxis("B", "m", Asinh(262144, 4, 0.5)),
        "size": GateAxis("FSC-A"),
    }
    populations = tuple(
        PlacedPopulation(name, name, "root", f"/{name}", gate.kind, gate) for name, gate in gates.items()
    )
    return PlacedStrategy("s", axes, populations, {"m": SpectrumMatrix("AB", "AB", ((1.0, 0.2), (0.05, 1.0)))})


def _flowjo10() -> bytes:
    placed = _placed()
    sample = WorkspaceSample("1", SAMPLE, f"file:/C:/data/{SAMPLE}", placed, placed.ids, {}, 50, {"$TOT": "50"})
    document = write_flowjo([sample]).decode("utf-8")
    time = (
        '<transforms:linear transforms:minRange="0" transforms:maxRange="93" gain="0.0103">'
        '<data-type:parameter data-type:name="Time"/></transforms:linear></Transformations>'
    )
    return document.replace("</Transformations>", time).replace('name="FSC-A"', 'name="Time"', 1).encode()


def _flowjo9() -> bytes:
    corners = "".join(f'<Vertex x="{x}" y="{y}"/>' for x, y in ((1, 2), (300, 4), (20, 500)))
    shape = f'<Polygon xAxisName="&lt;A&gt;" yAxisName="&lt;B&gt;"><Polygon>{corners}</Polygon></Polygon>'
    row = '<ChannelValue name="A" value="1"/><ChannelValue name="B" value="0"/>'
    matrix = f'<Channel name="A">{row}</Channel><Channel name="B"><ChannelValue name="B" value="1"/></Channel>'
    table = ",".join(f"{step},{step * 4}" for step in range(0, 257))
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE Workspace><Workspace version="2.0">'
        f'<CompensationMatrices><CompensationMatrix name="m" prefix="&lt;" suffix="&gt;">{matrix}</CompensationMatrix>'
        f'</CompensationMatrices><CalibrationTables><Table name="m A">{table}</Table></CalibrationTables><SampleList>'
        f'<Sample sampleID="1" compensationID="1"><Keywords><Keyword name="$FIL" value="{SAMPLE}"/></Keywords>'
        '<Parameter name="A" log="1" range="4096" calibrationIndex="0"/>'
        '<Parameter name="B" log="0" range="4096" gain="2"/>'
        f'<SampleNode name="{SAMPLE}" count="50"><Population name="p" count="7"><PolygonGate>{shape}</PolygonGate>'
        "</Population></SampleNode></Sample></SampleList></Workspace>"
    ).encode()


def _diva() -> bytes:
    points = '<point x="1" y="2"/><point x="300" y="400"/>'
    gate = (
        '<gate fullname="All Events\\P1" type="Region_Classifier"><name>P1</name><parent>All Events</parent>'
        f'<region name="r" xparm="A" yparm="B" type="RECTANGLE_REGION"><points>{points}</points></region>'
        "<is_x_parameter_scaled>true</is_x_parameter_scaled><x_parameter_scale_value>162</x_parameter_scale_value></gate>"
    )
    top = '<gate fullname="All Events" type="EventSource_Classifier"><name>All Events</name></gate>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?><bdfacs version="6.2"><experiment name="e"><specimen name="s">'
        f"<tube name='t'><data_filename>{SAMPLE}</data_filename><gates>{top}{gate}</gates></tube></specimen>"
        "</experiment></bdfacs>"
    ).encode()


def _flowjo11() -> bytes:
    linear = {"transformType": "Linear", "minRange": 0.0, "maxRange": 1000.0}
    biex = {"transformType": "Biex", "T": 1000.0, "A": 0.0, "M": 3.0, "W": -10.0}
    axes = {
        "xAxis": {"parameterSpec": {"name": "Comp-A"}, "transform": biex},
        "yAxis": {"parameterSpec": {"name": "B"}, "transform": linear},
    }
    shapes = {
        "polygon": ([0, 900, 20], [3, 50, 800]),
        "ellipse": ([100, 800], [200, 700]),
        "rectangle": ([100, 800], [200, 700]),
        "range": ([100, 800], [0, 0]),
        "quad": ([300, 300, 1000, 300, 0], [600, 0, 600, 1000, 600]),
    }
    definitions = {"root": {"definition": {"name": ["Ungated"], "type": "root"}}}
    populations = {"p": _population("root", [])}
    for kind, (xs, ys) in shapes.items():
        gate = {"type": kind, **axes, "xVertices": xs, "yVertices": ys, "gateResolution": 1000, "rotationAngle": 3.0}
        definition = {"name": [kind], "type": "quad" if kind == "quad" else "gate", "gateDefinition": gate}
        definitions[kind] = {"definition": {**definition, "desyncTable": {"s": gate}}}
        populations[f"p-{kind}"] = _population(kind, ["p"])
    definitions["both"] = {"definition": {"name": ["both"], "type": "and"}}
    populations["p-both"] = _population("both", ["p-polygon", "p-ellipse"])
    spillover = {"rows": ["Comp-A", "Comp-B"], "columns": ["A", "B"], "values": [[1, 0.1], [0, 1]]}
    source = {
        "definition": {"uri": f"/x/{SAMPLE}", "customKeywords": {"File Name": SAMPLE}},
        "parents": {"platforms": ["m"]},
        "results": {"keywords": {"$TOT": "50"}},
    }
    return json.dumps(
        {
            "dataSources": {"s": source},
            "populationDefinitions": definitions,
            "populations": populations,
            "platforms": {"spilloverMatrix": {"m": {"definition": {"name": "m", "spillover": spillover}}}},
            "groups": {"g": {"definition": {"name": "Blood"}, "parents": {"dataSources": ["s"]}}},
        }
    ).encode()


def _population(definition: str, parents: list[str]) -> dict[str, object]:
    above = {"_dataSource": ["s"], "populationDefinitions": [definition], "populations": parents}
    return {"definition": {"populationNumber": 0}, "parents": above, "results": {"status": "valid", "count": 7}}


MATRIX = b",A,B\nA,1,0.2\nB,0.05,1\n"
SAMPLES = (
    b"file,subject,visit,panel,role,batch,collection_date\nfcs/a.fcs,S01,D-1,p,sample,1,2025-01-10\n"
    b"fcs/b.fcs,S01,W4,p,fmo:CD3,1,\n"
)


@dataclass(frozen=True)
class Document:
    """A kind of document: its suffix, one that is right, how it is read, and whether it is packed."""

    suffix: str
    whole: bytes
    read: Callable[[Path, Path], object]
    is_packed: bool = False


def _workspace(path: Path, fcs: Path) -> object:
    workspace = read_workspace(path, bins=random.random() < 0.5)
    return gate_with_workspace([fcs], workspace, sample=workspace.samples[0].id)


def _gatingml(path: Path, fcs: Path) -> object:
    return gate_files([fcs], read_gatingml(path))


def _keyword(path: Path, _: Path) -> object:
    try:
        return parse_spillover(path.read_text(encoding="utf-8", errors="replace"), (Channel("A"), Channel("B")))
    except BadSpillover as error:  # the reader of the file puts its name in front
        raise type(error)(f"{path}: {error}; ") from error


def documents() -> dict[str, Document]:
    """Return a document of each kind, by what it is."""
    return {
        "flowjo10": Document(".wsp", _flowjo10(), _workspace),
        "flowjo9": Document(".xml", _flowjo9(), _workspace),
        "flowjo11": Document(".flowjo", _flowjo11(), _workspace, is_packed=True),
        "diva": Document(".xml", _diva(), _workspace),
        "gatingml": Document(".xml", write_gatingml(_placed()), _gatingml),
        "matrix": Document(".csv", MATRIX, lambda path, _: read_matrix_csv(path)),
        "keyword": Document(".txt", b"2,A,B,1,0.2,0.05,1", _keyword),
        "samples": Document(".csv", SAMPLES, lambda path, _: load_samples(path)),
    }


def packed(data: bytes) -> bytes:
    """Return an analysis of FlowJo 11 in its archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("analyses/analysis-1/analysis-1.json", data)
    return buffer.getvalue()


def spoiled(document: Document) -> bytes:
    """Return a document with one to four things wrong with it, in its text or, if it is packed, in its bytes."""
    data = document.whole
    for _ in range(random.randint(1, 4)):
        way = random.choices([_other_value, _element_lost, _bytes_changed, _span_moved], [8, 3, 1, 1])[0]
        data = way(data)
    if not document.is_packed:
        return data
    return _bytes_changed(packed(data)) if random.random() < 0.2 else packed(data)


def _other_value(data: bytes) -> bytes:
    spots = list(re.finditer(rb'"([^"<>]*)"|(?<=[>,:\n\[ ])(-?[0-9][0-9.e+-]*)', data))
    if not spots:
        return data
    start, end = random.choice(spots).span(random.choice([1, 2]))
    return data if start < 0 else data[:start] + random.choice(WORDS).encode() + data[end:]


def _bytes_changed(data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 6)):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _span_moved(data: bytes) -> bytes:
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.randint(1, 400))
    way = random.randrange(3)
    return data[:start] + (b"", data[start:end] * 2, data[:start][-300:] + data[start:end])[way] + data[end:]


def _element_lost(data: bytes) -> bytes:
    spots = list(re.finditer(rb"<[^<>?]+/>|\n[^\n]*|\{[^{}]*\}", data))
    if not spots:
        return data
    start, end = random.choice(spots).span()
    return data[:start] + data[end:]


def tried(document: Document, path: Path, fcs: Path) -> None:
    """Read a document, and gate a file with what was read; raises whatever is wrong."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        document.read(path, fcs)
