# %% [markdown]
# # 5. Safety and efficacy
#
# What was measured beside the cytometer: platelets, the cells in blood, antibody, viruses, adverse events, and what the
# rule of dose escalation makes of it. First, in a terminal: `immunomon assess demo/run`.

# %%
import os

import matplotlib.pyplot as plt
import pandas as pd

import immunomon

run = immunomon.open_run(os.environ.get("IMMUNOMON_RUN", "../demo/run"))
folder = run.folder / "assessments"


def table(name):
    return pd.read_parquet(folder / f"{name}.parquet")


# %% [markdown]
# ## Before anything else: viruses
#
# Nobody should have a virus after the infusions that was not there before. An empty table is the good news.

# %%
table("virus_conversions")

# %% [markdown]
# ## Who responded?
#
# IWG 2009: CR is at least 100 x 10⁹/L, R at least 30 and twice the baseline, both without bleeding and confirmed a week
# later. Intervals are exact: with three patients they are as wide as they look.

# %%
shares = table("incidence")
shares[shares["topic"] == "platelets"][["measure", "dose_group", "subjects_with", "n", "low", "high", "who"]].round(1).fillna({"who": ""})

# %%
table("platelet_response")[
    ["subject", "dose_group", "best_response", "days_to_response", "loss_day", "share_in_response", "durable", "reason"]
].round(2).fillna({"reason": ""})

# %% [markdown]
# ## Every patient's platelets
#
# The lines are the limits of R and CR. A filled dot is a confirmed response, a cross a rescue therapy.

# %%
visits = table("platelet_visits")
people = list(dict.fromkeys(visits["subject"]))
lines = -(-len(people) // 3)
figure, axes = plt.subplots(
    lines, 3, figsize=(12, 2.6 * lines), sharex=True, sharey=True, squeeze=False, layout="constrained"
)
for ax, subject in zip(axes.flat, people):
    immunomon.platelet_course(ax, visits[visits["subject"] == subject])
figure.supxlabel("study day")
figure.supylabel("platelets, 10⁹/L");

# %% [markdown]
# ## The cells in blood
#
# "Not estimable" has its reason; it is never filled with a guess.

# %%
kinetics = table("kinetics")
kinetics.pivot(index=["dose_group", "subject"], columns="parameter", values="value")[
    ["CMAX", "TMAX", "AUCLST", "AUCPEO", "LAMZHL"]
].astype(float).round(2)

# %%
table("proportionality")[["parameter", "n", "slope", "low", "high", "finding", "reason"]].round(2).fillna({"reason": ""})

# %% [markdown]
# ## Adverse events and the rule of escalation
#
# A subject counts once, at the worst grade. The rule is applied to what is known now, and to what was known on the day on
# which the next patient entered: people decide, and can see what they knew.

# %%
events = shares[(shares["topic"] == "adverse events") & shares["system_organ_class"].isna()]
events.pivot(index="measure", columns="dose_group", values="subjects_with")

# %%
table("escalation")[["dose_group", "subjects", "toxicities", "evaluable", "rule_says", "followed_by", "rule_said_then"]]

# %% [markdown]
# ## Now try
#
# - Write `assessments: {platelets: {response_1e9_per_l: 50}}` into `study.yaml`, assess again: who still responds?
# - `table("candidates")` has the doses side by side. Which differences would you believe with three patients each?
# - `immunomon report` shows all of this on its safety and efficacy pages.
