# %% [markdown]
# # 4. Your own strategy on your own files
#
# A gating strategy is a text file: populations, each with its parent and the gate that makes it. This notebook writes a
# small one, lets it be checked, gates FCS files with it, and looks at the gates.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import immunomon

run = immunomon.open_run(os.environ.get("IMMUNOMON_RUN", "../demo/run"))
samples = run.samples
mine = samples[(samples["panel"] == run.panels[0]) & (samples["role"] == "sample") & (samples["status"] == "gated")]
files = [run.fcs_file(sample_id) for sample_id in mine["sample_id"][:3]]

# Your own files: files = sorted(Path("a/folder").glob("*.fcs"))
[file.name for file in files]

# %% [markdown]
# ## What is in a file
#
# Gates name markers, and a panel says which detector carries which. Without a panel, the names in the file hold.

# %%
panel = immunomon.read_panel("treg")
pd.DataFrame(panel.markers)[["name", "detector", "fluorochrome"]]

# %% [markdown]
# ## Write the strategy
#
# `valley` looks for the emptiest place between dim and bright cells, in each file's own data; `fallback` is the intensity
# that is used where there is none. `interval`, `rectangle` and `polygon` are drawn by you, in intensities.

# %%
Path("my_strategy.yaml").write_text(
    """\
schema: immunomon.strategy/1
name: my_strategy
label: Memory CD4 T cells
version: 1
panel: treg
populations:
  - id: singlets
    parent: root
    gate: {method: singlet, area: FSC-A, height: FSC-H}
  - id: live
    parent: singlets
    gate: {method: interval, axis: viability, high: 2500}
  - id: lymphocytes
    parent: live
    gate: {method: rectangle, sides: [{axis: FSC-A, low: 55000, high: 140000}, {axis: SSC-A, low: 8000, high: 46000}]}
  - id: cd4
    label: CD4 T cells
    parent: lymphocytes
    gate: {method: quadrants, x: CD3, y: CD4, x_fallback: {above_negative: 16}, y_fallback: {above_negative: 14}}
    keep: x+ y+
  - id: cd4_memory
    label: Memory CD4 T cells
    parent: cd4
    gate: {method: valley, axis: CD45RO, fallback: {above_negative: 15}}
    keep: high
""",
    encoding="utf-8",
)
strategy = immunomon.read_strategy("my_strategy.yaml", panel)
strategy.ids

# %% [markdown]
# ## A mistake is found before anything is gated
#
# The message says which line, what is wrong, and what was probably meant. On the command line, `immunomon check
# my_strategy.yaml` does the same.

# %%
from immunomon.errors import BadSpec

text = Path("my_strategy.yaml").read_text(encoding="utf-8")
Path("with_mistakes.yaml").write_text(
    text.replace("method: valley", "method: vally").replace("parent: live", "parent: alive"), encoding="utf-8"
)
try:
    immunomon.read_strategy("with_mistakes.yaml", panel)
except BadSpec as error:
    print(error)

# %% [markdown]
# ## Gate the files
#
# Events are compensated with the matrix in each file. A file that cannot be gated costs that file alone: `failures` says
# why.

# %%
rows, failures = immunomon.gate_files(files, strategy, panel=panel)
table = pd.DataFrame(rows)
table.pivot(index="file", columns="population", values="percent_of_parent")[list(strategy.ids)].round(1)

# %%
failures

# %% [markdown]
# ## Look at the gates
#
# A number without its plot is not to be trusted.

# %%
plots = immunomon.analyse(files[0], strategy, panel=panel).plots
figure, axes = plt.subplots(1, len(plots), figsize=(4 * len(plots), 4), squeeze=False, layout="constrained")
for ax, plot in zip(axes.flat, plots):
    immunomon.gating_plot(ax, plot)
figure.suptitle(files[0].name);

# %% [markdown]
# ## Now try
#
# 1. Draw the lymphocytes closer: change the numbers of the rectangle, and run the notebook from there on.
# 2. Add a population below `cd4`: `CD25` high, with `method: valley, axis: CD25`. Is there a valley? If not, the plot shows
#    the fallback, and you decide whether it is right.
# 3. Use it in a study: put `my_strategy.yaml` into the study's folder `gating/`, name it in `study.yaml` under `panels`, and
#    start `immunomon run`.
