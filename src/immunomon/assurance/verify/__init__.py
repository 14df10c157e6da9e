"""A second, independent computation of what a run reports: other readers, other solvers, other gates.

No kernel, gate or step of the pipeline works out a number here: what is compared is worked out twice. Of the product's
own code only the Gating-ML export is on the way, which is so verified too.
"""
