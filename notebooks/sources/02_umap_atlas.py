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
if not run.has_atlas(panel):
    immunomon.embed_run(run.folder, panel)

atlas = run.atlas(panel)
method = run.atlas_record(panel)
print(f"{len(atlas):,} cells of {method['within']}, laid out by {', '.join(method['markers'])}")
print(f"trustworthiness {method['trustworthiness']['value']:.2f} (1: all neighbours are real ones)")

# %% [markdown]
# ## Explore it
#
# - **Colour by** population, metacluster (after `immunomon cluster`), visit, dose group, subject, or any marker.
# - **Draw** around cells with the lasso: their markers against all other cells, the populations among them, and who they
#   come from appear on the right. A bar that is half full is the average share.
# - **Before and after**, of all patients or one dose group, move and zoom together. The third plot shows where cells became
#   more (orange) and fewer (blue).
#
# The page is a file beside this notebook, `atlas.html`: it opens in any browser, without Python and without a network. If
# no page appears here, open that file.

# %%
page = immunomon.explore_atlas(run, panel)
page.show("atlas.html")

# %% [markdown]
# ## The same in Python
#
# Under the plots the page writes the corners of the region that you drew. Put them in place of `region`, and Python says the
# same of it. Until then, it is a box around half of the cells of the commonest population.

# %%
common = atlas[atlas["label"] == atlas["label"].mode()[0]][["umap1", "umap2"]]
region = [tuple(common.quantile(0.15)), tuple(common.quantile(0.85))]

found = immunomon.describe_region(atlas, region)
print(f"{found.cells:,} cells")
found.phenotype.round(2)

# %%
found.populations.round(1)

# %% [markdown]
# `percent_of_own`: of all cells of that patient (visit, dose group) in the atlas, how many are in the region.

# %%
found.whose.round(1)

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
# 2. Look inside one population: `immunomon.embed_run(run.folder, panel, within="cd4")`, then run the notebook again from
#    `run.atlas(panel)` on.
# 3. Take another seed: `immunomon.embed_run(run.folder, panel, seed=2)`. What stays is in the data; what does not, is not.
# 4. In a terminal, `immunomon cluster` on this run; then colour by metacluster. `immunomon.read_metaclusters(run).table` names
#    them, and `immunomon.cluster_heatmap(ax, immunomon.read_metaclusters(run).centres())` draws them.
# 5. Go on in scanpy: `immunomon.export_cells(run.folder, panel)` writes every cell with its place here, as AnnData.
