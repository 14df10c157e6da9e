"""immunomon: flow cytometry and immune monitoring over time.

    import immunomon as im
    sample = im.read_fcs("a.fcs", panel="treg")
    gated = im.gate(sample, "treg")
    run = im.run("my-study")

What is offered here is imported when it is first asked for; ``__init__.pyi`` says the same to editors.

>>> import immunomon
>>> immunomon.__version__.count(".")
2
"""

from functools import cache
from typing import Any

__version__ = "0.1.0"

# By name only: a static import would tie the lowest layers, which read the version, to the highest ones.
_OFFERED = {
    "immunomon.api.answer": ("Answer",),
    "immunomon.api.auditing": ("AuditedDatabase", "AuditedRun", "audit_database", "audit_run"),
    "immunomon.api.checking": ("Checked", "check"),
    "immunomon.api.compensating": ("AskedControls", "compensate_controls"),
    "immunomon.api.delivering": ("check_delivery",),
    "immunomon.api.deriving": ("MapSettings", "cluster_run", "normalise_run"),
    "immunomon.api.describing": ("describe_file", "describe_workspace"),
    "immunomon.api.export_events": ("ExportedEvents", "export_events"),
    "immunomon.api.export_gates": ("ExportedGates", "export_gates"),
    "immunomon.api.gated": ("Gated", "GatedPopulation"),
    "immunomon.api.gating": ("analyse", "gate", "gate_files"),
    "immunomon.api.importing": ("Imported", "import_counts"),
    "immunomon.api.locking": ("lock_run",),
    "immunomon.api.notebooks": ("copy_notebooks",),
    "immunomon.api.pipeline": ("Everything", "demo", "run_all"),
    "immunomon.api.power": ("Power", "detectable_changes"),
    "immunomon.api.precision": ("PrecisionStudy", "study_precision"),
    "immunomon.api.proposing": ("new_study", "propose_panel", "study_of_files"),
    "immunomon.api.quality": ("Acquisitions", "judge_acquisitions"),
    "immunomon.api.reconciling": ("Reconciled", "reconcile"),
    "immunomon.api.run_sample": ("RunSample",),
    "immunomon.api.runs": ("StudyRun", "open_run", "run"),
    "immunomon.api.samples": ("Sample", "read_fcs"),
    "immunomon.api.simulating": ("simulate",),
    "immunomon.api.tracing": ("trace_number",),
    "immunomon.api.transfers": ("specify_transfer",),
    "immunomon.api.verifying": ("verify_run",),
    "immunomon.errors": ("ImmunomonError",),
    "immunomon.maps.anndata.export": ("export_cells",),
    "immunomon.maps.atlas.describe": ("describe_region",),
    "immunomon.maps.atlas.embed": ("embed_run",),
    "immunomon.maps.atlas.explorer": ("explore_atlas", "explore_cells"),
    "immunomon.maps.atlas.project": ("project_run",),
    "immunomon.maps.atlas.widget": ("atlas_widget",),
    "immunomon.maps.clusters.found": ("read_metaclusters",),
    "immunomon.outputs.delivery.deliver": ("deliver_run",),
    "immunomon.outputs.review.notebook": ("shown_gallery",),
    "immunomon.plots.clusters": ("cluster_heatmap", "cluster_tree"),
    "immunomon.plots.estimates": ("forest",),
    "immunomon.plots.gating": ("gating_plot", "gating_tree"),
    "immunomon.plots.trajectories": ("platelet_course", "spider", "trajectories"),
    "immunomon.plots.umap": ("atlas_plot", "umap_panels"),
    "immunomon.plots.umap_density": ("density_difference",),
    "immunomon.runs.named": ("read_panel", "read_strategy"),
    "immunomon.runs.run": ("run_study",),
    "immunomon.runs.status": ("RunStatus", "read_status"),
}
_MODULES = {name: module for module, names in _OFFERED.items() for name in names}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - each name has a type of its own
    if name not in _MODULES:
        raise AttributeError(f"module 'immunomon' has no attribute '{name}'")
    return _offered(name)


@cache  # and not among this module's own names: whoever looks for examples there would find them without their module
def _offered(name: str) -> Any:  # noqa: ANN401
    from importlib import import_module

    return import_module("immunomon.arguments").checked(getattr(import_module(_MODULES[name]), name), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
