"""How well the acquisition's quality is judged: flagged events against simulated truth, verdicts on real files."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from immunomon.assurance.simulate.acquisition import ANOMALY_KINDS, Disturbance
from immunomon.assurance.simulate.instrument import CHANNELS, TOP_OF_RANGE
from immunomon.assurance.simulate.layouts import LAYOUTS
from immunomon.assurance.simulate.plan import Plan, all_tubes
from immunomon.assurance.simulate.protocol import Scenario, draw_patients, visits_named
from immunomon.assurance.simulate.tubes import Tube, run_tube
from immunomon.assurance.validation.sections import Section, Settings, verdict_of_line
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.steps.quality_control import check_quality
from immunomon.errors import ImmunomonError
from immunomon.study.model.channels import Channel
from immunomon.study.model.quality import QualityLimits, Verdict

__all__ = ["FileTally", "Score", "scores", "section"]

SEEDS = 5
LEAST_RECALL, LEAST_PRECISION, MOST_CLEAN_PERCENT = 0.90, 0.80, 2.0
_GAINS = (0.95, 0.9, 0.8, 0.7, 1.1, 1.25)
_FILES_A_GAIN = 24


@dataclass(frozen=True)
class FileTally:
    """One simulated file: what was wrong with it, and events counted: flagged, spoiled, both; the same for margins."""

    kind: str
    events: int
    flagged: int
    spoiled: int
    both: int
    margins_flagged: int
    margins_true: int
    margins_both: int
    verdict: Verdict


@dataclass(frozen=True)
class Score:
    """Recall and precision of flagged events, pooled over the files of one kind of artefact."""

    kind: str
    files: int
    found: int
    recall: float
    precision: float

    @property
    def met(self) -> bool:
        """Whether both are at their targets."""
        return self.recall >= LEAST_RECALL and self.precision >= LEAST_PRECISION


def scores(tallies: Sequence[FileTally]) -> list[Score]:
    """Return one score a kind of artefact that occurs, in the simulator's order.

    >>> tally = FileTally("clog", 1000, 100, 90, 81, 0, 0, 0, Verdict.WARN)
    >>> scores([tally])
    [Score(kind='clog', files=1, found=1, recall=0.9, precision=0.81)]
    """
    out = []
    for kind in ANOMALY_KINDS[1:]:
        mine = [tally for tally in tallies if tally.kind == kind]
        shared, flagged = sum(t.both for t in mine), sum(t.flagged for t in mine)
        spoiled = sum(t.spoiled for t in mine)
        if mine:
            detected = sum(1 for t in mine if t.both > 0.5 * t.spoiled)
            out.append(Score(kind, len(mine), detected, _share(shared, spoiled), _share(shared, flagged)))
    return out


def section(settings: Settings) -> Section:
    """Return the section on acquisition quality: simulated artefacts, clean files, weak changes, real files, time."""
    began = time.monotonic()
    seeds = range(settings.seed, settings.seed + SEEDS)
    with ThreadPoolExecutor(settings.jobs) as pool:
        tallies = [
            tally for seed in seeds for tally in pool.map(lambda t, s=seed: _tally(t, s), _tubes(settings, seed))
        ]
        weak = [_weak_step(settings, gain) for gain in _GAINS]
    by_kind = scores(tallies)
    clean = np.array([100 * (t.flagged + t.margins_flagged) / t.events for t in tallies if t.kind == "none"])
    clean_strays = sum(1 for t in tallies if t.kind == "none" and t.flagged)
    met = all(score.met for score in by_kind) and float(clean.max()) <= MOST_CLEAN_PERCENT
    real = list(_real_files())
    met &= all(row[1] in (Verdict.WARN, Verdict.FAIL) for row in _dirty(real))
    text = [
        "## Acquisition quality",
        "",
        f"Written by `immunomon validate --quality --events {settings.events} --seed {settings.seed}` "
        f"in {time.monotonic() - began:.0f} s; thresholds are a study's defaults.",
        "",
        f"Simulated patients' files of {SEEDS} trials (seeds {seeds[0]} to {seeds[-1]}; the method was chosen on seeds "
        f"11 to 15): {len(tallies)} files, artefacts as the simulator draws them for any trial.",
        "",
        *_score_table(by_kind),
        "",
        f"Clean files: {clean.size}; flagged events (margins included) {clean.mean():.2f} % on average, "
        f"{clean.max():.2f} % at most (target: at most {MOST_CLEAN_PERCENT:g} %); "
        f"{clean_strays} of them have a stretch flagged.",
        "",
        _margin_line(tallies),
        "",
        *_weak_table(weak),
        "",
        *_real_text(real),
        "",
        _speed_line(),
        "",
        *_NOT_SHOWN,
    ]
    lines = [
        f"{verdict_of_line(score.met)}  {score.kind}: recall {score.recall:.3f}, precision {score.precision:.3f}, "
        f"{score.found} of {score.files} files found"
        for score in by_kind
    ]
    verdict = verdict_of_line(float(clean.max()) <= MOST_CLEAN_PERCENT)
    lines.append(f"{verdict}  clean files: {clean.mean():.2f} % flagged on average, {clean.max():.2f} % at most")
    lines += [f"         {name}: {verdict} ({percent:.1f} % flagged)" for name, verdict, percent, _ in _told(real)]
    return Section("\n".join(text) + "\n", tuple(lines), met)


_NOT_SHOWN = (
    "What this does not show: the simulator's artefacts are of one strength each (signals x 0.62 or x 1.5, to x 0.45 "
    "in a drift, a fifth of the flow rate in a clog) and touch all channels at once; a change of one dim marker alone, "
    "or of less than the threshold, is not flagged (table above). The real files have no truth event by event, and the "
    "default thresholds were chosen with these files in view. "
    "A change of what is in the tube (cells that settle) looks like a change of the instrument.",
)


def _tubes(settings: Settings, seed: int) -> list[Tube]:
    patients = draw_patients(Scenario.MECHANISM, 3, seed=seed)
    plan = Plan(patients, visits_named(None), tuple(LAYOUTS.values()), settings.events, seed)
    return [tube for tube in all_tubes(plan) if tube.role == "sample"]


def _tally(tube: Tube, seed: int, disturbance: Disturbance | None = None) -> FileTally:
    run = run_tube(tube, seed, disturbance=disturbance)
    assert run.truth is not None
    channels = tuple(Channel(name, range=TOP_OF_RANGE) for name in CHANNELS)
    judged = check_quality(EventTable.adopt(run.events, channels, Scale.RAW, tube.file), QualityLimits())
    spoiled, margin = run.truth.anomaly, run.truth.margin
    return FileTally(
        run.truth.anomaly_kind,
        len(run.events),
        int(judged.strays.sum()),
        int(spoiled.sum()),
        int((judged.strays & spoiled).sum()),
        int(judged.margins.sum()),
        int(margin.sum()),
        int((judged.margins & margin).sum()),
        judged.quality.verdict,
    )


def _weak_step(settings: Settings, gain: float) -> tuple[float, float, float]:
    """Return a gain and, for a step of that size over a tenth of the events, recall and the share of files warned."""
    tubes = _tubes(settings, settings.seed)
    chosen = islice(tubes, 0, len(tubes), max(1, len(tubes) // _FILES_A_GAIN))
    tallies = [_tally(tube, settings.seed, Disturbance("step", 0.9, 1.0, gain)) for tube in chosen]
    warned = sum(1 for tally in tallies if tally.verdict is not Verdict.PASS)
    return gain, _share(sum(t.both for t in tallies), sum(t.spoiled for t in tallies)), warned / len(tallies)


def _score_table(by_kind: Sequence[Score]) -> Iterator[str]:
    yield (
        f"| artefact | files | found | recall of its events (target {LEAST_RECALL:.2f}) | "
        f"precision (target {LEAST_PRECISION:.2f}) | verdict |"
    )
    yield "| --- | --- | --- | --- | --- | --- |"
    for score in by_kind:
        cells = (score.kind, score.files, score.found, f"{score.recall:.3f}", f"{score.precision:.3f}")
        yield f"| {' | '.join(map(str, cells))} | {verdict_of_line(score.met).strip()} |"


def _margin_line(tallies: Sequence[FileTally]) -> str:
    shared = sum(t.margins_both for t in tallies)
    recall = _share(shared, sum(t.margins_true for t in tallies))
    precision = _share(shared, sum(t.margins_flagged for t in tallies))
    return (
        f"Events pushed off the scale: recall {recall:.3f}, precision {precision:.3f} "
        "(bright cells at the top of a channel are flagged too, and are not counted as pushed)."
    )


def _weak_table(weak: Sequence[tuple[float, float, float]]) -> Iterator[str]:
    yield "Weaker steps, in all channels over the last tenth of the events (not targets):"
    yield ""
    yield "| signals times | recall of its events | files not passed |"
    yield "| --- | --- | --- |"
    for gain, recall, warned in weak:
        yield f"| {gain:g} | {recall:.2f} | {100 * warned:.0f} % |"


def _real_files() -> Iterator[tuple[str, str, float, str]]:
    """Yield name, verdict, percent flagged and reason of the real files whose folder IMMUNOMON_REAL_DATA names."""
    named = os.environ.get("IMMUNOMON_REAL_DATA")
    for folder in ("time-quality", "activation", "cohorts/itn") if named else ():
        for path in sorted((Path(named or "") / folder).glob("*.fcs")):
            try:
                quality = check_quality(read_fcs(path)[1], QualityLimits()).quality
            except ImmunomonError:
                continue
            yield f"{folder}/{path.name}", str(quality.verdict), quality.flagged_percent, quality.reason or ""


def _dirty(real: Sequence[tuple[str, str, float, str]]) -> list[tuple[str, str, float, str]]:
    return [row for row in real if row[0].startswith("time-quality")]


def _real_text(real: Sequence[tuple[str, str, float, str]]) -> Iterator[str]:
    if not real:
        yield "Real files: not measured (IMMUNOMON_REAL_DATA names no folder)."
        return
    dirty = _dirty(real)
    caught = sum(1 for row in dirty if row[1] in (Verdict.WARN, Verdict.FAIL))
    yield f"Real files (no truth event by event): {caught} of {len(dirty)} files known to be dirty are found."
    yield ""
    yield "| file | verdict | flagged, % | reason |"
    yield "| --- | --- | --- | --- |"
    yield from (f"| {name} | {verdict} | {percent:.1f} | {reason} |" for name, verdict, percent, reason in _told(real))


def _told(real: Sequence[tuple[str, str, float, str]]) -> Iterator[tuple[str, str, float, str]]:
    """Yield one row a file, and one for all files of a folder of which the same is said for the same reason."""
    for (folder, verdict, reason), rows in groupby(real, key=lambda row: (row[0].rpartition("/")[0], row[1], row[3])):
        files = list(rows)
        name = files[0][0] if len(files) == 1 else f"{folder}: {len(files)} files"
        yield name, verdict, max(row[2] for row in files), reason


def _speed_line() -> str:
    rng = np.random.default_rng(0)
    values = rng.lognormal(6, 2, (200_000, len(CHANNELS))).astype(np.float32)
    values[:, -1] = np.arange(len(values)) // 5
    table = EventTable.adopt(values, tuple(Channel(name) for name in CHANNELS), Scale.RAW)
    spent = []
    for _ in range(7):
        began = time.thread_time()
        check_quality(table, QualityLimits())
        spent.append(time.thread_time() - began)
    milliseconds = 1000 * sorted(spent)[3]
    return f"Time for 200,000 events of {len(CHANNELS)} channels: {milliseconds:.0f} ms of one processor (median of 7)."


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
