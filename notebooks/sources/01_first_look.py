# %% [markdown]
# # 1. First look
#
# A run is a folder that `immunomon run` wrote. This notebook opens one and looks at three things: what the study is,
# which samples are there, and how the gates lie on the cells of one sample.
#
# Every cell of a notebook is run with **Shift + Enter**, from the top to the bottom.

# %%
import os

import matplotlib.pyplot as plt

import immunomon

run = immunomon.open_run(os.environ.get("IMMUNOMON_RUN", "../demo/run"))
run

# %% [markdown]
# ## The study
#
# Doses, visits and patients come from the study's own `study.yaml`. Day 1 is the day of the first infusion; there is no
# Day 0.

# %%
import pandas as pd

pd.DataFrame(run.study["visits"])[["label", "planned_day", "window_days", "baseline"]]

# %%
pd.DataFrame(run.study["subjects"])[["id", "dose_group", "cohort", "sex"]]

# %% [markdown]
# ## Which samples are there?
#
# One number for each patient and visit: how many tubes were gated. A gap is a visit without a sample; a tube that
# failed says why in the column `reason`.

# %%
samples = run.samples
tubes = samples[(samples["role"] == "sample") & (samples["status"] == "gated")]
tubes.pivot_table(index="subject", columns="visit", values="sample_id", aggfunc="count")[
    [visit for visit in run.visits if visit in set(tubes["visit"])]
]

# %%
samples[samples["status"] == "failed"][["sample_id", "reason"]]

# %% [markdown]
# ## The gating tree of one sample
#
# Every population with its cells and its percentage of its parent.

# %%
sample = run.sample(tubes[tubes["panel"] == run.panels[0]]["sample_id"].iloc[0])

figure, ax = plt.subplots(figsize=(12, 3), layout="constrained")
immunomon.gating_tree(ax, sample.counts)
ax.set_title(sample.id);

# %% [markdown]
# ## The gates on it
#
# Each plot shows the cells of one population (its title) and the gates on them, with the percentage that each holds. The
# numbers on the axes are intensities on the display scale of the strategy.

# %%
plots = run.plots(sample.id)

figure, axes = plt.subplots(-(-len(plots) // 4), 4, figsize=(16, 4 * -(-len(plots) // 4)), layout="constrained")
for ax in axes.flat[len(plots) :]:
    ax.remove()
for ax, plot in zip(axes.flat, plots):
    immunomon.gating_plot(ax, plot)
figure.suptitle(sample.id);

# %% [markdown]
# ## One gate in all samples
#
# Those that need a person come first, with the reason. Choose another gate or order above the plots; a click opens a sample.

# %%
run.review(run.panels[0])

# %% [markdown]
# ## The numbers behind the plots
#
# The interval is the 95 % Wilson interval of the counting alone. A frequency that rests on too few cells is not
# reported: `reportable` is false, and `reason` says why.

# %%
sample.frequencies[
    ["label", "denominator", "count", "percent", "percent_low", "percent_high", "reportable", "reason"]
].round(2).fillna({"reason": ""})

# %% [markdown]
# ## Now try
#
# 1. Look at another sample: `sample = run.sample("S02", "W4", "treg")`, or any `sample_id` from `tubes`.
# 2. Which frequencies of this run may not be reported? `sample.frequencies` has those of one sample, `run.table("frequencies")` all of them.
# 3. Do the gates lie as you would draw them? If not, notebook 4 shows how to write your own.
