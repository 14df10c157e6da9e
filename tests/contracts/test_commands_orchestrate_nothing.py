"""A command parses, calls one function that Python has too, and prints: nothing is put together in ``cli``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import immunomon
from immunomon.cli.app import COMMANDS

CLI = Path(immunomon.__file__).parent / "cli"
# Beside the api: errors and texts to print, files to write a printed table into, words of options, and the program's
# own documents. These say nothing of what a command does.
PRINTING = {"errors", "files", "csvfile", "runs.folder", "runs.jobs", "study.model.fcs"}
# Commands that still call several functions of the wings, or one that stands in a wing and is offered from there.
# A command that moves into the api leaves this list; none is added to it.
DOORS = {
    "audit": {"runs.audit", "runs.audit_folder", "runs.audit_inputs", "runs.lock", "runs.trail_review",
              "outputs.database.connection", "outputs.database.verifying", "outputs.database.schema"},
    "check_delivery": {"outputs.conformance.check", "outputs.conformance.registry"},
    "cluster": {"maps.clusters.mapping", "maps.clusters.run"},
    "compensate": {"cytometry.formats.matrix_csv", "runs.compensation", "runs.compensation_record",
                   "study.model.panel", "study.model.study", "study.specs.catalog", "study.specs.data_folders",
                   "study.specs.panel", "study.specs.samples", "study.specs.study", "outputs.report.compensation"},
    "deliver": {"outputs.delivery.deliver"},
    "embed": {"maps.atlas.embed"},
    "everything": {"runs.workers"},
    "explore": {"maps.atlas.embed", "maps.atlas.explorer", "runs.opened"},
    "export": {"maps.anndata.export", "outputs.database.database"},
    "gate": {"cytometry.specs.dated", "runs.files", "runs.named", "study.model.strategy",
             "cytometry.formats.workspaces"},
    "gate_workspace": {"cytometry.formats.workspaces", "runs.files", "runs.run", "runs.single", "runs.workspaces"},
    "info": {"cytometry.formats.fcs", "cytometry.formats.spillover", "cytometry.formats.workspaces",
             "cytometry.model.placed"},
    "init": {"study.specs.catalog", "runs.checks.file_names", "runs.checks.proposed_study", "cytometry.gates"},
    "normalise": {"runs.normalise"},
    "notebooks": {"study.specs.catalog"},
    "override": {"runs.imported_override", "runs.overriding", "runs.previewing", "study.specs.study"},
    "pages": {"study.specs.catalog"},
    "project": {"maps.atlas.project"},
    "propose_panel": {"runs.checks.proposed_panel", "runs.checks.proposed_strategies", "cytometry.formats.fcs",
                      "cytometry.gates"},
    "quality": {"plots.quality_control"},
    "report": {"outputs.report", "runs.trail_review"},
    "review": {"outputs.review", "outputs.review.server", "runs.verdicts"},
    "run": {"runs.checks.paths", "cytometry.gates", "runs.dry_run", "runs.lock", "runs.run", "runs.summary",
            "runs.workers"},
    "status": {"runs.status", "runs.verdicts"},
    "steadiness": {"runs.opened", "plots.quality_control"},
    "trace": {"outputs.database.connection", "outputs.trace.delivery", "outputs.trace.of_run", "outputs.trace.trace"},
    "validate": {"assurance.validation.document", "assurance.validation.measure", "assurance.validation.sections",
                 "assurance.validation.targets", "assurance.validation.trials"},
    "verify": {"assurance.verify.imported", "assurance.verify.run"},
}  # fmt: skip


def imported_beside_the_api(text: str) -> set[str]:
    """Return what a module imports of the package, without ``immunomon.``, that is neither api nor command line."""
    modules = [node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    own = {module.removeprefix("immunomon.") for module in modules if module.startswith("immunomon.")}
    return {name for name in own if name.split(".")[0] not in {"api", "cli"}} - PRINTING


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ("from immunomon.api.compare import compare_run\nfrom immunomon.errors import counted", set()),
        ("def f():\n    from immunomon.runs.run import run_study", {"runs.run"}),
        ("from pathlib import Path", set()),
    ],
)
def test_what_a_module_imports_beside_the_api_is_found(text, beside):
    assert imported_beside_the_api(text) == beside


@pytest.mark.parametrize("path", sorted(CLI.glob("*.py")), ids=lambda path: path.stem)
def test_a_command_imports_the_api_and_its_own_door_only(path):
    if path.stem == "docs":  # not a command: it writes what documents are made of
        return
    assert imported_beside_the_api(path.read_text(encoding="utf-8")) == DOORS.get(path.stem, set())


def test_the_list_of_doors_names_commands_only_and_not_those_that_moved_into_the_api():
    assert set(DOORS) <= {path.stem for path in CLI.glob("*.py")}
    for moved in ("import_table", "precision", "reconcile", "export_gates", "export_events", "power", "compare"):
        assert moved not in DOORS
    assert {"import", "precision", "reconcile"} <= {name for group in COMMANDS.values() for name in group}
