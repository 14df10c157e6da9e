# %% [markdown]
# # 6. Mechanism
#
# Does the immune change go with the platelets, does it come before them, does it follow the cells in blood? Everything here
# is exploratory. First, in a terminal: `immunomon assess demo/run`, then `immunomon mechanism demo/run`.

# %%
import os

import matplotlib.pyplot as plt

import immunomon
from immunomon import plots

run = immunomon.open_run(os.environ.get("IMMUNOMON_RUN", "../demo/run"))
mechanism = run.answer("mechanism")  # refused if it is not of this run and these files any more


def table(name):
    return mechanism[name]


# %% [markdown]
# ## Responders and the others
#
# Look at every patient first, then at the difference and its interval. Where so few patients cannot reach alpha, the smallest
# possible p stands in the place of p.

# %%
by_response = table("by_response")
by_response[["label", "responders", "others", "difference", "low", "high", "exact_low", "exact_high", "p", "p_floor", "note"]]

# %%
figure, ax = plt.subplots(figsize=(8, 0.7 * len(by_response) + 1.5), layout="constrained")
plots.apart(ax, by_response);

# %% [markdown]
# ## Within the same patients
#
# `r` takes out each patient's own level. `r_swapped` is what is left when each immune course is laid beside another patient's
# platelets: the part that everyone's course after treatment makes. Only what is over that speaks for a tie.

# %%
table("within_patients")[["label", "patients", "points", "r", "patient_low", "patient_high", "r_swapped", "p_swapped"]]

# %% [markdown]
# ## Which comes first?

# %%
lags = table("lags")
lags.pivot(index="label", columns="lag", values="r").astype(float).round(2)

# %%
table("order_counts")[["label", "responders", "immune_first", "platelets_first", "cannot_tell", "others", "others_beyond"]]

# %% [markdown]
# ## From dose to platelets
#
# Each step is a line through patients who have all of the path; the product is an effect through the immune change only if
# nothing else joins dose and platelets.

# %%
path = table("path")
path[["path", "label", "step", "n", "slope", "low", "high", "note"]]

# %% [markdown]
# ## How much hangs on one patient?

# %%
table("leave_one_out")[["headline", "label", "n", "estimate", "lowest", "highest", "moves_most", "keeps_sign", "note"]]

# %% [markdown]
# ## What the data cannot say

# %%
print(mechanism.section("What the data cannot say"))

# %% [markdown]
# ## Now try
#
# - `table("balance")` has Th17/Treg of every patient. In whom did it move by more than its interval?
# - Simulate a trial without any effect (`immunomon simulate other --scenario null`) and look again: what would you have believed?
# - Which of the sentences above would you put on a slide, and what would you have to write beside it?
