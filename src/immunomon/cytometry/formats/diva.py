"""FACSDiva experiments, exported as XML: each tube's gates, compensation and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from immunomon.cytometry.formats.diva_gates import MATRIX, DivaGates, count_of, is_true, text_of
from immunomon.cytometry.formats.flowjo import base_name
from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.placed import PlacedStrategy, Workspace, WorkspaceSample
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.errors import BadSpillover

__all__ = ["read_diva"]


def read_diva(path: Path, root: XmlElement) -> Workspace:
    """Return a FACSDiva experiment, a sample a tube.

    root: its XML. A tube without gates of its own has those of the global worksheet that it names, or of the only one;
    where several are there and none is named, its failure lists them, and each can be asked for among ``groups``.
    Raises BadSpec with every problem and its line; gates of a kind that is not read stay, with the reason.
    """
    source = WorkspaceSource(path)
    experiment = root.first("experiment")
    samples: list[WorkspaceSample] = []
    choices: list[WorkspaceSample] = []
    if experiment is not None:
        sheets = _worksheets(experiment)
        for specimen in experiment.all("specimen"):
            for tube in specimen.all("tube"):
                settings = _nearest_settings(tube, specimen, experiment)
                with source.noting():
                    reader = _Tube(source, settings)
                    samples.append(reader.read(specimen, tube, sheets))
                    if samples[-1].failure:
                        choices.extend(_Tube(source, settings).each(specimen, tube, sheets))
    source.findings.raise_any()
    program = f"FACSDiva {attribute(root, 'version') or ''}".strip()
    return Workspace(str(path), program, tuple(samples), tuple(choices), source.remarks)


def _worksheets(experiment: XmlElement) -> dict[str, tuple[XmlElement, ...]]:
    """Return the gates of each global worksheet that has some, by its name; those of one name are numbered, all."""
    worksheets: list[tuple[str, tuple[XmlElement, ...]]] = []
    pending = list(experiment.all("acquisition_worksheets"))
    while pending:
        element = pending.pop(0)
        pending.extend(element.children if element.name != "worksheet_template" else ())
        holder = element.first("gates")
        gates = tuple(holder.all("gate")) if holder and element.name == "worksheet_template" else ()
        if any(map(_is_gate, gates)):
            worksheets.append((attribute(element, "name") or f"worksheet {len(worksheets) + 1}", gates))
    names = [name for name, _ in worksheets]
    sheets: dict[str, tuple[XmlElement, ...]] = {}
    for index, (name, gates) in enumerate(worksheets):
        number = names[:index].count(name) + 1
        label = f"{name} #{number}" if names.count(name) > 1 else name
        while label in sheets:
            label += "'"
        sheets[label] = gates
    return sheets


def _is_gate(element: XmlElement) -> bool:
    return attribute(element, "type") != "EventSource_Classifier"


def _chosen(tube: XmlElement, sheets: Mapping[str, tuple[XmlElement, ...]]) -> tuple[str | None, str]:
    """Return the global worksheet of a tube, or None and why it is not known."""
    preferred = text_of(tube, "pref_global_worksheet").strip()
    named = [name for name in sheets if preferred.casefold() in (name.casefold(), name.casefold().rpartition("\\")[2])]
    named = named or [name for name in sheets if name.casefold() == preferred.casefold().rpartition("\\")[2]]
    listed = ", ".join(f"'{name}'" for name in sheets)
    if preferred and len(named) != 1 and sheets:
        return None, f"it points to the global worksheet '{preferred}'; those with gates are {listed}"
    if not preferred and len(sheets) > 1:
        return None, f"it names none of the {len(sheets)} global worksheets: {listed}"
    return next(iter(named if preferred else sheets), None), ""


def _nearest_settings(*places: XmlElement) -> XmlElement | None:
    return next(
        (settings for element in places if (settings := element.first("instrument_settings")) is not None), None
    )


@dataclass
class _Tube:
    source: WorkspaceSource
    settings: XmlElement | None

    def __post_init__(self) -> None:
        self.matrix = self._matrix()

    def read(
        self, specimen: XmlElement, tube: XmlElement, sheets: Mapping[str, tuple[XmlElement, ...]]
    ) -> WorkspaceSample:
        """Return the tube with its own gates, or those of its global worksheet."""
        holder = tube.first("gates")
        own = tuple(holder.all("gate")) if holder else ()
        sheet, unknown = (None, "") if any(map(_is_gate, own)) else _chosen(tube, sheets)
        elements = own if any(map(_is_gate, own)) else sheets.get(sheet or "", ())
        sample = self._sample(specimen, tube, elements)
        everything = [item for item in own if not _is_gate(item)]
        total = (count_of(self.source, everything[0]) if everything else None) or None  # 0 where nobody had counted
        if total:
            sample = replace(sample, event_count=total, identity={"$TOT": str(total), "$FIL": sample.file})
        if elements is not own or not total:
            sample = replace(sample, counts={})  # a worksheet's counts are of whichever tube was open
        if unknown:
            remedy = f"name one with --sample, as in '{sample.name} with {next(iter(sheets))}'"
            sample = replace(sample, failure=f"tube '{sample.name}': {unknown}; {remedy}")
        return sample

    def each(
        self, specimen: XmlElement, tube: XmlElement, sheets: Mapping[str, tuple[XmlElement, ...]]
    ) -> Iterator[WorkspaceSample]:
        """Return the tube with the gates of each global worksheet."""
        for name, elements in sheets.items():
            sample = self._sample(specimen, tube, elements)
            yield replace(sample, id=f"{sample.id} with {name}", name=f"{sample.name} with {name}", counts={})

    def _sample(self, specimen: XmlElement, tube: XmlElement, elements: Sequence[XmlElement]) -> WorkspaceSample:
        group, name = attribute(specimen, "name") or "", attribute(tube, "name") or ""
        gates = DivaGates(self.source, self.settings, self.matrix)
        tree = gates.tree(elements)
        matrices = {MATRIX: self.matrix} if self.matrix else {}
        return WorkspaceSample(
            f"{group}/{name}",
            f"{group} {name}".strip(),
            base_name(text_of(tube, "data_filename") or name),
            PlacedStrategy(f"{group} {name}".strip(), gates.axes, tree.populations, matrices),
            tree.order,
            tree.counts,
            groups=(group,),
        )

    def _matrix(self) -> SpectrumMatrix | None:
        settings = self.settings
        if settings is None or not is_true(settings, "compensation_enabled"):
            return None
        names, columns = [], []
        for parameter in settings.all("parameter"):
            holder = parameter.first("compensation")
            if holder is not None and is_true(parameter, "can_be_compensated"):
                cells = holder.all("compensation_coefficient")
                names.append(self.source.text(parameter, "name"))
                columns.append([self.source.parsed(cell, cell.text, cell.name) for cell in cells])
        if not names:
            return None
        try:
            # A parameter's coefficients are what the raw values are multiplied with: the matrix inverted already.
            values = tuple(zip(*columns, strict=True))
            return SpectrumMatrix(tuple(names), tuple(names), values, inverted=True)
        except (BadSpillover, ValueError) as error:
            self.source.refuse(settings, f"the compensation coefficients do not make a matrix ({error})")
