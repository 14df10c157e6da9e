"""Run folders as a run would leave them, and databases: SQLite always, PostgreSQL where it is installed."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from contextlib import ExitStack, contextmanager

import pandas as pd
import pytest
from sqlalchemy import NullPool, create_engine, text
from support.postgresql import NoServerError, server
from support.small_gates import with_gates, with_trail

from immunomon.cytometry.kernels.proportions import wilson
from immunomon.cytometry.model.populations import FREQUENCIES, MEDIANS, POPULATIONS, SAMPLES
from immunomon.cytometry.steps.compare import compare
from immunomon.cytometry.steps.summarise import summarise
from immunomon.outputs.database.connection import database_url
from immunomon.outputs.database.database import export_run
from immunomon.outputs.database.schema import APPENDED, HISTORIES, VERSIONED
from immunomon.study.model.study import DoseGroup, Study, Subject
from immunomon.study.model.uses import PanelUse
from immunomon.study.model.visits import Visit

EVERY = [table.name for table in (*VERSIONED, *HISTORIES.values(), *APPENDED)]
FIRST = datetime.date(2025, 1, 13)
DAYS = {"D-1": -1, "W4": 29}
PLACES = (("lymphocytes", "root", 9000), ("cd4", "lymphocytes", 4000), ("treg", "cd4", 200))


def study_of(name, subjects):
    return Study(
        name=name,
        title="Ü: a made-up trial",
        dose_groups=(DoseGroup("A", 5e5, (1, 8)), DoseGroup("B", 1e6)),
        cohorts=(),
        subjects=tuple(
            Subject(f"S{i:02}", "AB"[i % 2], sex="F", infusion_dates=(FIRST,), flags={"splenectomy": i > 1})
            for i in range(subjects)
        ),
        visits=tuple(Visit(label, day, (day - 3, day + 3), baseline=day < 0) for label, day in DAYS.items()),
        panels=(PanelUse("treg", "treg"),),
    )


def whose(subject, visit, sample_id, role="sample"):
    return {"sample_id": sample_id, "subject": subject, "visit": visit, "panel": "treg", "role": role, "batch": "1"}


def rows_of(study, shift):
    """Return the rows of the measured tables; S00's W4 sample failed, S01's Treg are too few to report."""
    samples, populations, frequencies, medians = [], [], [], []
    control = whose(None, None, "FMO_CD25", "fmo:CD25")
    samples.append({**control, "file": "fcs/FMO.fcs", "sha256": "00", "events": 100, "status": "control"})
    for number, subject in enumerate(study.subjects):
        for visit, day in DAYS.items():
            who = whose(subject.id, visit, f"{subject.id}_{visit}")
            failed, few = (number, visit) == (0, "W4"), number == 1
            date = (FIRST + datetime.timedelta(days=day - (day > 0))).isoformat()
            state = {"status": "failed", "reason": "truncated"} if failed else {"status": "gated", "sha256": "ab"}
            samples.append(
                {**who, "file": f"fcs/{who['sample_id']}.fcs", "collection_date": date, "events": 9000} | state
            )
            total, path = 10_000, ""
            for population, parent, base in PLACES:
                count = None if failed else (5 if few and population == "treg" else base + shift + number)
                path += f"/{population}"
                why = "sample failed: truncated" if failed else "below LOD" if count == 5 else None
                row = {**who, "population": population, "label": population.upper(), "count": count}
                row |= {"reportable": why is None, "reason": why}
                low, high = (None, None) if failed else (float(100 * end) for end in wilson(count, total))
                percent = None if failed else 100 * count / total
                populations.append(
                    row
                    | {
                        "parent": parent,
                        "path": path,
                        "parent_count": None if failed else total,
                        "gate_method": "valley",
                    }
                    | {"percent_of_parent": percent, "percent_of_parent_low": low, "percent_of_parent_high": high}
                    | ({} if failed else {"cells_per_ul": count / 10, "cells_per_ul_method": "beads"})
                )
                frequencies.append(
                    row
                    | {"denominator": parent, "is_parent": True, "denominator_count": None if failed else total}
                    | {"percent": percent, "percent_low": low, "percent_high": high}
                )
                for marker in () if failed else ("CD25", "CD127"):
                    medians.append(row | {"marker": marker, "detector": f"{marker}-A", "median_intensity": 1.5 * count})
                total = count
    return samples, populations, frequencies, medians


def write_run(folder, *, name="DEMO", subjects=3, shift=0, digest="d1"):
    """Write a run folder and return it."""
    study = study_of(name, subjects)
    contracts = (SAMPLES, POPULATIONS, FREQUENCIES, MEDIANS)
    tables = {
        contract.name: pd.DataFrame(rows, columns=list(contract.names), dtype=object).astype(contract.dtypes)
        for contract, rows in zip(contracts, rows_of(study, shift), strict=True)
    }
    tables["changes"] = compare(tables["populations"], tables["frequencies"], tables["samples"], study=study)
    tables["summary"] = summarise(tables["changes"], study)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for table, frame in tables.items():
        frame.to_parquet(folder / "tables" / f"{table}.parquet", index=False)
    manifest = {"digest": digest, "version": "0.1.0", "study": described(study)}
    (folder / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def described(study):
    return {
        "name": study.name,
        "title": study.title,
        "dose_groups": [
            {"name": g.name, "cells_per_kg": g.cells_per_kg, "infusion_days": g.infusion_days}
            for g in study.dose_groups
        ],
        "cohorts": [{"name": "first", "dose_group": "A", "planned_subjects": 3, "expansion": False}],
        "subjects": [
            {
                "id": s.id,
                "dose_group": s.dose_group,
                "cohort": "first" if s.dose_group == "A" else None,
                "sex": s.sex,
                "flags": s.flags,
                "infusion_dates": [date.isoformat() for date in s.infusion_dates],
            }
            for s in study.subjects
        ],
        "visits": [
            {"label": v.label, "planned_day": v.planned_day, "window_days": v.window_days, "baseline": v.baseline}
            for v in study.visits
        ],
    }


@pytest.fixture(scope="session")
def run_like(tmp_path_factory):
    """Return a function that gives a run folder made with some options, which is made once and must not be changed."""
    made = {}

    def give(**options):
        key = tuple(sorted(options.items()))
        if key not in made:
            made[key] = write_run(tmp_path_factory.mktemp("run"), **options)
        return made[key]

    return give


@pytest.fixture
def make_run(run_like, tmp_path):
    """Return a function that writes a run folder of its own name, which may be changed."""
    return lambda folder="run", **options: shutil.copytree(run_like(**options), tmp_path / folder, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def postgresql_server():
    """Start a PostgreSQL server of our own; skip where there is none."""
    pytest.importorskip("psycopg", reason="PostgreSQL is not tested: psycopg is not installed")
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server())
        except NoServerError as error:
            pytest.skip(f"PostgreSQL is not tested: {error}")
        yield running


@pytest.fixture(scope="session")
def postgresql(postgresql_server):
    """Return the URL of our server's first database."""
    return postgresql_server.url


def created(request, folder, kind, like=None):
    """Create a database of a kind, empty or as a copy of another one of it, and return its URL."""
    if kind == "sqlite":
        path = folder / "trial.sqlite"
        if like:
            shutil.copyfile(like.removeprefix("sqlite:///"), path)
        return f"sqlite:///{path.as_posix()}"
    url = request.getfixturevalue("postgresql")
    name = "t" + os.urandom(6).hex()
    _on_server(url, f"CREATE DATABASE {name}" + (f" TEMPLATE {like.rpartition('/')[2]}" if like else ""))
    return url.rpartition("/")[0] + "/" + name


def _on_server(url, statement):
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@contextmanager
def empty_database(request, folder, kind=None, like=None):
    """Create a database, as a copy if one is named, and drop it in the end."""
    url = created(request, folder, kind or request.param, like)
    yield url
    if not url.startswith("sqlite"):
        _on_server(request.getfixturevalue("postgresql"), f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")


@pytest.fixture(scope="session")
def of_one_export(request, run_like, tmp_path_factory):
    """Return a function that gives the URL of a database of a kind that one run was exported to. Not to be changed."""
    made = {}

    def give(kind):
        if kind not in made:
            made[kind] = created(request, tmp_path_factory.mktemp("of-one-export"), kind)
            export_run(run_like(), made[kind])
        return made[kind]

    return give


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """Return the URL of a database of each kind: an empty one, or one that a run was exported to, if a mark says so."""
    is_loaded = request.node.get_closest_marker("after_an_export")
    like = request.getfixturevalue("of_one_export")(request.param) if is_loaded else None
    with empty_database(request, tmp_path, like=like) as url:
        yield url


@pytest.fixture
def server_database(request, tmp_path):
    """Return the URL of an empty database on a PostgreSQL server."""
    with empty_database(request, tmp_path, "postgresql") as url:
        yield url


class Asked:
    """A database, to be asked with SQL, each time over a connection of its own."""

    def __init__(self, url):
        self.engine = create_engine(database_url(url), poolclass=NullPool)

    def rows(self, query, **values):
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]

    def one(self, query, **values):
        (row,) = self.rows(query, **values)
        return row

    def do(self, statement):
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def dump(self, *tables):
        """Return everything in the database, rows and columns in an order of its own."""
        with self.engine.connect() as connection:
            return {
                table: sorted(repr(sorted(row.items())) for row in rows)
                for table in tables or (*EVERY, "runs", "studies", "seals", "sealed_rows")
                for rows in (connection.execute(text(f"SELECT * FROM {table}")).mappings(),)
            }


@pytest.fixture
def asked(database):
    return Asked(database)


@pytest.fixture(scope="session")
def ask():
    """Return the way to ask a database, given its URL."""
    return Asked


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def exported(request, run_like, tmp_path_factory):
    """Return the URL of a database with two runs of one study, of each kind."""
    run = shutil.copytree(run_like(), tmp_path_factory.mktemp("exported") / "run")
    with_trail(with_gates(run), "deliver")
    with empty_database(request, run.parent) as url:
        export_run(run, url)
        shutil.copytree(run_like(shift=1), run, dirs_exist_ok=True)
        export_run(run, url)
        yield url
