# %% [markdown]
# # 5. Safety and efficacy
#
# What was measured beside the cytometer: platelets, the cells in blood, antibody, viruses, adverse events, and what the
# rule of dose escalation makes of it. First, in a terminal: `immunomon assess demo/run`.

# %%
import os

import matplotlib.pyplot as plt

import immunomon
from immunomon import plots

run = immunomon.open_run(os.environ.get("IMMUNOMON_RUN", "../demo/run"))
assessed = run.answer("assess")  # refused if it is not of this run and these files any more


def table(name):
    return assessed[name]


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
# ## Who, when
#
# A lane a patient: infusions, rescue therapy, and in green while in confirmed response. Beside it the best count of each,
# but for those soon after rescue therapy, and all counts as multiples of the baseline.

# %%
subjects = run.subjects.set_index("subject")
doses, group_of = list(subjects["dose_group"].cat.categories), subjects["dose_group"].to_dict()
rescued = visits[visits["rescue_therapy"].fillna(False)]
marks = {
    "infusion": subjects["infusion_days"].to_dict(),
    "rescue therapy": rescued.groupby("subject")["study_day"].apply(list).to_dict(),
}
figure, axes = plt.subplots(1, 3, figsize=(16, 4.5), layout="constrained")
plots.swimmer(axes[0], visits, marks, dose_groups=doses)
plots.platelet_waterfall(axes[1], visits, dose_groups=doses)
plots.platelet_change(axes[2], visits, dose_groups=doses);

# %% [markdown]
# ## The cells in blood
#
# Every patient's concentrations, and what is worked out of them. "Not estimable" has its reason; it is never filled with a guess.

# %%
concentrations = run.assessment("msc_concentration")
measured = {subject: group_of[subject] for subject in concentrations["subject"]}
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
for ax, logarithmic in zip(axes, (False, True)):
    plots.concentration_time(ax, concentrations, measured, logarithmic=logarithmic, dose_groups=doses)

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
worst = table("adverse_event_worst")
if (worst["level"] == "term").any():
    figure, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
    plots.events_by_grade(ax, worst, group_of, dose_groups=doses)

# %%
table("escalation")[["dose_group", "subjects", "toxicities", "evaluable", "rule_says", "followed_by", "rule_said_then"]]

# %% [markdown]
# ## Now try
#
# - Write `assessments: {platelets: {response_1e9_per_l: 50}}` into `study.yaml`, assess again: who still responds?
# - `table("candidates")` has the doses side by side. Which differences would you believe with three patients each?
# - `immunomon report` shows all of this on its safety and efficacy pages.
