"""Quality: how acquisitions went, of FCS files or of a run's samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run
from immunomon.study.model.quality import Check, Quality, QualityLimits, Verdict

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Acquisitions", "judge_acquisitions"]


@dataclass(frozen=True, eq=False)
class Acquisitions:
    """How each acquisition was judged, by file or sample id; failures: what could not be judged, and why."""

    qualities: Mapping[str, Quality]
    failures: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Quality:
        if name not in self.qualities:
            raise UnknownName(f"no acquisition '{name}' was judged; {nearest(name, self.qualities)}")
        return self.qualities[name]

    @property
    def is_clean(self) -> bool:
        """Whether all could be judged and none failed."""
        failed = any(judged.verdict is Verdict.FAIL for judged in self.qualities.values())
        return not self.failures and not failed

    @property
    def table(self) -> pd.DataFrame:
        """One row an acquisition: sample, verdict, percent of flagged events, reason."""
        import pandas as pd

        columns = ["sample", "verdict", "flagged_percent", "reason"]
        rows = [
            (name, str(judged.verdict), judged.flagged_percent, judged.reason)
            for name, judged in self.qualities.items()
        ]
        return pd.DataFrame(rows, columns=columns)

    @property
    def lines(self) -> tuple[str, ...]:
        """A line an acquisition, as ``immunomon quality`` prints it; the last one counts the verdicts."""
        return tuple(self._lines(checks=False))

    @property
    def lines_with_checks(self) -> tuple[str, ...]:
        """The lines, each followed by every check of the acquisition, channel by channel."""
        return tuple(self._lines(checks=True))

    def _lines(self, *, checks: bool) -> Iterator[str]:
        width = max((len(name) for name in self.qualities), default=4)
        yield f"{'sample':{width}}  {'verdict':15}  flagged %  reason"
        for name, quality in self.qualities.items():
            figures = f"{quality.verdict!s:15}  {quality.flagged_percent:9.2f}"
            yield f"{name:{width}}  {figures}  {quality.reason or ''}".rstrip()
            if checks:
                yield from (_check(check) for check in quality.checks)
        counts = Counter(quality.verdict for quality in self.qualities.values())
        yield "; ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])

    def draw(self, folder: str | Path) -> list[Path]:
        """Draw flow rate and signals over each acquisition, a PNG each, into a folder; return the files."""
        from immunomon.plots.quality_control import write_acquisitions

        return write_acquisitions(self.qualities, Path(folder))

    def __repr__(self) -> str:
        return "\n".join([*self.lines, *(f"failed: {failure}" for failure in self.failures)])


def judge_acquisitions(*paths: str | Path | Run, study: str | Path | None = None) -> Acquisitions:
    """Judge acquisitions: clogs, surges, steps, drifts, margins, Time, too few events.

    paths: FCS files, or one run. study: of FCS files, whose thresholds hold; default: the program's. A file that cannot
    be read is among the failures. Raises ImmunomonError for a folder among other paths, BadRun for one that is no run.

    >>> judge_acquisitions("no-such-file.fcs").is_clean
    False
    """
    runs = [path for path in paths if isinstance(path, Run) or Path(path).is_dir()]
    if not runs:
        return _of_files([Path(str(path)) for path in paths], _limits(study))
    if len(paths) > 1:
        name = runs[0].folder if isinstance(runs[0], Run) else runs[0]
        raise ImmunomonError(f"{name}: a folder among other paths; name FCS files, or one run folder")
    return Acquisitions(_of_run(find_run(runs[0])))


def _limits(study: str | Path | None) -> QualityLimits:
    if study is None:
        return QualityLimits()
    from immunomon.study.specs.study import load_study

    return load_study(Path(study)).quality


def _of_files(paths: Sequence[Path], limits: QualityLimits) -> Acquisitions:
    from immunomon.cytometry.formats.fcs import read_fcs
    from immunomon.cytometry.steps.quality_control import check_quality

    qualities, failures = {}, []
    for path in paths:
        try:
            qualities[str(path)] = check_quality(read_fcs(path)[1], limits).quality
        except (ImmunomonError, OSError) as error:
            failures.append(str(error))
    return Acquisitions(qualities, tuple(failures))


def _of_run(run: Run) -> dict[str, Quality]:
    qualities = {}
    for file in run.record["files"]:
        stored = run.result(file["sample_id"]) if file["status"] == "gated" else None
        if stored and stored.get("quality"):
            qualities[str(file["sample_id"])] = Quality.from_dict(stored["quality"])
    if not qualities:
        raise ImmunomonError(f"{run.folder}: this run judged no acquisition; run the study again")
    return qualities


def _check(check: Check) -> str:
    subject = f"{check.check} {check.channel or ''}".strip()
    value = "" if check.value is None else f"{check.value:.4g}"
    limit = "" if check.threshold is None else f"(limit {check.threshold:g})"
    return f"    {subject:24} {check.verdict!s:15} {value:>9} {limit:14} {check.reason or ''}".rstrip()
