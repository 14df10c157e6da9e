"""How each format of a delivery is written: its datasets, their files, and what lies beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from immunomon.outputs.conformance.check import check_received
from immunomon.outputs.conformance.received import receive
from immunomon.outputs.conformance.registry import RULES
from immunomon.outputs.delivery.adam import adam_datasets
from immunomon.outputs.delivery.annotated import annotated_mapping, mapping_page
from immunomon.outputs.delivery.blinding import blinded, key_for
from immunomon.outputs.delivery.content import Content
from immunomon.outputs.delivery.dataset import Dataset
from immunomon.outputs.delivery.dataset_json import write_dataset_json
from immunomon.outputs.delivery.define_xml import About, write_define
from immunomon.outputs.delivery.guide_page import Guide
from immunomon.outputs.delivery.guides import analysis_guide, tabulation_guide
from immunomon.outputs.delivery.manifest import neutralised, write_csv, write_text, write_workbook
from immunomon.outputs.delivery.miflowcyt import (
    checklist,
    checklist_table,
    checklist_text,
    files_table,
    gates_table,
)
from immunomon.outputs.delivery.redcap import redcap_tables
from immunomon.outputs.delivery.sdtm import sdtm_datasets
from immunomon.outputs.delivery.source import Headers
from immunomon.outputs.delivery.tables import frequency_table, immport_table, links_table, people_tables
from immunomon.outputs.delivery.xpt import write_xpt
from immunomon.study.model.identifiers import scrubbed_text

__all__ = ["FORMATS", "Writing"]

# What is made of the names of files, which may name persons; other texts come from the study, not from files.
_FROM_FILES = {
    *("sample_id", "file", "gate_picture", "gates", "trace", "value", "CPSPID", "BSSPID", "QVAL"),
    *("Expsample ID", "Comments"),
}


@dataclass(eq=False)
class Writing:
    """A delivery while it is written: the content, the folder, and the datasets with their files."""

    content: Content
    headers: Headers
    folder: Path
    made: str
    datasets: list[tuple[Dataset, str]] = field(default_factory=list)
    key: Path | None = None
    absent: dict[str, str] = field(default_factory=dict)
    neutralised: dict[str, int] = field(default_factory=dict)
    guides: dict[str, list[str]] = field(default_factory=dict)

    def scrub(self, dataset: Dataset) -> Dataset:
        """Return a dataset without what names persons."""
        names = self.headers.removed
        if not names:
            return dataset
        places = {index for index, name in enumerate(dataset.names) if name in _FROM_FILES}
        rows = [
            [scrubbed_text(v, names) if index in places and isinstance(v, str) else v for index, v in enumerate(row)]
            for row in dataset.rows
        ]
        return dataset.with_rows(rows)

    def csv(self, datasets: Sequence[Dataset]) -> None:
        """Write datasets as CSV."""
        for dataset in map(self.scrub, datasets):
            write_csv(self.folder / f"{dataset.name}.csv", dataset)
            if cells := neutralised(dataset):
                self.neutralised[f"{dataset.name}.csv"] = cells
            self.datasets.append((dataset, f"{dataset.name}.csv"))

    def cdisc(self, part: str, datasets: Sequence[Dataset], suffix: str) -> list[Dataset]:
        """Write datasets of one standard with their Define-XML into a folder of their own; return them as written."""
        folder = self.folder / part
        folder.mkdir()
        study = self.content.trial
        files = {dataset.name: f"{dataset.name.casefold()}{suffix}" for dataset in datasets}
        scrubbed = [self.scrub(dataset) for dataset in datasets]
        for dataset in scrubbed:
            path = folder / files[dataset.name]
            if suffix == ".xpt":
                write_xpt(path, dataset, self.made)
            else:
                write_dataset_json(path, dataset, (study.name, self.made))
            self.datasets.append((dataset, f"{part}/{path.name}"))
        write_define(folder / "define.xml", scrubbed, About(study.name, study.title, self.made, files))
        return scrubbed

    def guide(self, file: str, guide: Guide) -> None:
        """Write the draft of a reviewer's guide."""
        write_text(self.folder / file, guide.text())
        self.guides[file] = [f"{section}: {what}" for section, what in guide.blanks]


def _csv(work: Writing) -> None:
    if work.key is None:
        work.csv(people_tables(work.content))
        return
    table = frequency_table(work.content)
    work.csv([blinded(table, key_for(work.key, table))])
    work.absent["links"] = work.absent["other assessments"] = "the transfer is blinded"


def _excel(work: Writing) -> None:
    tables = [work.scrub(dataset) for dataset in people_tables(work.content)]
    write_workbook(work.folder / "delivery.xlsx", tables, work.made)
    work.csv(tables)  # beside the workbook: what the next delivery is compared with


def _redcap(work: Writing) -> None:
    work.csv([*redcap_tables(work.content), links_table(work.content)])


def _immport(work: Writing) -> None:
    work.csv([immport_table(work.content), links_table(work.content)])


def _sdtm(work: Writing) -> None:
    _submitted(work, ".xpt", analysis=False)


def _adam(work: Writing) -> None:
    _submitted(work, ".xpt", analysis=True)


def _dataset_json(work: Writing) -> None:
    _submitted(work, ".json", analysis=True)


def _submitted(work: Writing, suffix: str, *, analysis: bool) -> None:
    """Write SDTM, and ADaM with it, the mapping of every source column to their variables, and the links."""
    made = sdtm_datasets(work.content)
    work.absent |= made.absent
    tabulated = work.cdisc("sdtm", made.datasets, suffix)
    analysed = work.cdisc("adam", adam_datasets(work.content, made), suffix) if analysis else []
    mapping = annotated_mapping([*tabulated, *analysed])
    work.csv([links_table(work.content), mapping])
    write_text(work.folder / "annotated_mapping.html", mapping_page(mapping))
    of_data = [rule for rule in RULES.values() if not rule.number.startswith("MF")]  # the manifest is not there yet
    report = check_received(receive(work.folder), of_data)
    work.guide("sdtm/csdrg-draft.html", tabulation_guide(work.content, tabulated, absent=made.absent, report=report))
    if analysis:
        work.guide("adam/adrg-draft.html", analysis_guide(work.content, analysed, report))


def _miflowcyt(work: Writing) -> None:
    items = checklist(work.content, work.headers)
    items = [replace(item, values=tuple(scrubbed_text(v, work.headers.removed) for v in item.values)) for item in items]
    write_text(work.folder / "miflowcyt.md", checklist_text(items, work.content.trial.title))
    work.csv([checklist_table(items), files_table(work.content), gates_table(work.content)])


FORMATS: Mapping[str, Callable[[Writing], None]] = {
    "csv": _csv,
    "excel": _excel,
    "redcap": _redcap,
    "immport": _immport,
    "sdtm": _sdtm,
    "adam": _adam,
    "dataset-json": _dataset_json,
    "miflowcyt": _miflowcyt,
}
