"""A data transfer specification, written from the study: files, columns, units, codes, and how it is checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from immunomon import __version__
from immunomon.errors import counted
from immunomon.outputs.delivery.dataset import Dataset
from immunomon.outputs.delivery.frames import frames
from immunomon.outputs.delivery.tables import frequency_variables
from immunomon.outputs.delivery.terminology import published_lists
from immunomon.study.model.study import RoleKind, Sample, Study
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS

__all__ = ["transfer_specification"]

_UNITS = {"percent": "% of the denominator", "cells_per_ul": "10^6/L (cells per microlitre)", "median_intensity": "MFI"}


def transfer_specification(study: Study, samples: Sequence[Sample], populations: Mapping[str, Sequence[str]]) -> str:
    """Return the specification as Markdown.

    samples: the study's list; populations: of each panel in use, what its strategy reports. It holds nothing but what
    study, strategies and the software say; what must be agreed between people is named as a blank to fill in.
    """
    parts = [
        f"# Data transfer specification: {_plain(study.title)}",
        f"Study {_plain(study.name)}. Written by immunomon {__version__} from the study's own files; what stands in "
        "brackets is for people to agree on and fill in.",
        *_agreements(study, samples),
        *_frequencies(study, populations),
        *_assessments(),
        *(part for prefix, title in (("", "SDTM"), ("AD", "ADaM")) for part in _standard(prefix, title)),
        _MAPPING,
        _CHECKS,
    ]
    return "\n\n".join(parts) + "\n"


_MAPPING = """## annotated_mapping.csv, annotated_mapping.html

With SDTM and ADaM: a row a source column and variable made of it; columns that are not used, with the reason.

## sdtm/csdrg-draft.html, adam/adrg-draft.html

Drafts of the reviewer's guides; what people have to fill in is listed at their front and in the manifest."""
_CHECKS = """## How a transfer is checked

- `manifest.json` names every file with its SHA-256 and size; `immunomon check-delivery FOLDER` holds the folder against
  it and against the rules of deliveries.
- A transfer that is a test says so in the manifest, in `TEST-TRANSFER.txt` and in `check-delivery`.
- `immunomon deliver --previous FOLDER` lists what is new, changed and withdrawn since the transfer before.
- Samples are held against the sponsor's list of subjects and visits by `immunomon reconcile`; what differs becomes a
  query in `queries.csv`.
- A blinded transfer has no dose and no dates, and codes in place of subjects, visits, panels and samples; its key is
  kept apart by [name]."""


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _agreements(study: Study, samples: Sequence[Sample]) -> Iterator[str]:
    tubes = [sample for sample in samples if sample.role.kind is RoleKind.SAMPLE]
    subjects = {sample.subject for sample in tubes if sample.subject}
    yield "## Parties and schedule"
    yield "\n".join(
        (
            "| what | agreed |",
            "|---|---|",
            "| sender, receiver | [names] |",
            "| how often, by which way | [agree] |",
            "| encryption and access | [agree] |",
            f"| subjects | {len(study.subjects)} in the study file; {len(subjects)} with samples listed today |",
            f"| subject ids | pseudonyms such as {_plain(study.subjects[0].id) if study.subjects else '[none yet]'} |",
            f"| visits | {', '.join(_plain(visit.label) for visit in study.visits)} |",
            f"| tubes listed today | {len(tubes)} |",
            "| file names | as below; a transfer is a folder of its own, never changed after it was sent |",
            "| character set, missing values | UTF-8 (SDTM and ADaM: ASCII); missing is blank, never 0 |",
            "| dates | ISO 8601; study day 1 is the first infusion, there is no day 0 |",
        )
    )


def _frequencies(study: Study, populations: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield "## subset_frequencies.csv"
    yield (
        "One row per number: a subject, visit, panel, population and statistic. A number that may not be reported is "
        "blank and has its reason."
    )
    rows = [f"| `{variable.name}` | {variable.type} | {_plain(variable.label)} |" for variable in frequency_variables()]
    yield "\n".join(("| column | type | meaning |", "|---|---|---|", *rows))
    yield "\n".join(("| quantity | unit |", "|---|---|", *(f"| `{name}` | {unit} |" for name, unit in _UNITS.items())))
    yield "`status`: reported, not reportable, not done."
    listed = [
        f"| {_plain(use.panel)} | {', '.join(map(_plain, populations.get(use.panel, ()))) or '[strategy not read]'} |"
        for use in study.panels
    ]
    yield "\n".join(("| panel | populations reported |", "|---|---|", *listed))


def _assessments() -> Iterator[str]:
    yield "## Other assessments (CSV)"
    yield "As docs/assessments.md describes them; a file without rows is not sent."
    rows = [f"| `{table.name}.csv` | {table.row} | {', '.join(table.names)} |" for table in ASSESSMENT_INPUTS.values()]
    yield "\n".join(("| file | one row | columns |", "|---|---|---|", *rows))


def _standard(prefix: str, title: str) -> Iterator[str]:
    datasets = [dataset for name, dataset in frames().items() if name.startswith("AD") == (prefix == "AD")]
    folder = title.casefold()
    yield f"## {title}: {folder}/*.xpt or {folder}/*.json, with define.xml"
    for dataset in datasets:
        yield "\n".join(_dataset(dataset))


def _dataset(dataset: Dataset) -> Iterator[str]:
    of = f"{dataset.structure}; {counted(len(dataset.variables), 'variable')}"
    yield f"### {dataset.name.casefold()}: {dataset.label} ({of})"
    yield ""
    yield "| variable | label | type | core | code list |"
    yield "|---|---|---|---|---|"
    for variable in dataset.variables:
        published = published_lists().get(variable.codelist)
        codes = f"{variable.codelist} ({published.nci})" if published else variable.codelist
        yield f"| {variable.name} | {variable.label} | {variable.type} | {variable.core} | {codes} |"
