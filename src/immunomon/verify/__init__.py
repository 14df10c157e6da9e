"""A second, independent computation of what a run reports: other readers, other solvers, other gates.

Nothing here calls the kernels, the gates or the steps of the pipeline: what is compared is worked out twice.
"""
