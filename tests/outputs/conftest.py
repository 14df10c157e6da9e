"""One small trial, run once, and delivered once in each form that tests read."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_run import copied_run, shared_run

from immunomon.outputs.delivery.content import read_content
from immunomon.outputs.delivery.deliver import deliver_run
from immunomon.outputs.delivery.read import read_delivery
from immunomon.outputs.delivery.sdtm import sdtm_datasets


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """A run of three patients, two visits and one panel; nobody may change it but for entries in its trail."""
    # Deliveries and exports are entered in a run's trail, and others look at that of the shared run.
    return copied_run(shared_run(tmp_path_factory, events=9000), tmp_path_factory.mktemp("delivery") / "study")


@pytest.fixture(scope="session")
def content(run):
    return read_content(run)


@pytest.fixture(scope="session")
def sdtm(content):
    return sdtm_datasets(content)


@pytest.fixture(scope="session")
def delivered(run, tmp_path_factory):
    """Return the folder of the run's delivery in a format, made once."""
    made: dict[str, Path] = {}

    def give(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("delivered") / kind
            deliver_run(run, made[kind], kind=kind)
        return made[kind]

    return give


@pytest.fixture(scope="session")
def received(delivered):
    """Return the datasets of a delivery, read back from its files."""
    read: dict[str, dict] = {}

    def give(kind: str) -> dict:
        if kind not in read:
            read[kind] = read_delivery(delivered(kind))
        return read[kind]

    return give
