# %% [markdown]
# # 2. An atlas of the cells
#
# UMAP lays cells out in a plane so that cells with like markers lie side by side. It is for **looking**: what the gates
# may have missed, whether a batch stands apart, where a population goes over into another.
#
# What it is not for: the area of an island is no frequency, and the distance between two islands is no difference.

# %%
import os

import matplotlib.pyplot as plt

import immunomon

run = immunomon.open_run(os.environ.get("IMMUNOMON_RUN", "../demo/run"))
panel = run.panels[0]

# %% [markdown]
# `immunomon embed` makes the atlas once and keeps it in the run folder. If it is not there yet, it is made here, which
# takes about half a minute.

# %%
page = run.explore(panel)
atlas = run.atlas(panel)
method = run.atlas_record(panel)
print(f"{len(atlas):,} cells of {method['within']}, laid out by {', '.join(method['markers'])}")
print(f"trustworthiness {method['trustworthiness']['value']:.2f} (1: all neighbours are real ones)")

# %% [markdown]
# ## Explore it
#
# - **Colour by** population, metacluster (after `immunomon cluster`), visit, dose group, subject, or any marker.
# - **Draw** around cells: their markers against all other cells, the populations among them, and who they come from appear
#   on the right. A bar that is half full is the average share.
# - **Back-gating**: below, the cells that you drew around lie on the gates of their sample. A click on one cell shows its own.
# - **Legend**: a word takes its cells out and brings them back; a double click leaves it alone.
# - **Visits**, of all patients or one dose group, move and zoom together. The last plot shows where cells became more (orange)
#   and fewer (blue).
#
# The page is a file beside this notebook, `atlas.html`: it opens in any browser, without Python and without a network. If
# no page appears here, open that file.

# %%
page.show("atlas.html")

# %% [markdown]
# ## The same in Python
#
# Under the plots the page writes the line of Python that describes the region that you drew: put it in place of the one below.
#
# Or draw here, and let Python know the cells: `widget = immunomon.atlas_widget(atlas)`, `widget.show()`, draw with the lasso,
# then `inside = atlas.index.isin(widget.selection())`. It takes `pip install "immunomon[notebooks]"`, a running notebook and
# WebGL. Until then, the region is a box around half of the cells of the commonest population.

# %%
common = atlas[atlas["label"] == atlas["label"].mode()[0]][["umap1", "umap2"]]
low, high = common.quantile(0.15), common.quantile(0.85)
inside = ((atlas[["umap1", "umap2"]] >= low) & (atlas[["umap1", "umap2"]] <= high)).all(axis=1).to_numpy()

found = immunomon.describe_region(atlas, inside)
print(f"{found.cells:,} cells")
found.phenotype.round(2)

# %%
found.populations.round(1)

# %% [markdown]
# `percent_of_own`: of all cells of that patient (visit, dose group) in the atlas, how many are in the region.

# %%
found.whose.round(1)

# %% [markdown]
# ## On the gates
#
# Where do these cells lie on the gates of the sample that has most of them? Each plot shows those that reached it. Cells that
# a gate cuts through, or that turn up where none should be, are what to look at.

# %%
chosen = atlas[inside]
sample = run.sample(chosen["sample_id"].mode()[0])
sample.back_gate(chosen.loc[chosen["sample_id"] == sample.id, "event"]);

# %% [markdown]
# ## For print
#
# The same views as pictures.

# %%
figure, axes = plt.subplots(2, 4, figsize=(16, 7), layout="constrained")
orders = {"label": method["labels"], "visit": run.visits}
markers = [*method["markers"], *method["other_markers"]]
immunomon.umap_panels(axes.flat, atlas, ["label", *markers][:8], orders=orders);

# %% [markdown]
# Each visit against the first. Every patient counts the same, however many cells there are. An island that is there at one
# visit only is more often a batch (another day, another lot of antibody) than biology.

# %%
first, *later = [visit for visit in run.visits if visit in set(atlas["visit"])]
figure, axes = plt.subplots(1, len(later), figsize=(3.6 * len(later), 3.3), squeeze=False, layout="constrained")
for ax, visit in zip(axes.flat, later):
    immunomon.density_difference(ax, atlas, (first, visit))

# %% [markdown]
# ## Now try
#
# 1. Colour the page by a marker, draw around the brightest island, and read who has it. Is it one patient's own? One visit's?
# 2. Look inside one population: `immunomon.embed_run(run, panel, within="cd4", refit=True)`, then run the notebook again from
#    `run.atlas(panel)` on.
# 3. Take another seed: `immunomon.embed_run(run, panel, seed=2, refit=True)`. What stays is in the data; what does not, is not.
# 4. In a terminal, `immunomon cluster` on this run; then colour by metacluster. `immunomon.read_metaclusters(run).table` names
#    them, and `immunomon.cluster_heatmap(ax, immunomon.read_metaclusters(run).centres())` draws them.
# 5. Go on in scanpy: `run.cells(panel)` is every cell with its place here, as AnnData.
