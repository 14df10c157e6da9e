"""A run folder as ``immunomon run`` writes it, made of random numbers: quick, and as nasty as a test wants it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from immunomon.cytometry.kernels.histogram import histogram2d_u8
from immunomon.cytometry.model.populations import TABLES
from immunomon.plots.gating import pack_density

LOGICLE = {"kind": "logicle", "t": 262144.0, "w": 0.7, "m": 4.5, "a": 0.0}
IDENTITY = {"kind": "identity"}
VISITS = (("D-1", -1), ("W2", 15), ("W4", 29), ("W8", 57), ("W12", 85), ("W16", 113), ("W28", 197))
DETECTORS = {
    "CD25": "PE-A",
    "CD127": "APC-A",
    "CD4": "PerCP-Cy5-5-A",
    "CD3": "V450-A",
    "CXCR3": "PE-A",
    "CCR6": "PE-Cy7-A",
}


@dataclass(frozen=True)
class Member:
    """One population of a plot: where its gate lies, and which fraction of the parent it holds."""

    id: str
    label: str
    gate: dict
    fraction: float


def _interval(axis, low, high):
    return {"kind": "interval", "axis": axis, "low": low, "high": high}


def _box(x, y, *ends):
    sides = [{"axis": x, "low": ends[0], "high": ends[1]}, {"axis": y, "low": ends[2], "high": ends[3]}]
    return {"kind": "rectangle", "sides": sides}


def _polygon(x, y, *vertices):
    return {"kind": "polygon", "x": x, "y": y, "vertices": [list(vertex) for vertex in vertices]}


_BLOB = {"center": [80e3, 40e3], "covariance": [[4e8, 1e8], [1e8, 2.5e8]], "distance_square": 5.0}
_SINGLETS = _polygon("FSC-A", "FSC-H", (15e3, 5e3), (250e3, 175e3), (250e3, 235e3), (15e3, 25e3))
_ROOT = (
    ("root", "FSC-A", "FSC-H", (Member("singlets", "Singlets", _SINGLETS, 0.95),)),
    ("singlets", "viability", "SSC-A", (Member("live", "Live", _interval("viability", None, 0.42), 0.93),)),
    (
        "live",
        "FSC-A",
        "SSC-A",
        (Member("lymphocytes", "Lymphocytes", {"kind": "ellipse", "x": "FSC-A", "y": "SSC-A", **_BLOB}, 0.6),),
    ),
)
_T = (("lymphocytes", "CD3", "SSC-A", (Member("t_cells", "T cells", _interval("CD3", 0.5, None), 0.65),)),)
_CD4 = (("t_cells", "CD4", "CD3", (Member("cd4", "CD4+ T cells", _box("CD4", "CD3", 0.52, 0.95, 0.5, 0.98), 0.55),)),)
_DIAGONAL = _polygon("CD25", "CD127", (0.55, 0.05), (1.0, 0.05), (1.0, 0.55), (0.62, 0.38), (0.55, 0.3))
STEPS = {
    "treg": (*_ROOT, *_T, *_CD4, ("cd4", "CD25", "CD127", (Member("treg", "Treg", _DIAGONAL, 0.04),))),
    "thelper": (
        *_ROOT,
        *_T,
        *_CD4,
        (
            "cd4",
            "CXCR3",
            "CCR6",
            (
                Member("th1", "Th1", _box("CXCR3", "CCR6", 0.5, None, None, 0.52), 0.14),
                Member("th17", "Th17", _box("CXCR3", "CCR6", None, 0.5, 0.52, None), 0.1),
                Member("th17_1", "Th17.1", _box("CXCR3", "CCR6", 0.5, None, 0.52, None), 0.04),
                Member("th_dn", "CXCR3- CCR6-", _box("CXCR3", "CCR6", None, 0.5, None, 0.52), 0.72),
            ),
        ),
    ),
}


def fake_run(folder: Path, *, subjects: int = 3, visits: int = 3, panels=("treg", "thelper"), marker: str = "") -> Path:
    """Write a run folder; ``marker`` is put into every name that comes from files, to see whether it gets out."""
    rng = np.random.default_rng(11)
    (folder / "samples").mkdir(parents=True)
    (folder / "tables").mkdir()
    study = _study(subjects, visits, marker)
    rows: dict[str, list[dict]] = {name: [] for name in TABLES}
    for subject in study["subjects"]:
        for visit in study["visits"]:
            for panel in panels:
                whose = {
                    "sample_id": f"{subject['id']}__{visit['label']}__{panel}{marker}".replace("/", "_"),
                    "subject": subject["id"],
                    "visit": visit["label"],
                    "panel": panel,
                    "role": "sample",
                    "batch": f"B1{marker}",
                }
                _add_sample(folder, rows, whose, rng=rng, marker=marker)
    _add_control(rows, panels[0])
    _add_comparison(rows, study)
    for name, table in TABLES.items():
        frame = pd.DataFrame(rows[name], columns=list(table.names), dtype=object).astype(table.dtypes)
        frame.to_parquet(folder / "tables" / f"{name}.parquet", index=False)
    record = {
        "format": "immunomon.run/1",
        "digest": "ab" * 32,
        "version": "0.1.0",
        "finished_utc": "2025-05-06T07:08:09+00:00",
        "libraries": {"numpy": np.__version__},
        "study": study,
        "files": [],
    }
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def _study(subjects, visits, marker):
    groups = "ABC"
    return {
        "name": f"DEMO{marker}",
        "title": f"A made-up trial{marker}",
        "dose_groups": [
            {"name": name, "cells_per_kg": 5e5 * 2**i, "infusion_days": [1, 8, 15, 22]} for i, name in enumerate(groups)
        ],
        "subjects": [
            {
                "id": f"S{i + 1:02d}",
                "dose_group": groups[i * 3 // subjects],
                "sex": "FM"[i % 2],
                "flags": {"splenectomy": i % 3 == 0},
            }
            for i in range(subjects)
        ],
        "visits": [{"label": label, "planned_day": day, "baseline": day < 0} for label, day in VISITS[:visits]],
    }


def _add_sample(folder, rows, whose, *, rng, marker):
    missing = whose["subject"] == "S02" and whose["visit"] == "W4" and whose["panel"] == "treg"
    if missing:
        return
    failed = whose["subject"] == "S03" and whose["visit"] == "W2" and whose["panel"] == "treg"
    file = {
        "file": f"fcs/{whose['sample_id']}.fcs",
        "sha256": "0" * 64,
        "strategy": whose["panel"],
        "collection_date": "2025-01-13",
    }
    status = {"status": "failed", "reason": "the file ends early"} if failed else {"status": "gated", "events": 20000}
    rows["samples"].append({**whose, **file, **status})
    steps = STEPS[whose["panel"]]
    counts = {"root": 20000}
    plots = []
    for parent, x, y, members in steps:
        shift = float(np.exp(rng.normal(0, 0.15)))
        for member in members:
            counts[member.id] = int(rng.binomial(counts[parent], min(member.fraction * shift, 0.98)))
        plots.append(_plot((parent, x, y, members), counts, rng=rng, marker=marker))
    if whose["subject"] == "S01" and whose["visit"] == "W2":
        counts = {name: 30 if name in {"treg", "th17_1"} else count for name, count in counts.items()}
    _add_populations(rows, whose, steps, counts=None if failed else counts, marker=marker)
    data = {"sample_id": whose["sample_id"], **status, "plots": [] if failed else plots}
    noted = {
        "population": "live",
        "facts": {"threshold": 0.42},
        "note": f"one mode only{marker}; fallback used",
        "failure": "",
    }
    data["gates"] = {"populations": [] if failed else [noted]}
    (folder / "samples" / f"{whose['sample_id']}.json").write_text(json.dumps(data), encoding="utf-8")


def _axis(name, marker):
    scatter = name.startswith(("FSC", "SSC"))
    label = f"{name} ({DETECTORS.get(name, 'X-A')}){marker}"
    return {
        "axis": name,
        "label": name if scatter else label,
        "range": [0.0, 262144.0] if scatter else [-0.05, 1.05],
        "scale": IDENTITY if scatter else LOGICLE,
    }


def _plot(step, counts, *, rng, marker):
    parent, x, y, members = step
    axes = [_axis(x, marker), _axis(y, marker)]
    columns = []
    for axis in axes:
        top = axis["range"][1]
        blobs = [rng.normal(place * top, 0.05 * top, 3000) for place in (0.28, 0.33, 0.62, 0.68)]
        columns.append(np.concatenate(blobs))
    rng.shuffle(columns[1][:9000])
    levels = histogram2d_u8(*columns, *(tuple(axis["range"]) for axis in axes), bins=72)
    gates = [
        {
            "population": member.id,
            "label": member.label + marker,
            "gate": member.gate,
            "count": counts[member.id],
            "percent_of_parent": 100.0 * counts[member.id] / counts[parent] if counts[parent] else None,
        }
        for member in members
    ]
    head = {
        "populations": [member.id for member in members],
        "parent": parent,
        "parent_label": parent.capitalize() + marker,
    }
    return {**head, "x": axes[0], "y": axes[1], **pack_density(levels), "events": counts[parent], "gates": gates}


def _add_populations(rows, whose, steps, *, counts, marker):
    paths = {"root": ""}
    for parent, _, _, members in steps:
        for member in members:
            paths[member.id] = f"{paths[parent]}/{member.id}"
            count, total = (None, None) if counts is None else (counts[member.id], counts[parent])
            percent = None if not total else 100 * count / total
            reason = (
                "sample failed"
                if counts is None
                else f"below LLOQ: {count} events, 50 are needed"
                if count < 50
                else None
            )
            common = {**whose, "population": member.id, "label": member.label + marker, "count": count}
            common |= {"reportable": reason is None, "reason": reason}
            ends = (None, None) if percent is None else (percent * 0.9, percent * 1.1)
            rows["populations"].append(
                {
                    **common,
                    "parent": parent,
                    "path": paths[member.id],
                    "parent_count": total,
                    "percent_of_parent": percent,
                    "percent_of_parent_low": ends[0],
                    "percent_of_parent_high": ends[1],
                    "cells_per_ul": percent,
                    "cells_per_ul_method": "dual-platform",
                    "gate_method": f"{member.gate['kind']}{marker}",
                }
            )
            for of in dict.fromkeys((parent, "lymphocytes") if member.id in {"treg", "th1"} else (parent,)):
                bottom = None if counts is None else counts[of]
                value = None if not bottom else 100 * count / bottom
                rows["frequencies"].append(
                    {
                        **common,
                        "denominator": of,
                        "is_parent": of == parent,
                        "denominator_count": bottom,
                        "percent": value,
                        "percent_low": None if value is None else value * 0.9,
                        "percent_high": None if value is None else value * 1.1,
                    }
                )


def _add_control(rows, panel):
    whose = {"sample_id": "controls__fmo_CD25", "panel": panel, "role": "fmo:CD25", "batch": "B1"}
    rows["samples"].append({**whose, "file": "controls/fmo_CD25.fcs", "status": "control", "events": 9000})


def _add_comparison(rows, study):
    """Changes and their summary, by the shortest way: enough for a page, not a second implementation."""
    groups = {subject["id"]: subject["dose_group"] for subject in study["subjects"]}
    days = {visit["label"]: visit["planned_day"] for visit in study["visits"]}
    base = {
        (r["subject"], r["panel"], r["population"], r["denominator"]): r
        for r in rows["frequencies"]
        if days[r["visit"]] < 0
    }
    for row in rows["frequencies"]:
        start = base[row["subject"], row["panel"], row["population"], row["denominator"]]
        usable = row["reportable"] and start["reportable"]
        keys = (
            "subject",
            "visit",
            "panel",
            "population",
            "label",
            "denominator",
            "sample_id",
            "count",
            "denominator_count",
        )
        change = row["percent"] - start["percent"] if usable else None
        rows["changes"].append(
            {
                **{key: row[key] for key in keys},
                "dose_group": groups[row["subject"]],
                "planned_day": days[row["visit"]],
                "study_day": days[row["visit"]] + 1 if days[row["visit"]] > 0 else -1,
                "quantity": "percent",
                "value": row["percent"],
                "baseline": start["percent"] if usable else None,
                "change": change,
                "percent_change": 100 * change / start["percent"] if usable else None,
                "log_odds_change": float(np.log(row["percent"] / start["percent"])) if usable else None,
                "status": "ok" if usable else "not reportable",
                "reason": row["reason"],
            }
        )
    changes = pd.DataFrame(rows["changes"])
    doubled = pd.concat([changes, changes.assign(dose_group="all")])
    key = ["dose_group", "visit", "planned_day", "panel", "quantity", "population", "label", "denominator"]
    for measure in ("value", "change", "percent_change", "log_odds_change"):
        usable = doubled[(doubled["status"] == "ok") & doubled[measure].notna()]
        for values, group in usable.groupby(key):
            mean, half = float(group[measure].mean()), float(group[measure].std()) if len(group) > 1 else None
            ends = {"low": None, "high": None} if half is None else {"low": mean - half, "high": mean + half}
            rows["summary"].append(
                {
                    **dict(zip(key, values, strict=True)),
                    "measure": measure,
                    "n": len(group),
                    "mean": mean,
                    "sd": half,
                    "median": float(group[measure].median()),
                    **ends,
                    "subjects": "{}",
                }
            )
