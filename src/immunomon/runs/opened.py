"""The door to a finished run: its record, tables, gates, audit trail, stored plots and FCS files."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunomon.cytometry.model import run_tables as more
from immunomon.cytometry.model.populations import DOUBTS, TABLES
from immunomon.errors import BadRun, ImmunomonError, UnknownName, nearest
from immunomon.files import read_input
from immunomon.remote import as_path
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import AGAIN, RunFolder, read_held, read_record
from immunomon.runs.provenance import user_name
from immunomon.study.model.visits import visit_labels
from immunomon.study.specs.data_folders import path_of_sample
from immunomon.study.specs.study import load_study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run", "note_in_trail", "open_run"]

_NORMALISED = tuple(table.name for table in (more.NORMALISED_MEDIANS, more.NORMALISED_FREQUENCIES, more.JUDGEMENT))
_MORE_TABLES = (DOUBTS.name, more.QUALITY.name, more.RESPONSES.name, more.STEADINESS.name, *_NORMALISED)


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: its folder, its record (``run.json``), and the study it was made from, if that is at hand.

    record_sha256: of the bytes that the record was read from.
    """

    folder: Path
    record: Mapping[str, Any]
    study_folder: Path | None = None
    record_sha256: str = ""

    def __repr__(self) -> str:
        return f"Run({self.name}: {', '.join(self.panels)}; {len(self.record['files'])} files)"

    @property
    def study(self) -> Mapping[str, Any]:
        """The study section of the record: name, title, dose groups, subjects, visits."""
        section: Mapping[str, Any] = self.record["study"]
        return section

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.study["name"])

    @property
    def digest(self) -> str:
        """The digest of everything the run was made from."""
        return str(self.record["digest"])

    @property
    def version(self) -> str:
        """The version of immunomon that made it."""
        return str(self.record["version"])

    @property
    def code_digest(self) -> str:
        """The digest of the code that made it; empty for a run of before there was one."""
        return str((self.record.get("software") or {}).get("code_digest", ""))

    @property
    def panels(self) -> tuple[str, ...]:
        """The panels in use, in the study's order."""
        return tuple(use["panel"] for use in self.study["panels"])

    def known_panel(self, panel: str | None = None) -> str:
        """Return a panel of the study, by default its first; raises UnknownName with the nearest."""
        if panel is not None and panel not in self.panels:
            raise UnknownName(f"{self.folder}: no panel '{panel}' in this run; {nearest(panel, self.panels)}")
        return panel or self.panels[0]

    @property
    def visits(self) -> tuple[str, ...]:
        """The visits' labels, in the order of their planned days; as the study lists them where one has none."""
        return visit_labels(self.study)

    @property
    def gated(self) -> tuple[str, ...]:
        """The samples that were gated, in the order of the run."""
        return tuple(str(file["sample_id"]) for file in self.record["files"] if file["status"] == "gated")

    def table(self, name: str) -> pd.DataFrame:
        """Return a result table: samples, populations, frequencies, medians, changes, summary, steadiness ...

        Raises UnknownName with the nearest name, BadRun if it was not written, is of an earlier run, or was changed.
        """
        import pandas as pd

        known = (*TABLES, *_MORE_TABLES)
        if name not in known:
            raise UnknownName(f"{self.folder}: no table named '{name}'; {nearest(name, known)}")
        data = self.table_bytes(name)
        try:
            return pd.read_parquet(io.BytesIO(data), dtype_backend="numpy_nullable")
        except (OSError, ValueError) as error:
            raise BadRun(f"{self._table_file(name)}: cannot be read ({error}); {AGAIN}") from error

    def has_table(self, name: str) -> bool:
        """Say whether the run's version wrote a table, be it there still or not."""
        return self._table_file(name).is_file() or name in (self.record.get("tables") or {})

    def table_bytes(self, name: str) -> bytes:
        """Return the Parquet file of a table, held against its record; raises BadRun as ``table`` does."""
        if name not in _NORMALISED:
            return read_held(self._table_file(name), (self.record.get("tables") or {}).get(name))
        remedy = f"make it with: immunomon normalise {self.folder}"
        digest = self._normalised_digest(name, remedy)
        return read_held(self._table_file(name), digest, record="normalisation.json", remedy=remedy)

    def _table_file(self, name: str) -> Path:
        return RunFolder(self.folder).table_file(name, ".parquet")

    def _normalised_digest(self, name: str, remedy: str) -> str:
        try:
            record = json.loads(read_input(self.folder / "normalisation.json"))
            made_of, tables = record["run_digest"], dict(record["tables"])
        except (OSError, ValueError, KeyError, TypeError):
            made_of, tables = None, {}
        if name not in tables:
            raise BadRun(f"{self.folder}: there is no table '{name}'; {remedy}")
        if made_of != self.record.get("digest"):
            raise BadRun(f"{self.folder}: the table '{name}' is of an earlier run; {remedy}")
        return str(tables[name])

    def result(self, sample_id: str) -> dict[str, Any] | None:
        """Return all that the run stored of a sample, None if it stored nothing that can be read."""
        return RunFolder(self.folder).read_sample(Path(sample_id).name)

    def gates_bytes(self, sample_id: str) -> bytes | None:
        """Return the file of a sample's placed gates, None if there is none.

        Raises BadRun if it is not the one that the run's audit trail sealed.
        """
        path = RunFolder(self.folder).gates_file(Path(sample_id).name)
        if not path.is_file():
            return None
        data = read_input(path)
        digest = hashlib.sha256(data).hexdigest()
        if self._sealed.get(f"gates/{path.name}", digest) != digest:
            raise BadRun(f"{path}: was changed after the run; see what: immunomon audit {self.folder}; {AGAIN}")
        return data

    @cached_property
    def _sealed(self) -> Mapping[str, str]:
        trail = AuditTrail(self.folder)
        sealed = trail.sealed()
        if not sealed and (trail.last_seal() or {}).get("contents"):
            problem = f"is not the list of files that the audit trail seals; see what: immunomon audit {self.folder}"
            raise BadRun(f"{trail.contents}: {problem}; {AGAIN}")
        return sealed

    def plots(self, sample_id: str) -> tuple[dict[str, Any], ...]:
        """Return a sample's stored plots, one a pair of axes; ``immunomon.plots.gating_plot`` draws each.

        Raises UnknownName for a sample that the run did not gate, ImmunomonError if its result cannot be read.
        """
        if sample_id not in self.gated:
            raise UnknownName(f"{self.folder}: no gated sample '{sample_id}'; {nearest(sample_id, self.gated)}")
        stored = self.result(sample_id)
        if stored is None:
            raise ImmunomonError(f"{self.folder}: the result of '{sample_id}' cannot be read; run the study again")
        return tuple(stored["plots"])

    def fcs_file(self, sample_id: str) -> Path:
        """Return the path of a sample's FCS file.

        Raises UnknownName, LeavesStudy if it lies outside of the folders that the study allows, ImmunomonError if the
        study is not at hand.
        """
        files = {file["sample_id"]: file["file"] for file in self.record["files"]}
        if sample_id not in files:
            raise UnknownName(f"{self.folder}: no sample '{sample_id}'; {nearest(sample_id, files)}")
        return path_of_sample(load_study(self.study_file), as_path(str(files[sample_id])))

    @property
    def study_file(self) -> Path:
        """The ``study.yaml`` that the run was made from; raises ImmunomonError if it is not at hand."""
        if self.study_folder is None:
            remedy = "name the study's folder (study, or --study)"
            raise ImmunomonError(f"{self.folder}: its study is not in the folder above it; {remedy}")
        return self.study_folder / "study.yaml"

    def has_atlas(self, panel: str | None = None) -> bool:
        """Say whether ``immunomon embed`` has laid out cells of a panel, or of the first."""
        return all(self._atlas_file(panel, suffix).is_file() for suffix in (".parquet", ".json"))

    def atlas(self, panel: str | None = None) -> pd.DataFrame:
        """Return the cells that ``immunomon embed`` laid out, of a panel or of the first; one row a cell.

        Raises ImmunomonError if there are none yet, BadRun if they are of another state of the run.
        """
        import pandas as pd

        self._refuse_stale(self.atlas_record(panel), panel, "the atlas", "embed --refit")
        return pd.read_parquet(self._present(self._atlas_file(panel, ".parquet"), panel))

    def atlas_record(self, panel: str | None = None) -> dict[str, Any]:
        """Return how an atlas was made: markers, parameters, seed, trustworthiness; raises ImmunomonError for none."""
        record: dict[str, Any] = json.loads(read_input(self._present(self._atlas_file(panel, ".json"), panel)))
        return record

    def projected(
        self, panel: str | None = None, *, samples: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return cells that ``immunomon project`` put onto an atlas; columns as in ``atlas``, one row a cell.

        samples, columns: only these; together the cells may be more than memory holds. Raises ImmunomonError if there
        are none yet, BadRun if they are of another state of the run, UnknownName for a sample that is not among them.
        """
        import pandas as pd

        name = self.known_panel(panel)
        record = self._atlas_file(name, ".projected.json")
        if not record.is_file():
            remedy = f"make them with: immunomon project {self.folder} --panel {name}"
            raise ImmunomonError(f"{record}: no cells of the panel '{name}' were projected; {remedy}")
        contents = json.loads(read_input(record))
        self._refuse_stale(contents, name, "projected cells", "project")
        known = list(contents["parts"])
        for sample in samples or ():
            if sample not in known:
                raise UnknownName(f"{record}: no projected sample '{sample}'; {nearest(sample, known)}")
        files = [self._atlas_file(name, ".projected") / f"{sample}.parquet" for sample in samples or known]
        names = list(columns) if columns is not None else None
        return pd.concat([pd.read_parquet(file, columns=names) for file in files], ignore_index=True)

    def atlas_reference(self, panel: str | None = None) -> Path:
        """Return where the atlas itself is kept, which later visits are projected onto, whether it is there or not."""
        return self._atlas_file(panel, ".atlas.npz")

    def _refuse_stale(self, record: Mapping[str, Any], panel: str | None, what: str, command: str) -> None:
        if record.get("run_digest") not in (self.record.get("digest"), self.record_sha256):
            remedy = f"renew with: immunomon {command} {self.folder} --panel {self.known_panel(panel)}"
            raise BadRun(f"{self.folder}: {what} of '{self.known_panel(panel)}': of another state of the run; {remedy}")

    def _atlas_file(self, panel: str | None, suffix: str) -> Path:
        return self.folder / "atlas" / f"{self.known_panel(panel)}{suffix}"

    def _present(self, path: Path, panel: str | None) -> Path:
        if not path.is_file():
            name = self.known_panel(panel)
            remedy = f"make one with: immunomon embed {self.folder} --panel {name}"
            raise ImmunomonError(f"{path}: there is no atlas of the panel '{name}'; {remedy}")
        return path


def note_in_trail(run: Path, action: str, *, by: str = "", reason: str = "", **details: Any) -> str:  # noqa: ANN401
    """Enter what left a run into its audit trail, if it has one; return why it could not be entered, else nothing.

    What has left is out: that it could not be noted is said, and takes nothing back.
    """
    trail = AuditTrail(run)
    if not trail.path.is_file():
        return ""
    try:
        with RunFolder(run).locked():
            trail.append(action, by=by or user_name(), reason=reason, **details)
    except (ImmunomonError, OSError) as error:
        return f"could not be noted in {trail.path}: {error}"
    return ""


def open_run(folder: str | Path, study: str | Path | None = None, *, needs: Sequence[str] = ("study",)) -> Run:
    """Return a finished run, opened to look at.

    study: the study's folder; default: the folder above the run, if there is a study in it. needs: what its record must
    hold. Raises BadRun if the folder holds no finished run, ImmunomonError if the study's folder holds no study.
    """
    root, named = Path(folder), None if study is None else Path(study)
    if named is not None and named.name == "study.yaml":
        named = named.parent
    record, sha256 = read_record(root)
    study_section = record.get("study")
    if not isinstance(study_section, dict) or not study_section.get("name"):
        record = {**record, "study": None}
    if lacking := [name for name in needs if not record.get(name)]:
        raise BadRun(f"{root / 'run.json'}: lacks {', '.join(lacking)}; {AGAIN}")
    if named is not None and not (named / "study.yaml").is_file():
        raise ImmunomonError(f"{named}: there is no study.yaml here; name the study's folder")
    above = root.resolve().parent
    study_folder = named or (above if (above / "study.yaml").is_file() else None)
    return Run(root, record, study_folder, sha256)
