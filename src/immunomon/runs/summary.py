"""How a run ended, in numbers: one that did something, and one that found that nothing has changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from immunomon.runs.folder import read_record
from immunomon.runs.unchanged import Memory

__all__ = ["RunSummary", "as_it_stands"]


@dataclass(frozen=True)
class RunSummary:
    """How a run ended: how many files were gated now, kept from before, kept as controls, and failed.

    changed: samples whose kept results were not as the last run sealed them, and were made anew. doubts: what the
    values rest on, in numbers, a line each. warnings: where declared scales do not fit the files, and which populations
    are left out because a panel lacks their markers. remarks: what else was asked to be said of the study.
    unchanged_since: when the run ended that is as it would be now, so that nothing was written; None if there was
    something to do. files_read: how many FCS files were read to know that. dropped: samples that a person left out.
    """

    folder: Path
    gated: int
    kept: int
    controls: int
    failed: tuple[tuple[str, str], ...]
    changed: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    unchanged_since: str | None = None
    files_read: int = 0
    dropped: int = 0

    @property
    def complete(self) -> bool:
        """Whether no file failed."""
        return not self.failed


def as_it_stands(memory: Memory, asked: str) -> RunSummary:
    """Return the summary of a finished run that is as it would be now."""
    record = read_record(memory.root)[0]
    summary = RunSummary(
        memory.root,
        gated=0,
        kept=memory.gated,
        controls=sum(file["status"] == "control" for file in record["files"]),
        failed=tuple((file["sample_id"], file["reason"]) for file in record["files"] if file["status"] == "failed"),
        doubts=memory.said("doubts"),
        warnings=tuple(record["warnings"]),
        remarks=memory.said("remarks"),
        unchanged_since=record["finished_utc"],
        files_read=memory.inputs.read,
        dropped=sum(file["status"] == "dropped" for file in record["files"]),
    )
    memory.keep(asked, summary)
    return summary
