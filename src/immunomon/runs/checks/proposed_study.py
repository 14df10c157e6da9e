"""A study proposed from a folder of FCS files: panels, subjects, visits, batches and controls, with guesses marked."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from immunomon.cytometry.formats.fcs_header import fcs_date
from immunomon.cytometry.formats.spillover import spillover_of
from immunomon.cytometry.specs.gatecall import Methods
from immunomon.errors import BadSpillover, counted
from immunomon.findings import shown
from immunomon.runs.checks.fcs_folder import FcsFolder, read_fcs_folder
from immunomon.runs.checks.file_names import FileName, Pattern
from immunomon.runs.checks.guessed_names import is_baseline, visit_order
from immunomon.runs.checks.proposed_panel import ProposedPanel, propose_panel, yaml_text
from immunomon.runs.checks.proposed_strategies import propose_strategies
from immunomon.runs.checks.tube import Progress
from immunomon.shape import BLANK
from immunomon.study.model.fcs import FcsHeader
from immunomon.study.model.fluorochromes import fluorochrome_key
from immunomon.study.model.marker_names import known_marker
from immunomon.study.specs.samples import COLUMNS

__all__ = ["ProposedStudy", "propose_study"]

_COLUMNS = tuple(COLUMNS)[:7]


@dataclass(frozen=True)
class ProposedStudy:
    """What is to be written, by the file's name relative to the study; notes: what a person should know at once.

    refused: why nothing is to be written; blanks: how many values are left to a person.
    """

    contents: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refused: str = ""
    blanks: int = 0
    listed: int = 0


def propose_study(
    folder: Path,
    fcs_folder: Path,
    *,
    methods: Methods,
    pattern: Pattern | None = None,
    progress: Progress | None = None,
) -> ProposedStudy:
    """Return the study that a folder of FCS files seems to be; folder: where it is to be written.

    methods: the registered gate methods by name; pattern: how the files are named.

    >>> propose_study(Path("new"), Path("none"), methods={}).refused
    'none: there are no FCS files (.fcs, .lmd)'
    """
    fcs_files = read_fcs_folder(fcs_folder, pattern=pattern, progress=progress)
    if fcs_files.refused:
        return ProposedStudy(notes=tuple(fcs_files.notes), refused=fcs_files.refused)
    return _Writer(folder, fcs_files, methods).study()


@dataclass
class _Writer:
    """The texts of a proposed study, file by file; names: panel's name by kind of files."""

    folder: Path
    fcs_files: FcsFolder
    methods: Methods
    blanks: int = 0

    def study(self) -> ProposedStudy:
        names = self._panel_names()
        panels = {kind: self._panel(kind, name) for kind, name in names.items()}
        rows = [self._row(name, names, panels) for name in self.fcs_files.names]
        rows = self._with_visits(rows)
        contents = {f"panels/{panel.name}.yaml": panel.text() for panel in panels.values()}
        self.blanks += sum(panel.blanks for panel in panels.values())
        contents["samples.csv"] = self._samples(rows)
        contents["study.yaml"] = "\n".join(self._study_lines(rows, panels)) + "\n"
        return ProposedStudy(contents, tuple(self.fcs_files.notes), "", self.blanks, len(rows))

    def _panel_names(self) -> dict[str, str]:
        """Return a name for each kind of files: what their names call it, else the shipped panel, else a number."""
        said: dict[str, Counter[str]] = defaultdict(Counter)
        for name in self.fcs_files.names:
            kind = self.fcs_files.kinds[name.file]
            if kind and not name.is_control:
                said[kind][_file_name(name.get("panel"))] += 1
        names: dict[str, str] = {}
        for number, (kind, counts) in enumerate(said.items(), start=1):
            word = counts.most_common(1)[0][0] or (f"panel{number}" if len(said) > 1 else "panel")
            unique, extra = word, 2
            while unique.casefold() in {taken.casefold() for taken in names.values()}:
                unique, extra = f"{word}_{extra}", extra + 1
            if unique != word:
                note = (
                    f"{counted(counts.total(), 'file')} of {shown(word)} have other channels or markers than the rest"
                )
                self.fcs_files.notes.append(f"{note}: they are panel {shown(unique)}; is it the same tube?")
            names[kind] = unique
        return names

    def _panel(self, kind: str, name: str) -> ProposedPanel:
        files = [
            item.file
            for item in self.fcs_files.names
            if self.fcs_files.kinds[item.file] == kind and not item.is_control
        ]
        fmo = [
            item.role[4:]
            for item in self.fcs_files.names
            if self.fcs_files.kinds[item.file] == kind and item.role[:4] == "fmo:"
        ]
        headers = [self.fcs_files.headers[file] for file in files]
        panel = propose_panel(headers, name, markers=self.fcs_files.markers)
        marked = tuple(
            replace(marker, fmo=any(_is_about(about, marker.marker, marker.fluorochrome) for about in fmo))
            for marker in panel.markers
        )
        return replace(panel, markers=marked)

    def _row(self, name: FileName, names: Mapping[str, str], panels: Mapping[str, ProposedPanel]) -> dict[str, str]:
        kind = self.fcs_files.kinds[name.file]
        date = fcs_date(self.fcs_files.headers[name.file].keyword("$DATE"))
        role = _role(name.role, panels.get(kind))
        gated = role in ("sample", "unstimulated")
        return {
            "file": name.file,
            "subject": name.get("subject") or (BLANK if gated else ""),
            "visit": name.get("visit"),
            "panel": names.get(kind, BLANK),
            "role": role,
            "batch": name.get("batch") or (date.isoformat() if date else name.get("date")),
            "collection_date": "",
        }

    def _with_visits(self, rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        """Return the rows with visits where no name has one: by dates within a subject, or the only one there is."""
        bare = [row for row in rows if row["role"] in ("sample", "unstimulated") and not row["visit"]]
        if not bare:
            return list(rows)
        by_tube: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
        for row in bare:
            by_tube[row["subject"], row["panel"]].append(row)
        if all(len(own) == 1 for own in by_tube.values()):
            visit = "once" if len(bare) == sum(row["role"] == "sample" for row in rows) else BLANK
            without = set(map(id, bare))
            return [{**row, "visit": visit} if id(row) in without else row for row in rows]
        visits: dict[int, str] = {}
        for own in by_tube.values():
            dates = sorted({row["batch"] for row in own})
            sure = len(dates) == len(own) and all(dates)
            visits |= {id(row): f"V{dates.index(row['batch']) + 1}" if sure else BLANK for row in own}
        self.fcs_files.notes.append("the names tell no visits: they are counted by date where a subject's dates differ")
        return [{**row, "visit": visits.get(id(row), row["visit"])} for row in rows]

    def _samples(self, rows: Sequence[Mapping[str, str]]) -> str:
        self.blanks += sum(BLANK in value for row in rows for key, value in row.items() if key != "file")
        before = self._path_of_files()
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row in rows:
            # "./" keeps a spreadsheet from taking a name for a formula.
            file = (
                f"{before}{row['file']}"
                if before
                else f"./{row['file']}"
                if not row["file"][0].isalnum()
                else row["file"]
            )
            writer.writerow([file, *(row[key] for key in _COLUMNS[1:])])
        return buffer.getvalue()

    def _path_of_files(self) -> str:
        relative = os.path.relpath(self.fcs_files.folder.resolve(), self.folder.resolve())
        return "" if relative == "." else f"{Path(relative).as_posix()}/"

    def _study_lines(self, rows: Sequence[Mapping[str, str]], panels: Mapping[str, ProposedPanel]) -> Iterator[str]:
        yield f'# Proposed from {counted(len(rows), "file")}: look at each line. "?" is left to you; remarks say what'
        yield "# was guessed. Every key is explained in docs/file-formats.md. After each change run: immunomon check ."
        yield "schema: immunomon.study/2"
        yield f"name: {yaml_text(_file_name(self.folder.resolve().name) or 'study')}"
        yield "# title: what the study is, for people"
        yield "# dose_groups: [{name: A, cells_per_kg: 1.0e6, infusion_days: [1]}]   doses or arms, if there are any"
        yield "# Ids are pseudonyms, never names. You may add: dose_group, sex: F, infusion_dates: [2025-01-13]"
        yield "subjects:"
        guesses = {name.get("subject"): name.guess for name in self.fcs_files.names if name.guess}
        donors = {row["subject"] for row in rows if row["role"] == "bridge"} - {"", BLANK}
        for subject in dict.fromkeys(row["subject"] for row in rows if row["subject"] not in {"", BLANK, *donors}):
            yield f"  - {{id: {yaml_text(subject)}}}{f'  # guess: {guesses[subject]}' if guesses.get(subject) else ''}"
        if donors:
            yield "donors:  # guess: of the tubes whose names say bridge"
            yield from (f"  - {{id: {yaml_text(donor)}}}" for donor in sorted(donors))
        yield from self._visit_lines(rows)
        yield "panels:"
        for panel in panels.values():
            yield self._use_line(panel)
        yield from self._other_lines(rows, panels)

    def _visit_lines(self, rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
        labels = list(dict.fromkeys(row["visit"] for row in rows if row["visit"] not in ("", BLANK)))
        ordered, how = self._ordered(labels, rows)
        first = ordered[0] if ordered and len(ordered) > 1 and is_baseline(ordered[0]) else None
        yield f"visits:  # {how}; planned_day: 15 and window_days: [12, 18] may be added"
        for label in ordered:
            guess = "baseline: true}  # guess" if label == first else ""
            yield f"  - {{label: {yaml_text(label)}{f', {guess}' if guess else '}'}"
        if not ordered:
            self.blanks += 1
            yield f'  - {{label: "{BLANK}"}}'
        if len(ordered) > 1 and first is None:
            yield "  # baseline: true goes with the visit from which changes are counted, if there is one"

    def _ordered(self, labels: Sequence[str], rows: Sequence[Mapping[str, str]]) -> tuple[list[str], str]:
        orders = {label: visit_order(label) for label in labels}
        known = {label: order for label, order in orders.items() if order is not None}
        if len(known) == len(labels):
            return sorted(labels, key=lambda label: known[label]), "guess: in the order of their labels"
        days: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            date = fcs_date(row["batch"])
            if date and row["visit"]:
                days[row["visit"]].append(date.toordinal())
        if all(days.get(label) for label in labels):
            return sorted(labels, key=lambda label: median(days[label])), "guess: in the order of the files' dates"
        return list(labels), "as the files' names have them: put them in order"

    def _use_line(self, panel: ProposedPanel) -> str:
        names, remark = propose_strategies(panel, methods=self.methods)
        if panel.blanks:
            remark = (
                f"{remark}; " * bool(remark)
                + f"panels/{panel.name}.yaml leaves {counted(panel.blanks, 'marker')} to you"
            )
        if not names:
            self.blanks += 1
        listed = f'"{BLANK}"' if not names else names[0] if len(names) == 1 else f"[{', '.join(names)}]"
        return f"  - {{panel: {yaml_text(panel.name)}, strategy: {listed}}}{f'  # {remark}' if remark else ''}"

    def _other_lines(self, rows: Sequence[Mapping[str, str]], panels: Mapping[str, ProposedPanel]) -> Iterator[str]:
        gated = [row["file"] for row in rows if row["role"] in ("sample", "unstimulated", "bridge")]
        with_matrix = sum(_has_matrix(self.fcs_files.headers[file]) for file in gated)
        if panels and all(panel.is_compensated for panel in panels.values()):
            yield "compensation: {source: none}  # guess: the channels' names say that they are compensated"
        elif with_matrix:
            yield "compensation: {source: file}  # each file's own matrix"
        else:
            self.blanks += 1
            yield "# No file has a matrix. none: they are compensated already; or matrix, and path: matrix.csv"
            yield f'compensation: {{source: "{BLANK}"}}'
        if panels:
            name = yaml_text(next(iter(panels.values())).name)
            yield "# Any two populations, of one tube or two, as a ratio over time: docs/your-own-panel.md"
            yield f"# ratios: [{{name: cd4_cd8, panel: {name}, numerator: cd4, denominator: cd8, of: t_cells}}]"
        before = self._path_of_files()
        if before.startswith(".."):
            yield f"data_folders: [{yaml_text(before.rstrip('/'))}]"


def _file_name(text: str) -> str:
    """Return a text as the name of a panel's file may be."""
    letters = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._+-") else "-" for letter in text)
    return letters.strip("-._+")[:60]


def _is_about(about: str, marker: str, fluorochrome: str) -> bool:
    if marker == BLANK:
        return False
    known = known_marker(about) or about
    return known.casefold() == (known_marker(marker) or marker).casefold() or fluorochrome_key(
        about
    ) == fluorochrome_key(fluorochrome)


def _role(role: str, panel: ProposedPanel | None) -> str:
    """Return a role in the panel's names: an FMO tube by its marker, a single stain by its fluorochrome."""
    word, _, about = role.partition(":")
    if not about or about == BLANK or panel is None:
        return role
    fitting = [marker for marker in panel.markers if _is_about(about, marker.marker, marker.fluorochrome)]
    if len(fitting) != 1:
        return f"{word}:{BLANK}"
    return f"{word}:{fitting[0].marker if word == 'fmo' else fitting[0].fluorochrome}"


def _has_matrix(header: FcsHeader) -> bool:
    try:
        return spillover_of(header) is not None
    except BadSpillover:
        return True  # check says what is wrong with it
