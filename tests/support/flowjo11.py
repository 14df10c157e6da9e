"""Small FlowJo 11 workbenches, of made-up files: analyses as a graph of nodes by id, in a ZIP."""

import json
import zipfile

LINEAR = {"transformType": "Linear", "minRange": 0.0, "maxRange": 1000.0}
BIEX = {"transformType": "Biex", "T": 1000.0, "A": 0.0, "M": 3.0, "W": -10.0, "vectorLength": 256}


def axis(name, transform=None):
    return {"parameterSpec": {"name": name}, "transform": transform or LINEAR}


def gate(kind, x, xs, y=None, ys=(), resolution=1000, **more):
    """Return a gate drawn on display coordinates 0 to ``resolution``."""
    axes = {"xAxis": axis(*x) if isinstance(x, tuple) else axis(x)}
    if y is not None:
        axes["yAxis"] = axis(*y) if isinstance(y, tuple) else axis(y)
    length = {"gateResolution": resolution} if resolution else {}
    return {"type": kind, **axes, "xVertices": list(xs), "yVertices": list(ys), **length, **more}


class Workbench:
    """Collects one file's populations: ``add(name, gate, parent)``; each returns the population's id."""

    def __init__(self, uri="/Users/x/a.fcs", keywords=None, matrix=None):
        self.definitions, self.populations = {}, {}
        self.source = {
            "definition": {"uri": uri, "customKeywords": {"File Name": uri.rpartition("/")[2]}},
            "parents": {"platforms": ["m"] if matrix else []},
            "results": {"keywords": keywords or {}},
        }
        self.platforms = {"spilloverMatrix": {"m": {"definition": matrix}}} if matrix else {}
        self.root = self.add("Ungated", None, [], kind="root", count=100)

    def define(self, names, gate, kind="gate", changed=None):
        key = f"d{len(self.definitions)}"
        definition = {"name": names, "type": kind, "gateDefinition": gate, "desyncTable": changed or {}}
        self.definitions[key] = {"definition": definition}
        return key

    def add(self, name, gate, parents=None, *, kind="gate", count=-1, number=0, definition=None, changed=None):
        definition = definition or self.define([name], gate, kind, changed)
        key = f"p{len(self.populations)}"
        self.populations[key] = {
            "definition": {"populationNumber": number},
            "parents": {
                "_dataSource": ["s"],
                "populationDefinitions": [definition],
                "populations": [self.root] if parents is None else parents,
            },
            "results": {"status": "valid", "count": count},
        }
        return key

    def analysis(self):
        return {
            "schemaVersion": "3.0.0",
            "dataSources": {"s": self.source},
            "populationDefinitions": self.definitions,
            "populations": self.populations,
            "platforms": self.platforms,
            "groups": {"g": {"definition": {"name": "Blood"}, "parents": {"dataSources": ["s"]}}},
        }

    def write(self, path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("manifest.txt", "analyses/analysis-1/analysis-1.json\n")
            archive.writestr("analyses\\analysis-1\\analysis-1.json", json.dumps(self.analysis()))
        return path


def spillover(rows, columns, values, **more):
    own = {row: row.removeprefix("Comp-") for row in rows}
    table = {"rows": list(rows), "columns": list(columns), "values": values}
    return {
        "name": "Acquisition-defined",
        "platformType": "spilloverMatrix",
        "fluorToPrimaryDetector": own,
        "spillover": table,
        **more,
    }
