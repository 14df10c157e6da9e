"""Cytobank's file-specific gates: further elements of one gate, each tailored for one FCS file.

Cytobank writes them beside the general gate, with the same ``gate_id`` and the file's name, in its own element inside
``custom_info``. Sets of gates refer to the general one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from immunomon.cytometry.formats.gatingml_source import DATATYPES, GATING, GatingMlSource
from immunomon.cytometry.formats.xmltree import XmlElement

__all__ = ["Tailoring", "tailoring"]

_REMEDY = "make it one gate for each in Cytobank"


@dataclass(frozen=True)
class Tailoring:
    """Which gates are tailored for which file.

    stands_for: a tailored element's id -> the id of the gate that it stands for; files: that id -> file -> element;
    failures, notes: what is wrong with, and should be known of, the gates that have tailored forms, by id.
    """

    stands_for: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, XmlElement]] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Cytobank:
    gate_id: str = ""
    file: str = ""
    is_tailored: bool = False
    is_of_population: bool = False


def tailoring(source: GatingMlSource, gates: Sequence[XmlElement]) -> Tailoring:
    """Return the tailored gates of a document; two for one file are refused through the source."""
    described = [(gate, _cytobank(gate)) for gate in gates]
    plain = [(info.gate_id, gate) for gate, info in described if not (info.is_tailored or info.is_of_population)]
    general = {gate_id: gate for gate_id, gate in plain if gate_id}
    stands_for: dict[str, str] = {}
    files: dict[str, dict[str, XmlElement]] = {}
    failures: dict[str, str] = {}
    unnamed: dict[str, int] = {}
    for gate, info in described:
        identity = gate.get("id", GATING) or ""
        if not (info.is_tailored or info.is_of_population):
            continue
        with source.noting():
            if not info.gate_id:
                source.refuse(gate, "it is tailored for a file, but has no gate_id", "export it again from Cytobank")
            base = _identity(general.setdefault(info.gate_id, gate))
            stands_for[identity] = base
            if info.is_of_population:
                failures[base] = f"its gate is tailored for single populations, which is not read; {_REMEDY}"
            elif not info.file:
                unnamed[base] = unnamed.get(base, 0) + 1
            elif info.file in files.setdefault(base, {}):
                source.refuse(gate, f"gate_id {info.gate_id} is tailored twice for '{info.file}'", "keep one of them")
            else:
                files[base][info.file] = gate
    alone = {base for identity, base in stands_for.items() if identity == base}
    for base in sorted(alone - set(failures)):
        failures[base] = f"it has no general gate, only ones tailored for {_listed(files.get(base, {}))}"
    notes = {base: _note(files.get(base, {}), unnamed.get(base, 0)) for base in sorted({*files, *unnamed})}
    return Tailoring(stands_for, files, failures, notes)


def _identity(gate: XmlElement) -> str:
    return gate.get("id", GATING) or ""


def _listed(files: Mapping[str, XmlElement]) -> str:
    names = [f"'{name}'" for name in files]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "unnamed files"


def _note(files: Mapping[str, XmlElement], unnamed: int) -> str:
    listed = [f"the general gate; another is tailored for {_listed(files)}"] if files else []
    more = f"{unnamed} more for files that the document does not name" if unnamed else ""
    return ", and ".join([*(listed or ["the general gate"]), *([more] if more else [])])


def _cytobank(gate: XmlElement) -> _Cytobank:
    info = gate.first("custom_info", DATATYPES)
    own = info.first("cytobank") if info else None
    if own is None or gate.name == "BooleanGate":
        return _Cytobank()

    def text(name: str) -> str:
        child = own.first(name)
        return child.text.strip() if child else ""

    def is_true(name: str) -> bool:
        return text(name).casefold() in ("true", "1")

    of_population = is_true("tailored_per_population") or bool(text("tailored_per_population_gateset_id"))
    is_tailored = bool(text("fcs_file_filename") or text("fcs_file_id")) or (is_true("tailored") and not of_population)
    return _Cytobank(text("gate_id"), text("fcs_file_filename"), is_tailored, of_population)
