# %% [markdown]
# # 7. From FlowJo to immunomon
#
# You have a workspace with your gates. This notebook reads it, gates the same files with the same gates, holds the counts
# against those that are stored in it, and then does the same with a strategy that finds each file's borders by itself.

# %%
import os

import matplotlib.pyplot as plt
import pandas as pd

import immunomon

run = immunomon.open_run(os.environ.get("IMMUNOMON_RUN", "../demo/run"))
samples = run.samples
mine = samples[(samples["panel"] == run.panels[0]) & (samples["role"] == "sample") & (samples["status"] == "gated")]
files = [run.fcs_file(sample_id) for sample_id in mine["sample_id"][:3]]

# Your own files: from pathlib import Path; files = sorted(Path("a/folder").glob("*.fcs"))
[file.name for file in files]

# %% [markdown]
# ## The workspace
#
# The demo has none from a laboratory, so its gates are written as one. Put your own file in its place: FlowJo 9, 10 and 11,
# FACSDiva's XML and Kaluza's analyses are read; `immunomon info FILE` says what is in it and what is not read.

# %%
workspace = run.export_workspace("gates.wsp")
# workspace = "my.wsp"

gated = immunomon.gate(files[0], workspace)
gated

# %% [markdown]
# ## Are these FlowJo's counts?
#
# `reference_count` is what the workspace stored. Up to 0.3 % of the parent may differ: FlowJo decides polygons on 256 bins,
# here they are decided exactly. A larger difference means that the file, its compensation or a gate is not what it was. (The
# demo's workspace was written here, of polygons and lines that are decided alike: its differences are 0.)

# %%
compared = pd.concat([immunomon.gate(file, workspace).counts.assign(file=file.name) for file in files])
compared[["file", "population", "count", "reference_count", "difference_percent_of_parent"]].round(3).head(12)

# %%
worst = compared["difference_percent_of_parent"].astype(float).abs().max()
print(f"the largest difference is {worst:.2f} % of the parent")

# %% [markdown]
# ## One set of gates for all files?
#
# In a workspace the gates of the first file are often laid on all others. `workspace_sample` does that. A strategy instead
# says how a border is found, and every file gets its own, with its uncertainty and what speaks against it.

# %%
first = files[0].name
panel = run.panels[0]
strategy = {file: immunomon.gate(file, panel) for file in files}  # the shipped strategy, which is called like the panel
copied = {file: immunomon.gate(file, workspace, workspace_sample=first) for file in files}


def percents(gated_files):
    """Return the percent of the parent of each population, a column a file."""
    columns = {file.name: gated.counts.set_index("path")["percent_of_parent"] for file, gated in gated_files.items()}
    return pd.DataFrame(columns).astype(float)


own = percents(strategy)
own.round(1)

# %% [markdown]
# By how many points do the first file's gates say something else? The first column is 0: its own gates.

# %%
(percents(copied) - own).reindex(own.index).round(1) + 0.0

# %% [markdown]
# ## Look at both
#
# Above the first file's gate on each file, below each file's own. A border that suits the first file cuts through the cells
# of another when the stain, the day or the instrument was another.

# %%
population = "treg" if "treg" in strategy[files[0]].populations else strategy[files[0]].populations[-1]
figure, axes = plt.subplots(2, len(files), figsize=(4 * len(files), 8), squeeze=False, layout="constrained")
for row, (whose, gated_files) in enumerate({f"gates of {first}": copied, "its own gates": strategy}.items()):
    for ax, file in zip(axes[row], files):
        gated_files[file].plot(population, ax=ax)
        ax.set_title(f"{file.name}, {whose}", fontsize="small")

# %% [markdown]
# ## What speaks against a gate
#
# A workspace has no word for this. Here, every gate says how it was placed, and what is in doubt.

# %%
for population in strategy[files[0]]:
    print(population)

# %% [markdown]
# ## Now try
#
# 1. Your own workspace and files. Which population differs most, and by how much?
# 2. Write your gates as a strategy: notebook 4 shows how, and `valley`, `quadrants` or `cloud` take the place of a drawn line.
# 3. Back again: in a terminal, `immunomon export-gates RUN --as flowjo` writes what a run placed, for FlowJo to open.
# 4. Numbers that are already in a table: `immunomon import TABLE.csv --study STUDY --out FOLDER --by NAME` makes a run of them.
