"""The MIFlowCyt checklist, filled in from panels, FCS headers and gates, its blanks named.

Lee et al. 2008, MIFlowCyt: the minimum information about a flow cytometry experiment, Cytometry A 73:926.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immunomon.errors import counted
from immunomon.files import read_input
from immunomon.outputs.delivery.content import Content
from immunomon.outputs.delivery.dataset import Dataset, Value, Variable, dataset_of
from immunomon.outputs.delivery.measured import GATED_ROLES
from immunomon.outputs.delivery.source import Headers

__all__ = ["ChecklistItem", "checklist", "checklist_table", "checklist_text", "files_table", "gates_table"]

_SECTIONS = {"1": "Experiment overview", "2": "Sample and reagents", "3": "Instrument", "4": "Data analysis"}
_BLANK = "BLANK: to be filled in by the laboratory"


@dataclass(frozen=True)
class ChecklistItem:
    """One item of the checklist: number, name, and what is known of it; nothing if it is blank."""

    number: str
    name: str
    values: tuple[str, ...] = ()

    @property
    def is_blank(self) -> bool:
        """Whether the laboratory has to fill it in."""
        return not self.values


def checklist(content: Content, headers: Headers) -> list[ChecklistItem]:
    """Return the whole checklist in order; what neither study nor files say is blank."""
    return [*_overview(content), *_sample_and_reagents(content), *_instrument(content, headers), *_analysis(content)]


def _overview(content: Content) -> Iterator[ChecklistItem]:
    trial, study = content.trial, content.source.study
    dates = sorted(str(row["collection_date"]) for row in content.samples.values() if row["collection_date"])
    roles = sorted({str(row["role"]).partition(":")[0] for row in content.samples.values()} - {"sample"})
    yield ChecklistItem("1.1", "Purpose", (trial.title,))
    yield ChecklistItem(
        "1.2", "Keywords", ("flow cytometry", "immune monitoring", *(u["panel"] for u in study["panels"]))
    )
    groups = ", ".join(trial.dose_text(group) for group in trial.dose_groups)
    groups = groups and f"dose groups: {groups}"
    visits = ", ".join(str(visit["label"]) for visit in study["visits"])
    yield ChecklistItem(
        "1.3",
        "Experiment variables",
        tuple(filter(None, (groups, f"visits: {visits}", f"subjects: {len(trial.persons)}"))),
    )
    yield ChecklistItem("1.4", "Organization", tuple(filter(None, [trial.sponsor.laboratory])))
    yield ChecklistItem("1.5", "Primary contact")
    yield ChecklistItem("1.6", "Date", (f"{dates[0]} to {dates[-1]}",) if dates else ())
    yield ChecklistItem("1.7", "Conclusions")
    yield ChecklistItem("1.8", "Quality control measures", (f"control tubes: {', '.join(roles)}",) if roles else ())


def _sample_and_reagents(content: Content) -> Iterator[ChecklistItem]:
    yield ChecklistItem("2.1.1", "Sample description", ("peripheral blood",))
    yield ChecklistItem("2.1.2", "Source organism", ("Homo sapiens",))
    yield ChecklistItem("2.2", "Sample characteristics", (f"subjects by pseudonym: {len(content.trial.persons)}",))
    yield ChecklistItem("2.3", "Sample treatment (lysis, fixation, stimulation)", _stimulated(content))
    panels: Mapping[str, Sequence[Mapping[str, Any]]] = content.source.record.get("panels") or {}
    for number, (panel, markers) in enumerate(panels.items(), start=1):
        rows = tuple(
            f"{marker['name']} on {marker['fluorochrome']} (detector {marker['detector']})" for marker in markers
        )
        yield ChecklistItem(f"2.4.{number}", f"Fluorescence reagents of panel {panel}", rows)
    yield ChecklistItem("2.4.c", "Clones, manufacturers, catalogue and lot numbers, amounts of the reagents")


def _stimulated(content: Content) -> tuple[str, ...]:
    used = {use["panel"] for use in content.source.study["panels"]}
    return tuple(
        f"panel {stimulation.panel}: {stimulation.agent}"
        for stimulation in content.cp_map.spec.stimulated
        if stimulation.panel in used
    )


def _instrument(content: Content, headers: Headers) -> Iterator[ChecklistItem]:
    known = [headers.keywords.get(name, {}) for name in sorted(content.samples)]
    yield ChecklistItem("3.1", "Manufacturer")
    yield ChecklistItem("3.2", "Model", _distinct(known, "$CYT"))
    yield ChecklistItem("3.2.s", "Serial number", _distinct(known, "$CYTSN"))
    yield ChecklistItem("3.3.1", "Flow cell and fluidics")
    yield ChecklistItem("3.3.2", "Light sources", _by_detector(known, "L", "nm"))
    yield ChecklistItem("3.3.3", "Excitation optics")
    yield ChecklistItem("3.3.4", "Optical filters", _by_detector(known, "F", ""))
    yield ChecklistItem("3.3.5", "Optical detectors: types", _by_detector(known, "T", ""))
    yield ChecklistItem("3.3.6", "Optical detectors: voltages", _by_detector(known, "V", "V"))
    yield ChecklistItem("3.3.7", "Optical paths")


def _distinct(known: Sequence[Mapping[str, str]], keyword: str) -> tuple[str, ...]:
    return tuple(sorted({keywords[keyword].strip() for keywords in known if keywords.get(keyword, "").strip()}))


def _by_detector(known: Sequence[Mapping[str, str]], letter: str, unit: str) -> tuple[str, ...]:
    """Return what files say of each detector in ``$PnV``, ``$PnL``, ``$PnF`` or ``$PnT``: all values that occur."""
    values_by_detector: dict[str, set[str]] = {}
    for keywords in known:
        for keyword, value in keywords.items():
            match = re.fullmatch(rf"\$P(\d{{1,3}}){letter}", keyword)
            if match and value.strip() and value.strip() != "0":
                name = keywords.get(f"$P{match[1]}N", f"P{match[1]}").strip()
                values_by_detector.setdefault(name, set()).add(value.strip())
    return tuple(
        f"{name}: {', '.join(sorted(values_by_detector[name]))} {unit}".strip() for name in sorted(values_by_detector)
    )


def _analysis(content: Content) -> Iterator[ChecklistItem]:
    record = content.source.record
    files = [row for row in content.samples.values() if row["status"] == "gated"]
    yield ChecklistItem(
        "4.1", "List-mode data files", (f"{len(files)} gated FCS files, with SHA-256 in miflowcyt_files",)
    )
    source = str(record.get("parameters", {}).get("compensation", "file"))
    words = {"file": "each file's own spillover keyword", "matrix": "one spillover matrix of the study"}
    yield ChecklistItem("4.2", "Compensation", (words.get(source, source),))
    yield ChecklistItem("4.3", "Data transformation", _scales(content))
    yield ChecklistItem("4.4.1", "Gates: what, of what, by which method", ("each sample's, in miflowcyt_gates",))
    yield ChecklistItem("4.4.2", "Gate statistics", ("events and percent of parent, in miflowcyt_gates",))
    yield ChecklistItem("4.4.3", "Gate boundaries", ("on the display scale, in miflowcyt_gates",))
    software = f"immunomon {record.get('version')}, run {content.source.digest[:12]}"
    yield ChecklistItem("4.5", "Software", (software,))


def _gates(content: Content, sample_id: str) -> dict[str, Any]:
    path = content.source.folder / "gates" / f"{sample_id}.json"
    try:
        return dict(json.loads(read_input(path)))
    except (OSError, ValueError):
        return {}


def _gated(content: Content) -> list[str]:
    rows = content.samples.values()
    return [str(row["sample_id"]) for row in rows if row["status"] == "gated" and row["role"] in GATED_ROLES]


def _scales(content: Content) -> tuple[str, ...]:
    scales: set[str] = set()
    for name in _gated(content):
        for axis, about in (_gates(content, name).get("axes") or {}).items():
            scale = dict(about.get("scale") or {})
            kind = scale.pop("kind", "")
            parameters = ", ".join(f"{key} {value:g}" for key, value in scale.items() if isinstance(value, int | float))
            scales.add(f"{axis}: {kind}" + (f" ({parameters})" if parameters else ""))
    return tuple(sorted(scales)[:200])


def gates_table(content: Content) -> Dataset:
    """Return every placed gate of every sample: its method, its boundary as JSON, and the events it holds."""
    names = ("sample_id", "population", "path", "method", "count", "parent_count", "percent_of_parent", "boundary")
    kinds = {"count": "integer", "parent_count": "integer", "percent_of_parent": "float"}
    variables = tuple(Variable(name, name, kinds.get(name, "text")) for name in names)  # type: ignore[arg-type]
    empty = Dataset("miflowcyt_gates", "Placed gates", variables, (), ("sample_id", "population"))
    counted: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in content.population_rows:
        counted[str(row["sample_id"]), str(row["population"])] = row
    rows: list[dict[str, Value]] = []
    for sample_id in _gated(content):
        for population in _gates(content, sample_id).get("populations") or ():
            number = counted.get((sample_id, population["population"]), {})
            statistics = {name: number.get(name) for name in ("count", "parent_count", "percent_of_parent")}
            boundary = json.dumps(population.get("gate"), sort_keys=True, separators=(",", ":"))
            about = {name: str(population[name]) for name in ("population", "path", "method")}
            rows.append({"sample_id": sample_id, **about, **statistics, "boundary": boundary})
    return dataset_of(empty, rows)


def files_table(content: Content) -> Dataset:
    """Return the list-mode files: name, digest, events, panel, date."""
    names = ("sample_id", "file", "sha256", "events", "panel", "role", "batch", "collection_date", "status")
    variables = tuple(Variable(name, name, "integer" if name == "events" else "text") for name in names)
    empty = Dataset("miflowcyt_files", "List-mode data files", variables, (), ("sample_id",))
    return dataset_of(empty, [{name: row[name] for name in names} for row in content.samples.values()])


def checklist_table(items: Sequence[ChecklistItem]) -> Dataset:
    """Return the checklist as a table, one row a value; a blank is one row that says so."""
    names = ("section", "number", "item", "value", "blank")
    empty = Dataset("miflowcyt", "MIFlowCyt checklist", tuple(Variable(n, n) for n in names), (), ("number", "value"))
    rows: list[dict[str, Value]] = [
        {
            "section": _SECTIONS[item.number[0]],
            "number": item.number,
            "item": item.name,
            "value": value,
            "blank": "yes" if item.is_blank else "no",
        }
        for item in items
        for value in item.values or (_BLANK,)
    ]
    return dataset_of(empty, rows)


def checklist_text(items: Sequence[ChecklistItem], title: str) -> str:
    """Return the checklist in words (Markdown), with the blanks listed first."""
    blank = [f"- {item.number} {item.name}" for item in items if item.is_blank]
    lines = [
        f"# MIFlowCyt: {title}",
        "",
        f"Blank, for the laboratory to fill in: {counted(len(blank), 'item')}.",
        "",
        *blank,
    ]
    section = ""
    for item in items:
        if _SECTIONS[item.number[0]] != section:
            section = _SECTIONS[item.number[0]]
            lines += ["", f"## {item.number[0]}. {section}"]
        lines += ["", f"**{item.number} {item.name}**", "", *(f"- {value}" for value in item.values or (_BLANK,))]
    return "\n".join(lines) + "\n"
