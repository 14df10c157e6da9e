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
atlas.head()

# %% [markdown]
# Every patient and visit gives the same number of cells, so that nobody speaks louder than the others. `population` is
# the population farthest down the gating tree that holds the cell.

# %%
atlas.pivot_table(index="subject", columns="visit", values="event", aggfunc="count")[
    [visit for visit in run.visits if visit in set(atlas["visit"])]
]

# %% [markdown]
# ## By population

# %%
figure, ax = plt.subplots(figsize=(8, 6), layout="constrained")
immunomon.atlas_plot(ax, atlas, "label", order=method["labels"], size=6);

# %% [markdown]
# ## By marker
#
# Does each population have the markers that its gate asks for? The colour goes from the 1st to the 99th percentile.

# %%
markers = [*method["markers"], *method["other_markers"]]
figure, axes = plt.subplots(2, 4, figsize=(16, 7.5), layout="constrained")
for ax in axes.flat[len(markers) :]:
    ax.remove()
for ax, marker in zip(axes.flat, markers):
    immunomon.atlas_plot(ax, atlas, marker)

# %% [markdown]
# ## Visit by visit
#
# The same plane, the cells of one visit in each. An island that is there at one visit only is more often a batch (another
# day, another lot of antibody) than biology.

# %%
visits = [visit for visit in run.visits if visit in set(atlas["visit"])]
dose_groups = [group["name"] for group in run.study["dose_groups"]]
figure, axes = plt.subplots(1, len(visits), figsize=(3.2 * len(visits), 3.4), squeeze=False, layout="constrained")
for ax, visit in zip(axes.flat, visits):
    ax.scatter(atlas["umap1"], atlas["umap2"], s=1, color="#e3e5e8", linewidths=0)
    immunomon.atlas_plot(ax, atlas[atlas["visit"] == visit], "dose_group", order=dose_groups)
    ax.set_title(visit)

# %% [markdown]
# ## Clusters
#
# k-means on the same markers, numbered by size. Which clusters cut through a gated population, and which lie in none?
# They are made from these cells: to test them on the same cells would prove nothing.

# %%
atlas.pivot_table(index="label", columns="cluster", values="event", aggfunc="count", fill_value=0).reindex(method["labels"])

# %% [markdown]
# ## Now try
#
# 1. Look inside one population: `immunomon.embed_run(run.folder, panel, within="cd4")`, then run the notebook again from
#    `run.atlas(panel)` on.
# 2. Take another seed: `immunomon.embed_run(run.folder, panel, seed=2)`. What stays is in the data; what does not, is not.
# 3. Colour by `subject`: does one patient have an island of his or her own?
