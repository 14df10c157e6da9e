"""Kaluza analyses (``.analysis``): a ZIP of FCS files and the XML of their gates, scales and compensation."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from immunomon.cytometry.formats.fcs import read_header
from immunomon.cytometry.formats.flowjo import IDENTITY, base_name
from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.kaluza_axes import MATRIX, KaluzaAxes
from immunomon.cytometry.formats.kaluza_gates import KaluzaGates
from immunomon.cytometry.formats.workspace_tree import grow
from immunomon.cytometry.formats.xmltree import XmlElement, parse_xml
from immunomon.cytometry.formats.zip_archive import ZipSource
from immunomon.cytometry.model.matrix_labels import MatrixTable
from immunomon.cytometry.model.placed import PlacedStrategy, Workspace, WorkspaceSample
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.errors import BadFcs, BadSpec, BadSpillover
from immunomon.study.model.fcs import FcsHeader

__all__ = ["KaluzaAnalysis", "open_kaluza"]

_LARGEST_XML = 256 * 1024 * 1024
_LARGEST_FCS = 16 * 1024 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class KaluzaAnalysis:
    """An analysis: its samples, and the FCS files that it holds, taken out of it into a folder."""

    workspace: Workspace
    files: tuple[Path, ...]


def open_kaluza(path: Path, folder: Path) -> KaluzaAnalysis:
    """Return a Kaluza analysis, its FCS files copied into an empty folder under the names of their data sets.

    Raises BadSpec with every problem, its entry and line, for an archive that is damaged, too large or no analysis;
    gates of a kind that is not read stay, with the reason.
    """
    with ZipSource(path) as archive:
        entries = list(_entries(archive))
        if not entries:
            archive.refuse("", "it holds no Kaluza analysis", "give an .analysis file that Kaluza saved")
        files = _assigned(entries, _extracted(archive, folder))
    samples = []
    for number, ((source, entry), file) in enumerate(zip(entries, files, strict=True), start=1):
        with source.noting():
            samples.append(_DataSet(source, entry, file).sample(number))
    sources = tuple(dict.fromkeys(source for source, _ in entries))
    problems = [item for source in sources for item in source.findings.problems]
    if problems:
        raise BadSpec(problems)
    version = next((entry.version for _, entry in entries if entry.version), "")
    ready = tuple(file.path for file in files if file is not None)
    remarks = tuple(remark for source in sources for remark in source.remarks)
    return KaluzaAnalysis(Workspace(str(path), f"Kaluza {version}".strip(), tuple(samples), remarks=remarks), ready)


@dataclass(frozen=True, eq=False)
class _Entry:
    """An ``Entry`` of the worklist: its XML, the stem of the archive entry it stands in, and Kaluza's version."""

    element: XmlElement
    stem: str
    alone: bool
    version: str

    @property
    def data_set(self) -> XmlElement:
        return self.element.first("DataSet") or self.element

    @property
    def name(self) -> str:
        return attribute(self.data_set, "N") or attribute(self.element, "N") or ""

    def keywords(self) -> dict[str, str]:
        """Return what the data set says of its file: pairs of a name that begins with ``$``, or GUID, and a value."""
        keywords = {}
        for element in _all_below(self.data_set):
            name = next((attribute(element, key) for key in ("N", "K", "Name", "Key") if attribute(element, key)), None)
            if name and (name.startswith("$") or name.upper() == "GUID"):
                value = next(
                    (attribute(element, key) for key in ("V", "Value") if attribute(element, key)), element.text
                )
                keywords[name.upper()] = (value or "").strip()
        return keywords


@dataclass(frozen=True, eq=False)
class _File:
    """An FCS file of the archive: the entry's name, where it was put, and its header, if that can be read."""

    entry: str
    path: Path
    header: FcsHeader | None


def _all_below(element: XmlElement) -> Iterator[XmlElement]:
    pending = [element]
    while pending:
        item = pending.pop()
        yield item
        pending.extend(reversed(item.children))


def _entries(archive: ZipSource) -> Iterator[tuple[WorkspaceSource, _Entry]]:
    for name in archive.names(".xml"):
        document = Path(f"{archive.path}/{base_name(name)}")
        root = parse_xml(archive.read(name, _LARGEST_XML), document)
        if root.name != "Analysis":
            continue
        listed = [item for work in root.all("Worklist") for group in work.all("Entries") for item in group.all("Entry")]
        source = WorkspaceSource(document)
        for element in listed:
            stem = base_name(name).rpartition(".")[0]
            yield source, _Entry(element, stem, len(listed) == 1, attribute(root, "Version") or "")


def _extracted(archive: ZipSource, folder: Path) -> list[_File]:
    """Copy the FCS files out of the archive, under numbers."""
    names = archive.names(".fcs", ".lmd")
    needed, free = sum(map(archive.size, names)), shutil.disk_usage(folder).free
    if needed > free:
        archive.refuse("", f"its files take {needed:,} bytes and {free:,} are free", "free some space for them")
    files = []
    for number, name in enumerate(names):
        target = folder / f"{number}.fcs"
        archive.copy(name, target, _LARGEST_FCS)
        try:
            files.append(_File(base_name(name), target, read_header(target)))
        except BadFcs:  # said where it is gated
            files.append(_File(base_name(name), target, None))
    return files


def _assigned(entries: Sequence[tuple[WorkspaceSource, _Entry]], files: list[_File]) -> list[_File | None]:
    """Return each entry's file, called like its data set.

    It is the one that the entry names, or the one whose header agrees with its keywords; what is left goes by order.
    """
    left = list(files)
    chosen: list[_File | None] = [None] * len(entries)
    for fits in (_refers_to, _agree):
        for index, (_, entry) in enumerate(entries):
            named = [file for file in left if fits(entry, file)] if chosen[index] is None else []
            if len(named) == 1:
                chosen[index] = named[0]
                left.remove(named[0])
    without = [index for index, file in enumerate(chosen) if file is None]
    if len(without) == len(left):
        for index, file in zip(without, left, strict=True):
            chosen[index] = file
    taken: set[str] = set()
    return [
        _renamed(file, entry.name, taken) if file else None for (_, entry), file in zip(entries, chosen, strict=True)
    ]


def _renamed(file: _File, data_set: str, taken: set[str]) -> _File:
    """Give a file a name that is safe on any system: of its data set if that has one, else of the archive's entry."""
    plain = re.sub(r"[^\w .()+-]", "_", data_set or file.entry).strip(" .")[:120] or "data"
    name = plain if plain.lower().endswith((".fcs", ".lmd")) else f"{plain}.fcs"
    while name.casefold() in taken:
        name = f"{len(taken) + 1} {name}"
    taken.add(name.casefold())
    # A folder of its own, so that no name of a data set can meet one of the numbers.
    target = file.path.with_suffix("") / name
    target.parent.mkdir()
    return replace(file, path=file.path.rename(target))


def _refers_to(entry: _Entry, file_entry: _File) -> bool:
    """Whether an entry names an FCS file of the archive, by its name or number, or lies beside it alone."""
    file = file_entry.entry.casefold()
    stem = file.rpartition(".")[0]
    places = (entry.element, entry.data_set, *entry.data_set.children)
    references = {value.casefold() for item in places for value in (*item.attributes.values(), item.text)}
    return file in references or stem in references or (entry.alone and stem == entry.stem.casefold())


def _agree(entry: _Entry, file: _File) -> bool:
    keywords, header = entry.keywords(), file.header
    if header is None:
        return False
    shared = [key for key in IDENTITY if keywords.get(key) and header.keyword(key)]
    return bool(shared) and all(keywords[key] == header.keyword(key).strip() for key in shared)


class _DataSet:
    """One entry with its file, read into a sample."""

    def __init__(self, source: WorkspaceSource, entry: _Entry, file: _File | None) -> None:
        self._source, self._entry = source, entry
        self._protocol = entry.element.first("Protocol") or entry.element
        self._file = file
        self._notes: list[str] = []

    def sample(self, number: int) -> WorkspaceSample:
        """Return the data set's gates on its file's channels; number: which one it is in the worklist."""
        entry, header = self._entry, self._file.header if self._file else None
        name = entry.name or f"data set {number}"
        measurements = self._measurements()
        axes = KaluzaAxes(self._source, measurements, self._channels(header))
        matrix = self._matrix(axes)
        axes.detectors = frozenset(matrix.detectors if matrix else ())
        holder, constraints = self._protocol.first("Gates"), self._protocol.first("GateConstraints")
        tree = grow(KaluzaGates(self._source, holder, constraints, axes).branches())
        if tree.populations and not axes.in_steps:
            self._notes.append("the gates' points are read as intensities: some lie beyond the 1,024 steps of an axis")
        placed = PlacedStrategy(name, axes.made, tree.populations, {MATRIX: matrix} if matrix else {})
        return WorkspaceSample(
            str(number),
            name,
            self._file.path.name if self._file else base_name(name),
            placed,
            tree.order,
            tree.counts,
            header.event_count if header else None,
            _identity(entry, header),
            notes=tuple(self._notes),
        )

    def _measurements(self) -> dict[str, XmlElement]:
        listed = [item for holder in self._protocol.all("Measurements") for item in holder.all("Measurement")]
        return {self._source.text(item, "N"): item for item in listed}

    def _channels(self, header: FcsHeader | None) -> tuple[str, ...]:
        if header is not None:
            return tuple(channel.detector for channel in header.channels)
        columns = (item for item in _all_below(self._entry.data_set) if item.name in ("C", "Column", "Parameter"))
        return tuple(name for item in columns if (name := attribute(item, "N")))

    def _matrix(self, axes: KaluzaAxes) -> SpectrumMatrix | None:
        """Return the compensation: how much of each source's light (row) reaches each channel (column)."""
        holder = self._protocol.first("Compensation") or self._entry.element.first("Compensation")
        listed = (
            [item.text for group in holder.all("CompensatedDetectors") for item in group.all("D")] if holder else []
        )
        if holder is None or not listed:
            return None
        if any(item.text.strip("0., ") for group in holder.all("AF") for item in group.all("DA")):
            self._notes.append("its compensation subtracts autofluorescence, which is not read")
        cells = {}
        for item in (item for group in holder.all("S") for item in group.all("SV")):
            pair = self._source.text(item, "S"), self._source.text(item, "C")
            if not set(pair) <= set(listed):
                self._source.refuse(item, f"'{pair[0]}' into '{pair[1]}': they are not both compensated detectors")
            if pair in cells:
                self._source.refuse(item, f"'{pair[0]}' into '{pair[1]}' is there twice")
            cells[pair] = self._source.number(item, "V")
        spread = [abs(value) for (source, channel), value in cells.items() if source != channel]
        whole = 100.0 if max(spread, default=0.0) > 1.0 else 1.0  # percents: more than all of it reaches no neighbour
        values = [[cells.get((row, column), whole if row == column else 0.0) for column in listed] for row in listed]
        try:
            channels = tuple(axes.channel_of(detector, area="INT") for detector in listed)
            return MatrixTable(channels, channels, values).spectrum()
        except (ValueError, BadSpillover) as error:
            self._source.refuse(holder, str(error))


def _identity(entry: _Entry, header: FcsHeader | None) -> Mapping[str, str]:
    identity = {key: header.keyword(key).strip() for key in IDENTITY} if header else entry.keywords()
    return {key: identity[key] for key in IDENTITY if identity.get(key)}
