"""What a study's protocol says of the trial: its summary, and who may take part."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

__all__ = ["Criterion", "Protocol", "SummaryEntry", "SummaryParameter", "summary_parameters"]


@dataclass(frozen=True)
class SummaryParameter:
    """A parameter of the trial summary: code and name of CDISC, the code in the NCI thesaurus (blank if not known).

    form: text, number, date, duration or yes/no. asked: whether reviewers expect it of every trial.
    """

    code: str
    name: str
    nci: str
    form: str
    asked: bool


@functools.cache
def summary_parameters() -> Mapping[str, SummaryParameter]:
    """Return the parameters of CDISC's trial summary that are known here, by code, in the order of deliveries.

    Their NCI codes were written down from memory, and not held against CDISC's published terminology.

    >>> summary_parameters()["SSTDTC"].name
    'Study Start Date'
    """
    text = (files("immunomon.study") / "assets" / "trial-summary.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        row["parameter"]: SummaryParameter(
            row["parameter"], row["name"], row["nci"], row["form"], asked=row["asked"] == "yes"
        )
        for row in rows
    }


@dataclass(frozen=True)
class SummaryEntry:
    """One statement of the summary: the parameter, and its value, or in place of one why there is none.

    null_flavor: a code of ISO 21090: NI (no information), NA (not applicable), UNK (unknown), PINF (no upper limit).
    """

    code: str
    name: str
    value: str = ""
    null_flavor: str = ""


@dataclass(frozen=True)
class Criterion:
    """A criterion of inclusion or exclusion."""

    id: str
    category: str
    text: str


@dataclass(frozen=True)
class Protocol:
    """A protocol: its version, the summary of the trial, and the criteria of inclusion and exclusion."""

    version: str = ""
    summary: tuple[SummaryEntry, ...] = ()
    criteria: tuple[Criterion, ...] = ()
