"""What a reader of the validation document must know beside its figures."""

from __future__ import annotations

__all__ = ["AGREEMENT_NOTES", "EFFECT_NOTES", "LIMITS", "NULL_NOTES"]

AGREEMENT_NOTES = (
    "Error = gated percent of the gated parent - true percent of the true parent: errors in the parent count too.",
    "Only reportable frequencies count, as in every output; how many files are left out, and why, is in the last "
    "column. What is left out are the smallest populations, which are the hardest.",
    "Errors are medians over files unless said otherwise. pp = percentage points of the parent; bias = mean error; "
    "r = Pearson correlation over files; F1 = agreement event by event (1 if the gate holds the true members and no "
    "other event), in brackets the number of files.",
    "Targets: 0.5 pp for lineages, 10 % of the truth for Treg, Th1, Th17, NK and B subsets, as medians over files. "
    "Populations without a target are shown all the same.",
)
EFFECT_NOTES = (
    "Built in = mean log-odds effect over the patients who have an estimate, before biological noise from visit to "
    "visit; beside it the mean over all patients.",
    "In the files' truth = the mean change that perfect gating of the same files would find, noise included. Its "
    "distance to the estimate is what gating adds; its distance to what was built in is chance, and the loss of "
    "patients.",
    "Estimated = mean change over patients with its 95 % t interval, from the run's summary table.",
    "A patient whose population is below the limit of quantification at either visit has no estimate. A fall takes "
    "rare populations below the limit sooner than a rise, so what remains tilts upwards.",
    "Judged by the number of intervals that miss: a 95 % interval misses once in twenty by design.",
)
NULL_NOTES = (
    "The intervals are not independent: visits share their baseline, a population shares events with its parent and "
    "its siblings, T cells are measured in three tubes. The count scatters more than the binomial bound allows for, so "
    "a count within the bound is weak evidence, and one beyond it would be a reason to look, not a proof.",
    "Where the files' truth has moved as far as the estimate, the interval excludes no change because of the drawn "
    "biology, not because of the gating.",
)
LIMITS = (
    "The truth is the simulator's. How far its populations lie apart, and how they overlap, is assumed, not measured; "
    "real samples are messier in ways it does not know. What holds on real files is tested elsewhere (tests/real).",
    "Declared borders (the scatter polygon, slopes, fallbacks) were chosen with simulated files in view. Another seed "
    "is another draw from the same simulator, not another laboratory.",
    "One seed is one trial: a figure near its target may lie on its other side with another seed. Run the command with "
    "other seeds before resting on a verdict.",
    "Lymphocytes are gated by scatter alone; cells of their size that are none remain in the gate and in every percent "
    "of lymphocytes, and lymphocytes beyond the border are lost.",
    "The matrix in each file is the one that the simulator mixed with: errors of compensation and their drift are not "
    "tested. Staining does differ between batches and fades over the trial, and about one file in eight has a clog, a "
    "step or a drift in time; no such event is removed before gating.",
    "One cytometer, one operator, no missed visits, no mislabelled tubes.",
    "Intracellular cytokines are not simulated; that strategy is not validated here.",
    "With so few patients, an interval that holds the effect is mostly a wide interval.",
)
