"""What a run was made from, held against the files as they are now: FCS files, lists, decisions, other assessments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunomon.errors import counted
from immunomon.files import file_digest, is_there
from immunomon.remote import as_path
from immunomon.runs.folder import RunFolder
from immunomon.runs.jobs import default_jobs
from immunomon.runs.provenance import code_digest
from immunomon.study.specs.catalog import shipped_panels, shipped_strategies
from immunomon.study.specs.data_folders import DataFolders
from immunomon.study.specs.study import load_data_folders
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS
from immunomon.trial.specs.assessment_tables import assessment_file

__all__ = ["Inspected", "changed_inputs", "digests_beside", "inspect_inputs"]

_RUN_AGAIN = "put the recorded file back, or run the study again: immunomon run"
_SHIPPED = {"panels": shipped_panels, "gating": shipped_strategies}
_OWN = "overrides.yaml"


@dataclass(frozen=True)
class Inspected:
    """Files that were looked at: what does not fit; what was looked at, in words; what was not, and why.

    >>> (Inspected(looked_at=("2 FCS files",)) + Inspected(("a.fcs: it is missing",))).problems
    ('a.fcs: it is missing',)
    """

    problems: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()
    not_looked_at: tuple[str, ...] = ()

    def __add__(self, other: Inspected) -> Inspected:
        return Inspected(
            self.problems + other.problems,
            self.looked_at + other.looked_at,
            self.not_looked_at + other.not_looked_at,
        )


@dataclass(frozen=True)
class _Recorded:
    """A file as a record names it; sha256: None if it could not be read then. folders: where it may lie."""

    path: Path
    sha256: str | None
    record: str
    remedy: str
    folders: DataFolders | None = None

    def problems(self) -> Iterator[str]:
        """Yield how the file differs from its record."""
        fault = self.folders.fault(self.path, self.path.name) if self.folders else None
        if fault is not None:
            if self.sha256 is not None:
                yield f"{self.path}: {self.record} names it, but {'; '.join(fault)}"
            return
        try:
            now = file_digest(self.path) if is_there(self.path) else None
        except OSError as error:
            if self.sha256 is not None:
                yield f"{self.path}: it cannot be read any more ({error.strerror or error}); {self.remedy}"
            return
        if now is None and self.sha256 is not None:
            yield f"{self.path}: it is missing, though {self.record} names it; {self.remedy}"
        elif now is not None and self.sha256 is None:
            yield f"{self.path}: the run could not read it, now it can be read; run the study again: immunomon run"
        elif now != self.sha256:
            digests = f"SHA-256 {str(self.sha256)[:12]}... in {self.record}, now {str(now)[:12]}..."
            yield f"{self.path}: it was changed ({digests}); {self.remedy}"


def digests_beside(folder: Path) -> dict[str, str]:
    """Return the digests of a study's files of other assessments, as they are; of those that cannot be read, none.

    >>> digests_beside(Path("no-such-study"))
    {}
    """
    digests = {}
    for name in ASSESSMENT_INPUTS:
        path = assessment_file(folder, name)
        if path is not None:
            try:
                digests[path.relative_to(folder).as_posix()] = file_digest(path)
            except OSError:
                continue
    return digests


def inspect_inputs(run: Path, study: Path | None = None) -> Inspected:
    """Hold every file that a run was made from against ``run.json``, and other assessments against their record.

    study: the study's folder; default: the folder above the run, if it holds any of the files.
    """
    record = RunFolder(run).read_json(run / "run.json")
    if record is None:
        return Inspected(not_looked_at=(f"what the run was made from: {run / 'run.json'} cannot be read",))
    folder = study if study is not None else run.resolve().parent
    try:
        return _inspected(run, record, folder.parent if folder.is_file() else folder, is_named=study is not None)
    except (KeyError, TypeError, ValueError, AttributeError):
        reason = "it does not say in words that can be read what the run was made from"
        return Inspected((f"{run / 'run.json'}: {reason}; run the study again: immunomon run",))


def changed_inputs(record: Mapping[str, Any], study: Path, *, since: float) -> Inspected:
    """Hold a run's lists, strategies and decisions against its record, and FCS files that may have changed.

    since: when the run began, in seconds since 1970. A file that lies there as it did then is taken to be the same.
    """
    folders = load_data_folders(study)
    fcs = list(_fcs_files(record, study, folders))
    newer = [file for file in fcs if _is_newer(file.path, since) or file.sha256 is None]
    texts = list(_texts(record, study, folders))
    return Inspected((*_problems([*newer, *texts]), *_added(record, study))) + _shipped(record)


def _is_newer(path: Path, since: float) -> bool:
    try:
        return path.stat().st_mtime > since
    except OSError:
        return True


def _inspected(run: Path, record: Mapping[str, Any], folder: Path, *, is_named: bool) -> Inspected:
    folders = load_data_folders(folder)
    fcs, texts = list(_fcs_files(record, folder, folders)), list(_texts(record, folder, folders))
    if not is_named and not any(is_there(file.path) for file in (*fcs, *texts)):
        subject = "the FCS files, lists and decisions that the run was made from"
        return Inspected(not_looked_at=(f"{subject}: {folder} is not the study's folder; name it with --study",))
    shipped = _shipped(record)
    added = tuple(_added(record, folder))
    beside = _beside(run, record, folder)
    looked_at = (counted(len(fcs), "FCS file"), counted(len(texts), "list of the study", "lists of the study"))
    return Inspected((*_problems([*fcs, *texts]), *added), looked_at) + shipped + beside


def _problems(files: Iterable[_Recorded]) -> tuple[str, ...]:
    with ThreadPoolExecutor(max_workers=default_jobs()) as pool:
        problems_by_file = pool.map(lambda file: list(file.problems()), files)
        return tuple(problem for problems in problems_by_file for problem in problems)


def _fcs_files(record: Mapping[str, Any], folder: Path, folders: DataFolders) -> Iterator[_Recorded]:
    samples_folder = (folder / str(record.get("samples_file") or "samples.csv")).parent
    imported = bool(record.get("imported"))  # of tables, which are among the texts where they lie in the study
    for file in () if imported else record.get("files", ()):
        yield _Recorded(
            samples_folder / as_path(str(file["file"])), file.get("sha256"), "run.json", _RUN_AGAIN, folders
        )


def _texts(record: Mapping[str, Any], folder: Path, folders: DataFolders) -> Iterator[_Recorded]:
    for name, digest in (record.get("inputs") or {}).items():
        if not str(name).startswith("shipped:"):
            yield _Recorded(folder / str(name), str(digest), "run.json", _RUN_AGAIN, folders)


def _added(record: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Yield what a run would read now that it did not read: decisions, and the study's own panels and strategies."""
    inputs = record.get("inputs") or {}
    if "samples_file" in record and _OWN not in inputs and is_there(folder / _OWN):
        yield f"{folder / _OWN}: it was added after the run; take it away, or run the study again: immunomon run"
    for name in inputs:
        kind, _, file = str(name).removeprefix("shipped:").partition("/")
        if str(name).startswith("shipped:") and kind in _SHIPPED:
            for path in (folder / kind / file, (folder / kind / file).with_suffix(".yml")):
                if is_there(path):
                    message = f"{path}: it was added after the run, which used the one that immunomon ships"
                    yield f"{message}; take it away, or run the study again: immunomon run"


def _shipped(record: Mapping[str, Any]) -> Inspected:
    """Hold the panels and strategies that came with immunomon against those that come with it now."""
    problems, skipped, held = [], [], 0
    same_code = (record.get("software") or {}).get("code_digest") == code_digest()
    for name, digest in (record.get("inputs") or {}).items():
        if not str(name).startswith("shipped:"):
            continue
        kind, _, file = str(name).removeprefix("shipped:").partition("/")
        path = _SHIPPED[kind]().get(Path(file).stem) if kind in _SHIPPED else None
        if path is None:
            skipped.append(f"{file}: it lay outside of the study's folder")
        elif file_digest(path) == digest:
            held += 1
        elif same_code:
            problems.append(f"{path}: it was changed since the run; install immunomon again, or run the study again")
        else:
            version = record.get("version")
            skipped.append(f"{kind}/{file}: of version {version}, which made the run; this version ships another")
    looked_at = (counted(held, "shipped panel or strategy", "shipped panels and strategies"),) if held else ()
    return Inspected(tuple(problems), looked_at, tuple(skipped))


def _beside(run: Path, record: Mapping[str, Any], folder: Path) -> Inspected:
    """Hold the files of other assessments against what last read them: ``immunomon assess``, else the run."""
    assessed = RunFolder(run).read_json(run / "assessments" / "assessments.json") or {}
    by_assess = {Path(name).stem: str(digest) for name, digest in (assessed.get("inputs") or {}).items()}
    by_run = {Path(name).stem: str(digest) for name, digest in (record.get("beside") or {}).items()}
    is_known = bool(assessed) or "beside" in record
    source = "assessments/assessments.json" if assessed else "run.json"
    remedy = f"put the recorded file back, or make the tables anew: immunomon assess {run}"
    files, problems, unknown = [], [], []
    for name in ASSESSMENT_INPUTS:
        path, digest = assessment_file(folder, name), (by_assess if assessed else by_run).get(name)
        if digest is not None:
            files.append(_Recorded(path or folder / f"{name}.csv", digest, source, remedy))
        elif path is not None and is_known:
            problems.append(f"{path}: it was added since {source} was written; make the tables: immunomon assess {run}")
        elif path is not None:
            unknown.append(f"{path.name}: no record names it; immunomon assess {run} makes one")
    looked_at = (counted(len(files), "file of other assessments", "files of other assessments"),) if files else ()
    return Inspected((*_problems(files), *problems), looked_at, tuple(unknown))
