"""Many small files gated through random faults, and the tables held against those of a run that nothing disturbed.

    python benchmarks/soak.py [--files 2000] [--faults 30] [--events 1000] [--jobs 2] [--seed 1] [--json FILE]

A simulated trial of one panel is run undisturbed. Then ``immunomon run --timeout --retries`` on the same study is
disturbed, again and again, each time after a random number of steps and in a random way: the run is stopped by Ctrl-C,
SIGTERM or SIGKILL; a worker is killed or made to hang; an FCS file vanishes, grows, is cut or becomes a named pipe, and
is put back before the next start. Half of the runs that go on after that are stopped by SIGTERM later. At last the run
goes to its end. Exit 1 unless nothing is lost, nothing doubled, every table the same in bytes, no process and no
half-written file left, and the memory of the parent flat.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.files import is_running
from immunomon.runs.folder import RunFolder

COMMAND = [sys.executable, "-m", "immunomon.cli.main"]
SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}
WORKER_SIGNALS = {"worker killed": signal.SIGKILL, "worker hangs": signal.SIGSTOP}
FLAT_MB = 20.0  # that the parent may grow by from the first quarter of the gating to its end, for 1,000 files


@dataclass
class Going:
    """A run in a process of its own, with the lines that its log has so far and the parent's memory at each look."""

    process: subprocess.Popen[bytes]
    log: Path
    begins: int
    rss_mb: list[tuple[int, float]] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, object]]:
        """What the log says of this run."""
        if not self.log.exists():
            return []
        lines = self.log.read_bytes()[self.begins :].split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    @property
    def workers(self) -> list[int]:
        """The processes that work on files, oldest first."""
        return [int(str(event["process"])) for event in self.events if event["event"] == "worker"]

    def look(self) -> int:
        """Return how many steps of files are done, and remember how much memory the parent takes by now."""
        steps = sum(event["event"] == "file" for event in self.events)
        with suppress(OSError, ValueError, StopIteration):
            lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
            line = next(line for line in lines if line.startswith("VmRSS"))
            self.rss_mb.append((steps, int(line.split()[1]) / 1024))
        return steps


@contextmanager
def running(study: Path, run: Path, *, jobs: int, seconds: float) -> Iterator[Going]:
    """Start a run whose files have a limit and retries; it is over when the block is."""
    log = run.with_suffix(".jsonl")
    limits = ["--timeout", str(seconds), "--retries", "2", "--jobs", str(jobs), "--log", str(log)]
    words = [*COMMAND, "run", str(study), "--out", str(run), *limits]
    begins = log.stat().st_size if log.exists() else 0
    # A shell lets what it starts in the background ignore Ctrl-C, and so would what that starts.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    for number, handler in before.items():
        signal.signal(number, handler)
    try:
        yield Going(process, log, begins)
    finally:
        process.kill()
        process.wait()


def spoil_vanish(path: Path) -> None:
    """Take a file away."""
    path.unlink()


def spoil_grow(path: Path) -> None:
    """Let a file grow, as one that is still being written."""
    with path.open("ab") as file:
        file.write(b"\0" * 4096)


def spoil_cut(path: Path) -> None:
    """Cut a file in the middle."""
    os.truncate(path, path.stat().st_size // 2)


def spoil_pipe(path: Path) -> None:
    """Put a named pipe in place of a file."""
    path.unlink()
    os.mkfifo(path)


SPOILS: dict[str, Callable[[Path], None]] = {
    "file vanishes": spoil_vanish,
    "file grows": spoil_grow,
    "file is cut": spoil_cut,
    "file becomes a pipe": spoil_pipe,
}
FAULTS = (*SIGNALS, *WORKER_SIGNALS, *SPOILS)


def disturb(going: Going, fault: str, files: Sequence[Path], rng: random.Random) -> list[tuple[Path, bytes]]:
    """Do one fault to a run, its workers or the study's files; return what to put back, with its bytes."""
    if fault in SIGNALS:
        going.process.send_signal(SIGNALS[fault])
    elif fault in WORKER_SIGNALS:
        alive = [worker for worker in going.workers if is_running(worker)]
        with suppress(ProcessLookupError):
            os.kill(rng.choice(alive), WORKER_SIGNALS[fault]) if alive else None
    else:
        path = rng.choice(files)
        content = path.read_bytes()
        SPOILS[fault](path)
        return [(path, content)]
    return []


def put_back(spoilt: Sequence[tuple[Path, bytes]]) -> None:
    """Give files the bytes again that they had."""
    for path, content in spoilt:
        path.unlink(missing_ok=True)
        path.write_bytes(content)


def soaked(
    study: Path, run: Path, faults: Sequence[str], *, jobs: int, seconds: float, rng: random.Random
) -> Counter[str]:
    """Run a study through faults, one a start, then to its end; return how each start ended."""
    files, endings = sorted(study.glob("fcs/**/*.fcs")), Counter[str]()
    for fault in faults:
        with running(study, run, jobs=jobs, seconds=seconds) as going:
            at = rng.randint(0, max(1, len(files) // 3))
            while going.process.poll() is None and going.look() < at:
                time.sleep(0.05)
            spoilt = disturb(going, fault, files, rng)
            stops_at = going.look() + rng.randint(1, len(files)) if rng.random() < 0.5 else None
            while going.process.poll() is None and (stops_at is None or going.look() < stops_at):
                time.sleep(0.05)
            going.process.send_signal(signal.SIGTERM)  # which one that has ended does not hear
            going.process.wait()
            endings[f"{fault}: exit {going.process.returncode}"] += 1
        put_back(spoilt)
    return endings


def to_the_end(study: Path, run: Path, *, jobs: int, seconds: float) -> Going:
    """Run a study undisturbed, looking at the parent's memory."""
    with running(study, run, jobs=jobs, seconds=seconds) as going:
        while going.process.poll() is None:
            going.look()
            time.sleep(0.1)
    return going


def growth_mb(going: Going) -> float:
    """Return by how much the parent grew from the first quarter of its steps to the last, for 1,000 steps or all."""
    steps = going.rss_mb[-1][0] if going.rss_mb else 0
    early = [mb for done, mb in going.rss_mb if 0 < done <= steps / 4]
    late = [mb for done, mb in going.rss_mb if done >= 3 * steps / 4 and done < steps]
    return (max(late) - max(early)) / max(1.0, steps / 1000) if early and late else 0.0


def compared(clean: Path, run: Path, going: Going) -> dict[str, object]:
    """Hold a soaked run against an undisturbed one."""
    tables = {path.name: path.read_bytes() for path in sorted((clean / "tables").iterdir())}
    found = {path.name: path.read_bytes() for path in sorted((run / "tables").iterdir())}
    samples, expected = (RunFolder(folder).read_table("samples") for folder in (run, clean))
    gated = samples[samples["status"] == "gated"]["sample_id"]
    audited = subprocess.run([*COMMAND, "audit", str(run)], capture_output=True, check=False)
    alive = [worker for worker in _all_workers(going.log) if is_running(worker)]
    return {
        "lost": len(set(expected["sample_id"]) - set(samples["sample_id"]))
        + int((samples["status"] == "failed").sum()),
        "doubled": int(samples["sample_id"].duplicated().sum())
        + abs(len(list(run.glob("samples/*.json"))) - len(gated)),
        "tables_that_differ": sorted(name for name in {*tables, *found} if tables.get(name) != found.get(name)),
        "half_written": len(list(run.rglob(".*.tmp"))),
        "audit_exit": audited.returncode,
        "workers_alive": len(alive),
    }


def _all_workers(log: Path) -> list[int]:
    events = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    return [int(event["process"]) for event in events if event["event"] == "worker"]


def soak(folder: Path, study: Path, faults: int, *, jobs: int, seconds: float, seed: int) -> dict[str, object]:
    """Soak a study and return what there is to say of it; ``is_right`` says whether all is as it should be."""
    rng = random.Random(seed)
    order = rng.sample(FAULTS, len(FAULTS))
    kinds = [order[number % len(order)] for number in range(faults)]
    begun = time.monotonic()
    clean = to_the_end(study, folder / "clean", jobs=jobs, seconds=seconds)
    clean_seconds = time.monotonic() - begun
    endings = soaked(study, folder / "soaked", kinds, jobs=jobs, seconds=seconds, rng=rng)
    last = to_the_end(study, folder / "soaked", jobs=jobs, seconds=seconds)
    outcome = compared(folder / "clean", folder / "soaked", last)
    growth = growth_mb(clean)
    is_right = (
        clean.process.returncode == last.process.returncode == 0 and not any(outcome.values()) and growth <= FLAT_MB
    )
    return {
        "date": date.today().isoformat(),
        "files": len(list(study.glob("fcs/**/*.fcs"))),
        "faults": dict(Counter(kinds)),
        "endings": dict(sorted(endings.items())),
        "retries": sum(json.loads(line)["event"] == "retry" for line in last.log.read_text().splitlines()),
        **outcome,
        "parent_mb": round(max((mb for _, mb in clean.rss_mb), default=0.0), 1),
        "parent_growth_mb_a_1000_steps": round(growth, 2),
        "undisturbed_seconds": round(clean_seconds, 1),
        "seconds": round(time.monotonic() - begun, 1),
        "is_right": bool(is_right),
    }


def trial(folder: Path, files: int, events: int) -> Path:
    """Write a simulated trial of one panel with about so many patients' files."""
    subjects = max(1, round(files / 3 / 7))
    return simulate_trial(folder, events=events, subjects_per_group=subjects, panels=["treg"], seed=3, controls=False)


def main() -> int:
    """Soak, print, and return 1 if anything is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("files", 2000), ("faults", 30), ("events", 1000), ("jobs", 2), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=60.0, help="the limit of one step of one file")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        study = trial(folder / "trial", asked.files, asked.events)
        outcome = soak(folder, study, asked.faults, jobs=asked.jobs, seconds=asked.seconds, seed=asked.seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps(outcome, indent=1)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n", encoding="utf-8")
    return 0 if outcome["is_right"] else 1


if __name__ == "__main__":
    sys.exit(main())
