"""Placed gates and an audit trail for a made-up run folder."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from immunomon.runs.audit import AuditTrail


def with_gates(run: Path) -> Path:
    """Write the placed gates of every gated sample: one that was placed, and one that could not be."""
    axes = {name: {"detector": f"{name}-A", "range": 1.0, "scale": {"kind": "identity"}} for name in ("CD3", "CD4")}
    gate = {"kind": "interval", "axis": "CD4", "low": 0.5, "high": None}
    one = {"label": "", "parent": "lymphocytes", "path": "/lymphocytes/cd4", "method": "valley", "source": "valley"}
    placed = one | {"population": "cd4", "gate": gate, "facts": {"threshold": 0.5}}
    failed = one | {"population": "treg", "gate": None, "failure": "no valley was found"}
    (run / "gates").mkdir()
    text = json.dumps({"strategy": "treg", "axes": axes, "populations": [placed, failed]})
    for sample in pd.read_parquet(run / "tables" / "samples.parquet").query("status == 'gated'")["sample_id"]:
        (run / "gates" / f"{sample}.json").write_text(text, encoding="utf-8")
    return run


def with_trail(run: Path, *actions: str) -> AuditTrail:
    """Begin an audit trail with a run, and add entries."""
    trail = AuditTrail(run)
    trail.append("run", by="Ana", reason="")
    for action in actions:
        trail.append(action, by="Ana", reason="asked for", target="delivery csv", manifest="f" * 64)
    return trail
