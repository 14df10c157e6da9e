"""A finished run, opened to look at: its tables, its stored plots, its FCS files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunomon.cytometry.model.populations import DOUBTS, TABLES
from immunomon.cytometry.model.run_tables import (
    JUDGEMENT,
    NORMALISED_FREQUENCIES,
    NORMALISED_MEDIANS,
    QUALITY,
    RESPONSES,
    STEADINESS,
)
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.runs.folder import RunFolder
from immunomon.study.specs.study import load_study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run", "open_run"]

_NORMALISED = tuple(table.name for table in (NORMALISED_MEDIANS, NORMALISED_FREQUENCIES, JUDGEMENT))
_MORE_TABLES = (DOUBTS.name, QUALITY.name, RESPONSES.name, STEADINESS.name, *_NORMALISED)


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
        return f"Run({self.study['name']}: {', '.join(self.panels)}; {len(self.record['files'])} files)"

    @property
    def study(self) -> Mapping[str, Any]:
        """The study section of the record: name, title, dose groups, subjects, visits."""
        section: Mapping[str, Any] = self.record["study"]
        return section

    @property
    def panels(self) -> tuple[str, ...]:
        """The panels in use, in the study's order."""
        return tuple(use["panel"] for use in self.study["panels"])

    @property
    def visits(self) -> tuple[str, ...]:
        """The visits' labels, in the order of their planned days."""
        return tuple(visit["label"] for visit in sorted(self.study["visits"], key=lambda visit: visit["planned_day"]))

    def table(self, name: str) -> pd.DataFrame:
        """Return a result table: samples, populations, frequencies, medians, changes, summary, steadiness ...

        Raises UnknownName with the nearest name, ImmunomonError if it was not written or is of an earlier run.
        """
        known = (*TABLES, *_MORE_TABLES)
        if name not in known:
            raise UnknownName(f"{self.folder}: no table named '{name}'; {nearest(name, known)}")
        if name in _NORMALISED:
            self._refuse_another_runs(name)
        return RunFolder(self.folder).read_table(name)

    def _refuse_another_runs(self, name: str) -> None:
        try:
            record = json.loads((self.folder / "normalisation.json").read_text(encoding="utf-8"))
            made_of, tables = record["run_digest"], record["tables"]
        except (OSError, ValueError, KeyError, TypeError):
            made_of, tables = None, ()
        remedy = f"make it with: immunomon normalise {self.folder}"
        if name not in tables:
            raise ImmunomonError(f"{self.folder}: there is no table '{name}'; {remedy}")
        if made_of != self.record.get("digest"):
            raise ImmunomonError(f"{self.folder}: the table '{name}' is of an earlier run; {remedy}")

    def plots(self, sample_id: str) -> tuple[dict[str, Any], ...]:
        """Return a sample's stored plots, one a pair of axes; ``immunomon.plots.gating_plot`` draws each.

        Raises UnknownName for a sample that the run did not gate, ImmunomonError if its result cannot be read.
        """
        gated = [file["sample_id"] for file in self.record["files"] if file["status"] == "gated"]
        if sample_id not in gated:
            raise UnknownName(f"{self.folder}: no gated sample '{sample_id}'; {nearest(sample_id, gated)}")
        stored = RunFolder(self.folder).read_sample(sample_id)
        if stored is None:
            raise ImmunomonError(f"{self.folder}: the result of '{sample_id}' cannot be read; run the study again")
        return tuple(stored["plots"])

    def fcs_file(self, sample_id: str) -> Path:
        """Return the path of a sample's FCS file; raises UnknownName, or ImmunomonError if the study is not at hand."""
        files = {file["sample_id"]: file["file"] for file in self.record["files"]}
        if sample_id not in files:
            raise UnknownName(f"{self.folder}: no sample '{sample_id}'; {nearest(sample_id, files)}")
        study = load_study(self.study_file)
        return (study.folder / study.samples_file).parent / str(files[sample_id])

    @property
    def study_file(self) -> Path:
        """The ``study.yaml`` that the run was made from; raises ImmunomonError if it is not at hand."""
        if self.study_folder is None:
            raise ImmunomonError(
                f"{self.folder}: its study is not in the folder above it; name the study's folder (study, or --study)"
            )
        return self.study_folder / "study.yaml"

    def has_atlas(self, panel: str | None = None) -> bool:
        """Say whether ``immunomon embed`` has laid out cells of a panel, or of the first."""
        return all(self._atlas_file(panel, suffix).is_file() for suffix in (".parquet", ".json"))

    def atlas(self, panel: str | None = None) -> pd.DataFrame:
        """Return the cells that ``immunomon embed`` laid out, of a panel or of the first; one row a cell.

        Raises ImmunomonError if there are none yet.
        """
        import pandas as pd

        return pd.read_parquet(self._present(self._atlas_file(panel, ".parquet"), panel))

    def atlas_record(self, panel: str | None = None) -> dict[str, Any]:
        """Return how an atlas was made: markers, parameters, seed, trustworthiness; raises as ``atlas`` does."""
        text = self._present(self._atlas_file(panel, ".json"), panel).read_text(encoding="utf-8")
        record: dict[str, Any] = json.loads(text)
        return record

    def projected(
        self, panel: str | None = None, *, samples: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return cells that ``immunomon project`` put onto an atlas; columns as in ``atlas``, one row a cell.

        samples, columns: only these; together the cells may be more than memory holds. Raises ImmunomonError if there
        are none yet, UnknownName for a sample that is not among them.
        """
        import pandas as pd

        name = panel or self.panels[0]
        record = self._atlas_file(name, ".projected.json")
        if not record.is_file():
            remedy = f"make them with: immunomon project {self.folder} --panel {name}"
            raise ImmunomonError(f"{record}: no cells of the panel '{name}' were projected; {remedy}")
        known = list(json.loads(record.read_text(encoding="utf-8"))["parts"])
        for sample in samples or ():
            if sample not in known:
                raise UnknownName(f"{record}: no projected sample '{sample}'; {nearest(sample, known)}")
        files = [self._atlas_file(name, ".projected") / f"{sample}.parquet" for sample in samples or known]
        names = None if columns is None else list(columns)
        parts: list[pd.DataFrame] = [pd.read_parquet(file, columns=names) for file in files]
        return pd.concat(parts, ignore_index=True)

    def atlas_reference(self, panel: str | None = None) -> Path:
        """Return where the atlas itself is kept, which later visits are projected onto, whether it is there or not."""
        return self._atlas_file(panel, ".atlas.npz")

    def _atlas_file(self, panel: str | None, suffix: str) -> Path:
        return self.folder / "atlas" / f"{panel or self.panels[0]}{suffix}"

    def _present(self, path: Path, panel: str | None) -> Path:
        if not path.is_file():
            name = panel or self.panels[0]
            remedy = f"make one with: immunomon embed {self.folder} --panel {name}"
            raise ImmunomonError(f"{path}: there is no atlas of the panel '{name}'; {remedy}")
        return path


def open_run(folder: str | Path, study: str | Path | None = None) -> Run:
    """Return a finished run, opened to look at.

    study: the study's folder; default: the folder above the run, if there is a study in it. Raises ImmunomonError if
    the folder holds no finished run, or the study's folder no study.
    """
    root, named = Path(folder), None if study is None else Path(study)
    if named is not None and named.name == "study.yaml":
        named = named.parent
    try:
        data = (root / "run.json").read_bytes()
        record = json.loads(data.decode("utf-8"))
        name = record["study"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ImmunomonError(f"{root}: there is no finished run here; make it with: immunomon run STUDY") from None
    if named is not None and not (named / "study.yaml").is_file():
        raise ImmunomonError(f"{named}: there is no study.yaml here; name the folder of the study '{name}'")
    above = root.resolve().parent
    study_folder = named or (above if (above / "study.yaml").is_file() else None)
    return Run(root, record, study_folder, hashlib.sha256(data).hexdigest())
