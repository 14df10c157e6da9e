"""What ``import immunomon`` offers, for editors and type checkers; ``__init__.py`` imports each when asked."""

from immunomon.api.answer import Answer as Answer
from immunomon.api.checking import Checked as Checked
from immunomon.api.checking import check as check
from immunomon.api.export_events import ExportedEvents as ExportedEvents
from immunomon.api.export_events import export_events as export_events
from immunomon.api.export_gates import ExportedGates as ExportedGates
from immunomon.api.export_gates import export_gates as export_gates
from immunomon.api.gated import Gated as Gated
from immunomon.api.gated import GatedPopulation as GatedPopulation
from immunomon.api.gating import analyse as analyse
from immunomon.api.gating import gate as gate
from immunomon.api.gating import gate_files as gate_files
from immunomon.api.importing import Imported as Imported
from immunomon.api.importing import import_counts as import_counts
from immunomon.api.pipeline import Everything as Everything
from immunomon.api.pipeline import demo as demo
from immunomon.api.pipeline import run_all as run_all
from immunomon.api.power import Power as Power
from immunomon.api.power import detectable_changes as detectable_changes
from immunomon.api.precision import PrecisionStudy as PrecisionStudy
from immunomon.api.precision import study_precision as study_precision
from immunomon.api.quality import Acquisitions as Acquisitions
from immunomon.api.quality import judge_acquisitions as judge_acquisitions
from immunomon.api.reconciling import Reconciled as Reconciled
from immunomon.api.reconciling import reconcile as reconcile
from immunomon.api.run_sample import RunSample as RunSample
from immunomon.api.runs import StudyRun as StudyRun
from immunomon.api.runs import open_run as open_run
from immunomon.api.runs import run as run
from immunomon.api.samples import Sample as Sample
from immunomon.api.samples import read_fcs as read_fcs
from immunomon.api.simulating import simulate as simulate
from immunomon.api.transfers import specify_transfer as specify_transfer
from immunomon.errors import ImmunomonError as ImmunomonError
from immunomon.maps.anndata.export import export_cells as export_cells
from immunomon.maps.atlas.describe import describe_region as describe_region
from immunomon.maps.atlas.embed import embed_run as embed_run
from immunomon.maps.atlas.explorer import explore_atlas as explore_atlas
from immunomon.maps.atlas.explorer import explore_cells as explore_cells
from immunomon.maps.atlas.project import project_run as project_run
from immunomon.maps.atlas.widget import atlas_widget as atlas_widget
from immunomon.maps.clusters.found import read_metaclusters as read_metaclusters
from immunomon.outputs.delivery.deliver import deliver_run as deliver_run
from immunomon.outputs.review.notebook import shown_gallery as shown_gallery
from immunomon.plots.clusters import cluster_heatmap as cluster_heatmap
from immunomon.plots.clusters import cluster_tree as cluster_tree
from immunomon.plots.estimates import forest as forest
from immunomon.plots.gating import gating_plot as gating_plot
from immunomon.plots.gating import gating_tree as gating_tree
from immunomon.plots.trajectories import (
    platelet_course as platelet_course,
)
from immunomon.plots.trajectories import (
    spider as spider,
)
from immunomon.plots.trajectories import (
    trajectories as trajectories,
)
from immunomon.plots.umap import atlas_plot as atlas_plot
from immunomon.plots.umap import umap_panels as umap_panels
from immunomon.plots.umap_density import density_difference as density_difference
from immunomon.runs.named import read_panel as read_panel
from immunomon.runs.named import read_strategy as read_strategy
from immunomon.runs.run import run_study as run_study

__version__: str
