# %% [markdown]
# # 3. Change from baseline
#
# How does each patient's immune status go over the visits? Patients are the replicates, not cells: with three patients
# in a dose group, look at every line, and do not ask for a p-value.

# %%
import os

import matplotlib.pyplot as plt
from IPython.display import IFrame

import immunomon
from immunomon import plots

run = immunomon.open_run(os.environ.get("IMMUNOMON_RUN", "../demo/run"))
changes = run.table("changes")

# %% [markdown]
# ## What is there to follow?
#
# Each population, and what its percentage can be of.

# %%
percents = changes[changes["quantity"] == "percent"]
names = percents[["panel", "population", "label", "denominator"]].drop_duplicates()
names.groupby(["panel", "population", "label"], sort=False)["denominator"].agg(", ".join).reset_index()

# %%
population, denominator = "treg", "cd4"
usable = percents[percents["status"] == "ok"]
if population not in set(usable["population"]):  # another study, another population
    first = usable.iloc[0]
    population, denominator = first["population"], first["denominator"]
# Without a baseline, or with one visit, a study has values and no changes.
measures = ["value", "log_odds_change"] if usable["log_odds_change"].notna().any() else ["value"]
population, denominator, measures

# %% [markdown]
# ## Every patient's line
#
# Thin: a patient. Thick: the mean of a dose group with its 95 % t interval, which is wide, and honestly so. On the right
# the change in log-odds: there, the same step up and down has the same size, and patients who begin high and low can be
# compared.

# %%
figure, axes = plt.subplots(1, len(measures), figsize=(13, 4.5), layout="constrained", squeeze=False)
for ax, measure in zip(axes[0], measures):
    immunomon.trajectories(ax, changes, population, denominator=denominator, measure=measure)

# %% [markdown]
# ## The same, alive
#
# The report has every trajectory: point at a line to read it, choose another population, quantity or measure above. It is a
# file beside this notebook, `report.html`, with all other pages of the study.

# %%
run.report("report.html")
IFrame(f"report.html#tab=trajectories&population={population}", "100%", 760)

# %% [markdown]
# ## How far each patient has gone
#
# A spider plot: everybody starts at zero, the name stands at the end of the line.

# %%
if "log_odds_change" in measures:
    figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
    immunomon.spider(ax, changes, population, denominator=denominator)

# %% [markdown]
# ## All populations at once
#
# A column a patient, a row a population: blue fell, orange rose, a cross has no usable value. To look further into; with so
# many squares some are coloured by chance.

# %%
visit = list(run.visits)[-1]
parents = percents[percents["visit"] == visit].drop_duplicates(["subject", "label"])
if parents["log_odds_change"].notna().any():
    figure, ax = plt.subplots(figsize=(7, 1.5 + 0.2 * parents["label"].nunique()), layout="constrained")
    plots.change_heatmap(ax, parents, visit)

# %% [markdown]
# ## The table behind it
#
# One row for each patient, one column for each visit: the value in percent, then its change from baseline.

# %%
chosen = percents[(percents["population"] == population) & (percents["denominator"] == denominator)]
chosen.pivot(index=["dose_group", "subject"], columns="visit", values="value")[list(run.visits)].astype(float).round(2)

# %%
chosen.pivot(index=["dose_group", "subject"], columns="visit", values="change")[list(run.visits)].astype(float).round(2)

# %% [markdown]
# ## What is missing, and why
#
# A gap is never a zero. Every planned visit has its row, and `status` and `reason` say why it has no value.

# %%
chosen[chosen["status"] != "ok"][["subject", "visit", "status", "reason"]].head(20)

# %% [markdown]
# ## By dose group
#
# The summary keeps how many patients each mean rests on.

# %%
summary = run.table("summary")
summary[
    (summary["population"] == population)
    & (summary["denominator"] == denominator)
    & (summary["quantity"] == "percent")
    & (summary["measure"] == measures[-1])
    & (summary["n"] > 0)
][["dose_group", "visit", "n", "mean", "low", "high"]].round(2).reset_index(drop=True)

# %% [markdown]
# There is no control arm: a change may be the treatment's, another therapy's, or regression to the mean.
#
# ## Now try
#
# 1. Follow another population: take one from the first table, for instance `population, denominator = "th17", "cd4"`.
# 2. Follow absolute counts: `immunomon.trajectories(ax, changes, population, quantity="cells_per_ul")`, if the sample list
#    has lymphocytes per microlitre or bead counts.
# 3. Write a table for your slides: `chosen.to_csv("treg.csv", index=False)`.
